package engine

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Candidates have most of their scores, goals and charges in common. An element
// of such a list is written as what differs from the element at its place in the
// last candidate that has one there: a mask first (field likeMask) of the
// fields that are equal, then the others.
const likeMask protowire.Number = 15

// likeness walks the fields of two elements: it leaves out of the first what is
// equal and says so in the mask, or, taking, puts back what the mask says.
type likeness struct {
	mask   uint64
	at     int // the next bit
	taking bool
}

func alike[T comparable](l *likeness, v *T, before T) {
	var zero T
	bit := uint64(1) << l.at
	switch {
	case l.taking && l.mask&bit != 0:
		*v = before
	case !l.taking && *v == before && *v != zero:
		*v = zero
		l.mask |= bit
	}
	l.at++
}

// element is a part of a candidate that is written as its difference.
type element[T any] interface {
	*T
	field(f field)
	like(before *T, l *likeness)
}

// values are the outcomes and goals of a decision's candidates, encoded before
// the ledger's lock is taken: nothing under it changes them.
type values struct {
	b    []byte
	ends []int
}

func (v *values) encode(cs []Candidate) {
	w := wire{v.b[:0]}
	v.ends = v.ends[:0]
	for i := range cs {
		cs[i].appendValues(&w, cs[:i])
		v.ends = append(v.ends, len(w.b))
	}
	v.b = w.b
}

func (v *values) of(candidate int) []byte {
	from := 0
	if candidate > 0 {
		from = v.ends[candidate-1]
	}
	return v.b[from:v.ends[candidate]]
}

// appendValues writes a candidate's outcomes and goals. It is not generic, for
// then every element would be allocated.
func (c *Candidate) appendValues(w *wire, earlier []Candidate) {
	for i := range c.Outcomes {
		o, l := c.Outcomes[i], likeness{}
		if before := lastAt(earlier, i, outcomesOf); before != nil {
			o.like(before, &l)
		}
		at := w.open(12)
		w.uint(likeMask, l.mask)
		o.append(w)
		w.close(at)
	}
	for i := range c.Goals {
		g, l := c.Goals[i], likeness{}
		if before := lastAt(earlier, i, goalsOf); before != nil {
			g.like(before, &l)
		}
		at := w.open(13)
		w.uint(likeMask, l.mask)
		g.append(w)
		w.close(at)
	}
}

// appendCharges writes what the candidate is charged for the budgets.
func (c *Candidate) appendCharges(w *wire, earlier []Candidate) {
	for i := range c.Charges {
		x, l := c.Charges[i], likeness{}
		if before := lastAt(earlier, i, chargesOf); before != nil {
			x.like(before, &l)
		}
		at := w.open(14)
		w.uint(likeMask, l.mask)
		x.append(w)
		w.close(at)
	}
}

// parseLike appends one element to a candidate's list.
func parseLike[T any, E element[T]](b []byte, list *[]T, earlier []Candidate, of func(*Candidate) []T) error {
	var x T
	err := fields(b, func(f field) error {
		if f.num != likeMask {
			E(&x).field(f)
			return nil
		}
		before := lastAt(earlier, len(*list), of)
		if before == nil {
			return fmt.Errorf("%w: element %d is like one that no earlier candidate has", errWire, len(*list))
		}
		E(&x).like(before, &likeness{mask: f.v, taking: true})
		return nil
	})
	*list = append(*list, x)
	return err
}

// lastAt is the element at a place in the last candidate that has one there; nil if none has.
func lastAt[T any](earlier []Candidate, place int, of func(*Candidate) []T) *T {
	for i := len(earlier) - 1; i >= 0; i-- {
		if list := of(&earlier[i]); place < len(list) {
			return &list[place]
		}
	}
	return nil
}

func outcomesOf(c *Candidate) []OutcomeScore { return c.Outcomes }
func goalsOf(c *Candidate) []GoalValue       { return c.Goals }
func chargesOf(c *Candidate) []Charge        { return c.Charges }

func (o *OutcomeScore) like(b *OutcomeScore, l *likeness) {
	alike(l, &o.Outcome, b.Outcome)
	alike(l, &o.Without, b.Without)
	alike(l, &o.With, b.With)
	alike(l, &o.Lower, b.Lower)
	alike(l, &o.Upper, b.Upper)
	alike(l, &o.Assumed, b.Assumed)
	alike(l, &o.Rung, b.Rung)
}

func (g *GoalValue) like(b *GoalValue, l *likeness) {
	alike(l, &g.Goal, b.Goal)
	alike(l, &g.Unit, b.Unit)
	alike(l, &g.Amount, b.Amount)
	alike(l, &g.Value, b.Value)
	alike(l, &g.Weight, b.Weight)
	alike(l, &g.Contribution, b.Contribution)
	alike(l, &g.Skipped, b.Skipped)
}

func (x *Charge) like(b *Charge, l *likeness) {
	alike(l, &x.Budget, b.Budget)
	alike(l, &x.Lambda, b.Lambda)
	alike(l, &x.Amount, b.Amount)
}
