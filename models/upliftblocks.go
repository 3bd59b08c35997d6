package models

import (
	"fmt"
	"math/bits"
)

// treeBlocks scores all boosted models of an Uplift together: an input is applied
// once to the masks of all their trees, and a tree that several models share (the
// arms of an S-learner) is held once. Each model's sum is bit for bit its own.
type treeBlocks struct {
	scorer *Scorer // nil: there are none
	blocks []treeBlock
}

// treeBlock is one model of one output.
type treeBlock struct {
	ensemble *Ensemble
	trees    []int32 // in the order of the ensemble, by their number in the scorer
	output   int     // of the Uplift
}

// blockable reports whether a predictor can be a block.
func blockable(p *Predictor) bool { return p.Trees != nil && p.Trees.Outputs == 1 }

// newTreeBlocks compiles the blockable predictors, which are checked.
func newTreeBlocks(predictors []Predictor, features []Feature, at []int) (treeBlocks, error) {
	var b treeBlocks
	all := &Ensemble{Features: features, Outputs: 1}
	known := map[string]int32{}
	for i := range predictors {
		if !blockable(&predictors[i]) {
			continue
		}
		e := predictors[i].Trees
		block := treeBlock{ensemble: e, output: at[i]}
		for t := range e.Trees {
			key := e.Trees[t].scoringKey()
			n, ok := known[key]
			if !ok {
				n = int32(len(all.Trees))
				known[key] = n
				all.Trees = append(all.Trees, e.Trees[t])
			}
			block.trees = append(block.trees, n)
		}
		b.blocks = append(b.blocks, block)
	}
	if len(b.blocks) == 0 {
		return b, nil
	}
	var err error
	if b.scorer, err = NewScorer(all); err != nil {
		return b, fmt.Errorf("boosted models: %w", err)
	}
	return b, nil
}

// scoringKey is equal for trees that give every row the same value.
func (t *Tree) scoringKey() string {
	scored := *t
	scored.Cover = nil
	var e encoder
	encodeTree(&e, &scored)
	return string(e.b)
}

// fill writes the outputs of all blocks.
func (b *treeBlocks) fill(x, outputs []float64) {
	s := b.scorer
	if s == nil {
		return
	}
	w := s.scratch.Get().(*workspace)
	s.load(x, w)
	for i := range b.blocks {
		k := &b.blocks[i]
		out := outputs[k.output : k.output+1]
		out[0] = b.sum(k, w)
		k.ensemble.ApplyLink(out)
	}
	s.scratch.Put(w)
}

// sum adds the leaves of a block's trees in its own order.
func (b *treeBlocks) sum(k *treeBlock, w *workspace) float64 {
	s := b.scorer
	total := k.ensemble.Base[0]
	if !s.needRow {
		for _, t := range k.trees {
			total += s.leaves[int(s.leafFrom[t])+bits.TrailingZeros64(w.masks[t])]
		}
		return total
	}
	for _, t := range k.trees {
		total += s.vector(int(t), w)[0]
	}
	return total
}
