package profile

import "slices"

// Type is the type of a feature.
type Type uint8

// The types of a feature. Numbers and bools have a slot in the vector.
const (
	Number Type = iota
	Bool
	String
	Strings
)

// String returns the type's name as the reference prints it.
func (t Type) String() string { return [...]string{"number", "bool", "string", "strings"}[t] }

// Purpose says what a feature may be used for, and so what consent hides.
type Purpose uint8

const (
	// Personal features do not exist without consent.
	Personal Purpose = iota
	// Security features guard against abuse and stay without consent.
	Security
	// Stated features repeat what the request says of the return.
	Stated
)

// String returns the purpose's name as the reference prints it.
func (p Purpose) String() string { return [...]string{"personal", "security", "request"}[p] }

// Feature is one row of the feature table.
type Feature struct {
	Name    string // as policies and models write it
	Type    Type
	Unit    string // of a number: days, count, share, money (major units), points, hour, weekday, score
	Window  string // what the feature looks back on; empty if it does not
	Formula string
	Purpose Purpose
	Slot    int // index in the vector; -1 for strings

	number  func(*Seen) float64
	text    func(*Seen) string
	strings func(*Seen, []string) []string
}

// table lists every feature. Rows are appended, never reordered or reused:
// artifacts name features, journals keep vectors in slot order.
var table = numbered(slices.Concat(activity(), habits(), returnHistory(), incentiveHistory(), thisReturn()))

// numbered gives vector slots to numbers and bools.
func numbered(rows []Feature) []Feature {
	slot := 0
	for i := range rows {
		rows[i].Slot = -1
		if rows[i].number != nil {
			rows[i].Slot = slot
			slot++
		}
	}
	return rows
}

// Table returns every feature in table order.
func Table() []Feature { return slices.Clone(table) }

// Lookup finds a feature by name.
func Lookup(name string) (Feature, bool) {
	i := slices.IndexFunc(table, func(f Feature) bool { return f.Name == name })
	if i < 0 {
		return Feature{}, false
	}
	return table[i], true
}

// Slots is the length of the vector.
func Slots() int {
	n := 0
	for i := range table {
		if table[i].number != nil {
			n++
		}
	}
	return n
}

// Vector appends the number and bool features in slot order. NaN is missing
// (no event to compute it from), bools are 0 or 1. It does not allocate if dst has room.
func (s *Seen) Vector(dst []float64) []float64 {
	for i := range table {
		if number := table[i].number; number != nil {
			dst = append(dst, number(s))
		}
	}
	return dst
}

// Number returns a number or bool feature; it panics for a feature that is neither.
func (s *Seen) Number(f *Feature) float64 { return f.number(s) }

// Text returns a string feature; it shares the records' and the return's memory.
func (s *Seen) Text(f *Feature) string { return f.text(s) }

// Texts appends a strings feature; it shares the records' memory.
func (s *Seen) Texts(dst []string, f *Feature) []string { return f.strings(s, dst) }
