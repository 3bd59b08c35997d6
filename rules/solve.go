package rules

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxBranches bounds the cases looked at for one question; beyond it the answer
// is "perhaps".
const maxBranches = 256

// satisfiable tells whether all conditions may be true at once. False is a proof:
// no values of the variables, within their types, make every condition evaluate
// to true. True means that no contradiction was found.
func satisfiable(conditions ...*tree) bool {
	forms := make([][][]literal, len(conditions))
	for i, c := range conditions {
		form, ok := normalForm(c, false)
		if !ok {
			return true
		}
		forms[i] = form
	}
	s := search{left: maxBranches}
	return s.from(forms, make([]literal, 0, 32))
}

// search looks for one consistent choice of an alternative of every condition.
type search struct{ left int }

func (s *search) from(forms [][][]literal, chosen []literal) bool {
	if len(forms) == 0 {
		s.left--
		return s.left < 0 || consistent(chosen)
	}
	for _, alternative := range forms[0] {
		if s.from(forms[1:], append(chosen, alternative...)) {
			return true
		}
	}
	return false
}

// negation returns the condition that is true where t is false.
func negation(t *tree) *tree { return &tree{op: opNot, kind: kindBool, args: []*tree{t}, slot: -1} }

// literal is an elementary condition or its negation.
type literal struct {
	t       *tree
	negated bool
}

// normalForm writes a condition as alternatives of literals that hold together.
func normalForm(t *tree, negated bool) ([][]literal, bool) {
	switch t.op {
	case opBool:
		if (t.number != 0) != negated {
			return [][]literal{nil}, true
		}
		return nil, true
	case opNot:
		return normalForm(t.args[0], !negated)
	case opAnd, opOr:
		a, okA := normalForm(t.args[0], negated)
		b, okB := normalForm(t.args[1], negated)
		if !okA || !okB {
			return nil, false
		}
		if (t.op == opOr) != negated {
			return append(slices.Clip(a), b...), len(a)+len(b) <= maxBranches
		}
		return combine(a, b)
	case opCond:
		return conditionalForm(t, negated)
	}
	return [][]literal{{{t, negated}}}, true
}

func conditionalForm(t *tree, negated bool) ([][]literal, bool) {
	var out [][]literal
	for _, branch := range []struct {
		not  bool
		then *tree
	}{{false, t.args[1]}, {true, t.args[2]}} {
		c, okC := normalForm(t.args[0], branch.not)
		v, okV := normalForm(branch.then, negated)
		if !okC || !okV {
			return nil, false
		}
		both, ok := combine(c, v)
		if !ok {
			return nil, false
		}
		out = append(out, both...)
	}
	return out, len(out) <= maxBranches
}

func combine(a, b [][]literal) ([][]literal, bool) {
	if len(a)*len(b) > maxBranches {
		return nil, false
	}
	return product(a, b), true
}

func product(a, b [][]literal) [][]literal {
	out := make([][]literal, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, append(slices.Clip(x), y...))
		}
	}
	return out
}

// knowledge is what literals say of each quantity, by its written form.
type knowledge struct {
	numbers map[string]interval
	texts   map[string]*textSet
	truths  map[string]bool
}

// textSet is a set of texts: those listed, or all but those listed.
type textSet struct {
	texts    []string
	allBut   bool
	literals []literal // contains, startsWith and endsWith, checked on finite sets
}

// consistent tells whether literals may hold together.
func consistent(literals []literal) bool {
	k := &knowledge{numbers: map[string]interval{}, texts: map[string]*textSet{}, truths: map[string]bool{}}
	for _, l := range literals {
		if !k.learn(l) {
			return false
		}
	}
	for _, l := range literals {
		if !k.admits(l) {
			return false
		}
	}
	return true
}

