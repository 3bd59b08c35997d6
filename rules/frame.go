package rules

// Env is the set of variables of one bundle with their slots. Immutable.
type Env struct {
	vars  []Variable
	slots map[string]Slot
	names []string // in slot order, for suggestions
}

// Slot returns the slot of a variable, or -1.
func (e *Env) Slot(name string) Slot {
	if s, ok := e.slots[name]; ok {
		return s
	}
	return -1
}

// Variables returns the declarations in slot order. The result must not be changed.
func (e *Env) Variables() []Variable { return e.vars }

// NewFrame returns a frame in which no variable is set.
func (e *Env) NewFrame() *Frame {
	return &Frame{
		num:  make([]float64, len(e.vars)),
		str:  make([]string, len(e.vars)),
		list: make([][]string, len(e.vars)),
		set:  make([]bool, len(e.vars)),
	}
}

// Frame holds the values of the variables for one candidate of one decision.
// A variable that was not set does not exist: reading it is an evaluation error.
// Not safe for concurrent use; reuse by Reset.
type Frame struct {
	num  []float64 // numbers; bools as 0 and 1
	str  []string
	list [][]string
	set  []bool

	// State of the evaluation under way.
	fault     fault // first error
	faultSlot Slot
	steps     int    // list and string work done
	elem      string // the element `#` of the innermost any, all or none
}

// SetNumber sets a number. NaN counts as not set.
func (f *Frame) SetNumber(s Slot, v float64) {
	if s >= 0 {
		f.num[s], f.set[s] = v, v == v
	}
}

// SetBool sets a bool.
func (f *Frame) SetBool(s Slot, v bool) {
	if s >= 0 {
		f.num[s], f.set[s] = 0, true
		if v {
			f.num[s] = 1
		}
	}
}

// SetString sets a string.
func (f *Frame) SetString(s Slot, v string) {
	if s >= 0 {
		f.str[s], f.set[s] = v, true
	}
}

// SetStrings sets a list; the frame keeps v.
func (f *Frame) SetStrings(s Slot, v []string) {
	if s >= 0 {
		f.list[s], f.set[s] = v, true
	}
}

// Unset makes a variable not exist.
func (f *Frame) Unset(s Slot) {
	if s >= 0 {
		f.set[s] = false
	}
}

// Number returns a number, bool (0 or 1) and whether it is set.
func (f *Frame) Number(s Slot) (float64, bool) {
	if s < 0 || !f.set[s] {
		return 0, false
	}
	return f.num[s], true
}

// Text returns a string and whether it is set.
func (f *Frame) Text(s Slot) (string, bool) {
	if s < 0 || !f.set[s] {
		return "", false
	}
	return f.str[s], true
}

// List returns a list and whether it is set. It must not be changed.
func (f *Frame) List(s Slot) ([]string, bool) {
	if s < 0 || !f.set[s] {
		return nil, false
	}
	return f.list[s], true
}

// Reset makes no variable exist.
func (f *Frame) Reset() { clear(f.set); clear(f.str); clear(f.list) }

// fault is an EvalKind in a byte, to be reset and tested on every evaluation.
type fault uint8

const (
	noFault fault = iota
	faultAbsent
	faultNaN
	faultInf
	faultLimit
)

func (x fault) kind() EvalKind {
	switch x {
	case faultAbsent:
		return EvalAbsent
	case faultNaN:
		return EvalNaN
	case faultInf:
		return EvalInf
	}
	return EvalLimit
}

// fail keeps the first error of an evaluation.
func (f *Frame) fail(x fault, s Slot) {
	if f.fault == noFault {
		f.fault, f.faultSlot = x, s
	}
}

// charge counts work over lists and strings and tells whether more is allowed.
func (f *Frame) charge(n int) bool {
	f.steps += n
	if f.steps > maxSteps {
		f.fail(faultLimit, -1)
	}
	return f.fault == noFault
}
