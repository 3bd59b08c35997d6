package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// answer is a decision without what differs between two readings of the clock.
func answer(d *engine.Decision) engine.Decision {
	x := *d
	x.Timings, x.Recorded = engine.Timings{}, time.Time{}
	return x
}

func TestRepeatedRequest(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	first := w.decide(request("r1", "anna"))
	if first.Outcome != engine.OutcomeOffer || len(first.Token) == 0 {
		t.Fatalf("want an offer: %+v", first)
	}
	w.clock.advance(time.Hour)
	for _, when := range []string{"at once", "after a restart"} {
		again := w.decide(request("r1", "anna"))
		if diff := cmp.Diff(answer(first), answer(again), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(engine.Decision{})); diff != "" {
			t.Errorf("%s: another answer:\n%s", when, diff)
		}
		w.restart()
	}
	other := request("r1", "anna")
	other.Return.Refund++
	if _, err := w.Decide(context.Background(), other); !errors.Is(err, engine.ErrRequestIDReused) {
		t.Errorf("another body: %v", err)
	}
}

func TestLaterPhase(t *testing.T) {
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 5.00, period: month}\n"))
	early := request("r1", "anna")
	early.Phase = engine.PhaseStarted
	first := w.decide(early)
	later := request("r2", "anna")
	later.Return = early.Return
	second := w.decide(later)
	if second.ID == first.ID || second.Supersedes != first.ID || second.Draw.U != first.Draw.U {
		t.Fatalf("a later phase: %s supersedes %q, u %d and %d", second.ID, second.Supersedes, second.Draw.U, first.Draw.U)
	}
	if second.Outcome != engine.OutcomeOffer {
		t.Errorf("what is superseded still holds the budget: %+v", second.Candidate("half"))
	}
	b, _ := w.Budget(context.Background(), "b")
	if b.Reserved != 500 {
		t.Errorf("reserved %d, want one ceiling", b.Reserved)
	}
	w.record(&profile.Event{ID: "shown", Kind: profile.KindPresentation, Customer: customer("anna"), Time: w.clock.now(), DecisionID: second.ID, OfferID: "half"})
	after := request("r3", "anna")
	after.Return, after.Phase = early.Return, engine.PhaseAfter
	if third := w.decide(after); third.ID != second.ID {
		t.Errorf("an offer that was shown was replaced by %s", third.ID)
	}
	repeat := w.decide(after)
	if repeat.ID != second.ID || repeat.RequestID != "r3" {
		t.Errorf("the repeated request got %s", repeat.ID)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 5.00, period: month}\n"))
	before, snapshot := w.store.Last(), first(w.ledger.Snapshot())
	r := request("", "anna")
	r.DryRun, r.AsOf = true, start.AddDate(0, 0, 3)
	d := w.decide(r)
	if d.Outcome != engine.OutcomeOffer || d.ID != "" || len(d.Token) != 0 || !d.Time.Equal(r.AsOf) {
		t.Errorf("dry run: %+v", d)
	}
	if w.store.Last() != before || string(first(w.ledger.Snapshot())) != string(snapshot) {
		t.Error("a dry run logged or reserved")
	}
	r.DryRun, r.RequestID = false, "r1"
	var bad *engine.FieldError
	if _, err := w.Decide(context.Background(), r); !errors.As(err, &bad) || bad.Field != "as_of" {
		t.Errorf("as_of on the wall clock: %v", err)
	}
}

func first(b []byte, _ store.Position) []byte { return b }

