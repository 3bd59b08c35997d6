package profile

import "slices"

// returnHistory lists what the customer sends back, this return included unless the formula says otherwise.
func returnHistory() []Feature {
	rows := []Feature{
		{Name: "customer.days_since_last_return", Unit: "days", Window: windowText(wAll), Formula: "now - last return before this one",
			number: func(s *Seen) float64 { return s.daysSince(offLastReturn) }},
		{Name: "customer.abuse_score", Unit: "score", Window: windowText(w365), Formula: AbuseFormula, Purpose: Security,
			number: func(s *Seen) float64 { return s.sums.abuseScore() }},
	}
	rates := []int{w90, w365, wAll}
	for _, part := range [][]Feature{
		windowed("customer.returns", "count", "returns, this one included", Personal, allWindows(),
			func(_ *Seen, w *sum) float64 { return w.n[nReturns] }),
		windowed("customer.refunds", "money", "sum of refunds in the decision's currency, this one included", Personal, []int{w30, w365},
			func(s *Seen, w *sum) float64 { return w.money[mRefund] / s.scale }),
		windowed("customer.return_rate", "ratio", "returns / purchases, this return included", Personal, rates,
			func(_ *Seen, w *sum) float64 { return ratio(w.n[nReturns], w.n[nBuys]) }),
		windowed("customer.return_rate_items", "ratio", "items returned / items bought, this return included", Personal, rates,
			func(_ *Seen, w *sum) float64 { return ratio(w.itemsBack, w.items) }),
		windowed("customer.return_rate_value", "ratio", "refunds / spend, this return included", Personal, rates,
			func(_ *Seen, w *sum) float64 { return ratio(w.money[mRefund], w.money[mPaid]) }),
		windowed("customer.size_brackets", "count", "styles bought in several sizes in one purchase", Personal, []int{w365},
			func(_ *Seen, w *sum) float64 { return w.n[nBrackets] }),
		windowed("customer.bracketing_rate", "ratio", "size brackets of which half of the items or more came back / purchases, by the purchase's day, this return included", Personal, []int{w365, wAll},
			func(_ *Seen, w *sum) float64 { return ratio(w.n[nBracketed], w.n[nBuys]) }),
		windowed("customer.incentive_loops", "count", "returns with an item that was bought with an incentive, this one included", Security, []int{w90, w365},
			func(_ *Seen, w *sum) float64 { return w.n[nLoops] }),
	} {
		rows = append(rows, part...)
	}
	return rows
}

