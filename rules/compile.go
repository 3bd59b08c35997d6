package rules

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

type (
	boolFunc    func(*Frame) bool
	numberFunc  func(*Frame) float64
	stringFunc  func(*Frame) string
	stringsFunc func(*Frame) []string
)

// readNumber returns a variable's number; one that does not exist fails the evaluation.
func (f *Frame) readNumber(s Slot) float64 {
	if !f.set[s] {
		f.fail(faultAbsent, s)
		return 0
	}
	return f.num[s]
}

func (f *Frame) readString(s Slot) string {
	if !f.set[s] {
		f.fail(faultAbsent, s)
		return ""
	}
	return f.str[s]
}

func compileBool(t *tree) boolFunc {
	switch t.op {
	case opBool:
		v := t.number != 0
		return func(*Frame) bool { return v }
	case opVar:
		s := t.slot
		return func(f *Frame) bool { return f.readNumber(s) != 0 }
	case opNot:
		a := compileBool(t.args[0])
		return func(f *Frame) bool { return !a(f) }
	case opAnd:
		a, b := compileBool(t.args[0]), compileBool(t.args[1])
		return func(f *Frame) bool { return a(f) && f.fault == noFault && b(f) }
	case opOr:
		a, b := compileBool(t.args[0]), compileBool(t.args[1])
		return func(f *Frame) bool { return a(f) || f.fault == noFault && b(f) }
	case opCond:
		c, a, b := compileBool(t.args[0]), compileBool(t.args[1]), compileBool(t.args[2])
		return func(f *Frame) bool {
			if c(f) {
				return a(f)
			}
			return b(f)
		}
	case opEq, opNe:
		return compileEquality(t)
	case opLt, opLe, opGt, opGe:
		return compileOrdering(t)
	case opIn:
		return compileMembership(t)
	case opAny, opAll, opNone:
		return compileLoop(t)
	}
	return compileTextTest(t)
}

func compileEquality(t *tree) boolFunc {
	negate := t.op == opNe
	switch t.args[0].kind {
	case kindString:
		a, b := compileString(t.args[0]), compileString(t.args[1])
		if v := t.args[0]; v.op == opVar && t.args[1].op == opString {
			return equalText(v.slot, t.args[1].text, negate)
		}
		return func(f *Frame) bool { return (a(f) == b(f)) != negate }
	case kindBool:
		a, b := compileBool(t.args[0]), compileBool(t.args[1])
		return func(f *Frame) bool { return (a(f) == b(f)) != negate }
	}
	a, b := compileNumber(t.args[0]), compileNumber(t.args[1])
	return func(f *Frame) bool {
		x, y := a(f), b(f)
		return f.finite(x, y) && (x == y) != negate
	}
}

func equalText(s Slot, text string, negate bool) boolFunc {
	return func(f *Frame) bool { return (f.readString(s) == text) != negate }
}

// finite fails the evaluation when an operand of a comparison is no finite
// number: NaN would make the comparison false.
func (f *Frame) finite(x, y float64) bool { return x-x == 0 && y-y == 0 || f.refuse(x, y) }

// refuse records the first operand that is not finite.
func (f *Frame) refuse(x, y float64) bool {
	if x-x != 0 {
		f.notFinite(x)
	} else {
		f.notFinite(y)
	}
	return false
}

func compileOrdering(t *tree) boolFunc {
	left, right, o := t.args[0], t.args[1], t.op
	if right.op == opVar && left.op != opVar || isLiteralNumber(left) {
		left, right, o = right, left, mirrored(o)
	}
	a := compileNumber(left)
	if isLiteralNumber(right) {
		return orderConstant(o, a, left, literalNumber(right))
	}
	b := compileNumber(right)
	switch o {
	case opLt:
		return func(f *Frame) bool { x, y := a(f), b(f); return f.finite(x, y) && x < y }
	case opLe:
		return func(f *Frame) bool { x, y := a(f), b(f); return f.finite(x, y) && x <= y }
	case opGt:
		return func(f *Frame) bool { x, y := a(f), b(f); return f.finite(x, y) && x > y }
	}
	return func(f *Frame) bool { x, y := a(f), b(f); return f.finite(x, y) && x >= y }
}

func mirrored(o op) op {
	switch o {
	case opLt:
		return opGt
	case opLe:
		return opGe
	case opGt:
		return opLt
	case opGe:
		return opLe
	}
	return o
}

func orderConstant(o op, a numberFunc, left *tree, c float64) boolFunc {
	if left.op == opVar {
		return orderVariable(o, left.slot, c)
	}
	switch o {
	case opLt:
		return func(f *Frame) bool { x := a(f); return f.finite(x, 0) && x < c }
	case opLe:
		return func(f *Frame) bool { x := a(f); return f.finite(x, 0) && x <= c }
	case opGt:
		return func(f *Frame) bool { x := a(f); return f.finite(x, 0) && x > c }
	}
	return func(f *Frame) bool { x := a(f); return f.finite(x, 0) && x >= c }
}

