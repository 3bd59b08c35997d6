package profile

import "slices"

// bracket is one style bought in several sizes in one purchase.
type bracket struct {
	order    uint64
	style    uint32
	time     int64
	day      int64
	currency uint16
	bought   int64 // items
	back     int64 // items returned so far
}

// mostlyBack reports whether half of the items or more came back.
func (b *bracket) mostlyBack() bool { return b.back > 0 && 2*b.back >= b.bought }

// brackets collects the size brackets of a customer and what came back of them.
type brackets struct{ list []bracket }

// read collects the brackets of the visible purchases and applies the visible returns.
func (b *brackets) read(s *scan) {
	b.list = b.list[:0]
	for _, e := range s.purchases {
		if trade(e.body()).flags()&tradeBracket != 0 {
			b.purchase(e)
		}
	}
	if len(b.list) == 0 {
		return
	}
	for _, e := range s.returns {
		t := trade(e.body())
		for i := range t.lines() {
			b.giveBack(t.order(), t.line(i).style(), t.line(i).quantity(), e.time())
		}
	}
}

// bracketIn reports whether a purchase of the order (0: any) has a size bracket.
func (s *scan) bracketIn(order uint64) bool {
	return slices.ContainsFunc(s.purchases, func(e entry) bool {
		t := trade(e.body())
		return t.flags()&tradeBracket != 0 && (order == 0 || t.order() == order)
	})
}

// purchase adds the brackets of one purchase; its lines stand by style.
func (b *brackets) purchase(e entry) {
	t := trade(e.body())
	for i := 0; i < t.lines(); {
		style, size := t.line(i).style(), t.line(i).size()
		items, sizes := int64(0), false
		for i < t.lines() && t.line(i).style() == style {
			l := t.line(i)
			items += l.quantity()
			sizes = sizes || size != 0 && l.size() != size
			size = l.size()
			i++
		}
		if sizes && style != 0 {
			b.list = append(b.list, bracket{
				order: t.order(), style: style, time: e.time(),
				day: dayOf(e.time()), currency: t.currency(), bought: items,
			})
		}
	}
}

// giveBack counts returned items against the last bracket of the order with
// the style, or without an order against the last bracket of the style before
// the return. It returns the bracket, nil if there is none.
func (b *brackets) giveBack(order uint64, style uint32, items, at int64) *bracket {
	if style == 0 {
		return nil
	}
	for i := len(b.list) - 1; i >= 0; i-- {
		c := &b.list[i]
		if c.style == style && (order != 0 && c.order == order || order == 0 && c.time <= at) {
			c.back += items
			return c
		}
	}
	return nil
}
