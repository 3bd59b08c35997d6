package foreign

import "fmt"

// Codes of the operator TreeEnsemble (ai.onnx.ml opset 5).
var (
	tree5Modes      = [...]string{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"}
	tree5Transforms = [...]string{"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"}
	tree5Aggregates = [...]string{"AVERAGE", "SUM"}
)

// tree5 reads the columns of TreeEnsemble: nodes and leaves are numbered over
// all trees, trees are given by their roots.
type tree5 struct {
	feature, yes, no, yesLeaf, noLeaf, missing []int64
	split, mode                                []float64
	leafTarget                                 []int64
	leafWeight                                 []float64
	nodes                                      onnxNodes
	votes                                      onnxVotes
}

func buildTreeEnsemble(n *onnxNode) (onnxOp, error) {
	t := &tree5{
		feature: n.ints("nodes_featureids"), yes: n.ints("nodes_truenodeids"), no: n.ints("nodes_falsenodeids"),
		yesLeaf: n.ints("nodes_trueleafs"), noLeaf: n.ints("nodes_falseleafs"),
		missing: n.ints("nodes_missing_value_tracks_true"),
		split:   n.numbers("nodes_splits"), mode: n.numbers("nodes_modes"),
		leafTarget: n.ints("leaf_targetids"), leafWeight: n.numbers("leaf_weights"),
	}
	targets := n.int("n_targets", 1)
	if targets < 1 || targets > maxElements {
		return nil, fmt.Errorf("%w: n_targets %d", ErrCorrupt, targets)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	for i, root := range n.ints("tree_roots") {
		if err := t.tree(int64(i), root); err != nil {
			return nil, fmt.Errorf("tree %d: %w", i, err)
		}
	}
	transform, aggregate := n.int("post_transform", 0), n.int("aggregate_function", 1)
	if transform < 0 || int(transform) >= len(tree5Transforms) || aggregate < 0 || int(aggregate) >= len(tree5Aggregates) {
		return nil, fmt.Errorf("%w: post_transform %d, aggregate_function %d", ErrUnsupported, transform, aggregate)
	}
	plain := &onnxNode{op: n.op, attrs: map[string]*onnxAttr{"post_transform": {s: tree5Transforms[transform]}}}
	return treeRegressor(plain, &t.nodes, &t.votes, int(targets), tree5Aggregates[aggregate])
}

func (t *tree5) check() error {
	size := len(t.feature)
	for _, other := range [6]int{len(t.yes), len(t.no), len(t.yesLeaf), len(t.noLeaf), len(t.split), len(t.mode)} {
		if other != size {
			return fmt.Errorf("%w: tree columns of %d and %d entries", ErrCorrupt, size, other)
		}
	}
	if len(t.missing) != 0 && len(t.missing) != size {
		return fmt.Errorf("%w: missing_value_tracks_true of %d for %d nodes", ErrCorrupt, len(t.missing), size)
	}
	if len(t.leafTarget) != len(t.leafWeight) {
		return fmt.Errorf("%w: %d leaf targets, %d leaf weights", ErrCorrupt, len(t.leafTarget), len(t.leafWeight))
	}
	return nil
}

// tree files the nodes below a root. Nodes keep their number, leaves follow them.
func (t *tree5) tree(id, root int64) error {
	if root < 0 || root >= int64(len(t.feature)) {
		return fmt.Errorf("%w: root %d of %d nodes", ErrCorrupt, root, len(t.feature))
	}
	if t.yesLeaf[root] != 0 && t.noLeaf[root] != 0 && t.yes[root] == t.no[root] {
		return t.leaf(id, t.yes[root]) // a tree of one leaf
	}
	for stack := []int64{root}; len(stack) > 0; {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if i < 0 || i >= int64(len(t.feature)) || len(t.nodes.tree) > 2*(len(t.feature)+len(t.leafTarget)) {
			return fmt.Errorf("%w: node %d of %d, or a cycle", ErrCorrupt, i, len(t.feature))
		}
		yes, no := t.yes[i], t.no[i]
		if err := t.node(id, i); err != nil {
			return err
		}
		for _, c := range [2]struct{ leaf, at int64 }{{t.noLeaf[i], no}, {t.yesLeaf[i], yes}} {
			if c.leaf == 0 {
				stack = append(stack, c.at)
			} else if err := t.leaf(id, c.at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tree5) node(id, i int64) error {
	mode := t.mode[i]
	if !(mode >= 0 && int(mode) < len(tree5Modes)) {
		return fmt.Errorf("%w: node mode %v of TreeEnsemble", ErrUnsupported, mode)
	}
	child := func(leaf, at int64) int64 {
		if leaf != 0 {
			return int64(len(t.feature)) + at
		}
		return at
	}
	c := &t.nodes
	c.tree, c.id, c.feature = append(c.tree, id), append(c.id, i), append(c.feature, t.feature[i])
	c.yes, c.no = append(c.yes, child(t.yesLeaf[i], t.yes[i])), append(c.no, child(t.noLeaf[i], t.no[i]))
	c.value, c.mode = append(c.value, t.split[i]), append(c.mode, tree5Modes[int(mode)])
	missing := int64(0)
	if len(t.missing) > 0 {
		missing = t.missing[i]
	}
	c.missing = append(c.missing, missing)
	return nil
}

func (t *tree5) leaf(id, at int64) error {
	if at < 0 || at >= int64(len(t.leafTarget)) {
		return fmt.Errorf("%w: leaf %d of %d", ErrCorrupt, at, len(t.leafTarget))
	}
	place := int64(len(t.feature)) + at
	c, v := &t.nodes, &t.votes
	c.tree, c.id, c.feature = append(c.tree, id), append(c.id, place), append(c.feature, 0)
	c.yes, c.no = append(c.yes, 0), append(c.no, 0)
	c.value, c.mode, c.missing = append(c.value, 0), append(c.mode, "LEAF"), append(c.missing, 0)
	v.tree, v.node = append(v.tree, id), append(v.node, place)
	v.output, v.weight = append(v.output, t.leafTarget[at]), append(v.weight, t.leafWeight[at])
	return nil
}
