package profile

import (
	"cmp"
	"slices"
)

// offerAgg joins the events about one decision's offer. Until the engine says
// when it was made, that is the time of the first of them.
type offerAgg struct {
	decision                  uint64
	made, presented, redeemed int64
	released                  bool
}

func (b *builder) offer(decision uint64, at int64) *offerAgg {
	for i := len(b.offers) - 1; i >= 0; i-- {
		if b.offers[i].decision == decision {
			return &b.offers[i]
		}
	}
	b.offers = append(b.offers, offerAgg{decision: decision, made: at})
	return &b.offers[len(b.offers)-1]
}

func (b *builder) incentive(e entry) {
	o := b.offer(incentive(e.body()).decision(), e.time())
	switch e.kind() {
	case KindPresentation:
		if o.presented == 0 {
			o.presented = e.time()
		}
	case KindRedemption:
		if o.redeemed == 0 {
			o.redeemed = e.time()
		}
	case KindRelease:
		o.released = true
	}
}

// finishOffers puts the newest offers first.
func (b *builder) finishOffers() {
	slices.SortFunc(b.offers, func(x, y offerAgg) int {
		return cmp.Or(cmp.Compare(y.made, x.made), cmp.Compare(x.decision, y.decision))
	})
}

// offerDayAgg counts the offers beyond the newest RecentOffers by UTC day.
type offerDayAgg struct {
	day                          int64
	offered, presented, redeemed uint16
}

func (b *builder) offerDays() []offerDayAgg {
	if len(b.offers) <= RecentOffers {
		return nil
	}
	var days []offerDayAgg
	at := func(ms int64) *offerDayAgg {
		day := dayOf(ms)
		i, found := slices.BinarySearchFunc(days, day, func(d offerDayAgg, day int64) int { return cmp.Compare(d.day, day) })
		if !found {
			days = slices.Insert(days, i, offerDayAgg{day: day})
		}
		return &days[i]
	}
	for i := range b.offers[RecentOffers:] {
		o := &b.offers[RecentOffers+i]
		if o.presented != 0 || o.redeemed != 0 {
			inc(&at(o.made).offered)
		}
		if o.presented != 0 {
			inc(&at(o.presented).presented)
		}
		if o.redeemed != 0 {
			inc(&at(o.redeemed).redeemed)
		}
	}
	return days
}
