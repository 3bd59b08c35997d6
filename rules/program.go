package rules

import (
	"fmt"
	"math"
	"slices"
)

// EvalKind says why an evaluation has no answer.
type EvalKind string

// The kinds of evaluation errors.
const (
	EvalAbsent EvalKind = "absent" // a variable does not exist
	EvalNaN    EvalKind = "nan"    // arithmetic gave no number, such as 0/0
	EvalInf    EvalKind = "inf"    // arithmetic left the range of numbers
	EvalLimit  EvalKind = "limit"  // more list elements or text than one evaluation may look at
	EvalFrame  EvalKind = "frame"  // the frame belongs to another bundle
	EvalType   EvalKind = "type"   // the program gives another type
)

// EvalError is the error of an expression that has no answer for a frame. It
// rejects the candidate; it never counts as false.
type EvalError struct {
	Program  *Program
	Kind     EvalKind
	Variable string // of EvalAbsent
}

// Error names the expression's place and the cause.
func (e *EvalError) Error() string {
	where := e.Program.source.String()
	switch e.Kind {
	case EvalAbsent:
		return fmt.Sprintf("%s: %s does not exist", where, e.Variable)
	case EvalNaN:
		return fmt.Sprintf("%s: the arithmetic gives no number", where)
	case EvalInf:
		return fmt.Sprintf("%s: the arithmetic leaves the range of numbers", where)
	case EvalLimit:
		return fmt.Sprintf("%s: lists or texts are too long to be looked at", where)
	case EvalFrame:
		return fmt.Sprintf("%s: the frame belongs to another bundle", where)
	}
	return fmt.Sprintf("%s: the expression gives %s", where, e.Program.root.kind)
}

// Program is a compiled expression. Immutable, safe for concurrent use with a
// frame per goroutine.
type Program struct {
	text     string
	source   Source
	role     string
	env      *Env
	root     *tree
	width    int
	reads    []Slot
	origins  Origin
	personal bool

	boolean boolFunc
	number  numberFunc
	strings stringsFunc
}

func newProgram(text string, at Source, r role, env *Env, root *tree) *Program {
	p := &Program{text: text, source: at, role: r.name, env: env, root: root, width: len(env.vars)}
	root.walk(func(t *tree) {
		if t.op != opVar {
			return
		}
		p.origins |= t.variable.Origin
		p.personal = p.personal || t.variable.Purpose == PurposePersonal
		if !slices.Contains(p.reads, t.slot) {
			p.reads = append(p.reads, t.slot)
		}
	})
	slices.Sort(p.reads)
	switch root.kind {
	case kindBool:
		p.boolean = compileBool(root)
	case kindNumber:
		p.number = compileNumber(root)
	case kindStrings:
		p.strings = compileStrings(root)
	}
	return p
}

// Bool evaluates a condition. The error is an *EvalError.
func (p *Program) Bool(f *Frame) (bool, error) {
	if p.boolean == nil || len(f.set) != p.width {
		return false, p.misused(f)
	}
	f.fault, f.steps = noFault, 0
	v := p.boolean(f)
	if f.fault != noFault {
		return false, p.failed(f)
	}
	return v, nil
}

// Number evaluates a number; NaN and infinities are errors. The error is an *EvalError.
func (p *Program) Number(f *Frame) (float64, error) {
	if p.number == nil || len(f.set) != p.width {
		return 0, p.misused(f)
	}
	f.fault, f.steps = noFault, 0
	v := p.number(f)
	if v-v != 0 {
		f.notFinite(v)
	}
	if f.fault != noFault {
		return 0, p.failed(f)
	}
	return v, nil
}

// Strings evaluates a list, which must not be changed. The error is an *EvalError.
func (p *Program) Strings(f *Frame) ([]string, error) {
	if p.strings == nil || len(f.set) != p.width {
		return nil, p.misused(f)
	}
	f.fault, f.steps = noFault, 0
	v := p.strings(f)
	if f.fault != noFault {
		return nil, p.failed(f)
	}
	return v, nil
}

func (p *Program) misused(f *Frame) error {
	if len(f.set) != p.width {
		return &EvalError{Program: p, Kind: EvalFrame}
	}
	return &EvalError{Program: p, Kind: EvalType}
}

func (p *Program) failed(f *Frame) error {
	e := &EvalError{Program: p, Kind: f.fault.kind()}
	if f.fault == faultAbsent {
		e.Variable = p.env.vars[f.faultSlot].Name
	}
	return e
}

func (f *Frame) notFinite(v float64) {
	if math.IsNaN(v) {
		f.fail(faultNaN, -1)
		return
	}
	f.fail(faultInf, -1)
}

// Reads returns the slots of the variables the expression names, ascending.
func (p *Program) Reads() []Slot { return p.reads }

// Origins returns the union of the origins of the variables read.
func (p *Program) Origins() Origin { return p.origins }

// Personal tells whether a personal variable is read, so that the expression has
// no answer without consent.
func (p *Program) Personal() bool { return p.personal }

// Source returns where the expression was written.
func (p *Program) Source() Source { return p.source }

// Text returns the expression as written.
func (p *Program) Text() string { return p.text }

// Literals returns the numbers and texts written in the expression, in order.
func (p *Program) Literals() (numbers []float64, texts []string) {
	p.root.walk(func(t *tree) {
		switch t.op {
		case opNumber:
			numbers = append(numbers, t.number)
		case opString:
			texts = append(texts, t.text)
		}
		numbers, texts = append(numbers, t.numbers...), append(texts, t.list...)
	})
	return numbers, texts
}