func orderVariable(o op, s Slot, c float64) boolFunc {
	switch o {
	case opLt:
		return func(f *Frame) bool { x := f.readNumber(s); return f.finite(x, 0) && x < c }
	case opLe:
		return func(f *Frame) bool { x := f.readNumber(s); return f.finite(x, 0) && x <= c }
	case opGt:
		return func(f *Frame) bool { x := f.readNumber(s); return f.finite(x, 0) && x > c }
	}
	return func(f *Frame) bool { x := f.readNumber(s); return f.finite(x, 0) && x >= c }
}

func compileMembership(t *tree) boolFunc {
	list := t.args[1]
	if list.kind == kindNumbers {
		a, numbers := compileNumber(t.args[0]), list.numbers
		return func(f *Frame) bool {
			x := a(f)
			return f.finite(x, 0) && slices.Contains(numbers, x)
		}
	}
	a := compileString(t.args[0])
	if list.op != opList {
		b := compileStrings(list)
		return func(f *Frame) bool {
			x := a(f)
			l := b(f)
			return f.charge(len(l)) && slices.Contains(l, x)
		}
	}
	if texts := list.list; len(texts) <= 8 {
		return func(f *Frame) bool { return slices.Contains(texts, a(f)) }
	}
	set := make(map[string]struct{}, len(list.list))
	for _, s := range list.list {
		set[s] = struct{}{}
	}
	return func(f *Frame) bool { _, ok := set[a(f)]; return ok }
}

// compileLoop compiles any, all and none. The element lives in the frame, so
// that the inner condition needs no closure of its own per call.
func compileLoop(t *tree) boolFunc {
	list, test := compileStrings(t.args[0]), compileBool(t.args[1])
	stop, found := true, true // any: the first true gives true
	switch t.op {
	case opAll:
		stop, found = false, false
	case opNone:
		found = false
	}
	return func(f *Frame) bool {
		outer := f.elem
		result := !found
		for _, x := range list(f) {
			if !f.charge(1) {
				break
			}
			f.elem = x
			if test(f) == stop {
				result = found
				break
			}
		}
		f.elem = outer
		return result
	}
}

func compileTextTest(t *tree) boolFunc {
	a, b := compileString(t.args[0]), compileString(t.args[1])
	test := strings.Contains
	switch t.op {
	case opStartsWith:
		test = strings.HasPrefix
	case opEndsWith:
		test = strings.HasSuffix
	}
	return func(f *Frame) bool {
		x, y := a(f), b(f)
		return f.charge((len(x)+len(y))/64) && test(x, y)
	}
}

func compileString(t *tree) stringFunc {
	switch t.op {
	case opString:
		v := t.text
		return func(*Frame) string { return v }
	case opElem:
		return func(f *Frame) string { return f.elem }
	case opCond:
		c, a, b := compileBool(t.args[0]), compileString(t.args[1]), compileString(t.args[2])
		return func(f *Frame) string {
			if c(f) {
				return a(f)
			}
			return b(f)
		}
	}
	s := t.slot
	return func(f *Frame) string { return f.readString(s) }
}

func compileStrings(t *tree) stringsFunc {
	switch t.op {
	case opList:
		v := t.list
		return func(*Frame) []string { return v }
	case opCond:
		c, a, b := compileBool(t.args[0]), compileStrings(t.args[1]), compileStrings(t.args[2])
		return func(f *Frame) []string {
			if c(f) {
				return a(f)
			}
			return b(f)
		}
	}
	s := t.slot
	return func(f *Frame) []string {
		if !f.set[s] {
			f.fail(faultAbsent, s)
			return nil
		}
		return f.list[s]
	}
}

func compileLength(t *tree) numberFunc {
	if t.args[0].kind == kindString {
		a := compileString(t.args[0])
		return func(f *Frame) float64 {
			x := a(f)
			if !f.charge(len(x) / 64) {
				return 0
			}
			return float64(utf8.RuneCountInString(x))
		}
	}
	a := compileStrings(t.args[0])
	return func(f *Frame) float64 { return float64(len(a(f))) }
}

func compileRounding(t *tree) numberFunc {
	a := compileNumber(t.args[0])
	switch t.op {
	case opAbs:
		return func(f *Frame) float64 { return math.Abs(a(f)) }
	case opFloor:
		return func(f *Frame) float64 { return math.Floor(a(f)) }
	case opCeil:
		return func(f *Frame) float64 { return math.Ceil(a(f)) }
	}
	return func(f *Frame) float64 { return math.Round(a(f)) }
}
