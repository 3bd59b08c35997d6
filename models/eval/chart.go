package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// chart is a plot in drawing units, ready for the template: everything that
// depends on data is computed here, everything about looks is in the style sheet.
type chart struct {
	Title   string
	Caption string
	Width   float64
	Height  float64
	XLabel  string
	YLabel  string
	XTicks  []tick
	YTicks  []tick
	Frame   box
	Zero    float64 // y of the value 0
	HasZero bool
	Bands   []mark
	Lines   []mark
	Errors  []whisker
	Legend  []mark
}

type box struct{ Left, Top, Right, Bottom float64 }

// Width and Height of the box, for clipping.
func (b box) Width() float64  { return b.Right - b.Left }
func (b box) Height() float64 { return b.Bottom - b.Top }

type tick struct {
	At    float64
	Label string
}

// mark is a path with the class that styles it and the words of its legend.
type mark struct {
	Class string
	Path  string
	Label string
}

// whisker is a point with its interval, in drawing units, and a tooltip.
type whisker struct {
	Class     string
	X, Y      float64
	Low, High float64
	Tip       string
}

// axis maps data to drawing units.
type axis struct {
	from, to   float64 // data
	start, end float64 // drawing units
	format     func(float64) string
}

func (a axis) at(v float64) float64 {
	return round2(a.start + (v-a.from)/(a.to-a.from)*(a.end-a.start))
}

func round2(v float64) float64 { return math.Round(v*100) / 100 }

// ticks are at round values, about n of them.
func (a axis) ticks(n int) []tick {
	gap := niceGap((a.to - a.from) / float64(n))
	var out []tick
	for k := math.Ceil(a.from/gap - 1e-9); k*gap <= a.to+gap*1e-9; k++ {
		out = append(out, tick{At: a.at(k * gap), Label: a.format(k*gap + 0)})
	}
	return out
}

// niceGap rounds up to 1, 2 or 5 times a power of ten.
func niceGap(raw float64) float64 {
	base := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*base >= raw*(1-1e-9) {
			return m * base
		}
	}
	return 10 * base
}

// span is the range of some values, widened by a twentieth at each end.
func span(values ...float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if low == high {
		low, high = low-math.Max(1e-6, math.Abs(low)/10), high+math.Max(1e-6, math.Abs(high)/10)
	}
	pad := (high - low) / 20
	return low - pad, high + pad
}

// series is a line to draw.
type series struct {
	label  string
	class  string
	points []Point
}

// plot lays out a chart whose axes span the given data ranges.
type plot struct {
	chart
	x, y axis
}

// The drawing area of every line chart.
const (
	chartWidth  = 480.0
	chartHeight = 320.0
)

func newPlot(title, xLabel, yLabel string, x, y axis) *plot {
	f := box{Left: 64, Top: 14, Right: chartWidth - 24, Bottom: chartHeight - 46}
	x.start, x.end = f.Left, f.Right
	y.start, y.end = f.Bottom, f.Top
	p := &plot{x: x, y: y}
	p.chart = chart{
		Title: title, Width: chartWidth, Height: chartHeight, Frame: f, XLabel: xLabel, YLabel: yLabel,
		XTicks: x.ticks(5), YTicks: y.ticks(5),
	}
	if y.from < 0 && y.to > 0 {
		p.Zero, p.HasZero = y.at(0), true
	}
	return p
}

func (p *plot) line(s series) {
	m := mark{Class: s.class, Path: p.path(s.points), Label: s.label}
	p.Lines = append(p.Lines, m)
	p.Legend = append(p.Legend, m)
}

func (p *plot) band(class string, points []GainPoint) {
	outline := make([]Point, 0, 2*len(points))
	for _, g := range points {
		outline = append(outline, Point{g.X, g.Upper})
	}
	for _, g := range slices.Backward(points) {
		outline = append(outline, Point{g.X, g.Lower})
	}
	p.Bands = append(p.Bands, mark{Class: class, Path: p.path(outline) + "Z"})
}

func (p *plot) whisker(class string, x float64, v Interval, tip string) {
	p.Errors = append(p.Errors, whisker{
		Class: class, X: p.x.at(x), Y: p.y.at(v.Value), Low: p.y.at(v.Lower), High: p.y.at(v.Upper), Tip: tip,
	})
}

// path writes points as SVG path data.
func (p *plot) path(points []Point) string {
	var b strings.Builder
	for i, pt := range points {
		command := byte('L')
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(&b, "%c%g %g", command, p.x.at(pt.X), p.y.at(pt.Y))
	}
	return b.String()
}

func percent(v float64) string { return fmt.Sprintf("%.4g%%", 100*v) }

// axisFormat labels an axis in the unit of the outcome.
func axisFormat(unit string) func(float64) string {
	if unit == "probability" {
		return func(v float64) string { return fmt.Sprintf("%.3g", round2(100*v*1e4)/1e4) }
	}
	return func(v float64) string { return fmt.Sprintf("%.4g", v) }
}

// unitLabel is what an axis of axisFormat counts; pp are percentage points.
func unitLabel(what, unit string) string {
	switch unit {
	case "probability":
		return what + ", pp"
	case "", "money", "count":
		return what
	default:
		return what + ", " + unit
	}
}
