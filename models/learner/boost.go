package learner

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// Loss names what a boosted model minimises.
type Loss string

// Losses of boosted trees.
const (
	LossLogistic Loss = "logistic" // targets in [0,1]
	LossSquared  Loss = "squared"
	LossPoisson  Loss = "poisson" // targets >= 0, log link
	LossGamma    Loss = "gamma"   // targets > 0, log link
)

// BoostSettings control gradient-boosted trees; names follow LightGBM.
type BoostSettings struct {
	Loss            Loss
	Trees           int     // rounds
	LearningRate    float64 // shrinkage
	Leaves          int     // per tree, at least 2
	MaxDepth        int     // 0: unbounded
	MinRows         int     // per leaf (estimated from Hessians, as LightGBM does)
	MinHessian      float64 // per leaf
	Lambda          float64 // L2 on leaf outputs
	MinGain         float64
	RowFraction     float64 // rows per tree; 0 or 1: all
	ColumnFraction  float64 // features per tree; 0 or 1: all
	Monotone        []int8  // nil, or per feature -1, 0, +1
	EarlyStopRounds int     // with validation rows: stop after so many rounds without improvement
	Seed            uint64
}

func (s *BoostSettings) rules() splitRules {
	r := splitRules{minRows: float64(max(s.MinRows, 1)), minHessian: max(s.MinHessian, 1e-9), lambda: s.Lambda, minGain: max(s.MinGain, 1e-12), catSmooth: 10, catLambda: 10}
	for _, m := range s.Monotone {
		if m != 0 {
			r.monotone = s.Monotone
		}
	}
	return r
}

func (s *BoostSettings) check(features int) error {
	switch s.Loss {
	case LossLogistic, LossSquared, LossPoisson, LossGamma:
	default:
		return fmt.Errorf("loss %q is not logistic, squared, poisson or gamma", s.Loss)
	}
	if s.Trees < 1 || s.Leaves < 2 || !(s.LearningRate > 0) || s.Lambda < 0 || features == 0 {
		return fmt.Errorf("%d trees of %d leaves at rate %v with lambda %v over %d features", s.Trees, s.Leaves, s.LearningRate, s.Lambda, features)
	}
	if s.Monotone != nil && len(s.Monotone) != features {
		return fmt.Errorf("monotone directions of %d features for %d", len(s.Monotone), features)
	}
	return nil
}

// Boosted is a trained sum of trees over bins.
type Boosted struct {
	bins  *Bins
	loss  Loss
	base  float64
	trees []*binTree
}

// trainSet is one boosted fit: per row of bins a target and weight.
type trainSet struct {
	bins    *Bins
	target  []float64
	weight  []float64 // nil: 1
	rows    []int32   // to learn from
	valid   []int32   // to stop on; nil: none
	threads *crew
}

// TrainBoosted fits boosted trees on the given rows of bins; target and weight
// (nil: 1) are per row of bins; valid rows, if any, serve early stopping.
func TrainBoosted(ctx context.Context, bins *Bins, target, weight []float64, rows, valid []int32, s BoostSettings, threads int) (*Boosted, error) {
	return trainBoosted(ctx, bins, target, weight, rows, valid, s, newCrew(threads))
}

func trainBoosted(ctx context.Context, bins *Bins, target, weight []float64, rows, valid []int32, s BoostSettings, threads *crew) (*Boosted, error) {
	if err := s.check(len(bins.f)); err != nil {
		return nil, fmt.Errorf("boosted trees: %w", err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("boosted trees: %w: no rows", ErrNoFit)
	}
	set := trainSet{bins: bins, target: target, weight: weight, rows: rows, valid: valid, threads: threads}
	m := &Boosted{bins: bins, loss: s.Loss, base: set.start(s.Loss)}
	now := newRunning(s.Loss, bins.rows, m.base)
	grad := make([]pair, bins.rows)
	g := newGrower(bins, s.rules(), s.Leaves, s.MaxDepth, threads)
	stop := newStopper(s.EarlyStopRounds, len(valid) > 0)
	for round := range s.Trees {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("boosted trees, round %d: %w", round, err)
		}
		set.gradients(now, grad)
		t := set.grow(g, &s, round, now, grad)
		m.trees = append(m.trees, t)
		if stop.done(round, func() float64 { return set.lossOn(valid, now) }) {
			break
		}
		if len(t.nodes) == 0 && s.RowFraction == 0 {
			break // nothing left to split on
		}
	}
	m.trees = m.trees[:stop.keep(len(m.trees))]
	return m, nil
}

