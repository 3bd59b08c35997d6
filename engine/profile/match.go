package profile

import (
	"math"
	"slices"
)

// match is what the history says of the lines of a return.
type match struct {
	order        uint64 // hash of the stated order, 0 if none is stated
	items        int64
	paid         int64 // of all lines
	matched      int   // lines whose purchase is known from the history
	incentivised bool  // a line was bought with an incentive
	boughtAt     int64 // of the most valuable line whose purchase is known, none if there is none
	valued       int64 // that line's value
	top          int   // index of the line with the greatest value, -1 without lines
}

func (m *match) reset() { *m = match{boughtAt: none, valued: -1, top: -1} }

// read matches every line to the customer's last visible purchase of the item,
// within the order if the return names one.
func (m *match) read(s *scan, ret *Return) {
	m.order = hashID(ret.OrderID)
	for i := range ret.Lines {
		l := &ret.Lines[i]
		m.items += l.Quantity
		m.paid += l.Paid
		if m.top < 0 || l.Paid > ret.Lines[m.top].Paid {
			m.top = i
		}
		at := int64(none)
		if !l.PurchasedAt.IsZero() {
			at = l.PurchasedAt.UnixMilli()
		}
		if l.DecisionID != "" {
			m.incentivised = true
		}
		m.line(s, hashWord(l.SKU), &at)
		if at != none && l.Paid > m.valued {
			m.boughtAt, m.valued = at, l.Paid
		}
	}
}

// line looks for one item, newest purchase first. A stated purchase time is kept.
// An earlier purchase with an incentive makes the return incentivised, whichever purchase matched.
func (m *match) line(s *scan, sku uint32, at *int64) {
	found := false
	for _, bought := range slices.Backward(s.purchases) {
		t := trade(bought.body())
		if m.order != 0 && t.order() != m.order {
			continue
		}
		if found && t.flags()&tradeIncentivised == 0 {
			continue
		}
		for i := range t.lines() {
			l := t.line(i)
			if l.sku() != sku {
				continue
			}
			if !found {
				found = true
				m.matched++
				if *at == none {
					*at = bought.time()
				}
			}
			m.incentivised = m.incentivised || l.incentivised()
		}
	}
}

// daysSincePurchase is NaN if no line's purchase is known.
func (m *match) daysSincePurchase(now int64) float64 {
	if m.boughtAt == none {
		return math.NaN()
	}
	return float64(now-m.boughtAt) / msPerDay
}
