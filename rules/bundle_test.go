package rules_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
)

// shared returns a folder beside the repository that holds common examples; a
// test whose data is absent is skipped.
func shared(t testing.TB, path string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	full := filepath.Join(dir, "..", "shared", path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("no data at ../shared/%s", path)
	}
	return full
}

// load loads a bundle or fails with its diagnostics in full.
func load(t testing.TB, fsys fs.FS) *rules.Bundle {
	t.Helper()
	b, err := rules.Load(fsys, testschema.Schema())
	if bad, ok := errors.AsType[*rules.DiagnosticsError](err); ok {
		for _, d := range bad.Diagnostics {
			t.Log("\n" + d.Format())
		}
	}
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return b
}

func TestLoadSharedExample(t *testing.T) {
	b := load(t, os.DirFS(shared(t, "examples/policies")))
	for _, w := range b.Warnings() {
		t.Errorf("warning:\n%s", w.Format())
	}
	if b.Name() != "company" || b.Version() != 15 || !b.EffectiveFrom().Equal(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("metadata: %q %d %s", b.Name(), b.Version(), b.EffectiveFrom())
	}
	store, exact := b.Policy("us.ne.0412")
	if !exact || len(store.Chain) != 3 || store.Chain[1] != "us.ne" {
		t.Fatalf("chain %v, exact %t", store.Chain, exact)
	}
	if p, exact := b.Policy("us.ne.9999"); exact || p.Scope != "us.ne" {
		t.Errorf("unknown leaf: scope %q, exact %t", p.Scope, exact)
	}
	checkSharedStore(t, store)
	checkSharedFacts(t, b)
}

func checkSharedStore(t *testing.T, p *rules.Policy) {
	t.Helper()
	if p.Bounds.MaxPercentOff != 0.20 || p.Bounds.MaxLiability != 4000 || p.Bounds.PercentSource.File != "regions/us.ne.yaml" {
		t.Errorf("bounds %+v", p.Bounds)
	}
	weights := map[string]float64{}
	for _, g := range p.Goals {
		weights[g.Name] = g.Weight
	}
	if weights["margin"] != 1 || weights["traffic"] != 1.8 || weights["boris"] != 1.5 || p.Goals[0].Name != "margin" {
		t.Errorf("weights %v", weights)
	}
	if len(p.Constraints) != 5 || len(p.Budgets) != 3 || p.Budgets[2].Limit != 60000 || p.Budgets[0].Scope != "" {
		t.Errorf("%d constraints, budgets %+v", len(p.Constraints), p.Budgets)
	}
	for _, o := range p.Offers {
		if (o.Disabled != nil) != (o.ID == "bogo-basics") {
			t.Errorf("offer %s disabled %v", o.ID, o.Disabled)
		}
	}
	if p.Location.String() != "America/New_York" || p.Exponent != 2 {
		t.Errorf("location %s, exponent %d", p.Location, p.Exponent)
	}
}

func checkSharedFacts(t *testing.T, b *rules.Bundle) {
	t.Helper()
	f := b.Env().NewFrame()
	for _, fact := range b.StoreFacts("us.ne.0412") {
		fact.Set(f)
	}
	if x, ok := f.Number(b.Env().Slot("store.boris_saving")); !ok || x != 6.20 {
		t.Errorf("store.boris_saving %v %t", x, ok)
	}
	if x, ok := b.CategoryFact("coats", "margin_rate"); !ok || x != 0.52 {
		t.Errorf("margin_rate %v %t", x, ok)
	}
}
