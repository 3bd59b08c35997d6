package profile_test

import (
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"pgregory.net/rapid"
)

var base = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func pick(t *rapid.T, label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(t, label)
}

// drawTime is within span before or after base, whole minutes, so that equal times occur.
func drawTime(t *rapid.T, span time.Duration) time.Time {
	minutes := int(span / time.Minute)
	at := base.Add(time.Duration(rapid.IntRange(-minutes, minutes).Draw(t, "minute")) * time.Minute)
	if rapid.Bool().Draw(t, "zoned") {
		return at.In(time.FixedZone("", -5*3600))
	}
	return at
}

func drawLines(t *rapid.T, atMost int) []profile.Line {
	lines := make([]profile.Line, rapid.IntRange(1, atMost).Draw(t, "lines"))
	for i := range lines {
		style := pick(t, "style", "", "s1", "s2")
		size := pick(t, "size", "", "S", "M", "L")
		lines[i] = profile.Line{
			SKU: "k" + style + size, Style: style, Size: size,
			Category:   pick(t, "category", "", "shoes", "coats", "basics"),
			Quantity:   int64(rapid.IntRange(1, 3).Draw(t, "quantity")),
			Paid:       int64(rapid.IntRange(0, 9000).Draw(t, "paid")),
			Discount:   int64(rapid.IntRange(0, 500).Draw(t, "discount")),
			DecisionID: pick(t, "incentive", "", "", "", "d1"),
			Reason:     pick(t, "reason", "", "SIZE", "DEFECT"),
		}
	}
	return lines
}

// drawEvent draws a valid event; id is its number.
func drawEvent(t *rapid.T, id int, span time.Duration) *profile.Event {
	e := &profile.Event{
		ID: fmt.Sprintf("e%d", id), Customer: profile.Identity{Namespace: "loyalty", Value: "1"},
		Time: drawTime(t, span), Currency: pick(t, "currency", "USD", "USD", "EUR"),
		Channel: profile.Channel(rapid.IntRange(0, 8).Draw(t, "channel")),
		Kind:    profile.Kind(rapid.SampledFrom([]int{1, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7}).Draw(t, "kind")),
	}
	switch e.Kind {
	case profile.KindPurchase:
		e.OrderID, e.Lines = pick(t, "order", "", "o1", "o2", "o3"), drawLines(t, 5)
	case profile.KindReturn:
		e.OrderID, e.Lines = pick(t, "order", "", "o1", "o2", "o3"), drawLines(t, 3)
		e.ReturnID = pick(t, "return", "r1", "r2", "r3", "r4")
		e.Refund = int64(rapid.IntRange(0, 9000).Draw(t, "refund"))
	case profile.KindPresentation, profile.KindRelease, profile.KindRedemption:
		e.DecisionID, e.OfferID = pick(t, "decision", "d1", "d2", "d3"), pick(t, "offer", "pct-10", "pct-20")
		if e.Kind == profile.KindRedemption {
			e.Amount = int64(rapid.IntRange(0, 2000).Draw(t, "amount"))
		}
	default:
		e.LoyaltyTier = pick(t, "tier", "gold", "silver")
		if rapid.Bool().Draw(t, "states") {
			member := rapid.Bool().Draw(t, "member")
			e.LoyaltyMember, e.Consent = &member, &member
		}
		e.PointsDelta = int64(rapid.IntRange(-50, 100).Draw(t, "points"))
		if e.Kind == profile.KindAttributes {
			e.Household, e.PointsDelta = pick(t, "household", "", "h1"), 0
		}
	}
	return e
}

// step is one event of a customer.
type step struct{ event *profile.Event }

// drawSteps draws events with different ids.
func drawSteps(t *rapid.T, atMost int, span time.Duration) []step {
	steps := make([]step, rapid.IntRange(0, atMost).Draw(t, "events"))
	for i := range steps {
		steps[i].event = drawEvent(t, i, span)
	}
	return steps
}

// foldAll folds steps one by one.
func foldAll(t interface{ Fatal(...any) }, r profile.Records, steps []step) profile.Records {
	var f profile.Folder
	for _, s := range steps {
		next, result, err := f.Event(r.History, s.event)
		if err != nil {
			t.Fatal(err)
		}
		if result != profile.Duplicate {
			r = next
		}
	}
	return r
}
