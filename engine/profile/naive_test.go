package profile_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"pgregory.net/rapid"
)

// naive recomputes features from the list of events, slowly and by the words of the table.
type naive struct {
	now    time.Time
	code   string
	ret    *profile.Return
	events []*profile.Event // visible, ascending by (time, fold order does not matter)
}

func newNaive(steps []step, ret *profile.Return, now time.Time, code string) *naive {
	n := &naive{now: now, code: code, ret: ret}
	for _, s := range steps {
		if !s.event.Time.After(now) && (s.event.Kind != profile.KindReturn || s.event.ReturnID != ret.ID) {
			n.events = append(n.events, s.event)
		}
	}
	slices.SortFunc(n.events, func(a, b *profile.Event) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		if profile.HashID(a.ID) < profile.HashID(b.ID) {
			return -1
		}
		return 1
	})
	return n
}

func (n *naive) of(kind profile.Kind) (out []*profile.Event) {
	for i, e := range n.events {
		superseded := func(o *profile.Event) bool { return o.Kind == profile.KindReturn && o.ReturnID == e.ReturnID }
		if e.Kind == kind && (kind != profile.KindReturn || !slices.ContainsFunc(n.events[i+1:], superseded)) {
			out = append(out, e)
		}
	}
	return out
}

// within reports whether at is in a window of whole UTC days; 0 is everything.
func (n *naive) within(at time.Time, days int) bool {
	midnight := func(t time.Time) time.Time { return t.UTC().Truncate(day) }
	return days == 0 || midnight(n.now).Sub(midnight(at)) < time.Duration(days)*day
}

type tally struct{ buys, items, paid, discount, returns, itemsBack, refund, loops, buysInCode float64 }

func (n *naive) tally(days int) (w tally) {
	for _, e := range n.of(profile.KindPurchase) {
		if !n.within(e.Time, days) {
			continue
		}
		w.buys++
		for _, l := range e.Lines {
			w.items += float64(l.Quantity)
			if e.Currency == n.code {
				w.paid += float64(l.Paid)
				w.discount += float64(l.Discount)
			}
		}
		if e.Currency == n.code {
			w.buysInCode++
		}
	}
	this := asEvent(n.ret, "this", n.now)
	this.Currency = n.code
	for _, e := range append(n.of(profile.KindReturn), this) {
		if !n.within(e.Time, days) {
			continue
		}
		w.returns++
		if n.incentivised(e) {
			w.loops++
		}
		for _, l := range e.Lines {
			w.itemsBack += float64(l.Quantity)
		}
		if e.Currency == n.code {
			w.refund += float64(e.Refund)
		}
	}
	return w
}

func (n *naive) incentivised(ret *profile.Event) bool {
	for _, l := range ret.Lines {
		if l.DecisionID != "" {
			return true
		}
		for _, e := range n.of(profile.KindPurchase) {
			for _, p := range e.Lines {
				if !e.Time.After(ret.Time) && (ret.OrderID == "" || ret.OrderID == e.OrderID) && p.SKU == l.SKU && p.DecisionID != "" {
					return true
				}
			}
		}
	}
	return false
}

// bracketed counts size brackets and those mostly returned, in a window of the purchase.
func (n *naive) bracketed(days int) (bought, back float64) {
	type group struct {
		e           *profile.Event
		style       string
		items, gone int64
	}
	var groups []*group
	for _, e := range n.of(profile.KindPurchase) {
		for _, style := range []string{"s1", "s2"} {
			sizes, g := map[string]bool{}, &group{e: e, style: style}
			for _, l := range e.Lines {
				if l.Style == style {
					sizes[l.Size] = true
					g.items += l.Quantity
				}
			}
			delete(sizes, "")
			if len(sizes) > 1 {
				groups = append(groups, g)
			}
		}
	}
	for _, r := range append(n.of(profile.KindReturn), asEvent(n.ret, "this", n.now)) {
		for _, l := range r.Lines {
			for _, g := range slices.Backward(groups) {
				if g.style == l.Style && (r.OrderID != "" && g.e.OrderID == r.OrderID || r.OrderID == "" && !g.e.Time.After(r.Time)) {
					g.gone += l.Quantity
					break
				}
			}
		}
	}
	for _, g := range groups {
		if n.within(g.e.Time, days) {
			bought++
			if 2*g.gone >= g.items {
				back++
			}
		}
	}
	return bought, back
}

