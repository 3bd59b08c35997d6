package rules

func compileNumber(t *tree) numberFunc {
	switch t.op {
	case opNumber:
		v := t.number
		return func(*Frame) float64 { return v }
	case opVar:
		s := t.slot
		return func(f *Frame) float64 { return f.readNumber(s) }
	case opNeg:
		a := compileNumber(t.args[0])
		return func(f *Frame) float64 { return -a(f) }
	case opCond:
		c, a, b := compileBool(t.args[0]), compileNumber(t.args[1]), compileNumber(t.args[2])
		return func(f *Frame) float64 {
			if c(f) {
				return a(f)
			}
			return b(f)
		}
	case opAdd, opSub, opMul, opDiv:
		return compileArithmetic(t)
	case opMin, opMax:
		return compileExtreme(t)
	case opLen:
		return compileLength(t)
	}
	return compileRounding(t)
}

// compileArithmetic picks a closure for the shape of the operands: reading a
// variable or a literal in place saves a call.
func compileArithmetic(t *tree) numberFunc {
	left, right := t.args[0], t.args[1]
	if t.op == opDiv {
		return compileDivision(left, right)
	}
	switch {
	case left.op == opVar && right.op == opVar:
		return variables(t.op, left.slot, right.slot)
	case right.op == opNumber:
		return withLiteral(t.op, compileNumber(left), right.number)
	case right.op == opVar:
		return withVariable(t.op, compileNumber(left), right.slot)
	}
	a, b := compileNumber(left), compileNumber(right)
	switch t.op {
	case opAdd:
		return func(f *Frame) float64 { return a(f) + b(f) }
	case opSub:
		return func(f *Frame) float64 { return a(f) - b(f) }
	}
	return func(f *Frame) float64 { return a(f) * b(f) }
}

func variables(o op, x, y Slot) numberFunc {
	switch o {
	case opAdd:
		return func(f *Frame) float64 { return f.readNumber(x) + f.readNumber(y) }
	case opSub:
		return func(f *Frame) float64 { return f.readNumber(x) - f.readNumber(y) }
	}
	return func(f *Frame) float64 { return f.readNumber(x) * f.readNumber(y) }
}

func withLiteral(o op, a numberFunc, c float64) numberFunc {
	switch o {
	case opAdd:
		return func(f *Frame) float64 { return a(f) + c }
	case opSub:
		return func(f *Frame) float64 { return a(f) - c }
	}
	return func(f *Frame) float64 { return a(f) * c }
}

func withVariable(o op, a numberFunc, y Slot) numberFunc {
	switch o {
	case opAdd:
		return func(f *Frame) float64 { return a(f) + f.readNumber(y) }
	case opSub:
		return func(f *Frame) float64 { return a(f) - f.readNumber(y) }
	}
	return func(f *Frame) float64 { return a(f) * f.readNumber(y) }
}

// compileDivision fails at once on a quotient that is no finite number, so that
// the error is not lost in what follows.
func compileDivision(left, right *tree) numberFunc {
	a, b := compileNumber(left), compileNumber(right)
	return func(f *Frame) float64 {
		q := a(f) / b(f)
		if q-q != 0 {
			f.notFinite(q)
			return 0
		}
		return q
	}
}

// compileExtreme compiles min and max, which would otherwise pass over a NaN.
func compileExtreme(t *tree) numberFunc {
	args := make([]numberFunc, len(t.args))
	for i, a := range t.args {
		args[i] = compileNumber(a)
	}
	first, rest, largest := args[0], args[1:], t.op == opMax
	return func(f *Frame) float64 {
		best := first(f)
		for _, a := range rest {
			x := a(f)
			if !f.finite(best, x) {
				return 0
			}
			if (x > best) == largest && x != best {
				best = x
			}
		}
		return best
	}
}
