package profile

// habits lists when, where and what the customer buys, and loyalty.
func habits() []Feature {
	all := windowText(wAll)
	return []Feature{
		{Name: "customer.hour_share", Unit: "share", Window: all, Formula: "purchases within an hour of the decision's local hour / purchases", number: (*Seen).hourShare},
		{Name: "customer.evening_share", Unit: "share", Window: all, Formula: "purchases from 18:00 local / purchases",
			number: func(s *Seen) float64 { return s.hoursShare(18, 6) }},
		{Name: "customer.weekday_share", Unit: "share", Window: all, Formula: "purchases on the decision's local weekday / purchases",
			number: func(s *Seen) float64 { return s.weekdaysShare(weekday(dayOf(s.local()))) }},
		{Name: "customer.weekend_share", Unit: "share", Window: all, Formula: "purchases on Saturday or Sunday / purchases",
			number: func(s *Seen) float64 { return s.weekdaysShare(0, 6) }},
		{Name: "customer.store_share", Unit: "share", Window: all, Formula: "purchases by STORE / purchases",
			number: func(s *Seen) float64 { return s.boughtBy(ChannelStore) }},
		{Name: "customer.online_share", Unit: "share", Window: all, Formula: "purchases by ONLINE, MAIL or THIRD_PARTY / purchases",
			number: func(s *Seen) float64 {
				return s.boughtBy(ChannelOnline, ChannelMail, ChannelThirdParty)
			}},
		{Name: "customer.pickup_share", Unit: "share", Window: all, Formula: "purchases by BOPIS, CURBSIDE or LOCKER / purchases",
			number: func(s *Seen) float64 { return s.boughtBy(ChannelBOPIS, ChannelCurbside, ChannelLocker) }},
		{Name: "customer.return_in_store_share", Unit: "share", Window: all, Formula: "earlier returns by STORE or BORIS / earlier returns",
			number: func(s *Seen) float64 {
				return ratio(s.counts.backs[ChannelStore]+s.counts.backs[ChannelBORIS], s.counts.allBacked)
			}},
		{Name: "customer.top_category_share", Unit: "share", Window: all, Formula: "weight of the greatest category / weight of all; a purchase line weighs 1, halved every 180 d",
			number: (*Seen).topShare},
		{Name: "customer.category_affinity", Unit: "share", Window: all, Formula: "category weight of the returned lines' categories, averaged over lines",
			number: (*Seen).affinity},
		{Name: "customer.top_categories", Type: Strings, Window: all, Formula: "up to five categories with a tenth of the weight or more, greatest first",
			strings: func(s *Seen, dst []string) []string { return s.view.TopCategories(dst) }},
		{Name: "customer.loyalty_member", Type: Bool, Window: "ever", Formula: "last declared enrolment; false if never declared",
			number: func(s *Seen) float64 { member, _ := s.view.Member(); return truth(member) }},
		{Name: "customer.loyalty_tier", Type: String, Window: "ever", Formula: "last declared tier",
			text: func(s *Seen) string { return s.view.Tier() }},
		{Name: "customer.loyalty_points", Unit: "points", Window: all, Formula: "points earned - points spent",
			number: func(s *Seen) float64 { return float64(s.view.Points()) }},
	}
}

// local is now in local time, as if it were UTC.
func (s *Seen) local() int64 { return s.now + s.zone*60_000 }

func (s *Seen) localHour() int {
	local := s.local()
	return int((local - dayOf(local)*msPerDay) / msPerHour)
}

func (s *Seen) hourShare() float64 { return s.hoursShare((s.localHour()+23)%24, 3) }

// counts are the purchases by hour, weekday and channel, and returns by channel, read once.
type counts struct {
	hours                                 [24]float64
	weekdays                              [7]float64
	buys, backs                           [channels]float64
	allHours, allDays, allBuys, allBacked float64
}

func (c *counts) read(v View) {
	c.allHours = read16(v, offHours, c.hours[:])
	c.allDays = read16(v, offWeekdays, c.weekdays[:])
	c.allBuys = read16(v, offBuys, c.buys[:])
	c.allBacked = read16(v, offReturns, c.backs[:])
}

// read16 reads counters of the head and returns their sum.
func read16(v View, at int, to []float64) (all float64) {
	if v.b == nil {
		clear(to)
		return 0
	}
	row := v.b[at:][:2*len(to)]
	for i := range to {
		to[i] = float64(le.Uint16(row[2*i:]))
		all += to[i]
	}
	return all
}

// hoursShare is the share of purchases in n hours from an hour on.
func (s *Seen) hoursShare(from, n int) float64 {
	in := 0.0
	for h := from; h < from+n; h++ {
		in += s.counts.hours[h%24]
	}
	return ratio(in, s.counts.allHours)
}

func (s *Seen) weekdaysShare(days ...int) float64 {
	in := 0.0
	for _, d := range days {
		in += s.counts.weekdays[d]
	}
	return ratio(in, s.counts.allDays)
}

func (s *Seen) boughtBy(in ...Channel) float64 {
	of := 0.0
	for _, c := range in {
		of += s.counts.buys[c]
	}
	return ratio(of, s.counts.allBuys)
}

func (s *Seen) topShare() float64 {
	if s.view.cats() == 0 {
		return ratio(0, 0)
	}
	return s.view.catShare(0)
}

func (s *Seen) affinity() float64 {
	if s.view.cats() == 0 {
		return ratio(0, 0)
	}
	sum := 0.0
	for i := range s.ret.Lines {
		sum += s.view.Affinity(s.ret.Lines[i].Category)
	}
	return ratio(sum, float64(len(s.ret.Lines)))
}
