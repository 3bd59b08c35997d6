package models

import (
	"fmt"
	"math"
)

// zeroThreshold is what LightGBM takes for zero where zero means missing: 1e-35
// in 32 bits.
const zeroThreshold = float64(float32(1e-35))

// Nodes is the number of inner nodes.
func (t *Tree) Nodes() int { return len(t.Feature) }

// Leaves is the number of leaves.
func (t *Tree) Leaves() int { return len(t.Feature) + 1 }

// Find walks from the root and returns the index of the leaf that x reaches. It
// trusts the tree: see Ensemble.Validate.
func (t *Tree) Find(x []float64) int {
	if len(t.Feature) == 0 {
		return 0
	}
	node := int32(0)
	for node >= 0 {
		if t.goesLeft(node, x[t.Feature[node]]) {
			node = t.Left[node]
		} else {
			node = t.Right[node]
		}
	}
	return int(^node)
}

func (t *Tree) goesLeft(node int32, v float64) bool {
	flags := t.Flags[node]
	if flags&(NodeMissingNaN|NodeMissingZero) != 0 && isMissing(v, flags) {
		return flags&NodeDefaultLeft != 0
	}
	if flags&NodeCategorical != 0 {
		return t.inCategories(node, v)
	}
	if v != v {
		v = 0
	}
	switch {
	case flags&NodeEqual != 0:
		return v == t.Threshold[node]
	case flags&NodeStrict != 0:
		return v < t.Threshold[node]
	default:
		return v <= t.Threshold[node]
	}
}

func isMissing(v float64, flags uint8) bool {
	if v != v {
		return true
	}
	return flags&NodeMissingZero != 0 && v >= -zeroThreshold && v <= zeroThreshold
}

// inCategories reports whether the category v is in the node's bit set. NaN,
// negative, unknown and huge codes are not.
func (t *Tree) inCategories(node int32, v float64) bool {
	if !(v > -1 && v < 1<<31) || (v < 0 && t.Flags[node]&NodeStrict != 0) {
		return false
	}
	k := int(v)
	if k>>5 >= int(t.CatWords[node]) {
		return false
	}
	return t.CatBits[int(t.CatOffset[node])+k>>5]>>(k&31)&1 != 0
}

// leafValue is what leaf adds to output k out of outputs values per leaf.
func (t *Tree) leafValue(leaf, k, outputs int, x []float64) float64 {
	if t.Linear != nil {
		return t.Linear[leaf].value(x, t.Leaf[leaf])
	}
	return t.Leaf[leaf*outputs+k]
}

func (l *LinearLeaf) value(x []float64, constant float64) float64 {
	sum := l.Const
	for i, f := range l.Features {
		v := x[f]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return constant
		}
		sum += l.Coeffs[i] * v
	}
	return sum
}

// Output is the output that tree t adds to; with VectorLeaves it is 0, the first.
func (e *Ensemble) Output(t int) int {
	switch {
	case e.VectorLeaves:
		return 0
	case e.TreeOutput != nil:
		return int(e.TreeOutput[t])
	default:
		return t % e.Outputs
	}
}

// leafWidth is the number of values per leaf.
func (e *Ensemble) leafWidth() int {
	if e.VectorLeaves {
		return e.Outputs
	}
	return 1
}

// Raw sums the trees for the row x, in tree order, into out (one value per
// output, before Average and Link). It is the reference that Scorer is measured
// against: it walks every tree. It trusts the ensemble: see Validate.
func (e *Ensemble) Raw(x, out []float64) {
	e.RawRange(x, 0, len(e.Trees), out)
}

// RawRange is Raw over the trees from..to-1 only; Base counts if from is 0.
func (e *Ensemble) RawRange(x []float64, from, to int, out []float64) {
	out = out[:e.Outputs]
	for k := range out {
		out[k] = 0
		if from == 0 && e.Base != nil {
			out[k] = e.Base[k]
		}
	}
	if e.Float32 {
		x = roundRow(x)
	}
	width := e.leafWidth()
	for t := from; t < to; t++ {
		leaf := e.Trees[t].Find(x)
		first := e.Output(t)
		for k := range width {
			out[first+k] = e.add(out[first+k], e.Trees[t].leafValue(leaf, k, width, x))
		}
	}
}

func (e *Ensemble) add(sum, v float64) float64 {
	if e.Float32Sum {
		return float64(float32(sum) + float32(v))
	}
	return sum + v
}

// FindLeaves fills leaves with the index of the leaf that x reaches in each tree.
func (e *Ensemble) FindLeaves(x []float64, leaves []int) {
	if e.Float32 {
		x = roundRow(x)
	}
	for t := range e.Trees {
		leaves[t] = e.Trees[t].Find(x)
	}
}

func roundRow(x []float64) []float64 {
	row := make([]float64, len(x))
	for i, v := range x {
		row[i] = float64(float32(v))
	}
	return row
}

