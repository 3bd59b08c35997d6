package rules_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
)

// parentValues are the random limits of a company.
type parentValues struct {
	percent, liability float64
	weightMin, weight  float64
	weightMax          float64
	abuse              float64 // customer.abuse_score < abuse
	reasons            []string
	capLimit, capDays  int
	floor              float64
}

func randomParent(rng *rand.Rand) parentValues {
	p := parentValues{
		percent: float64(10+rng.IntN(40)) / 100, liability: float64(1000+rng.IntN(9000)) / 100,
		weightMin: float64(rng.IntN(10)) / 10, abuse: float64(20+rng.IntN(70)) / 100, capLimit: 2 + rng.IntN(8), capDays: 2 + rng.IntN(60),
		floor: float64(rng.IntN(20)) / 100, reasons: []string{"SIZE", "COLOUR", "DEFECT", "RECALL", "LATE"}[:2+rng.IntN(3)],
	}
	p.weight = p.weightMin + float64(rng.IntN(10))/10
	p.weightMax = p.weight + float64(1+rng.IntN(20))/10
	return p
}

func (p parentValues) bundle(t testing.TB) fstest.MapFS {
	fsys := base(t)
	edit(t, fsys, "company.yaml", "bounds: {max_percent_off: 0.30, max_liability: 40.00}", fmt.Sprintf("bounds: {max_percent_off: %.2f, max_liability: %.2f}", p.percent, p.liability))
	edit(t, fsys, "company.yaml", "{default: 1.0, min: 0.0, max: 3.0}", fmt.Sprintf("{default: %.1f, min: %.1f, max: %.1f}", p.weight, p.weightMin, p.weightMax))
	edit(t, fsys, "company.yaml", "{id: abuse-risk, when: customer.abuse_score < 0.85, reason: ABUSE_RISK}",
		fmt.Sprintf("{id: abuse-risk, when: customer.abuse_score < %.2f, reason: ABUSE_RISK}\n    - {id: reasons, when: 'ret.reason in [\"%s\"]', reason: REASON}\n    - {id: floor, when: candidate.margin_if_redeemed >= %.2f * basket.with, reason: FLOOR}",
			p.abuse, strings.Join(p.reasons, `", "`), p.floor))
	edit(t, fsys, "company.yaml", "limit: 3, window: 30d", fmt.Sprintf("limit: %d, window: %dd", p.capLimit, p.capDays))
	return fsys
}

func child(fsys fstest.MapFS, scope, spec string) {
	fsys["regions/"+scope+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil,
		"apiVersion: rebound/v1\nkind: GoalPolicy\nmetadata: {name: %s, scope: %s, version: 1}\nspec:\n  %s\n", scope, scope, spec)}
}

// step is a positive number up to about size.
func step(rng *rand.Rand, size float64) float64 { return size * float64(1+rng.IntN(50)) / 50 }

// loosening returns a child's spec that admits what its parent refuses.
func (p parentValues) loosening(rng *rand.Rand) string {
	constraint := func(id, when string) string {
		return fmt.Sprintf("constraints: [{id: %s, when: '%s', reason: X}]", id, when)
	}
	looser := p.abuse + step(rng, 0.3)
	switch rng.IntN(14) {
	case 0:
		return fmt.Sprintf("bounds: {max_percent_off: %.4f}", min(p.percent+step(rng, 0.3), 1))
	case 1:
		return fmt.Sprintf("bounds: {max_liability: %.2f}", p.liability+step(rng, 50))
	case 2:
		return fmt.Sprintf("weights: {traffic: %.3f}", p.weightMax+step(rng, 3))
	case 3:
		return fmt.Sprintf("weights: {traffic: %.3f}", p.weightMin-step(rng, 1)-0.001)
	case 4:
		return constraint("abuse-risk", fmt.Sprintf("customer.abuse_score < %.4f", looser))
	case 5:
		return constraint("abuse-risk", fmt.Sprintf("customer.abuse_score <= %.2f", p.abuse))
	case 6:
		return constraint("abuse-risk", fmt.Sprintf("customer.abuse_score < %.2f or customer.loyalty_member", p.abuse))
	case 7:
		return constraint("abuse-risk", fmt.Sprintf("not (customer.abuse_score > %.4f)", looser))
	case 8:
		return constraint("reasons", `ret.reason in ["`+strings.Join(p.reasons, `", "`)+`", "OTHER"]`)
	case 9:
		return constraint("floor", fmt.Sprintf("candidate.margin_if_redeemed >= %.4f * basket.with", p.floor-step(rng, 0.1)-0.01))
	case 10:
		return fmt.Sprintf("caps: [{id: offers-30d, counts: offered, limit: %d, window: %dd, per: profile}]", p.capLimit+1+rng.IntN(5), p.capDays)
	case 11:
		return fmt.Sprintf("caps: [{id: offers-30d, counts: offered, limit: %d, window: %dd, per: profile}]", p.capLimit, max(1, p.capDays-1-rng.IntN(p.capDays-1)))
	case 12:
		return "guardrails: [{id: no-loss, when: goal.margin >= -100, reason: X}]"
	}
	return "offers: [{id: extra, kind: message, validity: 1d, liability: '0', maxLiability: 0.00}]"
}

