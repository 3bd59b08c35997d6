package rules_test

import (
	"testing"
	"testing/fstest"
)

// TestOwnCurrency: a scope with a currency of its own gets inherited amounts
// converted, rounded down, and a fact to write amounts in expressions with.
func TestOwnCurrency(t *testing.T) {
	fsys := base(t)
	edit(t, fsys, "company.yaml", "  budgets:\n    - {id: month, limit: 1000.00, period: month}\n", "")
	edit(t, fsys, "company.yaml", "ret.refund_value >= 15", "ret.refund_value >= 15 * store.currency_rate")
	edit(t, fsys, "company.yaml", "maxLiability: 20.00", "maxLiability: 20.01")
	fsys["regions/jp.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: rebound/v1\nkind: GoalPolicy\nmetadata: {name: jp, scope: jp, version: 1}\nspec:\n  currency: JPY\n  exchange: 149.5\n  bounds: {max_liability: 5000}\n  budgets: [{id: jp-day, limit: 100000, period: day}]\n")}
	b := load(t, fsys)
	p, _ := b.Policy("jp")
	if p.Currency != "JPY" || p.Exponent != 0 || p.Offers[0].Ceiling != 2991 || p.Bounds.MaxLiability != 5000 || p.Budgets[0].Limit != 100000 || p.CurrencyRate != 149.5 {
		t.Errorf("%s %d ceiling %d bound %d budget %d", p.Currency, p.Exponent, p.Offers[0].Ceiling, p.Bounds.MaxLiability, p.Budgets[0].Limit)
	}
	if v := p.Goals[1].Value; v < 478.399 || v > 478.401 {
		t.Errorf("value of a visit %v", v)
	}
	if c, _ := b.Policy(""); c.Offers[0].Ceiling != 2001 || c.Goals[1].Value != 3.20 || c.CurrencyRate != 1 {
		t.Errorf("the company changed: %d", c.Offers[0].Ceiling)
	}
	for scope, want := range map[string]float64{"": 1, "jp": 149.5, "jp.tokyo": 149.5, "us.ne.0412": 1} {
		f := b.Env().NewFrame()
		for _, x := range b.StoreFacts(scope) {
			x.Set(f)
		}
		if x, ok := f.Number(b.Env().Slot("store.currency_rate")); !ok || x != want {
			t.Errorf("%q: rate %v %t", scope, x, ok)
		}
	}
}