func div(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

func (n *naive) since(e []*profile.Event) float64 {
	if len(e) == 0 {
		return math.NaN()
	}
	return n.now.Sub(e[len(e)-1].Time).Hours() / 24
}

func (n *naive) features() map[string]any {
	buys := n.of(profile.KindPurchase)
	out := map[string]any{
		"customer.recency_days":           n.since(buys),
		"customer.days_since_last_return": n.since(n.of(profile.KindReturn)),
		"ret.refund_value":                float64(n.ret.Refund) / 100,
		"ret.lines":                       float64(len(n.ret.Lines)),
		"ret.has_incentivised_item":       map[bool]float64{true: 1}[n.incentivised(asEvent(n.ret, "this", n.now))],
	}
	for name, days := range map[string]int{"7d": 7, "30d": 30, "90d": 90, "180d": 180, "365d": 365, "lifetime": 0} {
		w := n.tally(days)
		out["customer.purchases_"+name] = w.buys
		out["customer.returns_"+name] = w.returns
		out["customer.spend_"+name] = w.paid / 100
	}
	for name, days := range map[string]int{"90d": 90, "365d": 365, "lifetime": 0} {
		w := n.tally(days)
		out["customer.return_rate_"+name] = div(w.returns, w.buys)
		out["customer.return_rate_items_"+name] = div(w.itemsBack, w.items)
		out["customer.return_rate_value_"+name] = div(w.refund, w.paid)
		out["customer.discount_share_"+name] = div(w.discount, w.paid+w.discount)
		out["customer.basket_mean_"+name] = div(w.paid/100, w.buysInCode)
	}
	out["customer.incentive_loops_90d"], out["customer.incentive_loops_365d"] = n.tally(90).loops, n.tally(365).loops
	bought, back := n.bracketed(365)
	out["customer.size_brackets_365d"] = bought
	out["customer.bracketing_rate_365d"] = div(back, n.tally(365).buys)
	n.habits(out, buys)
	n.loyalty(out)
	n.matches(out, buys)
	return out
}

func (n *naive) habits(out map[string]any, buys []*profile.Event) {
	hour, weekday, online, evening := 0.0, 0.0, 0.0, 0.0
	for _, e := range buys {
		if d := (e.Time.Hour() - n.now.Hour() + 24) % 24; d <= 1 || d == 23 {
			hour++
		}
		if e.Time.Weekday() == n.now.Weekday() {
			weekday++
		}
		if e.Time.Hour() >= 18 {
			evening++
		}
		switch e.Channel {
		case profile.ChannelOnline, profile.ChannelMail, profile.ChannelThirdParty:
			online++
		}
	}
	all := float64(len(buys))
	out["customer.hour_share"], out["customer.weekday_share"] = div(hour, all), div(weekday, all)
	out["customer.online_share"], out["customer.evening_share"] = div(online, all), div(evening, all)
}

func (n *naive) categories() map[string]any {
	buys := n.of(profile.KindPurchase)
	weight, all := map[string]float64{}, 0.0
	for _, e := range buys {
		age := int(buys[len(buys)-1].Time.UTC().Truncate(day).Sub(e.Time.UTC().Truncate(day)) / day)
		w := math.Exp2(-float64(age/180)) * (1 - float64(age%180)/360)
		for _, l := range e.Lines {
			if l.Category != "" {
				weight[l.Category] += w
				all += w
			}
		}
	}
	top, affinity := 0.0, 0.0
	for _, w := range weight {
		top = max(top, w)
	}
	for _, l := range n.ret.Lines {
		affinity += div(weight[l.Category], all) / float64(len(n.ret.Lines))
	}
	return map[string]any{"customer.top_category_share": div(top, all), "customer.category_affinity": affinity}
}

func (n *naive) loyalty(out map[string]any) {
	member, tier, points := 0.0, "", 0.0
	for _, e := range n.events {
		if e.LoyaltyMember != nil {
			member = map[bool]float64{true: 1}[*e.LoyaltyMember]
		}
		if e.LoyaltyTier != "" {
			tier = e.LoyaltyTier
		}
		points += float64(e.PointsDelta)
	}
	out["customer.loyalty_member"], out["customer.loyalty_tier"], out["customer.loyalty_points"] = member, tier, points
}

func (n *naive) matches(out map[string]any, buys []*profile.Event) {
	matched, value, at := 0.0, int64(-1), math.NaN()
	for _, l := range n.ret.Lines {
		for _, e := range slices.Backward(buys) {
			same := func(p profile.Line) bool { return p.SKU == l.SKU }
			if (n.ret.OrderID == "" || n.ret.OrderID == e.OrderID) && slices.ContainsFunc(e.Lines, same) {
				matched++
				if l.Paid > value {
					value, at = l.Paid, n.now.Sub(e.Time).Hours()/24
				}
				break
			}
		}
	}
	out["ret.matched_share"] = matched / float64(len(n.ret.Lines))
	out["ret.days_since_purchase"] = at
}

func TestFeaturesEqualNaiveRecomputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, ret, now := drawSteps(t, 30, 390*day), drawReturn(t), drawTime(t, 390*day)
		code := pick(t, "in", "USD", "EUR")
		got := features(t, foldAll(t, profile.Records{}, shuffled(t, steps)), ret, now, code)
		n := newNaive(steps, ret, now, code)
		same(t, "naive", n.features(), got, 1e-9, nil)
		same(t, "naive categories", n.categories(), got, 1e-5, nil)
	})
}