// tightening returns a child's spec that refuses at least what its parent refuses.
func (p parentValues) tightening(rng *rand.Rand) string {
	constraint := func(id, when string) string {
		return fmt.Sprintf("constraints: [{id: %s, when: '%s', reason: X}]", id, when)
	}
	stricter := max(0.01, p.abuse-step(rng, 0.3))
	switch rng.IntN(13) {
	case 0:
		return fmt.Sprintf("bounds: {max_percent_off: %.4f}", max(0, p.percent-step(rng, 0.3)))
	case 1:
		return fmt.Sprintf("bounds: {max_liability: %.2f}", max(0, p.liability-step(rng, 50)))
	case 2:
		return fmt.Sprintf("weights: {traffic: %.4f}", p.weightMin+rng.Float64()*(p.weightMax-p.weightMin-0.001)+0.0005)
	case 3:
		return "disableOffers: [pct-10]"
	case 4:
		return constraint("abuse-risk", fmt.Sprintf("customer.abuse_score < %.4f", stricter))
	case 5:
		return constraint("abuse-risk", fmt.Sprintf("%.4f > customer.abuse_score and customer.loyalty_member", stricter))
	case 6:
		return constraint("abuse-risk", fmt.Sprintf("not (customer.abuse_score >= %.4f)", stricter))
	case 7:
		return constraint("abuse-risk", fmt.Sprintf("customer.abuse_score < %.4f and (customer.abuse_score < 0.1 or ret.refund_value > 5)", stricter))
	case 8:
		return constraint("reasons", fmt.Sprintf("ret.reason == %q", p.reasons[rng.IntN(len(p.reasons))]))
	case 9:
		return constraint("new-rule", "ret.refund_value < 1000")
	case 10:
		return fmt.Sprintf("caps: [{id: offers-30d, counts: offered, limit: %d, window: %dd, per: profile}]", rng.IntN(p.capLimit+1), p.capDays+rng.IntN(30))
	case 11:
		return "budgets: [{id: child-day, limit: 5.00, period: day}]"
	}
	return "guardrails: [{id: child-no-loss, when: goal.margin >= 0, reason: X}]"
}

// TestInheritanceOnlyTightens: 1,000 loosening edits of random bundles are all
// refused, naming both places where there are two; 1,000 tightening ones all load.
func TestInheritanceOnlyTightens(t *testing.T) {
	rng := rand.New(rand.NewPCG(2026, 4))
	for i := range 1000 {
		p := randomParent(rng)
		loose, tight := p.loosening(rng), p.tightening(rng)
		fsys := p.bundle(t)
		child(fsys, "loose", loose)
		_, err := rules.Load(fsys, testschema.Schema())
		var bad *rules.DiagnosticsError
		if !errors.As(err, &bad) {
			t.Fatalf("edit %d loads: %s\nparent %+v", i, loose, p)
		}
		if d := bad.Diagnostics[0]; len(bad.Diagnostics) != 1 || d.File != "regions/loose.yaml" || d.Code != "RB3003" && (len(d.Related) != 1 || d.Related[0].File != "company.yaml") {
			t.Fatalf("edit %d: %s\n%v", i, loose, err)
		}
		fsys = p.bundle(t)
		child(fsys, "tight", tight)
		if _, err := rules.Load(fsys, testschema.Schema()); err != nil {
			t.Fatalf("edit %d is refused: %s\n%v", i, tight, err)
		}
	}
}