// Validate checks everything the evaluators rely on: indexes in range, every
// node and leaf reached exactly once from the root (so no cycles), no NaN
// thresholds, sizes that agree. Readers call it before a model is used.
func (e *Ensemble) Validate() error {
	if e.Outputs < 1 {
		return fmt.Errorf("ensemble has %d outputs, want at least 1", e.Outputs)
	}
	if e.Base != nil && len(e.Base) != e.Outputs {
		return fmt.Errorf("ensemble has %d base values for %d outputs", len(e.Base), e.Outputs)
	}
	if e.TreeOutput != nil && len(e.TreeOutput) != len(e.Trees) {
		return fmt.Errorf("ensemble names the output of %d trees and has %d", len(e.TreeOutput), len(e.Trees))
	}
	for i, k := range e.TreeOutput {
		if k < 0 || int(k) >= e.Outputs {
			return fmt.Errorf("tree %d adds to output %d of %d", i, k, e.Outputs)
		}
	}
	var seen []uint8
	for i := range e.Trees {
		var err error
		if seen, err = e.Trees[i].validate(len(e.Features), e.leafWidth(), seen); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return nil
}

// validate checks one tree; seen is scratch that is returned for the next.
func (t *Tree) validate(features, width int, seen []uint8) ([]uint8, error) {
	n := t.Nodes()
	if len(t.Threshold) != n || len(t.Left) != n || len(t.Right) != n || len(t.Flags) != n {
		return seen, fmt.Errorf("columns of %d nodes differ in length", n)
	}
	if len(t.Leaf) != (n+1)*width {
		return seen, fmt.Errorf("%d leaf values for %d leaves of %d", len(t.Leaf), n+1, width)
	}
	if t.Cover != nil && len(t.Cover) != 2*n+1 {
		return seen, fmt.Errorf("%d covers for %d nodes and leaves", len(t.Cover), 2*n+1)
	}
	if err := t.validateLinear(features, width); err != nil {
		return seen, err
	}
	for i := range n {
		if err := t.validateNode(i, features); err != nil {
			return seen, fmt.Errorf("node %d: %w", i, err)
		}
	}
	return t.validateShape(seen)
}

func (t *Tree) validateNode(i, features int) error {
	if f := t.Feature[i]; f < 0 || int(f) >= features {
		return fmt.Errorf("tests feature %d of %d", f, features)
	}
	if t.Flags[i]&NodeCategorical == 0 {
		if math.IsNaN(t.Threshold[i]) {
			return fmt.Errorf("threshold is NaN")
		}
		return nil
	}
	if i >= len(t.CatOffset) || i >= len(t.CatWords) {
		return fmt.Errorf("category set is missing")
	}
	from, words := int(t.CatOffset[i]), int(t.CatWords[i])
	if from < 0 || words < 0 || from+words > len(t.CatBits) {
		return fmt.Errorf("category words %d+%d lie outside %d", from, words, len(t.CatBits))
	}
	return nil
}

func (t *Tree) validateLinear(features, width int) error {
	if t.Linear == nil {
		return nil
	}
	if width != 1 || len(t.Linear) != len(t.Leaf) {
		return fmt.Errorf("%d linear leaves for %d leaves of %d", len(t.Linear), t.Leaves(), width)
	}
	for i, l := range t.Linear {
		if len(l.Features) != len(l.Coeffs) {
			return fmt.Errorf("linear leaf %d: %d features, %d coefficients", i, len(l.Features), len(l.Coeffs))
		}
		for _, f := range l.Features {
			if f < 0 || int(f) >= features {
				return fmt.Errorf("linear leaf %d reads feature %d of %d", i, f, features)
			}
		}
	}
	return nil
}

// validateShape checks that each node but the root and each leaf has exactly one
// parent and that the root reaches them all; then there is no cycle.
func (t *Tree) validateShape(seen []uint8) ([]uint8, error) {
	n := t.Nodes()
	if n == 0 {
		return seen, nil
	}
	if cap(seen) < 2*n+1 {
		seen = make([]uint8, 2*n+1)
	}
	seen = seen[:2*n+1]
	clear(seen)
	seen[0] = 1
	for i := range n {
		for _, c := range [2]int32{t.Left[i], t.Right[i]} {
			at, err := t.slot(c)
			if err != nil {
				return seen, fmt.Errorf("node %d: %w", i, err)
			}
			if seen[at] != 0 {
				return seen, fmt.Errorf("node %d: child %d has two parents or is the root", i, c)
			}
			seen[at] = 1
		}
	}
	return seen, t.validateReach()
}

// slot numbers nodes from 0 and leaves behind them.
func (t *Tree) slot(c int32) (int, error) {
	n := t.Nodes()
	if c >= 0 && int(c) < n {
		return int(c), nil
	}
	if c < 0 && int(^c) <= n {
		return n + int(^c), nil
	}
	return 0, fmt.Errorf("child %d lies outside %d nodes", c, n)
}

// validateReach counts what the root reaches. Every slot has one parent, so a
// part that is not reached can only be a cycle.
func (t *Tree) validateReach() error {
	stack := make([]int32, 1, 64)
	reached := 0
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		reached++
		for _, c := range [2]int32{t.Right[node], t.Left[node]} {
			if c >= 0 {
				stack = append(stack, c)
			}
		}
	}
	if reached != t.Nodes() {
		return fmt.Errorf("the root reaches %d of %d nodes: the rest is a cycle", reached, t.Nodes())
	}
	return nil
}