// grow adds one tree to the running predictions of learning and validation rows.
func (t *trainSet) grow(g *grower, s *BoostSettings, round int, now *running, grad []pair) *binTree {
	rows, out := t.rows, t.valid
	if s.RowFraction > 0 && s.RowFraction < 1 {
		var left []int32
		rows, left = sampleRows(newStream(s.Seed, 1, uint64(round)), t.rows, s.RowFraction)
		out = slices.Concat(left, t.valid)
	}
	use := sampleColumns(newStream(s.Seed, 2, uint64(round)), len(t.bins.f), s.ColumnFraction)
	var leaves [][]int32
	tree := g.grow(rows, grad, use, func(_ int, rows []int32) { leaves = append(leaves, rows) })
	for k := range tree.leaf {
		tree.leaf[k] *= s.LearningRate
	}
	add := func(leaf int, rows []int32) { now.add(rows, tree.leaf[leaf]) }
	parallel(t.threads, len(leaves), func(k int) { add(k, leaves[k]) })
	if len(out) > 0 {
		idx := append([]int32(nil), out...)
		t.bins.route(tree, idx, make([]int32, len(idx)), add)
	}
	return tree
}

func sampleRows(s *stream, rows []int32, fraction float64) (in, out []int32) {
	in = make([]int32, 0, int(float64(len(rows))*fraction)+16)
	for _, i := range rows {
		if s.uniform() < fraction {
			in = append(in, i)
		} else {
			out = append(out, i)
		}
	}
	if len(in) == 0 {
		return rows, nil
	}
	return in, out
}

func sampleColumns(s *stream, n int, fraction float64) []int {
	use := make([]int, n)
	for j := range use {
		use[j] = j
	}
	if fraction <= 0 || fraction >= 1 {
		return use
	}
	shuffle(s, use)
	use = use[:max(1, int(math.Ceil(fraction*float64(n))))]
	return use
}

func (t *trainSet) w(i int32) float64 {
	if t.weight == nil {
		return 1
	}
	return t.weight[i]
}

// start is the best constant raw prediction.
func (t *trainSet) start(loss Loss) float64 {
	sw, sy := 0.0, 0.0
	for _, i := range t.rows {
		sw += t.w(i)
		sy += t.w(i) * t.target[i]
	}
	m := sy / max(sw, 1e-300)
	switch loss {
	case LossLogistic:
		m = min(max(m, 1e-9), 1-1e-9)
		return math.Log(m / (1 - m))
	case LossPoisson, LossGamma:
		return math.Log(max(m, 1e-9))
	}
	return m
}

// stopper watches the validation loss.
type stopper struct {
	patience, best int
	loss           float64
	on             bool
}

func newStopper(patience int, valid bool) *stopper {
	return &stopper{patience: patience, on: valid && patience > 0, loss: math.Inf(1)}
}

func (s *stopper) done(round int, loss func() float64) bool {
	if !s.on {
		return false
	}
	if l := loss(); l < s.loss {
		s.loss, s.best = l, round
	}
	return round-s.best >= s.patience
}

func (s *stopper) keep(n int) int {
	if !s.on {
		return n
	}
	return min(n, s.best+1)
}

// AddRaw adds the raw prediction (before the link) for rows to out, which is
// per row of the bins.
func (m *Boosted) AddRaw(rows []int32, out []float64, threads int) {
	m.addRaw(rows, out, newCrew(threads))
}

func (m *Boosted) addRaw(rows []int32, out []float64, threads *crew) {
	parallelRows(threads, len(rows), func(_, from, to int) {
		idx, scratch := make([]int32, to-from), make([]int32, to-from)
		for _, i := range rows[from:to] {
			out[i] += m.base
		}
		copy(idx, rows[from:to])
		for _, t := range m.trees {
			m.bins.route(t, idx, scratch, func(leaf int, rows []int32) {
				v := t.leaf[leaf]
				for _, i := range rows {
					out[i] += v
				}
			})
		}
	})
}

// Ensemble is the model in the flat form that package models scores.
func (m *Boosted) Ensemble() *models.Ensemble {
	e := &models.Ensemble{Features: m.bins.features, Outputs: 1, Base: []float64{m.base}, Link: m.loss.link()}
	for _, t := range m.trees {
		e.Trees = append(e.Trees, m.bins.tree(t))
	}
	return e
}

func (l Loss) link() models.Link {
	switch l {
	case LossLogistic:
		return models.LinkLogistic
	case LossPoisson, LossGamma:
		return models.LinkExp
	}
	return models.LinkIdentity
}
