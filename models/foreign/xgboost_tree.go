package foreign

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
)

// xgbTree is one tree: node 0 is the root, a node without left child is a leaf.
type xgbTree struct {
	Left        []int32   `json:"left_children"`
	Right       []int32   `json:"right_children"`
	Feature     []int32   `json:"split_indices"`
	Condition   []float32 `json:"split_conditions"` // threshold, or the leaf's value
	DefaultLeft []number  `json:"default_left"`
	SplitType   []number  `json:"split_type"` // 1: categorical
	Hessian     []float32 `json:"sum_hessian"`
	BaseWeights []float32 `json:"base_weights"`
	LeafWeights []float32 `json:"leaf_weights"` // of vector leaves
	Categories  []int32   `json:"categories"`
	CatNodes    []int32   `json:"categories_nodes"`
	CatSegments []int32   `json:"categories_segments"`
	CatSizes    []int32   `json:"categories_sizes"`
	Param       struct {
		Nodes      number `json:"num_nodes"`
		LeafVector number `json:"size_leaf_vector"`
	} `json:"tree_param"`
}

// xgbNoChild marks a leaf.
const xgbNoChild = -1

// tree converts to the common form; ids are the node numbers of the leaves.
func (x *xgbTree) tree(e *models.Ensemble) (models.Tree, []int32, error) {
	n, err := x.check(e)
	if err != nil {
		return models.Tree{}, nil, err
	}
	place, ids := x.number(n)
	t, err := x.nodes(place)
	if err != nil {
		return t, nil, err
	}
	if err := x.categories(&t, place); err != nil {
		return t, nil, err
	}
	x.cover(&t, place, len(ids))
	return t, ids, x.leaves(&t, ids, e)
}

