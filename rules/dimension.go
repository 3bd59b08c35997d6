package rules

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// dimension is the unit of a number: a product of powers of named units.
// A literal fits any unit; an unknown one comes from a variable without a unit.
type dimension struct {
	state dimState
	units map[string]int // of dimKnown; empty: a plain ratio
}

type dimState uint8

const (
	dimLiteral dimState = iota
	dimUnknown
	dimKnown
)

var ratioUnits = []string{"share", "ratio", "probability", "score", "count", "1"}

// dimensionOf returns the unit of a variable.
func dimensionOf(v Variable) dimension {
	switch {
	case v.Type == Money:
		return unitDimension("money")
	case v.Type == Share:
		return unitDimension("share")
	case v.Unit == "":
		return dimension{state: dimUnknown}
	}
	return unitDimension(v.Unit)
}

func unitDimension(unit string) dimension {
	if slices.Contains(ratioUnits, unit) {
		return dimension{state: dimKnown}
	}
	return dimension{state: dimKnown, units: map[string]int{unit: 1}}
}

// join returns the unit of a sum, a comparison or a choice of two numbers, and
// whether they may meet at all.
func (d dimension) join(o dimension) (dimension, bool) {
	switch {
	case d.state == dimLiteral:
		return o, true
	case o.state == dimLiteral:
		return d, true
	case d.state == dimUnknown:
		return o, true
	case o.state == dimUnknown:
		return d, true
	}
	return d, maps.Equal(d.units, o.units)
}

// times returns the unit of a product, or with power -1 of a quotient.
func (d dimension) times(o dimension, power int) dimension {
	switch {
	case d.state == dimUnknown || o.state == dimUnknown:
		return dimension{state: dimUnknown}
	case o.state == dimLiteral && len(d.units) == 0, d.state == dimLiteral && len(o.units) == 0:
		return dimension{} // a literal may be the value of one unit: a chance times 3.20 may be money
	case o.state == dimLiteral:
		return d
	}
	out := dimension{state: dimKnown, units: maps.Clone(d.units)}
	if out.units == nil {
		out.units = make(map[string]int, len(o.units))
	}
	for u, p := range o.units {
		out.units[u] += p * power
		if out.units[u] == 0 {
			delete(out.units, u)
		}
	}
	return out
}

// fits tells whether a number of this unit may stand where another is expected.
func (d dimension) fits(want dimension) bool {
	_, ok := d.join(want)
	return ok
}

func (d dimension) String() string {
	if d.state != dimKnown {
		return "a number"
	}
	if len(d.units) == 0 {
		return "a ratio"
	}
	var parts []string
	for _, u := range slices.Sorted(maps.Keys(d.units)) {
		if p := d.units[u]; p != 1 {
			u += "^" + strconv.Itoa(p)
		}
		parts = append(parts, u)
	}
	return strings.Join(parts, "*")
}
