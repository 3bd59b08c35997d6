package models

import (
	"cmp"
	"math"
	"slices"
)

// flatNode is a node on its way into a column.
type flatNode struct {
	tree, node int32
	threshold  float64
	missing    uint8
	special    bool
	missRight  bool
	mask       uint64
}

// compileScorer lays out a validated ensemble for Scorer.
func compileScorer(e *Ensemble) *Scorer {
	s := &Scorer{
		ensemble:  e,
		start:     make([]uint64, len(e.Trees)),
		leafFrom:  make([]int32, len(e.Trees)),
		leafStart: make([]int32, len(e.Trees)),
		walked:    make([]bool, len(e.Trees)),
		first:     make([]int32, len(e.Features)+1),
	}
	perFeature := make([][]flatNode, len(e.Features))
	for t := range e.Trees {
		s.addTree(t, perFeature)
	}
	for f, nodes := range perFeature {
		s.first[f] = int32(len(s.columns))
		for _, missing := range [3]uint8{0, NodeMissingNaN, NodeMissingZero} {
			s.addColumn(missing, nodes)
		}
	}
	s.first[len(e.Features)] = int32(len(s.columns))
	return s
}

func (s *Scorer) addTree(t int, perFeature [][]flatNode) {
	tree := &s.ensemble.Trees[t]
	s.leafFrom[t], s.leafStart[t] = int32(len(s.leaves)), int32(len(s.leafID))
	s.needRow = s.needRow || tree.Linear != nil
	if tree.Leaves() > maskLeaves || t > math.MaxUint16 {
		s.addWalked(t)
		return
	}
	s.start[t] = ^uint64(0) >> (maskLeaves - tree.Leaves())
	if tree.Nodes() == 0 {
		s.addLeaf(tree, 0)
		return
	}
	next := 0
	s.addNode(int32(t), 0, &next, perFeature)
}

// addNode numbers the leaves under node from left to right, starting at *next,
// and files the node under its feature.
func (s *Scorer) addNode(t, node int32, next *int, perFeature [][]flatNode) {
	tree := &s.ensemble.Trees[t]
	from := *next
	s.addChild(t, tree.Left[node], next, perFeature)
	n := flatNode{tree: t, node: node, mask: ^(^uint64(0) >> (maskLeaves - (*next - from)) << from)}
	n.classify(tree)
	f := tree.Feature[node]
	perFeature[f] = append(perFeature[f], n)
	s.addChild(t, tree.Right[node], next, perFeature)
}

func (s *Scorer) addChild(t, child int32, next *int, perFeature [][]flatNode) {
	if child >= 0 {
		s.addNode(t, child, next, perFeature)
		return
	}
	s.addLeaf(&s.ensemble.Trees[t], int(^child))
	*next++
}

func (s *Scorer) addLeaf(tree *Tree, leaf int) {
	width := s.ensemble.leafWidth()
	s.leafID = append(s.leafID, int32(leaf))
	s.leaves = append(s.leaves, tree.Leaf[leaf*width:(leaf+1)*width]...)
}

// classify decides how the node's test is answered.
func (n *flatNode) classify(tree *Tree) {
	flags := tree.Flags[n.node]
	n.threshold = tree.Threshold[n.node]
	n.missRight = flags&NodeDefaultLeft == 0
	switch {
	case flags&NodeMissingZero != 0:
		n.missing = NodeMissingZero
	case flags&NodeMissingNaN != 0:
		n.missing = NodeMissingNaN
	}
	n.special = flags&(NodeCategorical|NodeEqual) != 0
	if flags&NodeStrict != 0 && !n.special {
		n.special = math.IsInf(n.threshold, -1)
		n.threshold = below(n.threshold)
	}
}

// addColumn files the nodes of one feature that share a rule for missing values.
func (s *Scorer) addColumn(missing uint8, all []flatNode) {
	var numeric, missRight, special []flatNode
	for _, n := range all {
		if n.missing != missing {
			continue
		}
		if n.missRight && missing != 0 {
			missRight = append(missRight, n)
		}
		if n.special {
			special = append(special, n)
		} else {
			numeric = append(numeric, n)
		}
	}
	if len(numeric)+len(special) == 0 {
		return
	}
	c := column{missing: missing, from: int32(len(s.uniq)), entry: int32(len(s.entryTree))}
	s.addNumeric(numeric)
	c.to = int32(len(s.uniq))
	s.addBuckets(&c)
	c.missFrom = int32(len(s.entryTree))
	s.addMissing(missRight)
	c.missTo = int32(len(s.entryTree))
	special = s.addCategories(&c, special)
	c.specialFrom = int32(len(s.special))
	s.special = append(s.special, specialNodes(special)...)
	c.specialTo = int32(len(s.special))
	s.columns = append(s.columns, c)
}

func (s *Scorer) addNumeric(nodes []flatNode) {
	slices.SortStableFunc(nodes, func(a, b flatNode) int { return cmp.Compare(a.threshold, b.threshold) })
	for i, n := range nodes {
		if i > 0 && nodes[i-1].threshold == n.threshold && nodes[i-1].tree == n.tree {
			s.entryMask[len(s.entryMask)-1] &= n.mask // both are false, or neither
		} else {
			s.addEntry(n)
		}
		if i+1 == len(nodes) || nodes[i+1].threshold != n.threshold {
			s.uniq = append(s.uniq, n.threshold)
			s.ends = append(s.ends, int32(len(s.entryTree)))
		}
	}
}

// maxBuckets bounds the buckets of one column.
const maxBuckets = 256

// addBuckets spreads the thresholds of a column over buckets of equal width, so
// that a search starts next to its end. The widths leave out the outermost
// thresholds, which may lie far off.
func (s *Scorer) addBuckets(c *column) {
	uniq := s.uniq[c.from:c.to]
	c.bucket = int32(len(s.bucket))
	if n := len(uniq); n > 1 {
		low, high, count := uniq[n/16], uniq[n-1-n/16], float64(min(n, maxBuckets))
		if scale := count / (high - low); scale > 0 && !math.IsInf(scale, 0) && !math.IsInf(low, 0) {
			c.low, c.scale, c.last = low, scale, count-1
		}
	}
	next := c.from
	for b := range int32(c.last) + 1 {
		for next < c.to && c.place(s.uniq[next]) < b {
			next++
		}
		s.bucket = append(s.bucket, next)
	}
	s.bucket = append(s.bucket, c.to)
}

// addMissing merges the nodes of each tree: nodes come in tree order.
func (s *Scorer) addMissing(nodes []flatNode) {
	for i := 0; i < len(nodes); {
		n := nodes[i]
		for i++; i < len(nodes) && nodes[i].tree == n.tree; i++ {
			n.mask &= nodes[i].mask
		}
		s.addEntry(n)
	}
}

func (s *Scorer) addEntry(n flatNode) {
	s.entryTree = append(s.entryTree, uint16(n.tree))
	s.entryMask = append(s.entryMask, n.mask)
}
