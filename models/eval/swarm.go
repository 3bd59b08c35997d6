package eval

import (
	"fmt"
	"math"
)

// swarmChart is a plot of SHAP values: a row of dots per feature, coloured by the
// feature's value.
type swarmChart struct {
	rowChart
	Dots []swarmDot
}

type swarmDot struct {
	Class string
	X, Y  float64
}

// attributionPage is an Attribution with its plot.
type attributionPage struct {
	Attribution
	ID    string
	Chart swarmChart
}

func newAttributionPage(i int, a Attribution) attributionPage {
	return attributionPage{Attribution: a, ID: fmt.Sprintf("shap-%d", i+1), Chart: newSwarmChart(a)}
}

func newSwarmChart(a Attribution) swarmChart {
	shown := a.Features[:min(plottedFeatures, len(a.Features))]
	ends := []float64{0}
	for _, f := range shown {
		for _, p := range f.Points {
			ends = append(ends, p.SHAP)
		}
	}
	low, high := span(ends...)
	rows, x := newRowChart("What moves the "+a.Of, "SHAP value, "+valueUnit(a.Unit), len(shown), axis{from: low, to: high, format: axisFormat(a.Unit)})
	c := swarmChart{rowChart: rows}
	c.Base, c.HasBase = x.at(0), true
	for k, f := range shown {
		c.Rows = append(c.Rows, barRow{Label: shorten(f.Feature), Full: f.Feature, Y: c.middle(k), Value: f.words(a.Unit)})
		c.dots(f, x, c.middle(k))
	}
	return c
}

func valueUnit(unit string) string {
	switch unit {
	case "probability":
		return "pp"
	case "":
		return "units of the outcome"
	}
	return unit
}

func logarithmic(unit string) bool { return unit == "log-odds" || unit == "log" }

// words are the figures beside a row.
func (f FeatureAttribution) words(unit string) string {
	return "±" + movement(f.Importance, unit)
}

// movement writes the size of a SHAP value.
func movement(v float64, unit string) string {
	if logarithmic(unit) {
		return fmt.Sprintf("%.3g", v)
	}
	return size(v, unit)
}

// dots spreads the points of a row so that none hides another: those that would
// touch are stacked away from the middle.
func (c *swarmChart) dots(f FeatureAttribution, x axis, y float64) {
	const cell, step, most = 4.0, 2.6, 4
	taken := map[int]int{}
	for _, p := range f.Points {
		at := x.at(p.SHAP)
		bin := int(at / cell)
		n := taken[bin]
		taken[bin]++
		away := step * float64(min((n+1)/2, most))
		if n%2 == 1 {
			away = -away
		}
		c.Dots = append(c.Dots, swarmDot{Class: rankClass(p.Rank), X: at, Y: round2(y + away)})
	}
}

// rankClass is the colour of a value: low, middle, high or none.
func rankClass(rank float64) string {
	if rank < 0 {
		return "none"
	}
	return [...]string{"low", "middle", "high"}[int(math.Min(2, 3*rank))]
}

func (t *table) attribution(a Attribution) {
	t.flush()
	t.printf("\nWhat moves the %s: SHAP values of %d rows\n%s\n", a.Of, a.Rows, a.Words)
	t.flush()
	if len(a.Features) == 0 {
		return
	}
	t.printf("feature\tmean size\t5 %%\t95 %%\ttrend\n")
	for _, f := range a.Features[:min(plottedFeatures, len(a.Features))] {
		t.printf("%s\t%s\t%s\t%s\t%+.2f\n", f.Feature, movement(f.Importance, a.Unit), signedMovement(f.Lower, a.Unit), signedMovement(f.Upper, a.Unit), f.Trend)
	}
}

func signedMovement(v float64, unit string) string {
	if logarithmic(unit) {
		return fmt.Sprintf("%+.3g", v)
	}
	return effect(v, unit)
}
