package models

import (
	"errors"
	"fmt"
	"sync"
)

// maxShapDepth bounds the memory of one explanation (about 1 MB).
const maxShapDepth = 256

// ErrNotExplainable is wrapped by errors of NewTreeExplainer: the ensemble lacks
// what exact SHAP values need.
var ErrNotExplainable = errors.New("ensemble cannot be explained")

// TreeExplainer computes exact, path-dependent SHAP values of an ensemble
// (Lundberg et al., "Consistent Individualized Feature Attribution for Tree
// Ensembles", 2018, algorithm 2), in time leaves * depth^2 per tree. It is
// immutable and safe for concurrent use.
type TreeExplainer struct {
	ensemble *Ensemble
	expected []float64 // per output
	scratch  sync.Pool
}

// pathElement is one distinct feature on the path from the root.
type pathElement struct {
	feature   int32
	zero, one float64 // share of paths that flow through when the feature is unknown, known
	weight    float64
}

// NewTreeExplainer checks that e has covers and constant leaves and computes its
// expected values.
func NewTreeExplainer(e *Ensemble) (*TreeExplainer, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("explain ensemble: %w", err)
	}
	x := &TreeExplainer{ensemble: e, expected: make([]float64, e.Outputs)}
	copy(x.expected, e.Base)
	deepest := 0
	for t := range e.Trees {
		tree := &e.Trees[t]
		if tree.Linear != nil {
			return nil, fmt.Errorf("tree %d has linear leaves: %w", t, ErrNotExplainable)
		}
		if tree.Cover == nil && tree.Nodes() > 0 {
			return nil, fmt.Errorf("tree %d has no covers: %w", t, ErrNotExplainable)
		}
		deepest = max(deepest, tree.depth())
		x.expect(t)
	}
	if deepest > maxShapDepth {
		return nil, fmt.Errorf("a tree is %d deep, the limit is %d: %w", deepest, maxShapDepth, ErrNotExplainable)
	}
	size := (deepest + 2) * (deepest + 3) / 2
	x.scratch.New = func() any {
		path := make([]pathElement, size)
		return &path
	}
	return x, nil
}

// depth is the number of nodes on the longest path.
func (t *Tree) depth() int {
	if t.Nodes() == 0 {
		return 0
	}
	type place struct {
		node  int32
		depth int
	}
	deepest, stack := 0, []place{{0, 1}}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		deepest = max(deepest, p.depth)
		for _, c := range [2]int32{t.Left[p.node], t.Right[p.node]} {
			if c >= 0 {
				stack = append(stack, place{c, p.depth + 1})
			}
		}
	}
	return deepest
}

// expect adds the cover-weighted mean of tree t to the expected values.
func (x *TreeExplainer) expect(t int) {
	e := x.ensemble
	tree := &e.Trees[t]
	width, first := e.leafWidth(), e.Output(t)
	if tree.Nodes() == 0 {
		for k, v := range tree.Leaf {
			x.expected[first+k] += v
		}
		return
	}
	type place struct {
		child int32
		share float64
	}
	for stack := []place{{0, 1}}; len(stack) > 0; {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if p.child < 0 {
			for k := range width {
				x.expected[first+k] += p.share * tree.Leaf[int(^p.child)*width+k]
			}
			continue
		}
		left, right := tree.shares(p.child)
		stack = append(stack, place{tree.Right[p.child], p.share * right}, place{tree.Left[p.child], p.share * left})
	}
}

// shares is how the training weight of a node split over its children.
func (t *Tree) shares(node int32) (left, right float64) {
	total := t.Cover[node]
	if total <= 0 {
		return 0.5, 0.5
	}
	return t.coverOf(t.Left[node]) / total, t.coverOf(t.Right[node]) / total
}

func (t *Tree) coverOf(c int32) float64 {
	if c >= 0 {
		return t.Cover[c]
	}
	return t.Cover[t.Nodes()+int(^c)]
}

