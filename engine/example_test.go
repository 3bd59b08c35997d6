package engine_test

import (
	"context"
	"fmt"
	"testing/fstest"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store/memstore"
)

// A policy that gives 5.00 off the next purchase, up to 100.00 a day.
const small = `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: small, scope: "", version: 1}
spec:
  currency: USD
  timezone: UTC
  outcomes:
    purchase: {event: purchase, window: 30d}
  models:
    purchase: {without: 0.20, prior: {five-off: {lift: 0.30, sd: 0.05}}}
    basket:   {from: profile}
  goals:
    margin: {expr: (purchase.with - purchase.without) * basket.with * basket.margin_rate - cost.expected}
  offers:
    - {id: five-off, kind: amount_off, params: {amount: 5.00}, validity: 48h, liability: "5.00", maxLiability: 5.00}
  budgets:
    - {id: company-day, limit: 100.00, period: day}
`

func Example() {
	bundle, err := rules.Load(fstest.MapFS{
		"company.yaml":              {Data: []byte(small)},
		"reference/categories.yaml": {Data: []byte("categories: {shoes: {margin_rate: 0.45}}\n")},
	}, engine.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	ledger := engine.NewLedger()
	log, err := memstore.Open(memstore.Options{Fold: engine.NewFold(), Machine: ledger, Index: engine.Index})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := engine.NewTokenKeys("2026", map[string][]byte{"2026": []byte("keep this key secret")})
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := engine.New(engine.Options{
		Store: log, Ledger: ledger, TokenKeys: keys, Salt: "keep this secret, too", SaltName: "2026",
		Clock: func() time.Time { return time.Date(2026, 11, 20, 16, 30, 0, 0, time.UTC) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if _, err := e.Activate(ctx, bundle, engine.ActivateOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	d, err := e.Decide(ctx, &engine.Request{
		RequestID: "till-7-0001", Customer: []profile.Identity{{Namespace: "loyalty", Value: "12345"}},
		Channel: profile.ChannelStore, Phase: engine.PhaseRefunded, Currency: "USD",
		Return: engine.Return{ID: "R-1", OrderID: "O-1", Refund: 8000, Lines: []profile.Line{{SKU: "boot", Category: "shoes", Quantity: 1, Paid: 8000}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(engine.Narrate(d, engine.VoiceMerchandiser))
	b, err := e.Budget(ctx, "company-day")
	fmt.Println(b.Reserved, "of", b.Limit, "cents are reserved", err)
	// Output:
	// The customer gets five-off (amount off the next purchase).
	// It is worth 5.80 USD, and none of the 2 candidates that fit is worth more.
	// It was drawn with a chance of 100.0 %.
	// Another purchase has a chance of 20.0 % without it and 50.0 % with it, as the policy assumes.
	// It adds 5.80 USD to the goal margin.
	// It is expected to cost 5.00 USD and may cost 5.00 USD at most.
	// Without consent no personal data was used.
	// 500 of 10000 cents are reserved <nil>
}
