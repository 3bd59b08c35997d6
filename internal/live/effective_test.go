package live_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/server"
)

// regional is a bundle with a region, a store that has a file, and one that is only described.
func regional() map[string][]byte {
	files := bundle(7)
	files["company.yaml"] = company(7, `  bounds: {max_percent_off: 0.30, max_liability: 40.00}
  budgets:
    - {id: month, limit: 1000.00, period: month}
`)
	child := func(scope, spec string) []byte {
		return fmt.Appendf(nil, "apiVersion: rebound/v1\nkind: GoalPolicy\nmetadata: {name: %s, scope: %s, version: 1}\nspec:\n%s", scope, scope, spec)
	}
	files["regions/us.yaml"] = child("us", "  bounds: {max_percent_off: 0.20}\n")
	files["stores/us.7.yaml"] = child("us.7", "  disableOffers: [half]\n  constraints:\n    - {id: small, when: ret.refund_value < 500, reason: TOO_DEAR}\n")
	files["reference/stores.yaml"] = []byte("stores:\n  us.7: {cogs_rate: 0.5}\n  us.8: {cogs_rate: 0.6}\n")
	return files
}

func TestEffective(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Effective(context.Background(), ""); !errors.Is(err, engine.ErrNoBundle) {
		t.Errorf("without a bundle: %v", err)
	}
	w.activate(&server.Change{Files: regional()})
	for _, tc := range []struct {
		scope, chain string
		exact        bool
		values       []string
	}{
		{"", "", true, []string{"bounds.max_percent_off=0.3 in company.yaml:25 of ", "bounds.max_liability=40.00 USD in company.yaml:25 of "}},
		{"us", "/us", true, []string{"bounds.max_percent_off=0.2 in regions/us.yaml:5 of us", "bounds.max_liability=40.00 USD in company.yaml:25 of "}},
		{"us.7", "/us/us.7", true, []string{"offers.half=disabled in stores/us.7.yaml:5 of us.7", "constraints.small=ret.refund_value < 500 else TOO_DEAR in stores/us.7.yaml:7 of us.7"}},
		{"7", "/us/us.7", true, []string{"offers.half=disabled in stores/us.7.yaml:5 of us.7"}},
		{"us.8", "/us/us.8", true, []string{"bounds.max_percent_off=0.2 in regions/us.yaml:5 of us"}},
		{"us.9", "/us", false, []string{"bounds.max_percent_off=0.2 in regions/us.yaml:5 of us"}},
		{"fr.paris", "", false, []string{"bounds.max_percent_off=0.3 in company.yaml:25 of "}},
	} {
		e, err := w.Effective(context.Background(), tc.scope)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range e.Values {
			got = append(got, fmt.Sprintf("%s=%s in %s:%d of %s", v.Path, v.Value, v.File, v.Line, v.Scope))
		}
		if strings.Join(e.Chain, "/") != tc.chain || e.Exact != tc.exact || e.Status.Version != 7 {
			t.Errorf("%q: chain %q, exact %v", tc.scope, e.Chain, e.Exact)
		}
		if !slices.IsSortedFunc(e.Values, func(a, b server.EffectiveValue) int { return strings.Compare(a.Path, b.Path) }) {
			t.Errorf("%q: values are not sorted", tc.scope)
		}
		for _, want := range tc.values {
			if !slices.Contains(got, want) {
				t.Errorf("%q lacks %s among\n%s", tc.scope, want, strings.Join(got, "\n"))
			}
		}
	}
}