// thisReturn lists what is known of the return at hand.
func thisReturn() []Feature {
	return []Feature{
		{Name: "ret.refund_value", Unit: "money", Formula: "refund", Purpose: Stated,
			number: func(s *Seen) float64 { return float64(s.ret.Refund) / s.scale }},
		{Name: "ret.lines", Unit: "count", Formula: "lines", Purpose: Stated,
			number: func(s *Seen) float64 { return float64(len(s.ret.Lines)) }},
		{Name: "ret.quantity", Unit: "count", Formula: "items", Purpose: Stated,
			number: func(s *Seen) float64 { return float64(s.match.items) }},
		{Name: "ret.reasons", Unit: "count", Formula: "different reasons of the lines", Purpose: Stated, number: (*Seen).reasons},
		{Name: "ret.hour", Unit: "hour", Formula: "local hour of the decision", Purpose: Stated,
			number: func(s *Seen) float64 { return float64(s.localHour()) }},
		{Name: "ret.weekday", Unit: "weekday", Formula: "local weekday of the decision, 0 is Sunday", Purpose: Stated,
			number: func(s *Seen) float64 { return float64(weekday(dayOf(s.local()))) }},
		{Name: "ret.days_since_purchase", Unit: "days", Window: windowText(wAll), Formula: "now - purchase (stated, else the last matching one) of the most valuable line whose purchase is known",
			number: func(s *Seen) float64 { return s.match.daysSincePurchase(s.now) }},
		{Name: "ret.matched_share", Unit: "share", Window: windowText(wAll), Formula: "lines whose item the customer bought before (in the stated order) / lines",
			number: func(s *Seen) float64 { return ratio(float64(s.match.matched), float64(len(s.ret.Lines))) }},
		{Name: "ret.same_day", Type: Bool, Window: "1 d", Formula: "the customer bought something on the return's UTC day",
			number: func(s *Seen) float64 { return truth(s.sums.today > 0) }},
		{Name: "ret.refund_share_of_basket", Unit: "ratio", Window: windowText(wAll), Formula: "refund_value / customer.expected_basket",
			number: func(s *Seen) float64 { return ratio(float64(s.ret.Refund)/s.scale, s.expectedBasket()) }},
		{Name: "ret.has_incentivised_item", Type: Bool, Window: windowText(wAll), Formula: "a line was bought with an incentive, by its decision_id or by the matching purchase", Purpose: Security,
			number: func(s *Seen) float64 { return truth(s.match.incentivised) }},
		{Name: "ret.reason", Type: String, Formula: "reason of the most valuable line", Purpose: Stated,
			text: func(s *Seen) string { return s.topLine().Reason }},
		{Name: "ret.category", Type: String, Formula: "category of the most valuable line", Purpose: Stated,
			text: func(s *Seen) string { return s.topLine().Category }},
		{Name: "ret.condition", Type: String, Formula: "condition of the most valuable line", Purpose: Stated,
			text: func(s *Seen) string { return s.topLine().Condition }},
		{Name: "ret.authorization", Type: String, Formula: "as the request states it", Purpose: Stated,
			text: func(s *Seen) string { return s.ret.Authorization }},
		{Name: "ret.channel", Type: String, Formula: "as the request states it", Purpose: Stated,
			text: func(s *Seen) string { return s.ret.Channel.String() }},
		{Name: "ret.tender", Type: String, Formula: "as the request states it", Purpose: Stated,
			text: func(s *Seen) string { return s.ret.Tender }},
	}
}

// noLine stands for the lines a return does not have.
var noLine Line

// topLine is the line with the greatest value, the first of equals.
func (s *Seen) topLine() *Line {
	if s.match.top < 0 {
		return &noLine
	}
	return &s.ret.Lines[s.match.top]
}

// reasons counts different reasons among the first 32 lines.
func (s *Seen) reasons() float64 {
	lines := s.ret.Lines[:min(len(s.ret.Lines), 32)]
	n := 0
	for i := range lines {
		same := func(l Line) bool { return l.Reason == lines[i].Reason }
		if lines[i].Reason != "" && !slices.ContainsFunc(lines[:i], same) {
			n++
		}
	}
	return float64(n)
}

// incentiveHistory lists what earlier offers did.
func incentiveHistory() []Feature {
	rows := []Feature{
		{Name: "customer.days_since_last_offer", Unit: "days", Window: windowText(wAll), Formula: "now - newest offer presented, redeemed or outstanding",
			number: func(s *Seen) float64 { return s.daysSinceOffer() }},
		{Name: "customer.outstanding_offers", Unit: "count", Formula: "offers that may still be redeemed",
			number: func(s *Seen) float64 { return s.outstandingOffers() }},
		{Name: "customer.redemption_rate_365d", Unit: "share", Window: windowText(w365), Formula: "redeemed_365d / offered_365d",
			number: func(s *Seen) float64 { return ratio(s.offerCount(redeemed, w365), s.offerCount(offered, w365)) }},
	}
	counted := func(name, formula string, kind offerKind, windows ...int) {
		for _, w := range windows {
			rows = append(rows, Feature{
				Name: name + "_" + windowName(w), Unit: "count", Window: windowText(w), Formula: formula,
				number: func(s *Seen) float64 { return s.offerCount(kind, w) },
			})
		}
	}
	counted("customer.offered", "offers presented, redeemed or outstanding, by the decision's time", offered, w30, w90, w365)
	counted("customer.presented", "presentations", presented, w30, w365)
	counted("customer.redeemed", "redemptions", redeemed, w90, w365)
	return append(rows, windowed("customer.incentivised_share", "share", "purchases with an incentive / purchases", Personal, []int{w365, wAll},
		func(_ *Seen, w *sum) float64 { return ratio(w.n[nIncentivised], w.n[nBuys]) })...)
}
