package eval_test

import (
	"errors"
	"math"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

// sampleAttribution is of a prediction that rises with a, falls with b, ignores c
// and knows a category.
func sampleAttribution(t *testing.T) eval.Attribution {
	t.Helper()
	x := eval.Explained{
		Of: "effect of percent on purchase", Words: "Exact SHAP values of the effect.", Unit: "probability", Exact: true,
		Features: []string{"b", "a", "c", "kind"}, Category: []bool{false, false, false, true}, Columns: make([][]float64, 4),
	}
	for i := range 40 {
		a, b := float64(i%8), float64((7*i)%11)
		known := a
		if i == 5 {
			known = math.NaN()
		}
		kind := float64(i % 2)
		for j, v := range []float64{b, known, 1, kind} {
			x.Columns[j] = append(x.Columns[j], v)
		}
		x.SHAP = append(x.SHAP, []float64{0.001 * (5 - b), 0.01 * (a - 3.5), 0, 0.02*kind - 0.01, 0.03})
	}
	out, err := eval.Attribute(x)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAttribute(t *testing.T) {
	a := sampleAttribution(t)
	if a.Rows != 40 || a.Base != 0.03 || len(a.Features) != 3 {
		t.Fatalf("%+v", a)
	}
	for k, want := range []eval.FeatureAttribution{
		{Feature: "a", Importance: 0.02, Lower: -0.035, Upper: 0.035, Trend: 1},
		{Feature: "kind", Importance: 0.01, Lower: -0.01, Upper: 0.01},
		{Feature: "b", Trend: -1},
	} {
		got := a.Features[k]
		if got.Feature != want.Feature || math.Abs(got.Trend-want.Trend) > 1e-9 || want.Importance > 0 && math.Abs(got.Importance-want.Importance) > 1e-9 ||
			want.Upper > 0 && (got.Lower != want.Lower || got.Upper != want.Upper) {
			t.Errorf("%+v, want %+v", got, want)
		}
		for i, p := range got.Points {
			if unknown := got.Feature == "kind" || got.Feature == "a" && i == 5; (p.Rank < 0) != unknown || p.Rank > 1 {
				t.Errorf("%s, point %d: %+v", got.Feature, i, p)
			}
		}
	}
}

func TestAttributeRefuses(t *testing.T) {
	for name, x := range map[string]eval.Explained{
		"no rows":    {Features: []string{"a"}, Category: []bool{false}, Columns: [][]float64{{}}},
		"no base":    {Features: []string{"a"}, Category: []bool{false}, Columns: [][]float64{{1}}, SHAP: [][]float64{{1}}},
		"not finite": {Features: []string{"a"}, Category: []bool{false}, Columns: [][]float64{{1}}, SHAP: [][]float64{{math.NaN(), 1}}},
		"types":      {Features: []string{"a"}, Columns: [][]float64{{1}}, SHAP: [][]float64{{1, 1}}},
	} {
		if _, err := eval.Attribute(x); !errors.Is(err, eval.ErrColumns) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
