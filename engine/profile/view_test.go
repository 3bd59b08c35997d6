package profile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
)

func open(t *testing.T, steps ...step) profile.View {
	t.Helper()
	v, err := profile.Open(foldAll(t, profile.Records{}, steps).Features)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func offered(id string, at time.Time, key uint64) step {
	return step{decision: &profile.Decision{
		ID: id, OfferID: "pct-10", At: at, Expires: at.Add(2 * day), ReturnKey: key, Position: uint64(at.Unix()), Shown: true,
	}}
}

func happened(kind profile.Kind, id string, at time.Time) step {
	return step{event: &profile.Event{ID: fmt.Sprint(kind, id), Kind: kind, Time: at, DecisionID: id, OfferID: "pct-10", Currency: "USD"}}
}

func TestManyOffersAreCountedByDay(t *testing.T) {
	var steps []step
	const n = 100
	for i := range n {
		at := base.Add(time.Duration(i) * day)
		id := fmt.Sprint("d", i)
		steps = append(steps, offered(id, at, 0), happened(profile.KindPresentation, id, at.Add(time.Hour)))
		if i%2 == 0 {
			steps = append(steps, happened(profile.KindRedemption, id, at.Add(2*time.Hour)))
		}
	}
	v, now := open(t, steps...), base.Add(n*day)
	for _, c := range []struct {
		kind profile.OfferKind
		days int
		want int
	}{
		{profile.Offered, 200, n}, {profile.Presented, 200, n}, {profile.Redeemed, 200, n / 2},
		{profile.Offered, 10, 9}, {profile.Presented, 10, 9}, {profile.Redeemed, 10, 4}, // to the millisecond
		{profile.Presented, 50, 50}, // by day: the day the window begins in counts whole
	} {
		if got := v.OfferCount(c.kind, time.Duration(c.days)*day, now.Add(2*time.Hour)); got != c.want {
			t.Errorf("kind %d in %d days: %d, want %d", c.kind, c.days, got, c.want)
		}
	}
}

func TestOutstandingOffers(t *testing.T) {
	steps := []step{
		offered("expired", base.Add(-3*day), 0),
		offered("open", base.Add(-day), 0),
		offered("released", base.Add(-day+time.Minute), 0), happened(profile.KindRelease, "released", base.Add(-time.Hour)),
		offered("redeemed", base.Add(-day+2*time.Minute), 0), happened(profile.KindRedemption, "redeemed", base.Add(-time.Hour)),
		offered("replaced", base.Add(-day+3*time.Minute), 9), offered("again", base.Add(-day+4*time.Minute), 9),
	}
	v := open(t, steps...)
	var got []uint64
	for _, o := range v.Outstanding(nil, base) {
		got = append(got, o.Decision)
	}
	if len(got) != 2 || got[0] != profile.HashID("again") || got[1] != profile.HashID("open") {
		t.Errorf("outstanding %x", got)
	}
	if n := v.OfferCount(profile.Offered, 10*day, base); n != 3 { // with the redeemed one
		t.Errorf("%d offered, want 3", n)
	}
	if n := v.OfferCount(profile.Offered, 10*day, base.Add(10*day)); n != 0 {
		t.Errorf("%d offered after all expired and the window passed, want 0", n)
	}
}

func TestLiveDecision(t *testing.T) {
	v := open(t, offered("first", base, 5), offered("second", base.Add(time.Hour), 5), offered("other", base, 6))
	live, ok := v.LiveDecision(5, base.Add(2*time.Hour))
	if !ok || live.Decision != profile.HashID("second") || live.Position != uint64(base.Add(time.Hour).Unix()) {
		t.Errorf("live %+v, %v", live, ok)
	}
	if _, ok := v.LiveDecision(5, base.Add(3*day)); ok {
		t.Error("an expired decision is live")
	}
	if _, ok := v.LiveDecision(7, base); ok {
		t.Error("a return key without a decision has one")
	}
	many := make([]step, profile.MaxLive+4)
	for i := range many {
		many[i] = offered(fmt.Sprint(i), base.Add(time.Duration(i)*time.Minute), uint64(i+1))
	}
	v = open(t, many...)
	if _, ok := v.LiveDecision(1, base.Add(time.Hour)); ok {
		t.Error("the oldest of too many return keys is kept")
	}
	if _, ok := v.LiveDecision(uint64(len(many)), base.Add(time.Hour)); !ok {
		t.Error("the newest return key is lost")
	}
}

func TestReturnKey(t *testing.T) {
	morning := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	key := profile.ReturnKey("o1", morning)
	if key == 0 || key != profile.ReturnKey("o1", morning.Add(10*time.Hour)) {
		t.Error("a re-scan on the same day has another key")
	}
	if key == profile.ReturnKey("o1", morning.Add(day)) || key == profile.ReturnKey("o2", morning) {
		t.Error("another day or order has the same key")
	}
	if profile.ReturnKey("", morning) != 0 {
		t.Error("a return without an order has a key")
	}
}

func TestAbuseScore(t *testing.T) {
	bracketer, ret := typical(t)
	some := features(t, bracketer, ret, base.Add(185*day), "USD")["customer.abuse_score"].(float64)
	if some < 0.2 || some > 0.7 {
		t.Errorf("one who buys two sizes and sends one back now and then scores %.2f", some)
	}
	var plain []step
	for i := range 12 {
		plain = append(plain, bigPurchase(i, base.Add(time.Duration(i)*15*day)))
	}
	plain = append(plain, step{event: asEvent(ret, "back", base.Add(90*day))})
	if got := features(t, foldAll(t, profile.Records{}, plain), ret, base.Add(185*day), "GBP")["customer.abuse_score"].(float64); got > 0.05 {
		t.Errorf("an honest customer scores %.2f", got)
	}
	var steps []step
	for i := range 8 {
		at := base.Add(time.Duration(i) * 10 * day)
		lines := []profile.Line{{SKU: "a", Style: "s", Size: "S", Quantity: 1, Paid: 5000, DecisionID: "d"}, {SKU: "b", Style: "s", Size: "M", Quantity: 1, Paid: 5000}}
		order := fmt.Sprint("o", i)
		steps = append(steps, step{event: &profile.Event{ID: order, Kind: profile.KindPurchase, Time: at, Currency: "USD", OrderID: order, Lines: lines}},
			step{event: asEvent(&profile.Return{ID: "r" + order, OrderID: order, Lines: lines, Refund: 10000}, "e"+order, at.Add(3*day))})
	}
	abuser := features(t, foldAll(t, profile.Records{}, steps), ret, base.Add(90*day), "USD")["customer.abuse_score"].(float64)
	if abuser < 0.85 || abuser > 1 {
		t.Errorf("one who returns everything, in sizes and with incentives, scores %.2f", abuser)
	}
}