// learn narrows what is known and tells whether anything is left.
func (k *knowledge) learn(l literal) bool {
	if !readsVariables(l.t) {
		return holdsAlone(l)
	}
	switch t := l.t; t.op {
	case opEq, opNe, opLt, opLe, opGt, opGe:
		switch t.args[0].kind {
		case kindNumber:
			return k.learnNumber(t, l.negated)
		case kindString:
			return k.learnEquality(t, (t.op == opEq) == l.negated)
		}
	case opIn:
		if t.args[1].op == opList {
			return k.learnTexts(t.args[0], t.args[1].list, l.negated)
		}
		if t.args[1].op == opNumbers && !l.negated && len(t.args[1].numbers) > 0 {
			return k.narrow(t.args[0], interval{lo: slices.Min(t.args[1].numbers), hi: slices.Max(t.args[1].numbers)})
		}
	case opContains, opStartsWith, opEndsWith:
		if t.args[1].op == opString {
			s := k.textsOf(t.args[0])
			s.literals = append(s.literals, l)
		}
	}
	return k.learnTruth(l)
}

// learnTruth keeps the truth of a condition that nothing else is known of.
func (k *knowledge) learnTruth(l literal) bool {
	key := treeKey(l.t)
	if before, ok := k.truths[key]; ok && before == l.negated {
		return false
	}
	k.truths[key] = !l.negated
	return true
}

func readsVariables(t *tree) bool {
	found := false
	t.walk(func(n *tree) { found = found || n.op == opVar || n.op == opElem })
	return found
}

// holdsAlone evaluates a literal without variables; one that fails is never true.
func holdsAlone(l literal) bool {
	tr := tracer{frame: &Frame{}, visit: func(*tree, value, int) {}}
	v := tr.eval(l.t, 0)
	return v.fault == "" && v.truth() != l.negated
}

func (k *knowledge) learnNumber(t *tree, negated bool) bool {
	o, left, right := t.op, t.args[0], t.args[1]
	if negated {
		o = complement(o)
	}
	if isLiteralNumber(right) {
		return k.narrow(left, satisfying(o, literalNumber(right)))
	}
	if isLiteralNumber(left) {
		return k.narrow(right, satisfying(mirrored(o), literalNumber(left)))
	}
	return true
}

func (k *knowledge) narrow(subject *tree, i interval) bool {
	key := treeKey(subject)
	known, ok := k.numbers[key]
	if !ok {
		known = everything()
	}
	known = known.meet(i)
	k.numbers[key] = known
	return !known.empty()
}

func (k *knowledge) learnEquality(t *tree, negated bool) bool {
	subject, other := t.args[0], t.args[1]
	if subject.op == opString {
		subject, other = other, subject
	}
	if other.op != opString {
		return k.learnTruth(literal{t, (t.op == opNe) != negated})
	}
	return k.learnTexts(subject, []string{other.text}, negated)
}

func (k *knowledge) textsOf(subject *tree) *textSet {
	key := treeKey(subject)
	s := k.texts[key]
	if s == nil {
		s = &textSet{allBut: true}
		if subject.op == opVar && len(subject.variable.Values) > 0 {
			s = &textSet{texts: slices.Clone(subject.variable.Values)}
		}
		k.texts[key] = s
	}
	return s
}

func (k *knowledge) learnTexts(subject *tree, texts []string, negated bool) bool {
	s := k.textsOf(subject)
	switch {
	case negated && s.allBut:
		s.texts = append(s.texts, texts...)
	case negated:
		s.texts = slices.DeleteFunc(s.texts, func(x string) bool { return slices.Contains(texts, x) })
	case s.allBut:
		excluded := s.texts
		s.texts, s.allBut = slices.Clone(texts), false
		s.texts = slices.DeleteFunc(s.texts, func(x string) bool { return slices.Contains(excluded, x) })
	default:
		s.texts = slices.DeleteFunc(s.texts, func(x string) bool { return !slices.Contains(texts, x) })
	}
	return s.allBut || len(s.texts) > 0
}

