package rules

import "slices"

// implies tells whether a is proved to be true only where b is true. It is sound,
// not complete: what it cannot see through it does not claim.
func implies(a, b *tree) bool {
	for _, want := range conjuncts(b) {
		if !slices.ContainsFunc(conjuncts(a), func(have *tree) bool { return conjunctImplies(have, want) }) {
			return false
		}
	}
	return true
}

// tightens tells whether a child's condition is proved to be at least as strict
// as its parent's, by structure or by the solver. The solver proves it only where
// the parent's has a value, so a parent that divides is compared by structure.
func tightens(child, parent *tree) bool {
	divides := false
	parent.walk(func(t *tree) { divides = divides || t.op == opDiv })
	return implies(child, parent) || !divides && !satisfiable(child, negation(parent))
}

// conjuncts splits a condition at its outer ands.
func conjuncts(t *tree) []*tree {
	if t.op != opAnd {
		return []*tree{t}
	}
	return append(conjuncts(t.args[0]), conjuncts(t.args[1])...)
}

func conjunctImplies(a, b *tree) bool {
	if sameTree(a, b) {
		return true
	}
	if b.op == opOr {
		return implies(a, b.args[0]) || implies(a, b.args[1])
	}
	if a.op == opOr {
		return implies(a.args[0], b) && implies(a.args[1], b)
	}
	return atomImplies(a, b)
}

// atomImplies compares two tests of the same quantity with literals.
func atomImplies(a, b *tree) bool {
	x, okX := newTest(a)
	y, okY := newTest(b)
	if !okX || !okY || !sameTree(x.subject, y.subject) {
		return false
	}
	if x.texts != nil && y.texts != nil {
		return x.textsImply(y)
	}
	if x.texts != nil || y.texts != nil {
		return false
	}
	return x.rangeImplies(y)
}

// test is a comparison of one quantity with literals.
type test struct {
	subject *tree
	op      op
	bound   float64
	texts   []string // of ==, != and in over texts
	negated bool
}

func newTest(t *tree) (test, bool) {
	switch t.op {
	case opNot:
		x, ok := newTest(t.args[0])
		if !ok {
			return test{}, false
		}
		if x.texts != nil {
			x.negated = !x.negated
			return x, true
		}
		x.op = complement(x.op)
		return x, x.op != opBad
	case opLt, opLe, opGt, opGe, opEq, opNe:
		if t.args[0].kind == kindString {
			return textTest(t)
		}
		if t.args[0].kind != kindNumber {
			return test{}, false
		}
		if isLiteralNumber(t.args[1]) {
			return test{subject: t.args[0], op: t.op, bound: literalNumber(t.args[1])}, true
		}
		if isLiteralNumber(t.args[0]) {
			return test{subject: t.args[1], op: mirrored(t.op), bound: literalNumber(t.args[0])}, true
		}
	case opIn:
		if t.args[1].op == opList {
			return test{subject: t.args[0], texts: t.args[1].list}, true
		}
	}
	return test{}, false
}

func textTest(t *tree) (test, bool) {
	subject, literal := t.args[0], t.args[1]
	if subject.op == opString {
		subject, literal = literal, subject
	}
	if literal.op != opString {
		return test{}, false
	}
	return test{subject: subject, texts: []string{literal.text}, negated: t.op == opNe}, true
}

// complement negates a comparison; an evaluation with NaN fails, so that this is exact.
func complement(o op) op {
	switch o {
	case opLt:
		return opGe
	case opLe:
		return opGt
	case opGt:
		return opLe
	case opGe:
		return opLt
	case opEq:
		return opNe
	case opNe:
		return opEq
	}
	return opBad
}

func (x test) textsImply(y test) bool {
	inY := func(s string) bool { return slices.Contains(y.texts, s) }
	switch {
	case !x.negated && !y.negated:
		return !slices.ContainsFunc(x.texts, func(s string) bool { return !inY(s) })
	case !x.negated && y.negated:
		return !slices.ContainsFunc(x.texts, inY)
	case x.negated && y.negated:
		return !slices.ContainsFunc(y.texts, func(s string) bool { return !slices.Contains(x.texts, s) })
	}
	return false
}

func (x test) rangeImplies(y test) bool {
	a, b := x.bound, y.bound
	switch y.op {
	case opLt:
		return x.op == opLt && a <= b || (x.op == opLe || x.op == opEq) && a < b
	case opLe:
		return (x.op == opLt || x.op == opLe || x.op == opEq) && a <= b
	case opGt:
		return x.op == opGt && a >= b || (x.op == opGe || x.op == opEq) && a > b
	case opGe:
		return (x.op == opGt || x.op == opGe || x.op == opEq) && a >= b
	case opEq:
		return x.op == opEq && a == b
	case opNe:
		return x.op == opNe && a == b || x.op == opEq && a != b || x.op == opLt && b >= a || x.op == opLe && b > a || x.op == opGt && b <= a || x.op == opGe && b < a
	}
	return false
}

// sameTree compares two expressions by structure.
func sameTree(a, b *tree) bool {
	if a.op != b.op || a.kind != b.kind || a.slot != b.slot || a.number != b.number || a.text != b.text || len(a.args) != len(b.args) ||
		!slices.Equal(a.list, b.list) || !slices.Equal(a.numbers, b.numbers) {
		return false
	}
	for i := range a.args {
		if !sameTree(a.args[i], b.args[i]) {
			return false
		}
	}
	return true
}
