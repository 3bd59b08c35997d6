package models

import (
	"fmt"
	"math"
	"math/bits"
	"sync"
)

// maskLeaves is the number of leaves a tree mask can hold.
const maskLeaves = 64

// Scorer evaluates an ensemble by bit masks in place of walks (QuickScorer,
// Lucchese et al., SIGIR 2015): every node that sends the row right clears the
// leaves below its left child from the mask of its tree, and the lowest leaf
// left over is the one reached. Nodes are kept per input, ordered by threshold,
// so that an input costs one search and its false nodes only. The result is bit
// for bit that of Ensemble.Raw.
//
// Trees of more than 64 leaves are walked. A Scorer is immutable and safe for
// concurrent use; scoring does not allocate once its scratch is warm.
type Scorer struct {
	ensemble *Ensemble
	start    []uint64 // per tree: all leaves
	first    []int32  // per feature f: columns[first[f]:first[f+1]] test it
	columns  []column
	// Numeric nodes by column and threshold: a row above uniq[i] makes entries up to ends[i] false.
	uniq   []float64
	ends   []int32
	bucket []int32 // first threshold of each bucket of each column, and the end
	// Entries: what a false node clears.
	entryTree []uint16
	entryMask []uint64
	special   []specialNode
	sets      []specialNode // categorical nodes that codeStart covers
	codeStart []int32       // first entry per code of each categorical column, and the end
	leafFrom  []int32       // per tree: its first value in leaves
	leaves    []float64     // leaf values by tree, from left to right
	leafID    []int32       // the index in Tree.Leaf of each leaf in leaves order; per tree at leafStart
	leafStart []int32
	walked    []bool // per tree: has no mask
	needRow   bool   // some tree is walked or has linear leaves
	walkTrees []walkedTree
	nodes     []walkedNode
	nodeLeaf  []int32 // per node that is a leaf: its index in Tree.Leaf
	odd       []oddNode
	scratch   sync.Pool
}

// column is the nodes that test one feature under one rule for missing values.
type column struct {
	missing  uint8 // NodeMissingNaN, NodeMissingZero or 0
	from, to int32 // thresholds in uniq
	// A value v lies in bucket (v-low)*scale of the column, clamped to 0..last.
	// The rule never falls as v grows, so thresholds in lower buckets are below v.
	low, scale, last       float64
	bucket                 int32 // first of its buckets
	entry                  int32 // first entry
	missFrom, missTo       int32 // entries that a missing value makes false
	specialFrom, specialTo int32 // nodes that are tested one by one
	// Category sets: entries of code k are those of list category+k; none if codes is 0.
	codes, category int32
	setFrom, setTo  int32 // the same nodes, one by one
}

// specialNode is a node that no threshold search can answer.
type specialNode struct {
	tree, node int32
	mask       uint64
}

// workspace is what one evaluation writes to.
type workspace struct {
	masks []uint64
	row   []float64
	sums  []float64
	// Of walks: the row in the ways it is read, and per walked tree the leaf reached.
	inputs []float64
	found  []int32
}

// NewScorer validates and compiles e, which must not be changed afterwards.
func NewScorer(e *Ensemble) (*Scorer, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("compile ensemble: %w", err)
	}
	s := compileScorer(e)
	s.scratch.New = func() any {
		w := &workspace{
			masks: make([]uint64, len(e.Trees)),
			row:   make([]float64, len(e.Features)),
			sums:  make([]float64, e.Outputs),
		}
		if len(s.walkTrees) > 0 {
			w.inputs, w.found = make([]float64, walkInputs*len(e.Features)), make([]int32, len(e.Trees))
		}
		return w
	}
	return s, nil
}

// Ensemble is what the scorer was compiled from; it must not be changed.
func (s *Scorer) Ensemble() *Ensemble { return s.ensemble }

// Raw fills out (one value per output) with the sums of the trees before
// Average and Link, for the row x in the order of the ensemble's features.
func (s *Scorer) Raw(x, out []float64) {
	w := s.scratch.Get().(*workspace)
	s.load(x, w)
	s.sum(w, nil, out)
	s.scratch.Put(w)
}

// Predict is Raw followed by the link; out needs one value per output.
func (s *Scorer) Predict(x, out []float64) {
	s.Raw(x, out)
	s.ensemble.ApplyLink(out)
}

// FindLeaves fills leaves with the index of the leaf that x reaches in each tree.
func (s *Scorer) FindLeaves(x []float64, leaves []int) {
	w := s.scratch.Get().(*workspace)
	s.load(x, w)
	for t := range s.start {
		if s.walked[t] {
			leaves[t] = int(w.found[t])
			continue
		}
		leaves[t] = int(s.leafID[int(s.leafStart[t])+bits.TrailingZeros64(w.masks[t])])
	}
	s.scratch.Put(w)
}

