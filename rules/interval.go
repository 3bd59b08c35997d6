package rules

import "math"

// interval is a set of real numbers between two ends, each possibly left out.
type interval struct {
	lo, hi         float64
	loOpen, hiOpen bool
}

func everything() interval { return interval{lo: math.Inf(-1), hi: math.Inf(1)} }

func point(x float64) interval { return interval{lo: x, hi: x} }

func (i interval) empty() bool {
	return i.lo > i.hi || i.lo == i.hi && (i.loOpen || i.hiOpen)
}

func (i interval) isPoint() bool { return i.lo == i.hi && !i.loOpen && !i.hiOpen }

// meet returns the numbers in both.
func (i interval) meet(o interval) interval {
	if o.lo > i.lo || o.lo == i.lo && o.loOpen {
		i.lo, i.loOpen = o.lo, o.loOpen
	}
	if o.hi < i.hi || o.hi == i.hi && o.hiOpen {
		i.hi, i.hiOpen = o.hi, o.hiOpen
	}
	return i
}

// hull returns the smallest interval around both.
func (i interval) hull(o interval) interval {
	if o.lo < i.lo || o.lo == i.lo && !o.loOpen {
		i.lo, i.loOpen = o.lo, o.loOpen
	}
	if o.hi > i.hi || o.hi == i.hi && !o.hiOpen {
		i.hi, i.hiOpen = o.hi, o.hiOpen
	}
	return i
}

// satisfying returns the numbers x with `x o c`.
func satisfying(o op, c float64) interval {
	i := everything()
	switch o {
	case opLt:
		i.hi, i.hiOpen = c, true
	case opLe:
		i.hi = c
	case opGt:
		i.lo, i.loOpen = c, true
	case opGe:
		i.lo = c
	case opEq:
		i = point(c)
	}
	return i
}

// feasible tells whether `x o y` can hold for some x and y of two intervals.
func feasible(o op, x, y interval) bool {
	switch o {
	case opLt:
		return x.lo < y.hi
	case opLe:
		return x.lo < y.hi || x.lo == y.hi && !x.loOpen && !y.hiOpen
	case opGt:
		return y.lo < x.hi
	case opGe:
		return y.lo < x.hi || y.lo == x.hi && !y.loOpen && !x.hiOpen
	case opEq:
		return !x.meet(y).empty()
	case opNe:
		return !(x.isPoint() && y.isPoint() && x.lo == y.lo)
	}
	return true
}

// The bounds below hold for floating-point results too: rounding to nearest never
// reorders two results, so a bound computed from the ends bounds all between.

func (i interval) negate() interval {
	return interval{lo: -i.hi, hi: -i.lo, loOpen: i.hiOpen, hiOpen: i.loOpen}
}

func (i interval) plus(o interval) interval {
	return closed(i.lo+o.lo, i.hi+o.hi)
}

func (i interval) times(o interval) interval {
	return closedAround(i.lo*o.lo, i.lo*o.hi, i.hi*o.lo, i.hi*o.hi)
}

func (i interval) over(o interval) interval {
	if o.lo <= 0 && o.hi >= 0 {
		return everything()
	}
	return closedAround(i.lo/o.lo, i.lo/o.hi, i.hi/o.lo, i.hi/o.hi)
}

// closed returns [lo, hi], or everything when an end is not a number.
func closed(lo, hi float64) interval {
	if math.IsNaN(lo) || math.IsNaN(hi) {
		return everything()
	}
	return interval{lo: lo, hi: hi}
}

func closedAround(ends ...float64) interval {
	out := closed(ends[0], ends[0])
	for _, x := range ends {
		if math.IsNaN(x) {
			return everything()
		}
		out.lo, out.hi = min(out.lo, x), max(out.hi, x)
	}
	return out
}

func (i interval) abs() interval {
	if i.lo >= 0 {
		return i
	}
	if i.hi <= 0 {
		return i.negate()
	}
	return closed(0, max(-i.lo, i.hi))
}

// mapped applies a function that never decreases.
func (i interval) mapped(f func(float64) float64) interval { return closed(f(i.lo), f(i.hi)) }
