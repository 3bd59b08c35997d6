package rules

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SubValue is the value one part of an expression had in one evaluation.
type SubValue struct {
	Text     string // the part as written
	From, To int    // its bytes within the expression
	Value    string // "true", "12.5", `"SIZE"`, or "does not exist"
	Depth    int    // 0 for the whole expression
}

// Trace evaluates an expression step by step and returns the value of every part
// that was looked at, outermost first. It is for explanations and far slower than
// Bool, Number and Strings, with which it agrees.
func (p *Program) Trace(f *Frame) []SubValue {
	var out []SubValue
	t := tracer{frame: f}
	t.visit = func(n *tree, v value, depth int) {
		if n.op == opNumber || n.op == opString || n.op == opBool || n.op == opList || n.op == opNumbers || n.inner || n.to > len(p.text) || n.to <= n.from {
			return
		}
		out = append(out, SubValue{Text: p.text[n.from:n.to], From: n.from, To: n.to, Value: v.String(), Depth: depth})
	}
	t.eval(p.root, 0)
	slices.SortStableFunc(out, func(a, b SubValue) int {
		if a.From != b.From {
			return a.From - b.From
		}
		return b.To - a.To
	})
	return slices.CompactFunc(out, func(a, b SubValue) bool { return a.From == b.From && a.To == b.To && a.Value == b.Value })
}

// value of a part; fault says why there is none.
type value struct {
	kind   kind
	number float64 // bools as 0 and 1
	text   string
	list   []string
	fault  EvalKind
}

func (v value) truth() bool { return v.number != 0 }

// String writes a value as a policy would.
func (v value) String() string {
	switch {
	case v.fault == EvalAbsent:
		return "does not exist"
	case v.fault != "":
		return "has no value (" + string(v.fault) + ")"
	}
	switch v.kind {
	case kindBool:
		return strconv.FormatBool(v.truth())
	case kindString:
		return strconv.Quote(v.text)
	case kindStrings:
		quoted := make([]string, len(v.list))
		for i, s := range v.list {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return formatNumber(v.number)
}

// tracer interprets a tree. visit is called after each part that was evaluated.
type tracer struct {
	frame *Frame
	elem  string
	visit func(n *tree, v value, depth int)
}

func (t *tracer) eval(n *tree, depth int) value {
	v := t.compute(n, depth)
	v.kind = n.kind
	t.visit(n, v, depth)
	return v
}

func (t *tracer) compute(n *tree, depth int) value {
	switch n.op {
	case opNumber, opBool:
		return value{number: n.number}
	case opString:
		return value{text: n.text}
	case opList:
		return value{list: n.list}
	case opNumbers:
		return value{}
	case opElem:
		return value{text: t.elem}
	case opVar:
		return t.variable(n)
	case opAnd, opOr:
		left := t.eval(n.args[0], depth+1)
		if left.fault != "" || left.truth() == (n.op == opOr) {
			return left
		}
		return t.eval(n.args[1], depth+1)
	case opCond:
		c := t.eval(n.args[0], depth+1)
		switch {
		case c.fault != "":
			return c
		case c.truth():
			return t.eval(n.args[1], depth+1)
		}
		return t.eval(n.args[2], depth+1)
	case opAny, opAll, opNone:
		return t.loop(n, depth)
	}
	args := make([]value, len(n.args))
	for i, a := range n.args {
		if args[i] = t.eval(a, depth+1); args[i].fault != "" {
			return value{fault: args[i].fault}
		}
	}
	return apply(n, args)
}

func (t *tracer) variable(n *tree) value {
	f, s := t.frame, n.slot
	if !f.set[s] {
		return value{fault: EvalAbsent}
	}
	return value{number: f.num[s], text: f.str[s], list: f.list[s]}
}

func (t *tracer) loop(n *tree, depth int) value {
	list := t.eval(n.args[0], depth+1)
	if list.fault != "" {
		return value{fault: list.fault}
	}
	outer := t.elem
	defer func() { t.elem = outer }()
	for _, x := range list.list {
		t.elem = x
		test := t.eval(n.args[1], depth+1)
		if test.fault != "" {
			return value{fault: test.fault}
		}
		if test.truth() != (n.op == opAll) {
			return truthValue(n.op == opAny)
		}
	}
	return truthValue(n.op != opAny)
}

func truthValue(b bool) value {
	if b {
		return value{number: 1}
	}
	return value{}
}

// apply computes an operator whose arguments all have values.
func apply(n *tree, args []value) value {
	switch n.op {
	case opNot:
		return truthValue(!args[0].truth())
	case opNeg:
		return value{number: -args[0].number}
	case opAdd, opSub, opMul, opDiv:
		return arithmetic(n.op, args[0].number, args[1].number)
	case opEq, opNe:
		return equality(n, args[0], args[1])
	case opLt, opLe, opGt, opGe:
		return ordering(n.op, args[0].number, args[1].number)
	case opIn:
		if n.args[1].kind == kindNumbers {
			return checked(args[0].number, 0, slices.Contains(n.args[1].numbers, args[0].number))
		}
		return truthValue(slices.Contains(args[1].list, args[0].text))
	case opContains:
		return truthValue(strings.Contains(args[0].text, args[1].text))
	case opStartsWith:
		return truthValue(strings.HasPrefix(args[0].text, args[1].text))
	case opEndsWith:
		return truthValue(strings.HasSuffix(args[0].text, args[1].text))
	case opMin, opMax:
		return extreme(n.op, args)
	case opLen:
		if n.args[0].kind == kindString {
			return value{number: float64(utf8.RuneCountInString(args[0].text))}
		}
		return value{number: float64(len(args[0].list))}
	case opAbs:
		return value{number: math.Abs(args[0].number)}
	case opFloor:
		return value{number: math.Floor(args[0].number)}
	case opCeil:
		return value{number: math.Ceil(args[0].number)}
	}
	return value{number: math.Round(args[0].number)}
}

func arithmetic(o op, x, y float64) value {
	switch o {
	case opAdd:
		return value{number: x + y}
	case opSub:
		return value{number: x - y}
	case opMul:
		return value{number: x * y}
	}
	q := x / y
	return value{number: q, fault: finiteness(q)}
}

func finiteness(x float64) EvalKind {
	switch {
	case math.IsNaN(x):
		return EvalNaN
	case math.IsInf(x, 0):
		return EvalInf
	}
	return ""
}

// checked gives a truth value when both operands are finite.
func checked(x, y float64, b bool) value {
	if fault := finiteness(x); fault != "" {
		return value{fault: fault}
	}
	if fault := finiteness(y); fault != "" {
		return value{fault: fault}
	}
	return truthValue(b)
}

func equality(n *tree, a, b value) value {
	same := a.number == b.number
	if n.args[0].kind == kindString {
		return truthValue((a.text == b.text) == (n.op == opEq))
	}
	if n.args[0].kind == kindBool {
		return truthValue(same == (n.op == opEq))
	}
	return checked(a.number, b.number, same == (n.op == opEq))
}

func ordering(o op, x, y float64) value {
	switch o {
	case opLt:
		return checked(x, y, x < y)
	case opLe:
		return checked(x, y, x <= y)
	case opGt:
		return checked(x, y, x > y)
	}
	return checked(x, y, x >= y)
}

func extreme(o op, args []value) value {
	best := args[0].number
	for _, a := range args[1:] {
		if fault := checked(best, a.number, false).fault; fault != "" {
			return value{fault: fault}
		}
		if o == opMin && a.number < best || o == opMax && a.number > best {
			best = a.number
		}
	}
	return value{number: best}
}
