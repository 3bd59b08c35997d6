package learner

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// fitLevels trains a learner of levels on rows: method "s" pools the arms
// (boosted trees with arm indicators; a linear model whose arm interactions
// are shrunk to the common slopes), "t" trains each arm alone.
func (w *work) fitLevels(ctx context.Context, c *Candidate, rows []int32) ([]fitted, error) {
	switch {
	case c.Base == BaseBoost && c.Method == MethodS && w.d.Arms() > 1:
		return w.fitBoostS(ctx, c.Boost, rows)
	case c.Base == BaseBoost:
		return w.fitPerArm(rows, func(arm []int32) (fitted, error) {
			m, err := trainBoosted(ctx, w.bins, w.d.Y, w.d.Weight, arm, nil, w.outcomeBoost(c.Boost, false), w.threads)
			return fittedBoost{m}, err
		})
	case c.Method == MethodS && w.d.Arms() > 1:
		return w.fitLinearS(c.Linear, c.Pooling, rows)
	default:
		return w.fitPerArm(rows, func(arm []int32) (fitted, error) {
			l, err := fitLinear(w.d.Features, w.d.X, w.d.Y, w.d.Weight, arm, w.loss.link(), c.Linear, w.threads)
			return fittedLinear{l}, err
		})
	}
}

func (w *work) fitPerArm(rows []int32, fit func(arm []int32) (fitted, error)) ([]fitted, error) {
	out := make([]fitted, w.d.Arms())
	err := parallelTry(w.threads, len(out), func(a int) (err error) {
		if out[a], err = fit(w.arm(rows, a)); err != nil {
			return fmt.Errorf("arm %d: %w", a, err)
		}
		return nil
	})
	return out, err
}

// outcomeBoost completes settings for a model of the outcome.
func (w *work) outcomeBoost(s BoostSettings, withArms bool) BoostSettings {
	s.Loss = w.loss
	if s.Seed == 0 {
		s.Seed = w.seed
	}
	if withArms && (s.Monotone != nil || w.d.ordered()) {
		s.Monotone = append(make([]int8, 0, len(w.armBins.f)), s.Monotone...)
		s.Monotone = append(s.Monotone, make([]int8, len(w.armBins.f)-len(s.Monotone))...)
		if w.d.ordered() {
			copy(s.Monotone[len(w.armBins.f)-len(w.d.OfferMonotone):], w.d.OfferMonotone)
		}
	}
	return s
}

// fitBoostS trains one model on all arms and cuts it into one per arm.
func (w *work) fitBoostS(ctx context.Context, s BoostSettings, rows []int32) ([]fitted, error) {
	m, err := trainBoosted(ctx, w.armBins, w.d.Y, w.d.Weight, rows, nil, w.outcomeBoost(s, true), w.threads)
	if err != nil {
		return nil, err
	}
	out := make([]fitted, w.d.Arms())
	for a := range out {
		out[a] = fittedBoost{m.forArm(w.bins, w.armValues[a])}
	}
	return out, nil
}

// forArm resolves the splits on the columns that tell arms apart, given their
// values for one arm: what is left reads features only. base holds the same
// features without those columns.
func (m *Boosted) forArm(base *Bins, values []float64) *Boosted {
	out := &Boosted{bins: base, loss: m.loss, base: m.base}
	for _, t := range m.trees {
		r := resolver{from: t, features: len(base.f), values: values, to: &binTree{}, armBins: m.bins}
		r.copy(0)
		if len(r.to.nodes) == 0 {
			out.base += r.to.leaf[0] // a constant for this arm
			continue
		}
		r.to.cover = slices.Concat(r.nodeCover, r.leafCover)
		out.trees = append(out.trees, r.to)
	}
	return out
}

type resolver struct {
	from, to             *binTree
	features             int
	values               []float64
	armBins              *Bins
	nodeCover, leafCover []float64
}

