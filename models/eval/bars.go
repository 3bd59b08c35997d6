package eval

import "fmt"

// rowChart is a plot of named values along one horizontal axis: intervals of policy
// values, or bars of importance.
type rowChart struct {
	Title   string
	Caption string
	Width   float64
	Height  float64
	Frame   box
	XLabel  string
	XTicks  []tick
	Base    float64 // x where bars start, or of the reference line
	HasBase bool
	Rows    []barRow
}

type barRow struct {
	Label     string
	Full      string // the label before it was shortened
	Value     string
	Class     string
	Y         float64
	X         float64
	Low, High float64
	Bar       bool
	BarX      float64
	BarWidth  float64
}

const (
	rowHeight  = 26.0
	rowsWidth  = 980.0
	labelWidth = 270.0
	valueWidth = 200.0
)

func newRowChart(title, xLabel string, n int, x axis) (rowChart, axis) {
	f := box{Left: labelWidth, Top: 8, Right: rowsWidth - valueWidth, Bottom: 8 + rowHeight*float64(n)}
	x.start, x.end = f.Left, f.Right
	return rowChart{
		Title: title, Width: rowsWidth, Height: f.Bottom + 46, Frame: f, XLabel: xLabel, XTicks: x.ticks(6),
	}, x
}

func (r rowChart) middle(i int) float64 { return r.Frame.Top + rowHeight*(float64(i)+0.5) }

// policyChart draws the value of each policy by the guard's estimator, the best
// single arm as a reference line.
func policyChart(p PolicyReport) rowChart {
	entries := append([]Interval{p.Guard.Model}, p.Guard.Singles...)
	var ends []float64
	for _, v := range entries {
		ends = append(ends, v.Lower, v.Upper)
	}
	low, high := span(ends...)
	c, x := newRowChart("Value of each policy by "+p.Guard.Estimator, levelLabel(p), len(entries),
		axis{from: low, to: high, format: axisFormat(p.Unit)})
	c.Base, c.HasBase = x.at(p.Guard.Singles[p.Guard.Best].Value), true
	for i, v := range entries {
		class := "s4"
		switch i {
		case 0:
			class = "s1"
		case 1 + p.Guard.Best:
			class = "s2"
		}
		c.Rows = append(c.Rows, barRow{
			Label: shorten(p.Policies[i].Name), Full: p.Policies[i].Name, Class: class, Y: c.middle(i),
			X: x.at(v.Value), Low: x.at(v.Lower), High: x.at(v.Upper),
			Value: fmt.Sprintf("%s (%s to %s)", amount(v.Value, p.Unit), amount(v.Lower, p.Unit), amount(v.Upper, p.Unit)),
		})
	}
	return c
}

func levelLabel(p PolicyReport) string {
	if p.Unit == "probability" {
		return p.Outcome + ", % of customers"
	}
	return unitLabel(p.Outcome+" per customer", p.Unit)
}

// importanceChart draws the loss of each feature as a bar, the first 25.
func importanceChart(items []Importance, metric string) rowChart {
	items = items[:min(25, len(items))]
	ends := []float64{0}
	for _, i := range items {
		ends = append(ends, i.Drop-i.SD, i.Drop+i.SD)
	}
	low, high := span(ends...)
	c, x := newRowChart("Loss when a feature is shuffled", "loss of "+metric, len(items),
		axis{from: low, to: high, format: func(v float64) string { return fmt.Sprintf("%.3g", v) }})
	c.Base, c.HasBase = x.at(0), true
	for k, i := range items {
		from, to := min(x.at(0), x.at(i.Drop)), max(x.at(0), x.at(i.Drop))
		c.Rows = append(c.Rows, barRow{
			Label: shorten(i.Feature), Full: i.Feature, Class: "s1", Y: c.middle(k), Bar: true, BarX: from, BarWidth: round2(to - from),
			X: x.at(i.Drop), Low: x.at(i.Drop - i.SD), High: x.at(i.Drop + i.SD),
			Value: fmt.Sprintf("%.4g ± %.1g", i.Drop, i.SD),
		})
	}
	return c
}

// shorten fits a label into the space beside a row.
func shorten(label string) string {
	const most = 38
	runes := []rune(label)
	if len(runes) <= most {
		return label
	}
	return string(runes[:most-1]) + "…"
}
