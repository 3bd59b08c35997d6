package models

import (
	"cmp"
	"fmt"
	"math"
)

// Explained says what the attributions of an UpliftExplainer add up to.
type Explained struct {
	// Link is LinkIdentity if it is the outcome or effect itself, in the outcome's
	// unit. Otherwise it is the sum before that link: of an effect learned as a
	// difference of chances (S- and T-learners), the log-odds with the offer less
	// those without, weighed as the effect weighs the chances.
	Link Link
	// Exact attributions are Shapley values. Others are of blends whose members have
	// different links: each member's Shapley values before its link, scaled to what
	// the link makes of their sum (Chen, Lundberg and Lee, "Explaining a series of
	// models by propagating Shapley values", 2022).
	Exact bool
}

// UpliftExplainer attributes what an Uplift predicts to its features. What is
// unknown of a tree's input goes both ways by the training rows' shares
// (path-dependent TreeSHAP); what is unknown of a linear term is its mean over the
// background. It is immutable and safe for concurrent use.
type UpliftExplainer struct {
	u       *Uplift
	of      []rawExplainer // per predictor
	output  []place        // per output of the Uplift
	without Explained
	effects []Explained
}

// place is an output of a predictor.
type place struct{ predictor, output int }

// rawExplainer attributes the outputs of one predictor before its link.
type rawExplainer struct {
	linear *Linear
	mean   []float64 // of the terms, over the background
	trees  *TreeExplainer
	factor float64 // of the trees' sums: their average and the scale of the link
	link   Link
	width  int // outputs
}

// NewUpliftExplainer prepares attributions. background are rows of the model's
// features, e.g. those it is judged on; without any, linear terms are compared with
// those of a customer nothing is known of. The error wraps ErrNotExplainable if a
// tree has no covers.
func NewUpliftExplainer(u *Uplift, background [][]float64) (*UpliftExplainer, error) {
	e := &UpliftExplainer{u: u}
	for i := range u.predictors {
		r, err := newRawExplainer(&u.predictors[i], u.schema.Features, background)
		if err != nil {
			return nil, fmt.Errorf("explain predictor %d: %w", i, err)
		}
		for k := range u.scorers[i].width {
			e.output = append(e.output, place{i, k})
		}
		e.of = append(e.of, r)
	}
	var err error
	if e.without, err = e.explained(&u.without); err != nil {
		return nil, fmt.Errorf("explain without offer: %w", err)
	}
	for i := range u.arms {
		x, err := e.explained(&u.arms[i].Effect)
		if err != nil {
			return nil, fmt.Errorf("explain offer %q: %w", u.schema.Offers[i], err)
		}
		e.effects = append(e.effects, x)
	}
	return e, nil
}

func newRawExplainer(p *Predictor, features []Feature, background [][]float64) (r rawExplainer, err error) {
	switch {
	case p.Linear != nil:
		r = rawExplainer{linear: p.Linear, link: p.Linear.Link, width: 1, mean: p.Linear.means(background)}
	case p.Trees != nil:
		r, err = newTreesExplainer(p.Trees)
	default:
		r, err = newTreesExplainer(p.Forest.ensemble(features))
	}
	return r, err
}

func newTreesExplainer(e *Ensemble) (rawExplainer, error) {
	r := rawExplainer{factor: cmp.Or(e.Average, 1), link: e.Link, width: e.Outputs}
	if e.Link == LinkLogistic {
		r.factor *= cmp.Or(e.Scale, 1)
	}
	var err error
	r.trees, err = NewTreeExplainer(e)
	return r, err
}

// means are the mean contributions of the terms, or those of missing values.
func (l *Linear) means(rows [][]float64) []float64 {
	out := make([]float64, len(l.Terms))
	for j := range l.Terms {
		if len(rows) == 0 {
			out[j] = l.Terms[j].Missing
		}
		for _, x := range rows {
			out[j] += l.Terms[j].add(x[j]) / float64(len(rows))
		}
	}
	return out
}

// explained finds the scale on which a sum is explained.
func (e *UpliftExplainer) explained(s *Sum) (Explained, error) {
	x := Explained{Exact: true}
	for i, p := range s.Parts {
		at := e.output[p.Output]
		r := &e.of[at.predictor]
		if at.output >= r.width {
			return x, fmt.Errorf("output %d is a variance: %w", p.Output, ErrNotExplainable)
		}
		if i == 0 {
			x.Link = r.link
		}
		if r.link != x.Link {
			x = Explained{}
			break
		}
	}
	return x, nil
}

// Without says what the attributions without an offer add up to: the weighted sum
// of the predictors, uncalibrated.
func (e *UpliftExplainer) Without() Explained { return e.without }

// Effect says what the attributions of the effect of an offer add up to. On the
// scale of the outcome it is the calibrated effect before it is clamped.
func (e *UpliftExplainer) Effect(arm int) Explained { return e.effects[arm] }

// Explain fills without, and effects[arm] for every offer, with a value per feature
// and a last one, the base: what is expected of a customer nothing is known of.
func (e *UpliftExplainer) Explain(x, without []float64, effects [][]float64) {
	stride := len(e.u.schema.Features) + 1
	raw := make([][]float64, len(e.of))
	for i := range e.of {
		raw[i] = make([]float64, e.of[i].width*stride)
		e.of[i].fill(x, raw[i])
	}
	e.sum(&e.u.without, e.without, raw, without[:stride])
	for i := range e.u.arms {
		a, out := &e.u.arms[i], effects[i][:stride]
		e.sum(&a.Effect, e.effects[i], raw, out)
		if e.effects[i].Link == LinkIdentity {
			for j := range out {
				out[j] *= a.Scale
			}
			out[stride-1] += a.Shift
		}
	}
}

// fill writes the attributions of all outputs before the link, each with its base.
func (r *rawExplainer) fill(x, out []float64) {
	if r.linear != nil {
		n := len(r.mean)
		out[n] = r.linear.Intercept
		for j, mean := range r.mean {
			out[j] = r.linear.Terms[j].add(x[j]) - mean
			out[n] += mean
		}
		return
	}
	r.trees.Contributions(x, out)
	for j := range out {
		out[j] *= r.factor
	}
}

// sum adds up the parts of s on its scale.
func (e *UpliftExplainer) sum(s *Sum, scale Explained, raw [][]float64, out []float64) {
	clear(out)
	last := len(out) - 1
	out[last] = s.Offset
	for _, p := range s.Parts {
		at := e.output[p.Output]
		r := &e.of[at.predictor]
		values := raw[at.predictor][at.output*len(out) : (at.output+1)*len(out)]
		slope, base := 1.0, values[last]
		if r.link != scale.Link {
			slope, base = r.through(values)
		}
		for j, v := range values[:last] {
			out[j] += p.Weight * slope * v
		}
		out[last] += p.Weight * base
	}
}

// through is the link of the base, and how much of each unit before the link is
// left behind it on the way from the base to the prediction.
func (r *rawExplainer) through(values []float64) (slope, base float64) {
	last := len(values) - 1
	sum := values[last]
	for _, v := range values[:last] {
		sum += v
	}
	base = applyLink(r.link, values[last])
	if d := sum - values[last]; math.Abs(d) > 1e-9 {
		return (applyLink(r.link, sum) - base) / d, base
	}
	const step = 1e-6
	return (applyLink(r.link, values[last]+step) - base) / step, base
}
