package profile

// offerKind says which offers are counted.
type offerKind uint8

const (
	// offered counts, by the time of the decision, offers that were presented or
	// redeemed, and those still outstanding: not expired, released or replaced.
	offered offerKind = iota
	// presented counts presentations by their time.
	presented
	// redeemed counts redemptions by their time.
	redeemed
)

// seenOffer is an offer as events and the engine together know it.
type seenOffer struct {
	offerAgg
	expires int64
	open    bool
}

// readOffers joins the rows of the view with the offers the engine knows of. An
// offer with events that has no row of its own any more is counted by its day.
func (s *Seen) readOffers(offers []Offer) {
	s.offers = s.offers[:0]
	for i := range s.view.offers() {
		row := s.view.offer(i)
		s.offers = append(s.offers, seenOffer{offerAgg: offerAgg{row.decision(), row.made(), row.presented(), row.redeemed(), row.released()}})
	}
	rows := len(s.offers)
	for i := range offers {
		o := &offers[i]
		if o.Made > s.now {
			continue
		}
		if row := rowOf(s.offers[:rows], o.Decision); row != nil {
			row.made, row.expires, row.open = o.Made, o.Expires, o.Open
		} else if o.Open && !o.Ended {
			s.offers = append(s.offers, seenOffer{offerAgg: offerAgg{decision: o.Decision, made: o.Made}, expires: o.Expires, open: true})
		}
	}
}

func rowOf(rows []seenOffer, decision uint64) *seenOffer {
	for i := range rows {
		if rows[i].decision == decision {
			return &rows[i]
		}
	}
	return nil
}

// outstanding reports whether the customer may still redeem the offer.
func (o *seenOffer) outstanding(now int64) bool {
	return o.open && !o.released && o.redeemed == 0 && o.expires > now
}

// counted is the time at which the offer counts for a kind, none if it does not.
func (o *seenOffer) counted(kind offerKind, now int64) int64 {
	switch {
	case kind == offered && (o.presented != 0 || o.redeemed != 0 || o.outstanding(now)):
		return o.made
	case kind == presented && o.presented != 0:
		return o.presented
	case kind == redeemed && o.redeemed != 0:
		return o.redeemed
	}
	return none
}

// offerCount counts offers in a window of days before now, to the millisecond;
// those beyond the newest RecentOffers by UTC day, a day that the window touches counting whole.
func (s *Seen) offerCount(kind offerKind, w int) float64 {
	from, count := s.now-int64(windowDays(w))*msPerDay, 0
	for i := range s.offers {
		if at := s.offers[i].counted(kind, s.now); at > from && at <= s.now {
			count++
		}
	}
	for i := range s.view.offerDays() {
		row := s.view.offerDay(i)
		if day := int64(le.Uint16(row)); day >= dayOf(from) && day <= dayOf(s.now) {
			count += int(le.Uint16(row[2+2*int(kind):]))
		}
	}
	return float64(count)
}

func (s *Seen) daysSinceOffer() float64 {
	newest := int64(none)
	for i := range s.offers {
		newest = max(newest, s.offers[i].counted(offered, s.now))
	}
	if newest == none {
		return ratio(0, 0)
	}
	return float64(s.now-newest) / msPerDay
}

func (s *Seen) outstandingOffers() float64 {
	n := 0.0
	for i := range s.offers {
		n += truth(s.offers[i].outstanding(s.now))
	}
	return n
}
