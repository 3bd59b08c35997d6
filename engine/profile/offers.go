package profile

import (
	"cmp"
	"slices"
)

// offerAgg joins what is known of one decision's offer.
type offerAgg struct {
	decision, offer, returnKey     uint64
	made, expires                  int64
	presented, redeemed, cost      int64
	shown, ghost, released, passed bool // passed: superseded by a later decision
}

// liveAgg is the last decision of a return key.
type liveAgg struct {
	returnKey, decision, position uint64
	made, expires                 int64
}

func (b *builder) offer(decision uint64, at int64) *offerAgg {
	for i := len(b.offers) - 1; i >= 0; i-- {
		if b.offers[i].decision == decision {
			return &b.offers[i]
		}
	}
	b.offers = append(b.offers, offerAgg{decision: decision, made: at, expires: at})
	return &b.offers[len(b.offers)-1]
}

func (b *builder) decision(e entry) {
	d := decided(e.body())
	if d.offer() != 0 {
		o := b.offer(d.decision(), e.time())
		o.offer, o.returnKey, o.made, o.expires = d.offer(), d.returnKey(), e.time(), d.expires()
		o.shown, o.ghost = d.shown(), !d.shown()
	}
	if d.returnKey() == 0 {
		return
	}
	live := liveAgg{d.returnKey(), d.decision(), d.position(), e.time(), d.expires()}
	for i := range b.lives {
		if b.lives[i].returnKey == live.returnKey {
			b.supersede(b.lives[i].decision)
			b.lives[i] = live
			return
		}
	}
	b.lives = append(b.lives, live)
}

// supersede marks the offer of an earlier decision of the same return key.
func (b *builder) supersede(decision uint64) {
	for i := range b.offers {
		if b.offers[i].decision == decision {
			b.offers[i].passed = true
		}
	}
}

func (b *builder) incentive(e entry) {
	i := incentive(e.body())
	o := b.offer(i.decision(), e.time())
	if o.offer == 0 {
		o.offer = i.offer()
	}
	switch e.kind() {
	case KindPresentation:
		if o.presented == 0 {
			o.presented = e.time()
		}
	case KindRedemption:
		if o.redeemed == 0 {
			o.redeemed = e.time()
		}
		addMoney(&o.cost, i.amount())
	case KindRelease:
		o.released = true
	}
}

// finishOffers puts the newest offers and the newest live decisions last-first.
func (b *builder) finishOffers() {
	slices.SortFunc(b.offers, func(x, y offerAgg) int {
		return cmp.Or(cmp.Compare(y.made, x.made), cmp.Compare(x.decision, y.decision))
	})
	b.lives = slices.DeleteFunc(b.lives, func(l liveAgg) bool { return l.expires <= b.newest })
	slices.SortFunc(b.lives, func(x, y liveAgg) int {
		return cmp.Or(cmp.Compare(y.made, x.made), cmp.Compare(x.returnKey, y.returnKey))
	})
	b.lives = b.lives[:min(len(b.lives), MaxLive)]
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
		if o.counts() {
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

// counts reports whether an offer too old to be kept exactly was offered to the
// customer: presented, redeemed, or shown and never given up, whether it expired or not.
func (o *offerAgg) counts() bool {
	return o.presented != 0 || o.redeemed != 0 || o.shown && !o.released && !o.passed
}

func (o *offerAgg) flags() uint8 {
	flags := uint8(0)
	for _, f := range [...]struct {
		set bool
		bit uint8
	}{{o.shown, offerShown}, {o.released, offerReleased}, {o.passed, offerSuperseded}, {o.ghost, offerGhost}} {
		if f.set {
			flags |= f.bit
		}
	}
	return flags
}
