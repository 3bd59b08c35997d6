package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
)

func redemption(id, who string, d *engine.Decision, at time.Time, amount int64) *profile.Event {
	return &profile.Event{
		ID: id, Kind: profile.KindRedemption, Customer: customer(who), Time: at, Currency: "USD",
		DecisionID: d.ID, OfferID: "half", Token: d.Token, Amount: amount,
	}
}

const monthly = "  budgets:\n    - {id: b, limit: 100.00, period: month}\n"

func TestRedemptionIsHeldAgainstItsToken(t *testing.T) {
	w := newWorld(t, policy(t, monthly))
	d := w.decide(request("r1", "anna"))
	other := w.decide(request("r2", "bert"))
	soon := start.Add(time.Hour)
	forged := *d
	forged.Token = append([]byte(nil), d.Token...)
	forged.Token[len(forged.Token)/2] ^= 1
	raised := *d
	raised.Token = append(append([]byte(nil), d.Token...), 0)
	w.clock.advance(72 * time.Hour)
	for _, c := range []struct {
		name string
		ev   *profile.Event
		want engine.EventReason
	}{
		{"forged", redemption("e1", "anna", &forged, soon, 100), engine.EventTokenForged},
		{"lengthened", redemption("e2", "anna", &raised, soon, 100), engine.EventTokenForged},
		{"missing", redemption("e3", "anna", &engine.Decision{ID: d.ID}, soon, 100), engine.EventTokenMissing},
		{"of another customer", redemption("e4", "bert", d, soon, 100), engine.EventTokenCustomer},
		{"of another decision", redemption("e5", "anna", &engine.Decision{ID: other.ID, Token: d.Token}, soon, 100), engine.EventTokenForged},
		{"expired", redemption("e6", "anna", d, start.Add(48*time.Hour), 100), engine.EventTokenExpired},
		{"above the ceiling", redemption("e7", "anna", d, soon, 501), engine.EventAboveCeiling},
		{"good", redemption("e8", "anna", d, soon, 420), ""},
		{"twice", redemption("e9", "anna", d, soon, 1), engine.EventAlreadyRedeemed},
	} {
		r := w.record(c.ev)[0]
		if r.Reason != c.want || (c.want == "") != (r.Status == engine.EventAccepted) {
			t.Errorf("%s: %s %q (%s), want %q", c.name, r.Status, r.Reason, r.Detail, c.want)
		}
	}
	if r := w.record(redemption("e8", "anna", d, soon, 420))[0]; r.Status != engine.EventDuplicate {
		t.Errorf("the same event again: %+v", r)
	}
	b, _ := w.Budget(context.Background(), "b")
	if b.Settled != 420 || b.Reserved != 0 {
		t.Errorf("budget %+v: want 420 settled, bert's offer expired", b)
	}
}

func TestReleaseAndExpiry(t *testing.T) {
	w := newWorld(t, policy(t, monthly))
	d, e := w.decide(request("r1", "anna")), w.decide(request("r2", "bert"))
	give := &profile.Event{ID: "g", Kind: profile.KindRelease, Customer: customer("anna"), Time: w.clock.now(), DecisionID: d.ID}
	if r := w.record(give)[0]; r.Status != engine.EventAccepted {
		t.Fatalf("release: %+v", r)
	}
	if r := w.record(redemption("x", "anna", d, w.clock.now(), 1))[0]; r.Reason != engine.EventOfferReleased {
		t.Errorf("a released offer was redeemed: %+v", r)
	}
	b, _ := w.Budget(context.Background(), "b")
	if b.Reserved != 500 || b.Released != 500 {
		t.Errorf("after the release: %+v", b)
	}
	w.clock.advance(48 * time.Hour)
	if b, _ := w.Budget(context.Background(), "b"); b.Reserved != 0 {
		t.Errorf("after the expiry: %+v", b)
	}
	w.decide(request("r3", "carl"))
	late := redemption("late", "bert", e, start.Add(47*time.Hour), 300)
	if r := w.record(late)[0]; r.Status != engine.EventAccepted || r.Settled != 300 {
		t.Errorf("redeemed in time, told late: %+v", r)
	}
	unknown := &profile.Event{ID: "u", Kind: profile.KindRelease, Customer: customer("anna"), Time: w.clock.now(), DecisionID: "nothing"}
	if r := w.record(unknown)[0]; r.Reason != engine.EventUnknownDecision {
		t.Errorf("release of an unknown decision: %+v", r)
	}
}

