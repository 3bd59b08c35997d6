package models

import "math"

// walkedNode is a node or leaf of a tree that is walked, in one place of memory.
// The step from it is next, one further if the input is above the threshold; a
// leaf steps to itself.
type walkedNode struct {
	threshold float64
	next      int32 // an index into Scorer.nodes
	input     int32 // into the inputs of the walk; below 0: ^index into Scorer.odd
}

// oddNode is the test of a node that is not a mere comparison.
type oddNode struct{ tree, node, feature int32 }

// walkedTree is a tree of more leaves than a mask holds.
type walkedTree struct{ tree, root int32 } // root: an index into Scorer.nodes

// A walk reads each feature in three ways, which differ in what a missing value
// becomes: left of all thresholds, right of them, or 0.
const (
	missingLow = iota
	missingHigh
	missingZero
	walkInputs
)

// addWalked lays a tree out for walking, level by level: the children of a node
// are neighbours.
func (s *Scorer) addWalked(t int) {
	tree := &s.ensemble.Trees[t]
	w := walkedTree{tree: int32(t), root: int32(len(s.nodes))}
	level := []int32{0} // as Tree codes children
	if tree.Nodes() == 0 {
		level[0] = ^0
	}
	s.nodes, s.nodeLeaf = append(s.nodes, walkedNode{}), append(s.nodeLeaf, 0)
	for at := w.root; len(level) > 0; {
		var below []int32
		for _, node := range level {
			if node < 0 {
				s.nodes[at], s.nodeLeaf[at] = walkedNode{threshold: math.Inf(1), next: at}, ^node
			} else {
				s.nodes[at] = s.walkedNode(w.tree, node)
				s.nodes, s.nodeLeaf = append(s.nodes, walkedNode{}, walkedNode{}), append(s.nodeLeaf, 0, 0)
				below = append(below, tree.Left[node], tree.Right[node])
			}
			at++
		}
		level = below
	}
	s.walkTrees = append(s.walkTrees, w)
	s.walked[t], s.needRow = true, true
}

// walkedNode is a node whose children are the next to be laid out.
func (s *Scorer) walkedNode(t, node int32) walkedNode {
	tree := &s.ensemble.Trees[t]
	n := walkedNode{threshold: tree.Threshold[node], next: int32(len(s.nodes)), input: walkInputs * tree.Feature[node]}
	flags := tree.Flags[node]
	switch {
	case flags&NodeMissingNaN == 0:
		n.input += missingZero
	case flags&NodeDefaultLeft == 0:
		n.input += missingHigh
	}
	if flags&NodeStrict != 0 {
		n.threshold = below(n.threshold)
	}
	if flags&(NodeCategorical|NodeEqual|NodeMissingZero) != 0 || math.IsInf(tree.Threshold[node], 0) {
		n.input = ^int32(len(s.odd))
		s.odd = append(s.odd, oddNode{t, node, tree.Feature[node]})
	}
	return n
}

// walkLanes is how many trees are walked at once: a step of one waits for memory
// while the others go on.
const walkLanes = 8

// walk finds the leaves of all walked trees for the workspace's row.
func (s *Scorer) walk(w *workspace) {
	if len(s.walkTrees) == 0 {
		return
	}
	for f, v := range w.row {
		low, high, zero := v, v, v
		if v != v {
			low, high, zero = math.Inf(-1), math.Inf(1), 0
		}
		in := w.inputs[walkInputs*f : walkInputs*f+walkInputs]
		in[missingLow], in[missingHigh], in[missingZero] = low, high, zero
	}
	for trees := s.walkTrees; len(trees) > 0; {
		n := min(len(trees), walkLanes)
		s.walkSome(trees[:n], w)
		trees = trees[n:]
	}
}

// walkSome walks at most walkLanes trees, until all are at their leaves.
func (s *Scorer) walkSome(trees []walkedTree, w *workspace) {
	var lanes [walkLanes]int32
	for k := range trees {
		lanes[k] = trees[k].root
	}
	at := lanes[:len(trees)]
	for moved := int32(1); moved != 0; {
		moved = 0
		for k, from := range at {
			n := &s.nodes[from]
			next := n.next
			if n.input < 0 {
				next += s.stepOdd(n, w.row)
			} else if w.inputs[n.input] > n.threshold {
				next++
			}
			at[k] = next
			moved |= next ^ from
		}
	}
	for k, leaf := range at {
		w.found[trees[k].tree] = s.nodeLeaf[leaf]
	}
}

// stepOdd is 1 if the row goes right.
func (s *Scorer) stepOdd(n *walkedNode, row []float64) int32 {
	odd := &s.odd[^n.input]
	if s.ensemble.Trees[odd.tree].goesLeft(odd.node, row[odd.feature]) {
		return 0
	}
	return 1
}
