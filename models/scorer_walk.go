package models

// walkedNode is a node of a tree that is walked, in one place of memory. A child
// below 0 is the leaf ^child, else an index into Scorer.nodes.
type walkedNode struct {
	threshold   float64
	left, right int32
	feature     int32
	special     bool // the node's test is not only x <= threshold with NaN as missing
}

// walkedTree is a tree of more leaves than a mask holds.
type walkedTree struct {
	tree  int32
	first int32 // its node 0 in Scorer.nodes
	root  int32 // first, or the leaf 0 of a tree without nodes
}

// addWalked lays a tree out for walking.
func (s *Scorer) addWalked(t int) {
	tree := &s.ensemble.Trees[t]
	w := walkedTree{tree: int32(t), first: int32(len(s.nodes)), root: int32(len(s.nodes))}
	if tree.Nodes() == 0 {
		w.root = ^0
	}
	inner := func(c int32) int32 {
		if c < 0 {
			return c
		}
		return w.first + c
	}
	for i, flags := range tree.Flags {
		s.nodes = append(s.nodes, walkedNode{
			threshold: tree.Threshold[i], feature: tree.Feature[i], left: inner(tree.Left[i]), right: inner(tree.Right[i]),
			special: flags&^NodeDefaultLeft != NodeMissingNaN,
		})
	}
	s.walkTrees = append(s.walkTrees, w)
	s.walked[t], s.needRow = true, true
}

// walk finds the leaves of all walked trees for the workspace's row, four trees
// at a time: a step of one waits for memory while the others go on.
func (s *Scorer) walk(w *workspace) {
	trees := s.walkTrees
	for len(trees) >= 4 {
		ta, tb, tc, td := &trees[0], &trees[1], &trees[2], &trees[3]
		a, b, c, d := ta.root, tb.root, tc.root, td.root
		for a >= 0 && b >= 0 && c >= 0 && d >= 0 {
			a, b = s.step(a, ta, w.row), s.step(b, tb, w.row)
			c, d = s.step(c, tc, w.row), s.step(d, td, w.row)
		}
		w.found[ta.tree], w.found[tb.tree] = s.finish(a, ta, w.row), s.finish(b, tb, w.row)
		w.found[tc.tree], w.found[td.tree] = s.finish(c, tc, w.row), s.finish(d, td, w.row)
		trees = trees[4:]
	}
	for i := range trees {
		w.found[trees[i].tree] = s.finish(trees[i].root, &trees[i], w.row)
	}
}

// finish walks on to the leaf.
func (s *Scorer) finish(at int32, t *walkedTree, row []float64) int32 {
	for at >= 0 {
		at = s.step(at, t, row)
	}
	return ^at
}

func (s *Scorer) step(at int32, t *walkedTree, row []float64) int32 {
	n := &s.nodes[at]
	v := row[n.feature]
	if n.special || v != v {
		return s.stepSpecial(at, t, v)
	}
	next := n.right
	if v <= n.threshold {
		next = n.left
	}
	return next
}

func (s *Scorer) stepSpecial(at int32, t *walkedTree, v float64) int32 {
	if s.ensemble.Trees[t.tree].goesLeft(at-t.first, v) {
		return s.nodes[at].left
	}
	return s.nodes[at].right
}
