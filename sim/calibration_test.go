package sim_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/sim"
)

// shape is what docs/simulator.md compares with real data.
type shape struct {
	again    [4]float64 // share of customer-day returns with a purchase within 14, 30, 60, 90 days
	perBuy   float64    // customer-day returns per customer-day with purchases
	value    float64    // refunds / paid
	quantile [4]float64 // 25, 50, 75, 90 % of days between purchase days of a customer
}

func measure(t testing.TB, c sim.Config) (s shape) {
	type back struct {
		who string
		at  time.Time
	}
	buys, seen := map[string][]time.Time{}, map[string]bool{}
	var returns []back
	days, paid, refunded := 0.0, 0.0, 0.0
	var gaps []float64
	for _, e := range run(t, c) {
		who := e.Customer.Value
		switch e.Kind {
		case profile.KindPurchase:
			for _, l := range e.Lines {
				paid += float64(l.Paid)
			}
			if key := who + e.Time.Format(time.DateOnly) + "buy"; !seen[key] {
				seen[key] = true
				days++
				if n := len(buys[who]); n > 0 {
					gaps = append(gaps, math.Round(e.Time.Sub(buys[who][n-1]).Hours()/24))
				}
			}
			buys[who] = append(buys[who], e.Time)
		case profile.KindReturn:
			refunded += float64(e.Refund)
			if key := who + e.Time.Format(time.DateOnly); !seen[key] {
				seen[key] = true
				returns = append(returns, back{who, e.Time})
			}
		}
	}
	end := c.Start.Add(time.Duration(c.Days) * day)
	for k, window := range [4]int{14, 30, 60, 90} {
		n, again, span := 0.0, 0.0, time.Duration(window)*day
		for _, r := range returns {
			if r.at.Add(span).After(end) {
				continue
			}
			n++
			if slices.ContainsFunc(buys[r.who], func(at time.Time) bool { return at.After(r.at) && at.Sub(r.at) <= span }) {
				again++
			}
		}
		s.again[k] = again / n
	}
	slices.Sort(gaps)
	for k, p := range [4]float64{0.25, 0.5, 0.75, 0.9} {
		s.quantile[k] = gaps[int(p*float64(len(gaps)))]
	}
	s.perBuy, s.value = float64(len(returns))/days, refunded/paid
	return s
}

func TestRepurchasesAreLikeReal(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days = 6000, 375
	s := measure(t, c)
	t.Logf("again within 14, 30, 60, 90 days: %.3f", s.again)
	t.Logf("returns per day with purchases: %.3f, refunds / paid: %.3f, days between purchases: %v", s.perBuy, s.value, s.quantile)
	want := [4]float64{0.378, 0.523, 0.691, 0.765} // UCI Online Retail, goods
	for k := range want {
		if math.Abs(s.again[k]-want[k]) > 0.035 {
			t.Errorf("window %d: %.3f, real %.3f", k, s.again[k], want[k])
		}
	}
}
