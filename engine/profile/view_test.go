package profile_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
)

func happened(kind profile.Kind, id string, at time.Time) step {
	return step{event: &profile.Event{ID: fmt.Sprint(kind, id), Kind: kind, Time: at, DecisionID: id, OfferID: "pct-10", Currency: "USD"}}
}

// made is an offer of two days that was delivered.
func made(id string, at time.Time) profile.Offer {
	return profile.Offer{Decision: profile.HashID(id), Made: at.UnixMilli(), Expires: at.Add(2 * day).UnixMilli(), Open: true}
}

func numbers(t *testing.T, r profile.Records, offers []profile.Offer, now time.Time, want map[string]float64) {
	t.Helper()
	var s profile.Seen
	if err := s.Read(r, offers, nil, now, "USD"); err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		f, ok := profile.Lookup("customer." + name)
		if got := s.Number(&f); !ok || got != w && !(math.IsNaN(got) && math.IsNaN(w)) {
			t.Errorf("%s is %v at %v, want %v", name, got, now, w)
		}
	}
}

func TestManyOffersAreCountedByDay(t *testing.T) {
	var steps []step
	var offers []profile.Offer
	const n = 100
	for i := range n {
		at := base.Add(time.Duration(i) * day)
		id := fmt.Sprint("d", i)
		o := made(id, at)
		o.Ended = true
		offers = append(offers, o)
		steps = append(steps, happened(profile.KindPresentation, id, at.Add(time.Hour)))
		if i%2 == 0 {
			steps = append(steps, happened(profile.KindRedemption, id, at.Add(2*time.Hour)))
		}
	}
	numbers(t, foldAll(t, profile.Records{}, steps), offers, base.Add(n*day+90*time.Minute), map[string]float64{
		"offered_365d": n, "presented_365d": n, "redeemed_365d": n / 2,
		"offered_30d": 29, "presented_30d": 29, // to the millisecond: made at 0:00 and presented at 1:00, and the window begins at 1:30
		"offered_90d": 90, // by day: the day the window begins in counts whole
	})
}

func TestOutstandingOffers(t *testing.T) {
	replaced, released, redeemed, unseen := made("replaced", base.Add(-day)), made("released", base.Add(-day)), made("redeemed", base.Add(-day)), made("unseen", base.Add(-day))
	replaced.Open, released.Ended, redeemed.Ended, unseen.Ended = false, true, true, true
	offers := []profile.Offer{
		made("expired", base.Add(-3*day)), made("open", base.Add(-day)), released, redeemed, replaced,
		made("later", base.Add(time.Hour)), made("again", base.Add(-day+time.Minute)), unseen,
	}
	r := foldAll(t, profile.Records{}, []step{
		happened(profile.KindRelease, "released", base.Add(-time.Hour)), happened(profile.KindRedemption, "redeemed", base.Add(-time.Hour)),
	})
	nan := math.NaN()
	numbers(t, r, offers, base, map[string]float64{
		"outstanding_offers": 2, "offered_30d": 3, "redeemed_90d": 1, "presented_30d": 0, "days_since_last_offer": 1 - 1.0/(24*60),
	})
	numbers(t, r, nil, base, map[string]float64{"outstanding_offers": 0, "offered_30d": 1, "days_since_last_offer": 1.0 / 24})
	numbers(t, r, offers, base.Add(35*day), map[string]float64{"outstanding_offers": 0, "offered_30d": 0, "days_since_last_offer": 36})
	numbers(t, profile.Records{}, offers[:1], base, map[string]float64{"outstanding_offers": 0, "offered_30d": 0, "days_since_last_offer": nan})
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
