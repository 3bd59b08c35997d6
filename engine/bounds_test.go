package engine_test

import (
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
)

// A share bound admits an offer of exactly that share, whatever cents the basket ends in.
func TestPercentBoundAdmitsItself(t *testing.T) {
	b, err := rules.Load(fstest.MapFS{
		"company.yaml": {Data: []byte(`apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: bound, scope: "", version: 1}
spec:
  currency: USD
  timezone: UTC
  outcomes: {purchase: {event: purchase, window: 30d}, redeem: {event: redemption, window: validity}}
  models:
    purchase: {without: 0.10, prior: {fifth: {lift: 0.50, sd: 0.01}, more: {lift: 0.50, sd: 0.01}}}
    redeem: {of: purchase}
    basket: {from: profile}
  goals:
    margin: {expr: (purchase.with - purchase.without) * basket.with - cost.expected}
  offers:
    - {id: fifth, kind: percent_off, params: {percent: 0.2}, validity: 48h, liability: offer.percent * basket.with, maxLiability: 50.00}
    - {id: more, kind: percent_off, params: {percent: 0.2001}, validity: 48h, liability: offer.percent * basket.with, maxLiability: 50.00}
  bounds: {max_percent_off: 0.2}
`)},
		"reference/categories.yaml": {Data: []byte("categories:\n  default: {margin_rate: 0.40}\n")},
	}, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, b)
	for _, basket := range []int64{1, 3, 5717, 9637, 9999} {
		r := request("", "anna")
		r.DryRun, r.Basket = true, &basket
		d := w.decide(r)
		if c := d.Candidate("fifth"); c.Reason != "" {
			t.Errorf("basket of %d: %s: %s", basket, c.Reason, c.Detail)
		}
		if c := d.Candidate("more"); c.Reason != engine.ReasonMaxPercentOff {
			t.Errorf("basket of %d: a larger share is %q", basket, c.Reason)
		}
	}
}
