package profile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
	"pgregory.net/rapid"
)

func goodReturn() *profile.Event {
	return &profile.Event{
		ID: "e1", Kind: profile.KindReturn, Customer: profile.Identity{Namespace: "loyalty", Value: "1"}, Time: base,
		Currency: "USD", Channel: profile.ChannelStore, OrderID: "o1", ReturnID: "r1", Refund: 100,
		Lines: []profile.Line{{SKU: "a", Quantity: 1, Paid: 100, PurchasedAt: base.Add(-day)}},
	}
}

func TestValidateNamesTheField(t *testing.T) {
	cases := []struct {
		name, path string
		change     func(*profile.Event)
	}{
		{"no id", "id", func(e *profile.Event) { e.ID = "" }},
		{"long id", "id", func(e *profile.Event) { e.ID = strings.Repeat("x", 257) }},
		{"a megabyte", "lines[0].reason", func(e *profile.Event) { e.Lines[0].Reason = strings.Repeat("x", 1<<20) }},
		{"invalid UTF-8", "customer.value", func(e *profile.Event) { e.Customer.Value = "a\xff" }},
		{"NUL", "order_id", func(e *profile.Event) { e.OrderID = "a\x00b" }},
		{"no kind", "kind", func(e *profile.Event) { e.Kind = 0 }},
		{"unknown kind", "kind", func(e *profile.Event) { e.Kind = 100 }},
		{"unknown channel", "channel", func(e *profile.Event) { e.Channel = 9 }},
		{"no time", "time", func(e *profile.Event) { e.Time = time.Time{} }},
		{"future", "time", func(e *profile.Event) { e.Time = base.Add(time.Hour) }},
		{"absurd", "time", func(e *profile.Event) { e.Time = time.Date(1066, 10, 14, 0, 0, 0, 0, time.UTC) }},
		{"purchased later", "lines[0].purchased_at", func(e *profile.Event) { e.Lines[0].PurchasedAt = base.Add(time.Minute) }},
		{"currency", "currency", func(e *profile.Event) { e.Currency = "usd" }},
		{"no quantity", "lines[0].quantity", func(e *profile.Event) { e.Lines[0].Quantity = 0 }},
		{"negative quantity", "lines[0].quantity", func(e *profile.Event) { e.Lines[0].Quantity = -2 }},
		{"huge quantity", "lines[0].quantity", func(e *profile.Event) { e.Lines[0].Quantity = 1 << 31 }},
		{"negative money", "lines[0].paid", func(e *profile.Event) { e.Lines[0].Paid = -1 }},
		{"huge money", "refund", func(e *profile.Event) { e.Refund = 1 << 62 }},
		{"negative refund", "refund", func(e *profile.Event) { e.Refund = -1 }},
		{"no lines", "lines", func(e *profile.Event) { e.Lines = nil }},
		{"too many lines", "lines", func(e *profile.Event) { e.Lines = make([]profile.Line, 1001) }},
		{"no sku", "lines[0].sku", func(e *profile.Event) { e.Lines[0].SKU = "" }},
		{"no return id", "return_id", func(e *profile.Event) { e.ReturnID = "" }},
		{"refund of a purchase", "refund", func(e *profile.Event) { e.Kind = profile.KindPurchase }},
		{"no decision", "decision_id", func(e *profile.Event) { e.Kind = profile.KindRedemption }},
		{"no offer", "offer_id", func(e *profile.Event) { e.Kind, e.DecisionID = profile.KindPresentation, "d" }},
		{"cost of a release", "amount", func(e *profile.Event) { e.Kind, e.DecisionID, e.Amount = profile.KindRelease, "d", 1 }},
		{"long token", "token", func(e *profile.Event) { e.Token = make([]byte, 5000) }},
		{"empty loyalty change", "loyalty_member", func(e *profile.Event) { e.Kind = profile.KindLoyaltyChange }},
		{"empty attributes", "consent", func(e *profile.Event) { e.Kind = profile.KindAttributes }},
	}
	if err := profile.Validate(goodReturn(), base, time.Minute); err != nil {
		t.Fatalf("a good event: %v", err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := goodReturn()
			c.change(e)
			err := profile.Validate(e, base, time.Minute)
			var field *profile.FieldError
			if !errors.As(err, &field) || field.Path != c.path || field.What == "" || field.Fix == "" {
				t.Errorf("got %v, want an error at %s", err, c.path)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestValidateReportsAllFieldsAtOnceButNotEndlessly(t *testing.T) {
	e := goodReturn()
	e.Currency, e.ReturnID = "", ""
	e.Lines = make([]profile.Line, 1000)
	joined, ok := profile.Validate(e, base, time.Minute).(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 20 {
		t.Errorf("got %v", joined)
	}
}

func TestDrawnEventsAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t, 1, 900*day)
		if err := profile.Validate(e, base.Add(900*day), time.Minute); err != nil && e.Kind != profile.KindPresentation {
			t.Fatal(err)
		}
	})
}

func TestSubjectsOfSeparatorsDiffer(t *testing.T) {
	ids := []profile.Identity{
		{Namespace: "a", Value: "b:c"}, {Namespace: "a:b", Value: "c"}, {Namespace: "a", Value: "bc"},
		{Namespace: "ab", Value: "c"}, {Namespace: "", Value: "abc"}, {Namespace: "a\x01b", Value: "c"},
	}
	seen := map[[16]byte]profile.Identity{}
	for _, id := range ids {
		s := profile.SubjectOf(id)
		if other, ok := seen[s]; ok {
			t.Errorf("%q and %q share a subject", id, other)
		}
		seen[s] = id
	}
	key := store.Key(profile.TableProfiles, profile.SubjectOf(ids[0]))
	if len(key) != 17 || key[0] != profile.TableProfiles {
		t.Errorf("key %x", key)
	}
}
