package eval

import (
	"fmt"
	"slices"
)

// seriesColours is how many line colours the style sheet has.
const seriesColours = 6

func heights(points []Point) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = p.Y
	}
	return out
}

func shareAxis() axis { return axis{from: 0, to: 1, format: percent} }

// upliftChart draws the uplift curve with the random and the perfect line.
func upliftChart(u Uplift) chart {
	low, high := span(append(heights(u.Curve), 0)...)
	top := slices.Max(heights(u.Perfect))
	high = min(high+(high-low)/2, max(high, top*1.05))
	p := newPlot("Uplift curve", "customers treated, best score first",
		unitLabel("gain per customer", u.Unit), shareAxis(), axis{from: low, to: high, format: axisFormat(u.Unit)})
	end := u.Curve[len(u.Curve)-1]
	p.line(series{"perfect", "perfect", u.Perfect})
	p.line(series{"random", "random", []Point{{}, end}})
	p.line(series{u.Model, "s1", u.Curve})
	p.Caption = "What treating only the first customers would bring. The perfect line knows every outcome beforehand; no model reaches it; it tops out at " +
		effect(top, u.Unit) + "."
	return p.chart
}

// gainChart draws the curve less the random line, where a model is judged.
func gainChart(u Uplift, level float64) chart {
	gain := overRandom(u.Curve)
	ys := heights(gain)
	band := []GainPoint{{}}
	for _, g := range u.Gain {
		band = append(band, g)
		ys = append(ys, g.Lower, g.Upper)
	}
	band = append(band, GainPoint{X: 1})
	low, high := span(append(ys, 0)...)
	p := newPlot("Qini: gain over random", "customers treated, best score first",
		unitLabel("gain over random per customer", u.Unit), shareAxis(), axis{from: low, to: high, format: axisFormat(u.Unit)})
	p.band("s1", band)
	p.line(series{"random", "random", []Point{{}, {X: 1}}})
	p.line(series{u.Model, "s1", gain})
	p.Caption = fmt.Sprintf("The same curve less the straight line; its area is the Qini area, %.4g (%.4g to %.4g). The band is the %.4g %% interval at each share.",
		u.Qini.Value, u.Qini.Lower, u.Qini.Upper, 100*level)
	return p.chart
}

// sideBySide draws the gain over random of several models for one arm.
func sideBySide(models []Uplift) chart {
	ys := []float64{0}
	for _, u := range models {
		ys = append(ys, heights(overRandom(u.Curve))...)
	}
	low, high := span(ys...)
	unit := models[0].Unit
	p := newPlot("Gain over random, all models", "customers treated, best score first",
		unitLabel("gain over random per customer", unit), shareAxis(), axis{from: low, to: high, format: axisFormat(unit)})
	p.line(series{"random", "random", []Point{{}, {X: 1}}})
	for i, u := range models {
		p.line(series{u.Model, fmt.Sprintf("s%d", i%seriesColours+1), overRandom(u.Curve)})
	}
	p.Caption = "The higher, the better the ranking. Lines closer than their bands below cannot be told apart by eye: compare them in pairs."
	return p.chart
}

// overRandom is a curve less the straight line to its end.
func overRandom(curve []Point) []Point {
	end := curve[len(curve)-1].Y
	out := make([]Point, len(curve))
	for i, pt := range curve {
		out[i] = Point{pt.X, pt.Y - pt.X*end}
	}
	return out
}

// tocChart draws the targeting operator characteristic. The first twentieth
// of customers is too noisy to set the scale.
func tocChart(u Uplift) chart {
	var ys []float64
	for _, pt := range u.Targeting.TOC {
		if pt.X >= 0.05 {
			ys = append(ys, pt.Y)
		}
	}
	low, high := span(append(ys, 0)...)
	p := newPlot("TOC: how much better the first respond", "customers treated, best score first",
		unitLabel("effect less average effect", u.Unit), shareAxis(), axis{from: low, to: high, format: axisFormat(u.Unit)})
	p.line(series{"random", "random", []Point{{}, {X: 1}}})
	p.line(series{u.Model, "s1", u.Targeting.TOC})
	p.Caption = fmt.Sprintf("AUTOC %.4g (%.4g to %.4g), %s.", u.Targeting.AUTOC.Value, u.Targeting.AUTOC.Lower,
		u.Targeting.AUTOC.Upper, proven(u.Targeting.AUTOC))
	return p.chart
}

func proven(v Interval) string {
	switch {
	case v.Above(0):
		return "above 0: the ranking finds those who respond more"
	case v.Below(0):
		return "below 0: the ranking is the wrong way round"
	default:
		return "not told from 0: the ranking may be worth nothing"
	}
}

// effectChart draws predicted against observed effects by bin.
func effectChart(u Uplift) chart {
	c := u.Calibration
	var xs, ys []float64
	for _, b := range c.Bins {
		xs = append(xs, b.Predicted)
		ys = append(ys, b.Lower, b.Upper)
	}
	xlow, xhigh := span(xs...)
	ylow, yhigh := span(append(ys, xlow, xhigh)...)
	p := newPlot("Calibration of the effect", unitLabel("predicted effect", u.Unit), unitLabel("observed effect", u.Unit),
		axis{from: xlow, to: xhigh, format: axisFormat(u.Unit)}, axis{from: ylow, to: yhigh, format: axisFormat(u.Unit)})
	p.line(series{"perfect calibration", "random", []Point{{xlow, xlow}, {xhigh, xhigh}}})
	for i, b := range c.Bins {
		p.whisker("s1", b.Predicted, Interval{Value: b.Difference, Lower: b.Lower, Upper: b.Upper},
			fmt.Sprintf("bin %d, %d rows: predicted %s, observed %s (%s to %s)", i+1, b.Rows, effect(b.Predicted, u.Unit),
				effect(b.Difference, u.Unit), effect(b.Lower, u.Unit), effect(b.Upper, u.Unit)))
	}
	p.Caption = fmt.Sprintf("Ten bins by predicted effect with intervals. Error %s, %s of it not explained by noise.",
		size(c.Error, u.Unit), size(c.Debiased, u.Unit))
	if c.Slope != nil {
		p.Caption += fmt.Sprintf(" Slope %.2f (%.2f to %.2f); 1 is perfect.", c.Slope.Value, c.Slope.Lower, c.Slope.Upper)
	}
	return p.chart
}

// levelChart draws predicted against observed probabilities by bin.
func levelChart(m Binary) chart {
	top := 0.0
	for _, b := range m.Bins {
		top = max(top, b.Predicted, b.Upper)
	}
	top = min(1, max(top*1.05, 1e-6))
	p := newPlot("Calibration of "+m.Model, "predicted probability", "observed share",
		axis{from: 0, to: top, format: percent}, axis{from: 0, to: top, format: percent})
	p.line(series{"perfect calibration", "random", []Point{{}, {top, top}}})
	for i, b := range m.Bins {
		p.whisker("s1", b.Predicted, Interval{Value: b.Observed, Lower: b.Lower, Upper: b.Upper},
			fmt.Sprintf("bin %d, %d rows: predicted %s, observed %s", i+1, b.Rows, percent(b.Predicted), percent(b.Observed)))
	}
	p.Caption = fmt.Sprintf("Ten bins by prediction, %d rows, %d customers.", m.Rows, m.Customers)
	return p.chart
}
