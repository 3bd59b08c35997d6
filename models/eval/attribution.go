package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Attribution summarises the SHAP values of one prediction over rows: which
// features move it, how far and which way.
type Attribution struct {
	Of    string  `json:"of"`    // what is explained, e.g. "effect of percent on purchase"
	Words string  `json:"words"` // what the values add up to
	Unit  string  `json:"unit"`  // of the values: that of the outcome, "log-odds" or "log"
	Exact bool    `json:"exact"` // they are Shapley values, not only shares that add up
	Rows  int     `json:"rows"`
	Base  float64 `json:"base"` // what the values start from
	// Features by falling importance; those that move nothing are left out.
	Features []FeatureAttribution `json:"features"`
}

// FeatureAttribution is one feature's part.
type FeatureAttribution struct {
	Feature    string  `json:"feature"`
	Importance float64 `json:"importance"` // mean absolute SHAP value
	Lower      float64 `json:"lower"`      // 5th percentile of the SHAP values
	Upper      float64 `json:"upper"`      // 95th percentile
	// Trend is the rank correlation of the feature with its SHAP value: +1 if more of
	// it always moves the prediction up. 0 for categories.
	Trend float64 `json:"trend"`
	// Points are SHAP values of some rows, of the first features only.
	Points []AttributionPoint `json:"points,omitempty"`
}

// AttributionPoint is one row's value and what it did.
type AttributionPoint struct {
	Rank float64 `json:"rank"` // of the value among the rows, 0 to 1; -1 if it is missing or a category
	SHAP float64 `json:"shap"`
}

// Bounds on the points that are kept for the plot.
const (
	plottedFeatures = 12
	plottedRows     = 150
)

// Explained is what Attribute summarises.
type Explained struct {
	Of, Words, Unit string
	Exact           bool
	Features        []string
	Category        []bool      // per feature
	Columns         [][]float64 // per feature, per row: values; NaN is missing
	SHAP            [][]float64 // per row: a value per feature and last the base
}

// Attribute summarises SHAP values. The base is that of the first row.
func Attribute(x Explained) (Attribution, error) {
	a := Attribution{Of: x.Of, Words: x.Words, Unit: x.Unit, Exact: x.Exact, Rows: len(x.SHAP)}
	if err := x.check(); err != nil {
		return a, fmt.Errorf("attribution of %s: %w", x.Of, err)
	}
	a.Base = x.SHAP[0][len(x.Features)]
	for j := range x.Features {
		if f := x.feature(j); f.Importance > 0 {
			a.Features = append(a.Features, f)
		}
	}
	slices.SortStableFunc(a.Features, func(f, g FeatureAttribution) int { return cmp.Compare(g.Importance, f.Importance) })
	for k := plottedFeatures; k < len(a.Features); k++ {
		a.Features[k].Points = nil
	}
	return a, nil
}

func (x *Explained) check() error {
	if len(x.SHAP) == 0 || len(x.Columns) != len(x.Features) || len(x.Category) != len(x.Features) {
		return fmt.Errorf("%d rows, %d columns and %d types for %d features: %w", len(x.SHAP), len(x.Columns), len(x.Category), len(x.Features), ErrColumns)
	}
	for j, c := range x.Columns {
		if len(c) != len(x.SHAP) {
			return fmt.Errorf("feature %q: %d values for %d rows: %w", x.Features[j], len(c), len(x.SHAP), ErrColumns)
		}
	}
	for i, s := range x.SHAP {
		if len(s) != len(x.Features)+1 || slices.ContainsFunc(s, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
			return fmt.Errorf("row %d: %d values, or one that is not finite: %w", i, len(s), ErrColumns)
		}
	}
	return nil
}

func (x *Explained) feature(j int) FeatureAttribution {
	f := FeatureAttribution{Feature: x.Features[j]}
	shap := make([]float64, len(x.SHAP))
	for i, s := range x.SHAP {
		shap[i] = s[j]
		f.Importance += math.Abs(s[j]) / float64(len(shap))
	}
	sorted := slices.Sorted(slices.Values(shap))
	last := float64(len(sorted) - 1)
	f.Lower, f.Upper = sorted[int(0.05*last+0.5)], sorted[int(0.95*last+0.5)]
	ranks := make([]float64, len(shap))
	for i := range ranks {
		ranks[i] = -1
	}
	if !x.Category[j] {
		f.Trend = trend(x.Columns[j], shap, ranks)
	}
	step := max(1, len(shap)/plottedRows)
	for i := 0; i < len(shap); i += step {
		f.Points = append(f.Points, AttributionPoint{Rank: ranks[i], SHAP: shap[i]})
	}
	return f
}

// trend is the rank correlation of values and SHAP values where both are known; it
// fills the values' ranks, 0 to 1.
func trend(values, shap, ranks []float64) float64 {
	var known []int
	var v, s []float64
	for i := range values {
		if !math.IsNaN(values[i]) {
			known, v, s = append(known, i), append(v, values[i]), append(s, shap[i])
		}
	}
	if len(known) < 2 {
		return 0
	}
	rv, rs := midRanks(v), midRanks(s)
	var vv, ss, vs float64
	for k, i := range known {
		ranks[i] = rv[k]
		a, b := rv[k]-0.5, rs[k]-0.5
		vv, ss, vs = vv+a*a, ss+b*b, vs+a*b
	}
	if vv == 0 || ss == 0 {
		return 0
	}
	return vs / math.Sqrt(vv*ss)
}

// midRanks are ranks from 0 to 1, ties sharing their mean, whose mean is 0.5.
func midRanks(values []float64) []float64 {
	order := ascending(values)
	out := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float64(from+to-1) / 2 / float64(len(order)-1)
		}
		from = to
	}
	return out
}