// Contributions fills contrib, per output, with one value per feature and a last
// one, the expected value; they add up to Ensemble.Raw of x.
func (x *TreeExplainer) Contributions(row, contrib []float64) {
	e := x.ensemble
	stride := len(e.Features) + 1
	clear(contrib[:stride*e.Outputs])
	for k, v := range x.expected {
		contrib[k*stride+stride-1] = v
	}
	if e.Float32 {
		row = roundRow(row)
	}
	path := x.scratch.Get().(*[]pathElement)
	for t := range e.Trees {
		if e.Trees[t].Nodes() == 0 {
			continue
		}
		w := shapWalk{
			tree: &e.Trees[t], row: row, width: e.leafWidth(), stride: stride,
			contrib: contrib[e.Output(t)*stride:],
		}
		w.visit(0, 0, *path, pathElement{feature: -1, zero: 1, one: 1})
	}
	x.scratch.Put(path)
}

// shapWalk is the recursion over one tree.
type shapWalk struct {
	tree          *Tree
	row           []float64
	width, stride int
	contrib       []float64
}

// visit extends the first depth elements of path by in and descends. Elements
// behind depth are free; each level copies its path there, so that its sibling
// finds it unchanged.
func (w *shapWalk) visit(child int32, depth int, path []pathElement, in pathElement) {
	path[depth] = in
	extendPath(path[:depth+1])
	if child < 0 {
		w.leaf(int(^child), path[:depth+1])
		return
	}
	t := w.tree
	feature := t.Feature[child]
	hot, cold := t.Right[child], t.Left[child]
	coldShare, hotShare := t.shares(child)
	if t.goesLeft(child, w.row[feature]) {
		hot, cold = cold, hot
		hotShare, coldShare = coldShare, hotShare
	}
	zero, one := 1.0, 1.0
	for i := 1; i <= depth; i++ {
		if path[i].feature == feature {
			zero, one = path[i].zero, path[i].one
			unwindPath(path[:depth+1], i)
			depth--
			break
		}
	}
	w.descend(hot, depth, path, pathElement{feature: feature, zero: zero * hotShare, one: one})
	w.descend(cold, depth, path, pathElement{feature: feature, zero: zero * coldShare})
}

func (w *shapWalk) descend(child int32, depth int, path []pathElement, in pathElement) {
	if in.zero == 0 && in.one == 0 {
		return // nothing flows here, known or unknown
	}
	next := path[depth+1:]
	copy(next, path[:depth+1])
	w.visit(child, depth+1, next, in)
}

func (w *shapWalk) leaf(leaf int, path []pathElement) {
	for i := 1; i < len(path); i++ {
		share := unwoundSum(path, i) * (path[i].one - path[i].zero)
		for k := range w.width {
			w.contrib[k*w.stride+int(path[i].feature)] += share * w.tree.Leaf[leaf*w.width+k]
		}
	}
}

// extendPath accounts for the last element of path, just appended (EXTEND).
func extendPath(path []pathElement) {
	depth := len(path) - 1
	in := &path[depth]
	in.weight = 0
	if depth == 0 {
		in.weight = 1
	}
	for i := depth - 1; i >= 0; i-- {
		path[i+1].weight += in.one * path[i].weight * float64(i+1) / float64(depth+1)
		path[i].weight = in.zero * path[i].weight * float64(depth-i) / float64(depth+1)
	}
}

// unwindPath takes element at back out of path (UNWIND); the last place is then free.
func unwindPath(path []pathElement, at int) {
	depth := len(path) - 1
	one, zero := path[at].one, path[at].zero
	next := path[depth].weight
	for i := depth - 1; i >= 0; i-- {
		if one != 0 {
			w := path[i].weight
			path[i].weight = next * float64(depth+1) / (float64(i+1) * one)
			next = w - path[i].weight*zero*float64(depth-i)/float64(depth+1)
		} else {
			path[i].weight = path[i].weight * float64(depth+1) / (zero * float64(depth-i))
		}
	}
	for i := at; i < depth; i++ {
		path[i].feature, path[i].zero, path[i].one = path[i+1].feature, path[i+1].zero, path[i+1].one
	}
}

// unwoundSum is the total weight of path after unwinding element at.
func unwoundSum(path []pathElement, at int) float64 {
	depth := len(path) - 1
	one, zero := path[at].one, path[at].zero
	next, total := path[depth].weight, 0.0
	for i := depth - 1; i >= 0; i-- {
		if one != 0 {
			w := next * float64(depth+1) / (float64(i+1) * one)
			total += w
			next = path[i].weight - w*zero*float64(depth-i)/float64(depth+1)
		} else {
			total += path[i].weight * float64(depth+1) / (zero * float64(depth-i))
		}
	}
	return total
}