func (x *xgbTree) check(e *models.Ensemble) (int, error) {
	n := len(x.Left)
	for _, size := range [5]int{len(x.Right), len(x.Feature), len(x.Condition), len(x.DefaultLeft), int(x.Param.Nodes)} {
		if size != n {
			return 0, fmt.Errorf("%w: columns of a tree have %d and %d entries", ErrCorrupt, n, size)
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: a tree without nodes", ErrCorrupt)
	}
	if x.SplitType != nil && len(x.SplitType) != n {
		return 0, fmt.Errorf("%w: split_type of %d for %d nodes", ErrCorrupt, len(x.SplitType), n)
	}
	if vector := x.Param.LeafVector > 1; vector != e.VectorLeaves || (vector && int(x.Param.LeafVector) != e.Outputs) {
		return 0, fmt.Errorf("%w: leaf vector of %v for %d outputs", ErrCorrupt, float64(x.Param.LeafVector), e.Outputs)
	}
	return n, nil
}

// number gives each file node its child reference in the common form, keeping
// the order of the file. Nodes that pruning deleted are left out.
func (x *xgbTree) number(n int) (place []int32, ids []int32) {
	place = make([]int32, n)
	inner := int32(0)
	deleted := x.deleted(n)
	for i := range n {
		switch {
		case deleted[i]:
			place[i] = math.MinInt32
		case x.Left[i] == xgbNoChild:
			place[i] = ^int32(len(ids))
			ids = append(ids, int32(i))
		default:
			place[i] = inner
			inner++
		}
	}
	return place, ids
}

// deleted marks nodes that no node names as a child. A corrupt file shows as a
// tree that does not validate.
func (x *xgbTree) deleted(n int) []bool {
	deleted := make([]bool, n)
	for i := 1; i < n; i++ {
		deleted[i] = true
	}
	for i := range n {
		if x.Left[i] == xgbNoChild {
			continue
		}
		for _, c := range [2]int32{x.Left[i], x.Right[i]} {
			if c > 0 && int(c) < n {
				deleted[c] = false
			}
		}
	}
	return deleted
}

func (x *xgbTree) nodes(place []int32) (models.Tree, error) {
	var t models.Tree
	for i, p := range place {
		if p < 0 {
			continue
		}
		left, right := x.Left[i], x.Right[i]
		if left < 0 || int(left) >= len(place) || right < 0 || int(right) >= len(place) {
			return t, fmt.Errorf("%w: node %d has children %d and %d of %d", ErrCorrupt, i, left, right, len(place))
		}
		flags := models.NodeMissingNaN | models.NodeStrict
		if x.DefaultLeft[i] != 0 {
			flags |= models.NodeDefaultLeft
		}
		t.Feature = append(t.Feature, x.Feature[i])
		t.Threshold = append(t.Threshold, float64(x.Condition[i]))
		t.Flags = append(t.Flags, flags)
		t.Left, t.Right = append(t.Left, place[left]), append(t.Right, place[right])
	}
	return t, nil
}

// categories reads the sets. XGBoost sends members right, the common form left:
// the children change places.
func (x *xgbTree) categories(t *models.Tree, place []int32) error {
	if len(x.CatSegments) != len(x.CatNodes) || len(x.CatSizes) != len(x.CatNodes) {
		return fmt.Errorf("%w: category columns differ in length", ErrCorrupt)
	}
	if len(x.CatNodes) > 0 {
		t.CatOffset, t.CatWords = make([]int32, t.Nodes()), make([]int32, t.Nodes())
	}
	for i, node := range x.CatNodes {
		if node < 0 || int(node) >= len(place) {
			return fmt.Errorf("%w: categories of node %d of %d", ErrCorrupt, node, len(place))
		}
		from, size := int(x.CatSegments[i]), int(x.CatSizes[i])
		if from < 0 || size < 0 || from+size > len(x.Categories) {
			return fmt.Errorf("%w: categories %d+%d of %d", ErrCorrupt, from, size, len(x.Categories))
		}
		if at := place[node]; at >= 0 {
			if err := addXGBSet(t, at, x.Categories[from:from+size]); err != nil {
				return err
			}
		}
	}
	return x.checkSplitTypes(t, place)
}

func addXGBSet(t *models.Tree, at int32, codes []int32) error {
	if t.Flags[at]&models.NodeCategorical != 0 {
		return fmt.Errorf("%w: two category sets for one node", ErrCorrupt)
	}
	from := len(t.CatBits)
	for _, k := range codes {
		if k < 0 || k > maxCategory {
			return fmt.Errorf("%w: category %d", ErrCorrupt, k)
		}
		for len(t.CatBits)-from <= int(k>>5) {
			t.CatBits = append(t.CatBits, 0)
		}
		t.CatBits[from+int(k>>5)] |= 1 << (k & 31)
	}
	t.CatOffset[at], t.CatWords[at] = int32(from), int32(len(t.CatBits)-from)
	t.Left[at], t.Right[at] = t.Right[at], t.Left[at]
	t.Flags[at] = (t.Flags[at] | models.NodeCategorical) ^ models.NodeDefaultLeft
	t.Threshold[at] = 0
	return nil
}

// checkSplitTypes refuses a categorical node without a set.
func (x *xgbTree) checkSplitTypes(t *models.Tree, place []int32) error {
	for i, kind := range x.SplitType {
		at := place[i]
		if at >= 0 && (kind == 1) != (t.Flags[at]&models.NodeCategorical != 0) {
			return fmt.Errorf("%w: node %d: split_type and categories disagree", ErrCorrupt, i)
		}
	}
	return nil
}

func (x *xgbTree) cover(t *models.Tree, place []int32, leaves int) {
	if len(x.Hessian) != len(place) || t.Nodes() == 0 {
		return
	}
	n := t.Nodes()
	t.Cover = make([]float64, n+leaves)
	for i, p := range place {
		switch {
		case p >= 0:
			t.Cover[p] = float64(x.Hessian[i])
		case p != math.MinInt32:
			t.Cover[n+int(^p)] = float64(x.Hessian[i])
		}
	}
}

// leafSlot is where a leaf's vector lies: its right child says so, or its rank.
func (x *xgbTree) leafSlot(rank int, id int32) int {
	if at := x.Right[id]; at >= 0 {
		return int(at)
	}
	return rank
}

// leaves takes scalar leaves from split_conditions. Vector leaves lie in
// leaf_weights, in the order of their right_children (3.1 and later), or in
// base_weights by node.
func (x *xgbTree) leaves(t *models.Tree, ids []int32, e *models.Ensemble) error {
	if !e.VectorLeaves {
		t.Leaf = make([]float64, len(ids))
		for i, id := range ids {
			t.Leaf[i] = float64(x.Condition[id])
		}
		return nil
	}
	k := e.Outputs
	t.Leaf = make([]float64, 0, len(ids)*k)
	for i, id := range ids {
		from, source := int(id)*k, x.BaseWeights
		if len(x.LeafWeights) > 0 {
			from, source = x.leafSlot(i, id)*k, x.LeafWeights
		}
		if from < 0 || from+k > len(source) {
			return fmt.Errorf("%w: the vector of leaf %d lies outside %d weights", ErrCorrupt, id, len(source))
		}
		for _, v := range source[from : from+k] {
			t.Leaf = append(t.Leaf, float64(v))
		}
	}
	return nil
}
