package eval

import (
	"fmt"
	"math"
)

// Point is one point of a curve.
type Point struct {
	X float64 `json:"x"` // share of customers, best score first, 0 to 1
	Y float64 `json:"y"`
}

// UpliftCurve is the gain, in outcomes per customer of the whole group, of
// treating the share X with the highest scores and nobody else:
// V = Y_t/N_t - Y_c/N_c over the rows so far. It starts at (0, 0), has a point
// at the end of each tie group, and ends at the average effect.
func UpliftCurve(score []float64, t Trial) ([]Point, error) {
	if err := t.checkScored(score); err != nil {
		return nil, fmt.Errorf("uplift curve: %w", err)
	}
	return curve(rank(score).walk(t, t.weights()), perCustomer), nil
}

// QiniCurve is the classic curve of Radcliffe (Using Control Groups to Target on
// Predicted Lift, 2007): g = (Y_t - Y_c n_t/n_c)/N_t over the rows so far, the
// second term 0 while there are no controls. Unit: outcomes per treated customer.
func QiniCurve(score []float64, t Trial) ([]Point, error) {
	if err := t.checkScored(score); err != nil {
		return nil, fmt.Errorf("qini curve: %w", err)
	}
	return curve(rank(score).walk(t, t.weights()), perTreated), nil
}

// curve reads a value of each step, given the whole, over the share of customers.
func curve(walk []step, value func(s, total step) float64) []Point {
	total := walk[len(walk)-1]
	points := make([]Point, len(walk))
	for i, s := range walk[1:] {
		points[i+1] = Point{X: s.n() / total.n(), Y: value(s, total)}
	}
	return points
}

// PerfectCurve is the best curve any score could have had on these outcomes: of
// the definition of UpliftCurve, with treated rows of the highest outcome first
// and controls of the highest outcome last. It uses each row's own outcome, so
// no model reaches it; it is drawn for scale.
func PerfectCurve(t Trial) ([]Point, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("perfect curve: %w", err)
	}
	signed := make([]float64, len(t.Outcome))
	for i, y := range t.Outcome {
		signed[i] = y
		if !t.Treated[i] {
			signed[i] = -y
		}
	}
	return UpliftCurve(signed, t)
}

// Thin keeps at most n points of a curve, evenly spread, ends included, for drawing.
func Thin(points []Point, n int) []Point {
	if n < 2 || len(points) <= n {
		return points
	}
	out := make([]Point, n)
	for i := range out {
		out[i] = points[i*(len(points)-1)/(n-1)]
	}
	return out
}

// QiniPerCustomer is the area between UpliftCurve and the straight line to its
// end (trapezoids), in outcomes per customer. A constant score gives exactly 0.
func QiniPerCustomer(score []float64, t Trial) (float64, error) {
	if err := t.checkScored(score); err != nil {
		return 0, fmt.Errorf("qini per customer: %w", err)
	}
	return qini(rank(score).walk(t, t.weights()), perCustomer), nil
}

// QiniClassic is the area between QiniCurve and the straight line to its end, in
// outcomes per treated customer.
func QiniClassic(score []float64, t Trial) (float64, error) {
	if err := t.checkScored(score); err != nil {
		return 0, fmt.Errorf("classic qini: %w", err)
	}
	return qini(rank(score).walk(t, t.weights()), perTreated), nil
}

func perCustomer(s, total step) float64 { return s.yt/total.nt - s.yc/total.nc }

func perTreated(s, total step) float64 { return s.classic() / total.nt }

// qini is the trapezoid area of a curve less that of the line to its end.
func qini(walk []step, value func(s, total step) float64) float64 {
	total := walk[len(walk)-1]
	var area, x, y float64
	for _, s := range walk[1:] {
		nx, ny := s.n()/total.n(), value(s, total)
		area += (nx - x) * (ny + y) / 2
		x, y = nx, ny
	}
	return area - y/2
}

// UpliftAt is the mean outcome of treated less that of control among the share q
// with the highest scores: the first floor(q N) rows, or q times the weight
// where rows have weights. A tie group at the border counts with the fraction
// of it that fits.
func UpliftAt(q float64, score []float64, t Trial) (float64, error) {
	if err := t.checkScored(score); err != nil {
		return 0, fmt.Errorf("uplift at %v: %w", q, err)
	}
	if !(q > 0 && q <= 1) {
		return 0, fmt.Errorf("uplift at %v: want a share above 0, at most 1: %w", q, ErrColumns)
	}
	v := upliftAt(rank(score).walk(t, t.weights()), q, t.Weight == nil)
	if math.IsNaN(v) {
		return 0, fmt.Errorf("uplift at %v: an arm is missing: %w", q, ErrUndefined)
	}
	return v, nil
}

// upliftAt is NaN if an arm is missing. whole rounds the border down to a row.
func upliftAt(walk []step, q float64, whole bool) float64 {
	limit := q * walk[len(walk)-1].n()
	if whole {
		limit = math.Floor(limit)
	}
	last := walk[0]
	for _, s := range walk[1:] {
		if s.n() >= limit && s.n() > last.n() {
			return last.plus(s, (limit-last.n())/(s.n()-last.n())).difference()
		}
		last = s
	}
	return last.difference()
}

// AverageEffect is the mean outcome of treated less that of control.
func AverageEffect(t Trial) (float64, error) {
	if err := t.check(); err != nil {
		return 0, fmt.Errorf("average effect: %w", err)
	}
	return t.totals(t.weights()).difference(), nil
}