// A token settles even if its decision was lost in a crash.
func TestLostDecisionSettles(t *testing.T) {
	lost := newWorld(t, policy(t, monthly))
	d := lost.decide(request("r1", "anna"))
	w := newWorld(t, policy(t, monthly))
	if r := w.record(redemption("e1", "anna", d, start.Add(time.Hour), 450))[0]; r.Status != engine.EventRejected {
		t.Logf("told ahead of the clock: %+v", r)
	}
	w.clock.advance(2 * time.Hour)
	r := w.record(redemption("e1", "anna", d, start.Add(time.Hour), 450))[0]
	if r.Status != engine.EventAccepted || r.Settled != 450 {
		t.Fatalf("a lost decision: %+v", r)
	}
	if r := w.record(redemption("e2", "anna", d, start.Add(time.Hour), 1))[0]; r.Reason != engine.EventAlreadyRedeemed {
		t.Errorf("settled twice: %+v", r)
	}
	b, _ := w.Budget(context.Background(), "b")
	if b.Settled != 450 {
		t.Errorf("settled %d", b.Settled)
	}
}

// Charge and release go to the period of the Decide.
func TestChargesStayInTheirPeriod(t *testing.T) {
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 100.00, period: day}\n"))
	d := w.decide(request("r1", "anna"))
	w.clock.advance(24 * time.Hour)
	w.record(redemption("e1", "anna", d, w.clock.now(), 500))
	if b, _ := w.Budget(context.Background(), "b"); b.Settled != 0 || !b.Start.Equal(start.AddDate(0, 0, 1).Truncate(24*time.Hour)) {
		t.Errorf("today: %+v", b)
	}
	w.clock.advance(-24 * time.Hour)
	if b, _ := w.Budget(context.Background(), "b"); b.Settled != 500 {
		t.Errorf("the day of the Decide: %+v", b)
	}
}

func TestTokenKeys(t *testing.T) {
	old := map[string][]byte{"old": []byte("0123456789abcdef")}
	before, err := engine.NewTokenKeys("old", old)
	if err != nil {
		t.Fatal(err)
	}
	raw := before.Sign(&engine.Token{DecisionID: "d", OfferID: "o", Ceiling: 5, Budgets: []engine.TokenBudget{{ID: "b", Start: start, End: start.Add(1)}}})
	after, err := engine.NewTokenKeys("new", map[string][]byte{"old": old["old"], "new": []byte("fedcba9876543210")})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := after.Verify(raw); err != nil || token.DecisionID != "d" || token.Ceiling != 5 || len(token.Budgets) != 1 {
		t.Errorf("after rotation: %+v %v", token, err)
	}
	gone, err := engine.NewTokenKeys("new", map[string][]byte{"new": []byte("fedcba9876543210")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Verify(raw); !errors.Is(err, engine.ErrTokenForged) {
		t.Errorf("a retired key: %v", err)
	}
	for _, bad := range []struct {
		current string
		keys    map[string][]byte
	}{{"a", nil}, {"a", map[string][]byte{"b": []byte("0123456789abcdef")}}, {"a", map[string][]byte{"a": []byte("short")}}} {
		if _, err := engine.NewTokenKeys(bad.current, bad.keys); err == nil {
			t.Errorf("keys %v were taken", bad)
		}
	}
}

func FuzzTokenVerify(f *testing.F) {
	keys, err := engine.NewTokenKeys("k", map[string][]byte{"k": []byte("0123456789abcdef")})
	if err != nil {
		f.Fatal(err)
	}
	good := keys.Sign(&engine.Token{DecisionID: "d", OfferID: "o", Ceiling: 5})
	f.Add(good)
	f.Add([]byte{1, 255})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := keys.Verify(raw); err == nil && string(raw) != string(good) {
			t.Errorf("forged: %x", raw)
		}
	})
}