// company writes a bundle of a large retailer.
func largeCompany(t testing.TB, stores, regions, offers, constraints int) fstest.MapFS {
	fsys := base(t)
	var offer, constraint, goal, facts strings.Builder
	for i := range offers {
		fmt.Fprintf(&offer, "\n    - {id: offer-%d, kind: percent_off, params: {percent: 0.%02d}, validity: 48h, eligible: 'ret.refund_value >= %d and ret.reason not in [\"DEFECT\", \"RECALL\"]', liability: offer.percent * basket.with, maxLiability: %d.00}", i, 1+i%29, 5+i, 1+i%39)
	}
	for i := range constraints {
		fmt.Fprintf(&constraint, "\n    - {id: rule-%d, when: customer.value_365d + %d.0 * ret.refund_value < %d or customer.return_rate < 0.%02d, reason: RULE_%d}", i, i+1, 100000-1000*i, 10+i, i)
	}
	for i := range 4 {
		fmt.Fprintf(&goal, "\n    goal_%d: {expr: visit.with - visit.without - 0.0%d, unit: visit, value: 1.5, weight: {default: 1, min: 0, max: 2}}", i, i)
	}
	edit(t, fsys, "company.yaml", "\n  offers:", goal.String()+"\n  offers:")
	edit(t, fsys, "company.yaml", "\n  constraints:", offer.String()+"\n  constraints:")
	edit(t, fsys, "company.yaml", "\n  bounds:", constraint.String()+"\n  bounds:")
	for r := range regions {
		scope := fmt.Sprintf("r%02d", r)
		child(fsys, scope, fmt.Sprintf("weights: {traffic: 1.%d}\n  bounds: {max_percent_off: 0.29}\n  constraints: [{id: %s-own, when: 'now.hour >= %d', reason: HOURS}]", r%10, scope, 1+r%9))
	}
	for s := range stores {
		scope := fmt.Sprintf("r%02d.s%04d", s%regions, s)
		fmt.Fprintf(&facts, "\n  %s: {cogs_rate: 0.55, assortment: [basics, shoes], clearance: false}", scope)
		name := strings.ReplaceAll(scope, ".", "-")
		fsys["stores/"+name+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"apiVersion: rebound/v1\nkind: GoalPolicy\nmetadata: {name: %s, scope: %s, version: 1}\nspec:\n  weights: {goal_1: 1.%d}\n  disableOffers: [offer-%d]\n  budgets: [{id: %s-day, limit: 600.00, period: day}]\n", name, scope, s%10, s%offers, name)}
	}
	fsys["reference/large.yaml"] = &fstest.MapFile{Data: []byte("stores:" + facts.String() + "\n")}
	return fsys
}

// heapBytes returns what is reachable now.
func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkLoadLargeCompany(b *testing.B) {
	fsys := largeCompany(b, 2000, 40, 60, 15)
	before := heapBytes()
	b.ReportAllocs()
	var bundle *rules.Bundle
	for b.Loop() {
		bundle = load(b, fsys)
	}
	b.ReportMetric(float64(heapBytes()-before)/(1<<20), "MiB/bundle")
	if len(bundle.Scopes()) < 2000 {
		b.Fatal(len(bundle.Scopes()))
	}
}

// TestLargeCompanyShares: what a store does not change is its parent's memory.
func TestLargeCompanyShares(t *testing.T) {
	b := load(t, largeCompany(t, 50, 5, 20, 15))
	region, _ := b.Policy("r01")
	store, exact := b.Policy("r01.s0001")
	if !exact || &store.Constraints[0] != &region.Constraints[0] || &store.Outcomes[0] != &region.Outcomes[0] || &store.Caps[0] != &region.Caps[0] {
		t.Error("a store copies what it does not change")
	}
	if store.Offers[3].Liability != region.Offers[3].Liability {
		t.Error("a store compiles again what it inherits")
	}
	if len(region.Budgets) != 1 || len(store.Budgets) != 2 {
		t.Errorf("%d and %d budgets", len(region.Budgets), len(store.Budgets))
	}
}