func TestConsent(t *testing.T) {
	w := newWorld(t, sharedBundle(t))
	member := true
	if _, err := w.Declare(context.Background(), []engine.Attributes{{RequestID: "a1", Customer: customer("anna"), Time: start, LoyaltyMember: &member}}); err != nil {
		t.Fatal(err)
	}
	r := request("r1", "anna")
	r.Consent = engine.ConsentUnset
	d := w.decide(r)
	for _, offer := range []string{"points-2x", "new-arrivals"} {
		if c := d.Candidate(offer); c.Reason != engine.ReasonNoConsent {
			t.Errorf("%s: %q (%s), want NO_CONSENT", offer, c.Reason, c.Detail)
		}
	}
	if d.Consent || d.Personal {
		t.Error("consent was assumed")
	}
	seen := map[string]bool{}
	for _, v := range d.Variables {
		seen[v.Name] = true
	}
	if seen["customer.loyalty_member"] || !seen["customer.abuse_score"] {
		t.Errorf("without consent these exist: %v", seen)
	}
	consent := true
	if _, err := w.Declare(context.Background(), []engine.Attributes{{RequestID: "a2", Customer: customer("anna"), Time: start, Consent: &consent}}); err != nil {
		t.Fatal(err)
	}
	r = request("r2", "anna")
	r.Consent = engine.ConsentUnset
	if d := w.decide(r); !d.Consent || d.Candidate("points-2x").Reason == engine.ReasonNoConsent {
		t.Errorf("declared consent is not used: %+v", d.Candidate("points-2x"))
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, sharedBundle(t))
	cases := map[string]struct {
		change func(*engine.Request)
		want   error
		field  string
	}{
		"currency":      {func(r *engine.Request) { r.Currency = "EUR" }, engine.ErrCurrencyMismatch, ""},
		"scope":         {func(r *engine.Request) { r.Scope, r.StrictScope = "us.ne.9999", true }, engine.ErrUnknownScope, ""},
		"request id":    {func(r *engine.Request) { r.RequestID = "" }, nil, "request_id"},
		"quantity":      {func(r *engine.Request) { r.Return.Lines[0].Quantity = -1 }, nil, "item_return.lines[0].quantity"},
		"amount":        {func(r *engine.Request) { r.Return.Refund = -1 }, nil, "item_return.refund"},
		"invalid UTF-8": {func(r *engine.Request) { r.Return.Lines[0].Category = "\xff" }, nil, "item_return.lines[0].category"},
		"a megabyte":    {func(r *engine.Request) { r.AssociateID = string(make([]byte, 1<<20)) }, nil, "associate_id"},
		"channel":       {func(r *engine.Request) { r.Channel = 0 }, nil, "channel"},
		"phase":         {func(r *engine.Request) { r.Phase = 9 }, nil, "phase"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := request("r-"+name, "anna")
			c.change(r)
			_, err := w.Decide(context.Background(), r)
			var bad *engine.FieldError
			switch {
			case c.want != nil && !errors.Is(err, c.want):
				t.Errorf("%v, want %v", err, c.want)
			case c.field != "" && (!errors.As(err, &bad) || bad.Field != c.field):
				t.Errorf("%v, want field %s", err, c.field)
			}
		})
	}
	r := request("unknown", "anna")
	r.Scope = "us.ne.9999"
	if d := w.decide(r); d.Provenance.Scope != "us.ne" || d.Provenance.ScopeExact || len(d.Degraded) == 0 {
		t.Errorf("unknown leaf: %+v %v", d.Provenance, d.Degraded)
	}
	r = request("leaf", "anna")
	r.Scope = "0412"
	if d := w.decide(r); d.Provenance.Scope != "us.ne.0412" || !d.Provenance.ScopeExact {
		t.Errorf("bare store number: %+v", d.Provenance)
	}
}

// Anonymous returns are decided on what the request says.
func TestAnonymous(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	r := request("r1", "")
	r.Customer = nil
	d := w.decide(r)
	if d.Outcome != engine.OutcomeOffer || d.Consent || d.Customer != (profile.Identity{}) {
		t.Errorf("anonymous: %+v", d)
	}
}

// heldOut decides for one customer after another until one is held out.
func (w *world) heldOut() (*engine.Decision, string) {
	for i := range 50 {
		who := fmt.Sprint("customer", i)
		d := w.decide(&engine.Request{
			RequestID: "dry" + who, Customer: []profile.Identity{customer(who)}, Channel: profile.ChannelStore, Phase: engine.PhaseRefunded,
			Currency: "USD", DryRun: true, Return: engine.Return{ID: "x", Refund: 8000},
		})
		if d.HeldOut {
			return w.decide(request("r1", who)), who
		}
	}
	w.t.Fatal("nobody is held out")
	return nil, ""
}

func TestHoldoutAndGhosts(t *testing.T) {
	w := newWorld(t, policy(t, `  budgets:
    - {id: b, limit: 5.00, period: month}
  caps:
    - {id: one, counts: offered, limit: 1, window: 30d, per: profile}
  holdout: {id: half, percent: 50, salt: s}
`))
	d, who := w.heldOut()
	if d.Outcome != engine.OutcomeHoldout || d.Assigned != "half" || d.Delivered != engine.None || d.Offer != nil || len(d.Token) > 0 {
		t.Fatalf("held out: %+v", d)
	}
	if c := d.Candidate("half"); c.PChoice != 1 || c.PShown != 0.5 || d.Candidate(engine.None).PShown != 0.5 {
		t.Errorf("propensities %v %v", c, d.Candidate(engine.None))
	}
	if b, _ := w.Budget(context.Background(), "b"); b.Reserved != 0 {
		t.Errorf("a ghost reserved %d", b.Reserved)
	}
	w.clock.advance(72 * time.Hour)
	if d := w.decide(request("again", who)); d.Assigned != engine.None || d.Candidate("half").Reason != engine.ReasonCapReached {
		t.Errorf("no shadow cap: %+v", d.Candidate("half"))
	}
	if r := d.Redacted(); r.Outcome != engine.OutcomeNoOffer || r.Candidates[1].Score != 0 || r.HeldOut {
		t.Errorf("a held-out customer can tell: %+v", r)
	}
}
