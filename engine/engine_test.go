package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/memstore"
)

// start is when tests begin: a Monday, 15:00 in London.
var start = time.Date(2026, 10, 5, 15, 0, 0, 0, time.UTC)

// clock is a wall clock that moves when told to.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(start.UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// world is an engine on a store in memory.
type world struct {
	*engine.Engine
	t      testing.TB
	clock  *clock
	image  *memstore.Image
	store  store.Store
	ledger *engine.Ledger
	bundle *rules.Bundle
	opts   func(*engine.Options)
}

func newWorld(t testing.TB, b *rules.Bundle, opts ...func(*engine.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), image: &memstore.Image{}, bundle: b}
	w.opts = func(o *engine.Options) {
		for _, f := range opts {
			f(o)
		}
	}
	w.open()
	if _, err := w.Activate(context.Background(), b, engine.ActivateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.check)
	return w
}

// open opens store and engine on the image, as a start of the process does.
func (w *world) open() {
	w.t.Helper()
	w.ledger = engine.NewLedger()
	s, err := memstore.Open(memstore.Options{Fold: engine.NewFold(), Machine: w.ledger, Index: engine.Index, Clock: w.clock.now, Image: w.image})
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := engine.NewTokenKeys("k1", map[string][]byte{"k1": []byte("a key of at least 16 bytes")})
	if err != nil {
		w.t.Fatal(err)
	}
	o := engine.Options{Store: s, Ledger: w.ledger, Clock: w.clock.now, Salt: "salt", SaltName: "test", TokenKeys: keys}
	w.opts(&o)
	w.store = o.Store
	if w.Engine, err = engine.New(o); err != nil {
		w.t.Fatal(err)
	}
}

// restart closes the store and opens it again from what a crash would leave.
func (w *world) restart() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
	if _, err := w.Resume(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// check proves the books at the end of every test.
func (w *world) check() {
	if err := w.ledger.Check(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) decide(r *engine.Request) *engine.Decision {
	w.t.Helper()
	d, err := w.Decide(context.Background(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) record(events ...*profile.Event) []engine.EventResult {
	w.t.Helper()
	r, err := w.Record(context.Background(), events)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func customer(id string) profile.Identity { return profile.Identity{Namespace: "loyalty", Value: id} }

func request(id, who string) *engine.Request {
	return &engine.Request{
		RequestID: id, Customer: []profile.Identity{customer(who)}, Consent: engine.ConsentGranted,
		Channel: profile.ChannelStore, Phase: engine.PhaseRefunded, Currency: "USD", Explain: engine.ExplainFull,
		Return: engine.Return{
			ID: "ret-" + id, OrderID: "order-" + id, Authorization: "APPROVED", Refund: 8000,
			Lines: []profile.Line{{SKU: "sku-1", Style: "s1", Size: "M", Category: "shoes", Quantity: 1, Paid: 8000, Reason: "SIZE"}},
		},
	}
}

func purchase(id, who string, at time.Time, paid int64) *profile.Event {
	return &profile.Event{
		ID: id, Kind: profile.KindPurchase, Customer: customer(who), Time: at, Channel: profile.ChannelStore, Currency: "USD", OrderID: "o-" + id,
		Lines: []profile.Line{{SKU: "sku-" + id, Style: "s1", Size: "M", Category: "shoes", Quantity: 1, Paid: paid}},
	}
}

// policy is a small bundle: one sure percent-off offer and whatever is added to the spec.
func policy(t testing.TB, spec string) *rules.Bundle {
	t.Helper()
	text := `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: small, scope: "", version: 1}
spec:
  currency: USD
  timezone: UTC
  outcomes:
    purchase: {event: purchase, window: 30d}
    redeem:   {event: redemption, window: validity}
  models:
    purchase: {without: 0.10, prior: {half: {lift: 0.50, sd: 0.01}}}
    redeem:   {of: purchase}
    basket:   {from: profile}
  goals:
    margin:
      expr: purchase.with * basket.with * basket.margin_rate - purchase.without * basket.without * basket.margin_rate - cost.expected
  offers:
    - id: half
      kind: amount_off
      params: {amount: 5.00}
      validity: 48h
      liability: "5.00"
      maxLiability: 5.00
` + spec
	fsys := fstest.MapFS{
		"company.yaml":              {Data: []byte(text)},
		"reference/categories.yaml": {Data: []byte("categories:\n  default: {margin_rate: 0.40}\n")},
	}
	b, err := rules.Load(fsys, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecideEndToEnd(t *testing.T) {
	w := newWorld(t, sharedBundle(t))
	for i := range 5 {
		r := w.record(purchase(fmt.Sprint("p", i), "anna", start.AddDate(0, -i-1, 0), 9000))
		if r[0].Status != engine.EventAccepted {
			t.Fatalf("event: %+v", r[0])
		}
	}
	d := w.decide(request("r1", "anna"))
	if d.ID == "" || d.Position == 0 || len(d.Candidates) != 7 || len(d.Variables) < 20 {
		t.Fatalf("decision %+v", d)
	}
	for _, c := range d.Candidates {
		t.Logf("%-12s %-12s %-18s score %8.4f p %.4f  %s", c.Offer, c.Stage, c.Reason, c.Score, c.PChoice, c.Detail)
	}
	if d.Candidate("pct-10").Reason == engine.ReasonEvaluation {
		t.Error("pct-10 could not be evaluated")
	}
}
