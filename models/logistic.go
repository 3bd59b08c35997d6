package models

import (
	"fmt"
	"math"
)

// Linear is a generalised linear model over a schema's features with missing
// values and categories folded in, so that scoring is one pass of additions:
// standardisation, mean imputation and indicators are already in the numbers.
type Linear struct {
	Intercept float64
	Terms     []LinearTerm // per feature, in schema order
	Link      Link         // LinkIdentity, LinkLogistic or LinkExp
}

// LinearTerm is what one feature adds to the raw sum.
type LinearTerm struct {
	Slope   float64   // times the value of a Number
	Log     bool      // the slope is per log(1+|v|) with v's sign: for counts, money and days, whose tails are long
	Missing float64   // instead, when the value is NaN (for a Category also: an unknown level)
	Levels  []float64 // of a Category, per level
}

// add is the term's contribution for value v.
func (t *LinearTerm) add(v float64) float64 {
	if math.IsNaN(v) {
		return t.Missing
	}
	if t.Levels == nil {
		if t.Log {
			v = SignedLog(v)
		}
		return t.Slope * v
	}
	if v < 0 || v >= float64(len(t.Levels)) {
		return t.Missing
	}
	return t.Levels[int(v)]
}

// SignedLog is log(1+|v|) with the sign of v.
func SignedLog(v float64) float64 { return math.Copysign(math.Log1p(math.Abs(v)), v) }

// Raw is the linear sum before the link.
func (l *Linear) Raw(x []float64) float64 {
	sum := l.Intercept
	for j := range l.Terms {
		sum += l.Terms[j].add(x[j])
	}
	return sum
}

// Predict is the prediction after the link.
func (l *Linear) Predict(x []float64) float64 { return applyLink(l.Link, l.Raw(x)) }

func applyLink(link Link, raw float64) float64 {
	switch link {
	case LinkLogistic:
		return logistic(1, raw)
	case LinkExp:
		return math.Exp(raw)
	}
	return raw
}

func (l *Linear) encode(e *encoder) {
	e.f64(l.Intercept)
	e.u8(uint8(l.Link))
	e.u32(uint32(len(l.Terms)))
	for _, t := range l.Terms {
		e.f64(t.Slope)
		e.u8(flag(t.Log))
		e.f64(t.Missing)
		e.f64s(t.Levels)
	}
}

func decodeLinear(features []Feature, d *decoder) *Linear {
	l := &Linear{Intercept: d.finite("intercept"), Link: Link(d.u8())}
	if l.Link > LinkExp {
		d.fail("link %d of a linear model", l.Link)
	}
	n := d.count(21, "linear terms")
	if d.err == nil && n != len(features) {
		d.fail("%d linear terms for %d features", n, len(features))
	}
	if d.err != nil {
		return nil
	}
	l.Terms = make([]LinearTerm, n)
	for j := range l.Terms {
		l.Terms[j] = LinearTerm{Slope: d.finite("slope"), Log: d.u8() == 1, Missing: d.finite("slope of missing"), Levels: d.finites("level slopes")}
		if err := l.Terms[j].check(features[j]); err != nil {
			d.fail("%v", err)
		}
	}
	return l
}

func (t *LinearTerm) check(f Feature) error {
	if (f.Type == Category) != (t.Levels != nil) || len(t.Levels) != 0 && len(t.Levels) != len(f.Levels) {
		return fmt.Errorf("feature %q: %d level slopes for %d levels", f.Name, len(t.Levels), len(f.Levels))
	}
	return nil
}
