package models

import (
	"fmt"
	"math/bits"
)

// forestScorer finds the leaves of a forest by the masks of Scorer.
type forestScorer struct {
	forest *Forest
	leaves *Scorer
}

func newForestScorer(f *Forest, features []Feature) (*forestScorer, error) {
	if err := f.check(len(features)); err != nil {
		return nil, err
	}
	s, err := NewScorer(f.ensemble(features))
	if err != nil {
		return nil, fmt.Errorf("forest: %w", err)
	}
	return &forestScorer{forest: f, leaves: s}, nil
}

// fill writes the mean effect per arm, then its variance per arm:
// between-group variance less what trees within a group explain, shrunk.
func (s *forestScorer) fill(x, out []float64) {
	f := s.forest
	k := f.Arms
	mean, second := out[:k], out[k:]
	clear(out)
	var groupBuf, withinBuf [MaxUpliftOutputs / 2]float64
	within := withinBuf[:k] // Σ of squared tree values
	group := groupBuf[:k]
	w := s.leaves.scratch.Get().(*workspace)
	s.leaves.load(x, w)
	for at := 0; at < len(f.Trees); at += f.Group {
		clear(group)
		for t := at; t < at+f.Group; t++ {
			for a, v := range s.leaves.vector(t, w) {
				group[a] += v
				within[a] += v * v
			}
		}
		for a, v := range group {
			mean[a] += v
			second[a] += v * v
		}
	}
	s.leaves.scratch.Put(w)
	n, g := float64(len(f.Trees)), float64(f.Group)
	groups := n / g
	for a := range mean {
		m := mean[a] / n
		between := second[a]/(g*g*groups) - m*m
		noise := (within[a]/n - second[a]/(g*g*groups)) / (g - 1)
		v := f.PriorVariance[a]
		raw := max(between-noise, 0)
		mean[a] = m
		second[a] = (groups*raw + ForestPriorGroups*v) / (groups + ForestPriorGroups)
	}
}

// vector is the leaf of tree t that a loaded row reaches.
func (s *Scorer) vector(t int, w *workspace) []float64 {
	width := s.ensemble.Outputs
	if s.walked[t] {
		leaf := int(w.found[t])
		return s.ensemble.Trees[t].Leaf[leaf*width : (leaf+1)*width]
	}
	at := int(s.leafFrom[t]) + bits.TrailingZeros64(w.masks[t])*width
	return s.leaves[at : at+width]
}