// load applies a whole row to fresh masks.
func (s *Scorer) load(x []float64, w *workspace) {
	copy(w.masks, s.start)
	for f := range s.ensemble.Features {
		v := s.round(x[f])
		if s.needRow {
			w.row[f] = v
		}
		s.apply(w.masks, f, v)
	}
	s.walk(w)
}

func (s *Scorer) round(v float64) float64 {
	if s.ensemble.Float32 {
		return float64(float32(v))
	}
	return v
}

// apply clears from masks what the value v of feature f makes unreachable.
func (s *Scorer) apply(masks []uint64, f int, v float64) {
	for i := s.first[f]; i < s.first[f+1]; i++ {
		c := &s.columns[i]
		if c.missing != 0 && isMissing(v, c.missing) {
			s.clear(masks, c.missFrom, c.missTo)
			continue
		}
		if c.specialFrom < c.specialTo {
			s.applySpecial(masks, s.special[c.specialFrom:c.specialTo], v)
		}
		if c.codes > 0 {
			s.applyCategory(masks, c, v)
		}
		if n := s.falseNodes(c, v); n > c.entry {
			s.clear(masks, c.entry, n)
		}
	}
}

// falseNodes is the end of the entries whose threshold is below v.
func (s *Scorer) falseNodes(c *column, v float64) int32 {
	if v != v {
		v = 0
	}
	at := s.bucket[c.bucket+c.place(v):]
	from, n := at[0], at[1]-at[0]
	for n > 0 {
		half := n >> 1
		if s.uniq[from+half] < v {
			from += half + 1
			n -= half + 1
		} else {
			n = half
		}
	}
	if from == c.from {
		return c.entry
	}
	return s.ends[from-1]
}

// place is the bucket of v.
func (c *column) place(v float64) int32 {
	switch at := (v - c.low) * c.scale; {
	case at >= c.last:
		return int32(c.last)
	case at > 0:
		return int32(at)
	default:
		return 0
	}
}

// clear applies entries, four to a turn of the loop.
func (s *Scorer) clear(masks []uint64, from, to int32) {
	trees, clears := s.entryTree[from:to], s.entryMask[from:to]
	for len(trees) >= 4 && len(clears) >= 4 {
		masks[trees[0]] &= clears[0]
		masks[trees[1]] &= clears[1]
		masks[trees[2]] &= clears[2]
		masks[trees[3]] &= clears[3]
		trees, clears = trees[4:], clears[4:]
	}
	for i, t := range trees {
		masks[t] &= clears[i]
	}
}

func (s *Scorer) applySpecial(masks []uint64, nodes []specialNode, v float64) {
	for _, n := range nodes {
		if !s.ensemble.Trees[n.tree].goesLeft(n.node, v) {
			masks[n.tree] &= n.mask
		}
	}
}

// sum adds the leaves that masks (and, unless nil, the masks of an offer) leave over.
func (s *Scorer) sum(w *workspace, offer []uint64, out []float64) {
	if s.needRow || s.ensemble.Outputs > 1 || s.ensemble.Float32Sum {
		s.sumAny(w, offer, out)
		return
	}
	total := s.base(0)
	for t, m := range w.masks {
		if offer != nil {
			m &= offer[t]
		}
		total += s.leaves[int(s.leafFrom[t])+bits.TrailingZeros64(m)]
	}
	out[0] = total
}

// sumAny is sum for walked trees, linear leaves, several outputs and 32-bit sums.
func (s *Scorer) sumAny(w *workspace, offer []uint64, out []float64) {
	e := s.ensemble
	width := e.leafWidth()
	for k := range e.Outputs {
		out[k] = s.base(k)
	}
	for t, m := range w.masks {
		if offer != nil {
			m &= offer[t]
		}
		first := e.Output(t)
		tree := &e.Trees[t]
		if s.walked[t] || tree.Linear != nil {
			leaf := s.leafOf(t, m, w)
			for k := range width {
				out[first+k] = e.add(out[first+k], tree.leafValue(leaf, k, width, w.row))
			}
			continue
		}
		at := int(s.leafFrom[t]) + bits.TrailingZeros64(m)*width
		for k, v := range s.leaves[at : at+width] {
			out[first+k] = e.add(out[first+k], v)
		}
	}
}

func (s *Scorer) leafOf(t int, m uint64, w *workspace) int {
	if s.walked[t] {
		return int(w.found[t])
	}
	return int(s.leafID[int(s.leafStart[t])+bits.TrailingZeros64(m)])
}

func (s *Scorer) base(k int) float64 {
	if s.ensemble.Base == nil {
		return 0
	}
	return s.ensemble.Base[k]
}

// below is the largest float64 under v: x < v is x <= below(v).
func below(v float64) float64 { return math.Nextafter(v, math.Inf(-1)) }
