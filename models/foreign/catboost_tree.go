package foreign

import (
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// maxObliviousDepth is CatBoost's own limit on the depth of symmetric trees.
const maxObliviousDepth = 16

func (r *catReader) trees() error {
	r.countBins()
	for i := range r.file.Oblivious {
		t, err := r.oblivious(&r.file.Oblivious[i])
		if err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		r.ensemble.Trees = append(r.ensemble.Trees, t)
	}
	for i, root := range r.file.Trees {
		b := catTreeBuilder{reader: r}
		if _, err := b.add(root); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
		b.tree.Cover = slices.Concat(b.nodeWeights, b.leafWeights)
		r.ensemble.Trees = append(r.ensemble.Trees, b.tree)
	}
	return nil
}

// countBins numbers splits as CatBoost does: all borders of floats, all one-hot
// values, then all borders of ctrs. bins holds the first number of each ctr and the end.
func (r *catReader) countBins() {
	n := 0
	for _, f := range r.file.Features.Float {
		n += len(f.Borders)
	}
	for _, c := range r.file.Features.Cat {
		n += len(c.Values)
	}
	for _, c := range r.file.Features.Ctrs {
		r.bins = append(r.bins, n)
		n += len(c.Borders)
	}
	r.bins = append(r.bins, n)
}

// test is one split in the common form: left is where the split is not true,
// except for equality, which sends equal values left.
type test struct {
	feature   int32
	threshold float64
	flags     uint8
}

func (r *catReader) test(s *catSplit) (test, error) {
	if err := finite(s.Border); err != nil {
		return test{}, err
	}
	switch s.Type {
	case "FloatFeature":
		f, ok := r.floats[s.Float]
		if !ok {
			return test{}, fmt.Errorf("%w: split on float feature %d", ErrCorrupt, s.Float)
		}
		flags, err := catNaN(f.NaN)
		return test{feature: int32(f.Flat), threshold: s.Border, flags: flags}, err
	case "OneHotFeature":
		c, ok := r.cats[s.Cat]
		if !ok {
			return test{}, fmt.Errorf("%w: split on categorical feature %d", ErrCorrupt, s.Cat)
		}
		return test{feature: int32(c.Flat), threshold: float64(s.Value), flags: models.NodeEqual | models.NodeMissingNaN}, nil
	case "OnlineCtr":
		ctr, err := r.ctrOf(s.Index)
		return test{feature: int32(r.firstCtr + ctr), threshold: s.Border, flags: models.NodeMissingNaN | models.NodeDefaultLeft}, err
	default:
		return test{}, fmt.Errorf("%w: CatBoost split_type %q", ErrUnsupported, s.Type)
	}
}

// catNaN says where a missing number goes: a split is true for what is above its border.
func catNaN(treatment string) (uint8, error) {
	switch treatment {
	case "AsIs", "AsFalse":
		return models.NodeMissingNaN | models.NodeDefaultLeft, nil
	case "AsTrue":
		return models.NodeMissingNaN, nil
	default:
		return 0, fmt.Errorf("%w: CatBoost nan_value_treatment %q", ErrUnsupported, treatment)
	}
}

func (r *catReader) ctrOf(split int) (int, error) {
	for i := range r.file.Features.Ctrs {
		if split >= r.bins[i] && split < r.bins[i+1] {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%w: split_index %d is not the border of a ctr", ErrCorrupt, split)
}

// addNode appends the test and hangs the branches where it is false and true.
func addNode(t *models.Tree, at test, isFalse, isTrue int32) {
	if at.flags&models.NodeEqual != 0 {
		isFalse, isTrue = isTrue, isFalse
	}
	t.Feature = append(t.Feature, at.feature)
	t.Threshold = append(t.Threshold, at.threshold)
	t.Flags = append(t.Flags, at.flags)
	t.Left, t.Right = append(t.Left, isFalse), append(t.Right, isTrue)
}

// oblivious writes a symmetric tree out in full. Split i of depth d gives bit i
// of the leaf's number; the root tests the highest, so that nodes lie as in a heap.
func (r *catReader) oblivious(o *catOblivious) (models.Tree, error) {
	var t models.Tree
	depth := len(o.Splits)
	if depth > maxObliviousDepth {
		return t, fmt.Errorf("%w: symmetric tree of depth %d", ErrUnsupported, depth)
	}
	leaves := 1 << depth
	if len(o.Leaf) != leaves*r.width {
		return t, fmt.Errorf("%w: %d leaf values for depth %d and %d outputs", ErrCorrupt, len(o.Leaf), depth, r.width)
	}
	t.Leaf = scaled(o.Leaf, r.scale)
	for level := range depth {
		at, err := r.test(&o.Splits[depth-1-level])
		if err != nil {
			return t, err
		}
		for i := range 1 << level {
			child := int32(2*(1<<level+i) - 1)
			if level == depth-1 {
				addNode(&t, at, ^int32(2*i), ^int32(2*i+1))
			} else {
				addNode(&t, at, child, child+1)
			}
		}
	}
	if len(o.Weights) == leaves && depth > 0 {
		t.Cover = heapCover(o.Weights)
	}
	return t, nil
}

// heapCover sums the weights of the leaves of a full tree upwards.
func heapCover(weights []float64) []float64 {
	n := len(weights) - 1
	cover := make([]float64, 2*n+1)
	copy(cover[n:], weights)
	for i := n - 1; i >= 0; i-- {
		cover[i] = cover[2*i+1] + cover[2*i+2]
	}
	return cover
}

func scaled(v []float64, by float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = v[i] * by
	}
	return out
}

// catTreeBuilder flattens a nested tree.
type catTreeBuilder struct {
	reader      *catReader
	tree        models.Tree
	nodeWeights []float64
	leafWeights []float64
}

func (b *catTreeBuilder) add(n *catNode) (int32, error) {
	if n == nil {
		return 0, fmt.Errorf("%w: a node lacks a child", ErrCorrupt)
	}
	if n.Split == nil {
		return b.addLeaf(n)
	}
	at, err := b.reader.test(n.Split)
	if err != nil {
		return 0, err
	}
	node := int32(b.tree.Nodes())
	addNode(&b.tree, at, 0, 0)
	b.nodeWeights = append(b.nodeWeights, 0)
	isFalse, err := b.add(n.Left)
	if err != nil {
		return 0, err
	}
	isTrue, err := b.add(n.Right)
	if err != nil {
		return 0, err
	}
	b.nodeWeights[node] = b.weight(isFalse) + b.weight(isTrue)
	if at.flags&models.NodeEqual != 0 {
		isFalse, isTrue = isTrue, isFalse
	}
	b.tree.Left[node], b.tree.Right[node] = isFalse, isTrue
	return node, nil
}

func (b *catTreeBuilder) addLeaf(n *catNode) (int32, error) {
	if n.Left != nil || n.Right != nil || len(n.Value) != b.reader.width {
		return 0, fmt.Errorf("%w: a leaf has %d values for %d outputs", ErrCorrupt, len(n.Value), b.reader.width)
	}
	b.tree.Leaf = append(b.tree.Leaf, scaled(n.Value, b.reader.scale)...)
	b.leafWeights = append(b.leafWeights, n.Weight)
	return ^int32(len(b.leafWeights) - 1), nil
}

func (b *catTreeBuilder) weight(c int32) float64 {
	if c >= 0 {
		return b.nodeWeights[c]
	}
	return b.leafWeights[^c]
}