// copy writes the subtree at node (or leaf) and returns its new reference.
func (r *resolver) copy(node int32) int32 {
	if len(r.from.nodes) == 0 {
		node = ^0
	}
	for node >= 0 && int(r.from.nodes[node].feature) >= r.features {
		n := &r.from.nodes[node]
		if n.set.has(r.armBins.f[n.feature].of(r.values[int(n.feature)-r.features])) {
			node = n.left
		} else {
			node = n.right
		}
	}
	if node < 0 {
		r.to.leaf = append(r.to.leaf, r.from.leaf[^node])
		r.leafCover = append(r.leafCover, r.from.cover[len(r.from.nodes)+int(^node)])
		return ^int32(len(r.to.leaf) - 1)
	}
	at := len(r.to.nodes)
	r.to.nodes = append(r.to.nodes, r.from.nodes[node])
	r.nodeCover = append(r.nodeCover, 0)
	left := r.copy(r.from.nodes[node].left)
	right := r.copy(r.from.nodes[node].right)
	r.to.nodes[at].left, r.to.nodes[at].right = left, right
	r.nodeCover[at] = r.cover(left) + r.cover(right)
	return int32(at)
}

// cover is the training weight that passed what was copied to a reference: splits
// between arms are gone, so that a node's is that of its children.
func (r *resolver) cover(node int32) float64 {
	if node < 0 {
		return r.leafCover[^node]
	}
	return r.nodeCover[node]
}

// fitLinearS fits levels of all arms together: common slopes, arm intercepts
// and arm slopes. Arm slopes are shrunk to the common ones, pooling times as
// hard as the common slopes to zero.
func (w *work) fitLinearS(s LinearSettings, pooling float64, rows []int32) ([]fitted, error) {
	if pooling <= 0 {
		pooling = 1
	}
	d := newDesign(w.d.Features, w.d.X, rows, w.threads)
	p := newPooled(d, w, rows, pooling)
	y, wt := make([]float64, len(rows)), make([]float64, len(rows))
	for k, i := range rows {
		y[k], wt[k] = w.d.Y[i], w.d.weight(int(i))
	}
	beta, err := p.newton(y, wt, w.loss.link(), s.Ridge, w.threads)
	if err != nil {
		return nil, fmt.Errorf("pooled linear model: %w", err)
	}
	out := make([]fitted, w.d.Arms())
	for a := range out {
		out[a] = fittedLinear{d.fold(p.armBeta(beta, a, d.p), w.loss.link())}
	}
	return out, nil
}

// pooledDesign is a design with, per offer, scaled copies of the base columns.
type pooledDesign struct {
	design
	scale []float64 // of the copies: 1/sqrt(pooling)
}

// newPooled lays out: base columns without the constant, then per offer its
// indicator and its copies, then the constant.
func newPooled(d *design, w *work, rows []int32, pooling float64) *pooledDesign {
	k := w.d.Arms() - 1
	p := &pooledDesign{design: design{p: d.p - 1 + k*d.p + 1, rows: len(rows)}, scale: make([]float64, d.p)}
	scale := 1 / math.Sqrt(pooling)
	for j := range p.scale {
		p.scale[j] = scale
	}
	p.scale[d.p-1] = 10 // arm intercepts are hardly shrunk
	p.x = make([]float64, p.p*len(rows))
	parallelRows(w.threads, len(rows), func(_, from, to int) {
		for n := from; n < to; n++ {
			row, base := p.x[n*p.p:(n+1)*p.p], d.x[n*d.p:(n+1)*d.p]
			copy(row, base[:d.p-1])
			if a := w.d.Arm[rows[n]]; a > 0 {
				at := d.p - 1 + (a-1)*d.p
				for j, v := range base {
					row[at+j] = v * p.scale[j]
				}
			}
			row[p.p-1] = 1
		}
	})
	return p
}

// armBeta adds an arm's own coefficients to the common ones.
func (p *pooledDesign) armBeta(beta []float64, arm, width int) []float64 {
	out := make([]float64, width)
	copy(out, beta[:width-1])
	out[width-1] = beta[p.p-1]
	if arm > 0 {
		at := width - 1 + (arm-1)*width
		for j := range out {
			out[j] += beta[at+j] * p.scale[j]
		}
	}
	return out
}
