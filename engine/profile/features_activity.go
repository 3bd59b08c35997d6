package profile

import (
	"math"
	"strconv"
)

// windowName is the suffix of a windowed feature, windowText what the reference says.
func windowName(w int) string {
	if w == wAll {
		return "lifetime"
	}
	return strconv.Itoa(windowDays(w)) + "d"
}

func windowText(w int) string {
	if w == wAll {
		return "kept history (800 d)"
	}
	return strconv.Itoa(windowDays(w)) + " d"
}

func windowDays(w int) int { return [...]int{7, 30, 90, 180, 365}[w] }

// windowed makes a row per window of one quantity.
func windowed(name, unit, formula string, purpose Purpose, windows []int, of func(*Seen, *sum) float64) []Feature {
	rows := make([]Feature, 0, len(windows))
	for _, w := range windows {
		rows = append(rows, Feature{
			Name: name + "_" + windowName(w), Unit: unit, Window: windowText(w), Formula: formula, Purpose: purpose,
			number: func(s *Seen) float64 { return of(s, &s.sums.windows[w]) },
		})
	}
	return rows
}

func allWindows() []int { return []int{w7, w30, w90, w180, w365, wAll} }

// activity lists recency, frequency, value and what follows from them.
func activity() []Feature {
	rows := []Feature{
		{Name: "customer.known", Type: Bool, Formula: "an event of the customer was seen before",
			number: func(s *Seen) float64 { return truth(s.view.Known()) }},
		{Name: "customer.recency_days", Unit: "days", Window: windowText(wAll), Formula: "now - last purchase",
			number: func(s *Seen) float64 { return s.daysSince(offLastBuy) }},
		{Name: "customer.tenure_days", Unit: "days", Window: "ever", Formula: "now - first event",
			number: func(s *Seen) float64 { return s.daysSince(offFirst) }},
		{Name: "customer.purchase_interval_days", Unit: "days", Window: windowText(wAll),
			Formula: "(last purchase - first purchase) / (purchases - 1)", number: (*Seen).interval},
		{Name: "customer.recency_ratio", Unit: "ratio", Window: windowText(wAll),
			Formula: "recency_days / purchase_interval_days", number: func(s *Seen) float64 { return ratio(s.daysSince(offLastBuy), s.interval()) }},
		{Name: "customer.expected_basket", Unit: "money", Window: windowText(wAll),
			Formula: "(sum of paid halved every 180 d + refund_value of this return) / (purchases halved every 180 d + 1), the return counting as one purchase; without a refund the purchases alone",
			number:  (*Seen).expectedBasket},
	}
	rows = append(rows, windowed("customer.purchases", "count", "purchases", Personal, allWindows(),
		func(_ *Seen, w *sum) float64 { return w.n[nBuys] })...)
	rows = append(rows, windowed("customer.spend", "money", "sum of paid in the decision's currency", Personal, allWindows(),
		func(s *Seen, w *sum) float64 { return w.money[mPaid] / s.scale })...)
	rows = append(rows, windowed("customer.items", "count", "items bought", Personal, []int{w30, w365},
		func(_ *Seen, w *sum) float64 { return w.items })...)
	rows = append(rows, windowed("customer.basket_mean", "money", "spend / purchases, in the decision's currency", Personal, []int{w90, w365, wAll},
		func(s *Seen, w *sum) float64 { return ratio(w.money[mPaid]/s.scale, w.buys) })...)
	return append(rows, windowed("customer.discount_share", "share", "discount / (paid + discount), in the decision's currency", Personal, []int{w90, w365, wAll},
		func(_ *Seen, w *sum) float64 { return ratio(w.money[mDiscount], w.money[mPaid]+w.money[mDiscount]) })...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s *Seen) daysSince(at int) float64 {
	ms, ok := s.view.when(at)
	if !ok {
		return math.NaN()
	}
	return float64(s.now-ms) / msPerDay
}

func (s *Seen) interval() float64 {
	first, ok := s.view.when(offFirstBuy)
	if !ok {
		return math.NaN()
	}
	last, _ := s.view.when(offLastBuy)
	return ratio(float64(last-first)/msPerDay, s.sums.windows[wAll].n[nBuys]-1)
}

func (s *Seen) expectedBasket() float64 {
	value, buys := s.sums.agedValue, s.sums.agedBuys
	if s.ret.Refund > 0 {
		value, buys = value+float64(s.ret.Refund), buys+1
	}
	return ratio(value/s.scale, buys)
}
