package models

import (
	"fmt"
	"math"
)

// checkNativeEnsemble checks that an ensemble is of the native kind.
func checkNativeEnsemble(m *Ensemble, features int) error {
	if m.Outputs < 1 || len(m.Base) != m.Outputs || m.Link > LinkExp || m.VectorLeaves || m.TreeOutput != nil || m.Float32 || m.Float32Sum {
		return fmt.Errorf("ensemble of %d outputs with %d bases and link %d is not of the native kind", m.Outputs, len(m.Base), m.Link)
	}
	for i := range m.Trees {
		if err := checkNativeTree(&m.Trees[i], features, len(m.Trees[i].Leaf)); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return nil
}

// checkNativeTree refuses what would loop, read outside or miss a leaf: children
// lie behind their parent, and every node and leaf has one parent.
func checkNativeTree(t *Tree, features, leaves int) error {
	n := len(t.Feature)
	if t.Linear != nil {
		return fmt.Errorf("linear leaves are of a foreign format")
	}
	if len(t.Threshold) != n || len(t.Left) != n || len(t.Right) != n || len(t.Flags) != n {
		return fmt.Errorf("arrays of %d nodes differ in length", n)
	}
	if leaves != n+1 {
		return fmt.Errorf("%d leaves for %d nodes", leaves, n)
	}
	seen := make([]bool, 2*n+1)
	for i := range n {
		if t.Feature[i] < 0 || int(t.Feature[i]) >= features {
			return fmt.Errorf("node %d tests feature %d of %d", i, t.Feature[i], features)
		}
		if math.IsNaN(t.Threshold[i]) {
			return fmt.Errorf("node %d has no threshold", i)
		}
		if t.Flags[i]&(NodeMissingZero|NodeStrict|NodeEqual) != 0 {
			return fmt.Errorf("node %d has flags %#x of a foreign format", i, t.Flags[i])
		}
		if err := t.checkCategories(i); err != nil {
			return err
		}
		for _, c := range [2]int32{t.Left[i], t.Right[i]} {
			at := int(c)
			if c < 0 {
				at = n + int(^c)
			} else if c <= int32(i) || int(c) >= n {
				return fmt.Errorf("node %d has child %d", i, c)
			}
			if at >= len(seen) || seen[at] {
				return fmt.Errorf("node %d has child %d, absent or of another parent", i, c)
			}
			seen[at] = true
		}
	}
	return nil
}

func (t *Tree) checkCategories(i int) error {
	if t.Flags[i]&NodeCategorical == 0 {
		return nil
	}
	if len(t.CatOffset) != len(t.Feature) || len(t.CatWords) != len(t.Feature) {
		return fmt.Errorf("node %d: categories of %d nodes for %d", i, len(t.CatOffset), len(t.Feature))
	}
	o, w := int(t.CatOffset[i]), int(t.CatWords[i])
	if o < 0 || w < 0 || o > len(t.CatBits) || w > len(t.CatBits)-o {
		return fmt.Errorf("node %d: category bits %d+%d of %d", i, o, w, len(t.CatBits))
	}
	return nil
}
