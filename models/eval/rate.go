package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// EffectScores returns the doubly robust score of each row's effect,
// mu1 - mu0 + w (y-mu1)/e - (1-w)(y-mu0)/(1-e), whose mean is the average effect
// (Robins, Rotnitzky and Zhao, JASA 89, 1994). e is the chance of treatment per
// row, between 0 and 1 exclusively. mu0 and mu1 are out-of-fold predictions of the
// outcome without and with treatment; nil means the mean of the arm, which is
// enough where chance decided.
func EffectScores(t Trial, propensity, mu0, mu1 []float64) ([]float64, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("effect scores: %w", err)
	}
	if err := checkChance(propensity, len(t.Outcome)); err != nil {
		return nil, fmt.Errorf("effect scores: %w", err)
	}
	total := t.totals(t.weights())
	mu0, mu1 = orConstant(mu0, total.yc/total.nc, t), orConstant(mu1, total.yt/total.nt, t)
	if err := finite("mu0", mu0, len(t.Outcome)); err != nil {
		return nil, fmt.Errorf("effect scores: %w", err)
	}
	if err := finite("mu1", mu1, len(t.Outcome)); err != nil {
		return nil, fmt.Errorf("effect scores: %w", err)
	}
	out := make([]float64, len(t.Outcome))
	for i, y := range t.Outcome {
		out[i] = mu1[i] - mu0[i]
		if t.Treated[i] {
			out[i] += (y - mu1[i]) / propensity[i]
		} else {
			out[i] -= (y - mu0[i]) / (1 - propensity[i])
		}
	}
	return out, nil
}

// Share is the column of chances of treatment of a trial with one chance for
// all: the share treated, by weight.
func Share(t Trial) ([]float64, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("share treated: %w", err)
	}
	total := t.totals(t.weights())
	return constant(total.nt/total.n(), len(t.Outcome)), nil
}

func checkChance(p []float64, n int) error {
	if err := finite("propensity", p, n); err != nil {
		return err
	}
	for i, e := range p {
		if e < 1/extreme || e >= 1 {
			return fmt.Errorf("propensity: row %d is %v, want between 0 and 1: %w", i, e, ErrColumns)
		}
	}
	return nil
}

func orConstant(v []float64, c float64, t Trial) []float64 {
	if v != nil {
		return v
	}
	return constant(c, len(t.Outcome))
}

func constant(c float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = c
	}
	return out
}

// Targeting is how much better than everybody the customers ranked first respond.
type Targeting struct {
	// TOC is the targeting operator characteristic: at share q, the average effect
	// among the first q less that among all.
	TOC   []Point  `json:"toc"`
	AUTOC Interval `json:"autoc"` // mean of TOC(q): weighs the very first most
	Qini  Interval `json:"qini"`  // mean of q TOC(q): weighs all alike
}

// RATE computes the rank-weighted average treatment effects of a score
// (Yadlowsky, Fleming, Shah, Brunskill and Wager, JASA 2024, arXiv 2111.07966)
// from effect scores as EffectScores makes them; equal scores share their mean.
// Standard errors are those of a half-sample bootstrap over customers and the
// intervals normal, as in the R package grf. A constant score gives exactly 0.
func RATE(score, effect []float64, r Rows, b Bootstrap) (Targeting, error) {
	if err := checkRATE(score, effect, r, b); err != nil {
		return Targeting{}, fmt.Errorf("rate: %w", err)
	}
	order, w := rank(score), r.weights()
	toc, autoc, qini := order.toc(effect, w, true)
	draws := replicate(b, w, dense(r.Cluster, len(w)), half, func(w []float64) [2]float64 {
		_, a, q := order.toc(effect, w, false)
		return [2]float64{a, q}
	})
	return Targeting{TOC: toc, AUTOC: b.normal(autoc, draws, 0), Qini: b.normal(qini, draws, 1)}, nil
}

func checkRATE(score, effect []float64, r Rows, b Bootstrap) error {
	n := len(r.Outcome)
	if err := r.check(); err != nil {
		return err
	}
	if err := finite("score", score, n); err != nil {
		return err
	}
	if err := finite("effect score", effect, n); err != nil {
		return err
	}
	if sum(r.weights()) == 0 {
		return fmt.Errorf("all weights are 0: %w", ErrUndefined)
	}
	if dense(r.Cluster, n).n < 4 {
		return fmt.Errorf("fewer than 4 customers: %w", ErrUndefined)
	}
	return b.check()
}

// toc walks the ranking. Inside a tie group every row has the group's mean.
func (k ranking) toc(effect, w []float64, points bool) (curve []Point, autoc, qini float64) {
	var total, all float64
	for i, e := range effect {
		total += w[i]
		all += w[i] * e
	}
	mean := all / total
	var seen, gained float64
	from := int32(0)
	for _, to := range k.ends {
		var gw, gs float64
		for _, i := range k.order[from:to] {
			gw += w[i]
			gs += w[i] * effect[i]
		}
		for _, i := range k.order[from:to] {
			if w[i] == 0 {
				continue
			}
			seen += w[i]
			gained += w[i] * gs / gw
			at := gained/seen - mean
			autoc += w[i] * at
			qini += w[i] * at * seen / total
		}
		if points && gw > 0 {
			curve = append(curve, Point{X: seen / total, Y: gained/seen - mean})
		}
		from = to
	}
	return curve, autoc / total, qini / total
}

// half draws half of the clusters without replacement: it sets half of the
// counts to 1 and the rest to 0 (selection sampling,
// Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S).
func half(rng *rand.Rand, count []int32) {
	need := len(count) / 2
	for i := range count {
		count[i] = 0
		if rng.IntN(len(count)-i) < need {
			count[i] = 1
			need--
		}
	}
}

// normal is the estimate plus and minus the normal quantile times the deviation
// of column j. Draws that held no weight are left out.
func (b Bootstrap) normal(value float64, draws [][2]float64, j int) Interval {
	column := make([]float64, 0, len(draws))
	for _, d := range draws {
		if !math.IsNaN(d[j]) {
			column = append(column, d[j])
		}
	}
	se := deviation(column)
	z := b.z()
	return Interval{Value: value, Lower: value - z*se, Upper: value + z*se, SE: se}
}

// z is the normal quantile of the interval's level.
func (b Bootstrap) z() float64 { return math.Sqrt2 * math.Erfinv(b.level()) }