// decided is an offer as it was made, and when another replaced it.
type decided struct {
	id            string
	made, expires time.Time
	ghost         bool
	replaced      bool
	ended         bool
}

// naiveOffers counts offers by the words of the table.
func (n *naive) naiveOffers(kind profile.Kind, decisions []decided, days int) (count float64) {
	in := func(at time.Time) bool { return at.After(n.now.Add(-time.Duration(days)*day)) && !at.After(n.now) }
	first := func(kind profile.Kind, decision string) *profile.Event {
		for _, e := range n.of(kind) {
			if e.DecisionID == decision {
				return e
			}
		}
		return nil
	}
	for _, d := range decisions {
		presented, redeemed := first(profile.KindPresentation, d.id), first(profile.KindRedemption, d.id)
		outstanding := !d.ghost && !d.replaced && first(profile.KindRelease, d.id) == nil && d.expires.After(n.now)
		switch {
		case kind == 0 && (presented != nil || redeemed != nil || outstanding) && in(d.made):
			count++
		case kind == profile.KindPresentation && presented != nil && in(presented.Time):
			count++
		case kind == profile.KindRedemption && redeemed != nil && in(redeemed.Time):
			count++
		}
	}
	return count
}

func TestOfferCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var steps []step
		var decisions []decided
		var offers []profile.Offer
		for i := range rapid.IntRange(0, 12).Draw(t, "decisions") {
			d := decided{id: string(rune('a' + i)), made: drawTime(t, 40*day), ghost: rapid.Bool().Draw(t, "ghost"), replaced: rapid.Bool().Draw(t, "replaced")}
			d.expires = d.made.Add(time.Duration(rapid.IntRange(1, 40*24).Draw(t, "hours")) * time.Hour)
			for k, kind := range []profile.Kind{profile.KindPresentation, profile.KindRedemption, profile.KindRelease} {
				if rapid.IntRange(0, 2).Draw(t, "then") == 0 {
					d.ended = true
					steps = append(steps, step{event: &profile.Event{
						ID: d.id + string(rune('0'+k)), Kind: kind, DecisionID: d.id, OfferID: "pct-10",
						Time: d.made.Add(time.Duration(rapid.IntRange(1, 9).Draw(t, "hours")) * time.Hour),
					}})
				}
			}
			decisions = append(decisions, d)
			offers = append(offers, profile.Offer{Decision: profile.HashID(d.id), Made: d.made.UnixMilli(), Expires: d.expires.UnixMilli(), Open: !d.ghost && !d.replaced, Ended: d.ended})
		}
		now := base.Add(60 * day)
		n := newNaive(steps, &profile.Return{}, now, "USD")
		var s profile.Seen
		if err := s.Read(foldAll(t, profile.Records{}, shuffled(t, steps)), offers, nil, now, "USD"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			kind profile.Kind
			days int
		}{
			{"offered_30d", 0, 30}, {"offered_90d", 0, 90}, {"presented_30d", profile.KindPresentation, 30},
			{"presented_365d", profile.KindPresentation, 365}, {"redeemed_90d", profile.KindRedemption, 90},
		} {
			f, _ := profile.Lookup("customer." + c.name)
			if got, want := s.Number(&f), n.naiveOffers(c.kind, decisions, c.days); got != want {
				t.Fatalf("%s: %v, want %v", c.name, got, want)
			}
		}
	})
}