// admits checks a literal against everything learnt.
func (k *knowledge) admits(l literal) bool {
	t := l.t
	switch {
	case !readsVariables(t):
		return true
	case t.op == opIn && t.args[1].op == opNumbers && !l.negated:
		i := k.rangeOf(t.args[0])
		return slices.ContainsFunc(t.args[1].numbers, func(x float64) bool { return !i.meet(point(x)).empty() })
	case (t.op == opContains || t.op == opStartsWith || t.op == opEndsWith) && t.args[1].op == opString:
		return k.admitsText(t.args[0])
	case len(t.args) == 2 && t.args[0].kind == kindNumber && t.args[1].kind == kindNumber:
		o := t.op
		if l.negated {
			o = complement(o)
		}
		return feasible(o, k.rangeOf(t.args[0]), k.rangeOf(t.args[1]))
	}
	return true
}

// admitsText tells whether some text of a finite set passes every test on it.
func (k *knowledge) admitsText(subject *tree) bool {
	s := k.textsOf(subject)
	if s.allBut {
		return true
	}
	return slices.ContainsFunc(s.texts, func(x string) bool {
		return !slices.ContainsFunc(s.literals, func(l literal) bool {
			v := apply(l.t, []value{{text: x}, {text: l.t.args[1].text}})
			return v.truth() == l.negated
		})
	})
}

// rangeOf bounds a number by its type, what was learnt, and interval arithmetic.
func (k *knowledge) rangeOf(t *tree) interval {
	i := k.rangeByParts(t)
	if known, ok := k.numbers[treeKey(t)]; ok {
		i = i.meet(known)
	}
	return i
}

func (k *knowledge) rangeByParts(t *tree) interval {
	switch t.op {
	case opNumber:
		return point(t.number)
	case opVar:
		if t.variable.Type == Share {
			return closed(0, 1)
		}
		return everything()
	case opLen:
		return closed(0, math.Inf(1))
	case opCond:
		return k.rangeOf(t.args[1]).hull(k.rangeOf(t.args[2]))
	}
	if len(t.args) == 0 {
		return everything()
	}
	a := k.rangeOf(t.args[0])
	switch t.op {
	case opNeg:
		return a.negate()
	case opAbs:
		return a.abs()
	case opFloor:
		return a.mapped(math.Floor)
	case opCeil:
		return a.mapped(math.Ceil)
	case opRound:
		return a.mapped(math.Round)
	case opMin, opMax:
		return k.rangeOfExtreme(t, a)
	}
	b := k.rangeOf(t.args[1])
	switch t.op {
	case opAdd:
		return a.plus(b)
	case opSub:
		return a.plus(b.negate())
	case opMul:
		return a.times(b)
	case opDiv:
		return a.over(b)
	}
	return everything()
}

func (k *knowledge) rangeOfExtreme(t *tree, a interval) interval {
	pick := math.Min
	if t.op == opMax {
		pick = math.Max
	}
	for _, x := range t.args[1:] {
		b := k.rangeOf(x)
		a = closed(pick(a.lo, b.lo), pick(a.hi, b.hi))
	}
	return a
}

// treeKey writes an expression so that equal structures have equal texts.
func treeKey(t *tree) string {
	var b strings.Builder
	writeKey(&b, t)
	return b.String()
}

func writeKey(b *strings.Builder, t *tree) {
	b.WriteString(strconv.Itoa(int(t.op)))
	switch t.op {
	case opVar:
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(int(t.slot)))
	case opNumber, opBool:
		b.WriteByte('=')
		b.WriteString(formatNumber(t.number))
	case opString:
		b.WriteString(strconv.Quote(t.text))
	case opList:
		for _, s := range t.list {
			b.WriteString(strconv.Quote(s))
		}
	case opNumbers:
		for _, x := range t.numbers {
			b.WriteByte(',')
			b.WriteString(formatNumber(x))
		}
	}
	if len(t.args) > 0 {
		b.WriteByte('(')
		for _, a := range t.args {
			writeKey(b, a)
			b.WriteByte(' ')
		}
		b.WriteByte(')')
	}
}
