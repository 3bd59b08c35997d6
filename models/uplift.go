package models

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// MaxUpliftOutputs bounds the predictor outputs of one Uplift model; they are
// held on the stack while scoring.
const MaxUpliftOutputs = 256

// Predictor is one fitted function of the customer's features inside an
// Uplift model. Exactly one field is set.
type Predictor struct {
	Linear *Linear   // one output
	Trees  *Ensemble // Outputs outputs, after the link
	Forest *Forest   // an effect and its variance per arm: 2 × Arms outputs
}

// Part is one weighted predictor output in a sum.
type Part struct {
	Output int // index over the outputs of all predictors, in order
	Weight float64
}

// Sum is a weighted sum of predictor outputs: Offset + Σ Weight × output.
type Sum struct {
	Offset float64
	Parts  []Part
}

func (s *Sum) eval(outputs []float64) float64 {
	v := s.Offset
	for _, p := range s.Parts {
		v += p.Weight * outputs[p.Output]
	}
	return v
}

// ArmEffect is what the model learned about one offer.
type ArmEffect struct {
	// Effect is the uplift before calibration; T- and S-learners write it as
	// the difference of two level predictors.
	Effect Sum
	// Shift and Scale are the effect's calibration: Shift + Scale × Effect.
	Shift, Scale float64
	// Variance of the calibrated effect's error; negative sums count as 0.
	Variance Sum
}

// Uplift is the learned native model: a calibrated baseline and one calibrated
// effect per offer, each a weighted sum of fitted predictors. It covers
// logistic regression, boosted S-, T-, X-, R- and DR-learners, honest forests
// and their blends. A model without offers predicts an outcome only.
type Uplift struct {
	schema     Schema
	predictors []Predictor
	without    Sum
	levels     Calibration // of Without; empty: identity
	arms       []ArmEffect
	scorers    []scorer
	blocks     treeBlocks
	width      int
}

// Calibration is a piecewise linear, non-decreasing map from raw to
// calibrated level. Empty means identity; outside it is constant.
type Calibration struct {
	X []float64 // strictly increasing
	Y []float64 // non-decreasing
}

// Apply maps a raw level.
func (c *Calibration) Apply(v float64) float64 {
	n := len(c.X)
	if n == 0 || math.IsNaN(v) {
		return v
	}
	if v <= c.X[0] {
		return c.Y[0]
	}
	if v >= c.X[n-1] {
		return c.Y[n-1]
	}
	lo, hi := 0, n-1 // X[lo] <= v < X[hi]
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; c.X[mid] <= v {
			lo = mid
		} else {
			hi = mid
		}
	}
	f := (v - c.X[lo]) / (c.X[hi] - c.X[lo])
	return c.Y[lo] + f*(c.Y[hi]-c.Y[lo])
}

func (c *Calibration) check() error {
	if len(c.X) != len(c.Y) {
		return fmt.Errorf("calibration of %d to %d points", len(c.X), len(c.Y))
	}
	for i := 1; i < len(c.X); i++ {
		if !(c.X[i] > c.X[i-1]) || !(c.Y[i] >= c.Y[i-1]) {
			return fmt.Errorf("calibration point %d does not rise", i)
		}
	}
	return nil
}

// UpliftSpec is what NewUplift builds a model from; see the fields of Uplift.
type UpliftSpec struct {
	Schema     Schema
	Predictors []Predictor
	Without    Sum
	Levels     Calibration
	Arms       []ArmEffect // per Schema.Offers
}

// scorer fills the outputs of one predictor. It is a switch over concrete
// types because a call through an interface would move the outputs to the heap.
// None is set for a predictor in treeBlocks.
type scorer struct {
	linear *Linear
	trees  *Scorer
	forest *forestScorer
	width  int
}

func (s *scorer) fill(x, out []float64) {
	switch {
	case s.linear != nil:
		out[0] = s.linear.Predict(x)
	case s.trees != nil:
		s.trees.Predict(x, out)
	case s.forest != nil:
		s.forest.fill(x, out)
	}
}

// NewUplift checks a specification and builds a model from it, which keeps
// the specification's slices.
func NewUplift(spec UpliftSpec) (*Uplift, error) {
	u := &Uplift{schema: spec.Schema, predictors: spec.Predictors, without: spec.Without, levels: spec.Levels, arms: spec.Arms}
	var at []int // first output of each predictor
	for i, p := range spec.Predictors {
		s, err := newScorer(p, spec.Schema.Features)
		if err != nil {
			return nil, fmt.Errorf("predictor %d: %w", i, err)
		}
		at = append(at, u.width)
		u.scorers = append(u.scorers, s)
		u.width += s.width
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	var err error
	u.blocks, err = newTreeBlocks(spec.Predictors, spec.Schema.Features, at)
	return u, err
}

func newScorer(p Predictor, features []Feature) (scorer, error) {
	switch {
	case p.Linear != nil && p.Trees == nil && p.Forest == nil:
		if len(p.Linear.Terms) != len(features) {
			return scorer{}, fmt.Errorf("%d linear terms for %d features", len(p.Linear.Terms), len(features))
		}
		return scorer{linear: p.Linear, width: 1}, nil
	case p.Trees != nil && p.Linear == nil && p.Forest == nil:
		s := scorer{width: p.Trees.Outputs}
		err := checkNativeEnsemble(p.Trees, len(features))
		if err == nil && !blockable(&p) {
			s.trees, err = NewScorer(p.Trees)
		}
		return s, err
	case p.Forest != nil && p.Linear == nil && p.Trees == nil:
		f, err := newForestScorer(p.Forest, features)
		return scorer{forest: f, width: 2 * p.Forest.Arms}, err
	}
	return scorer{}, errors.New("want exactly one of linear, trees, forest")
}

func (u *Uplift) check() error {
	if u.width > MaxUpliftOutputs {
		return fmt.Errorf("%d predictor outputs, at most %d", u.width, MaxUpliftOutputs)
	}
	if len(u.arms) != len(u.schema.Offers) {
		return fmt.Errorf("effects of %d arms for %d offers", len(u.arms), len(u.schema.Offers))
	}
	if err := u.levels.check(); err != nil {
		return err
	}
	if err := u.checkSum(&u.without); err != nil {
		return fmt.Errorf("without: %w", err)
	}
	for i := range u.arms {
		if err := errors.Join(u.checkSum(&u.arms[i].Effect), u.checkSum(&u.arms[i].Variance)); err != nil {
			return fmt.Errorf("offer %q: %w", u.schema.Offers[i], err)
		}
	}
	return nil
}

func (u *Uplift) checkSum(s *Sum) error {
	for _, p := range s.Parts {
		if p.Output < 0 || p.Output >= u.width {
			return fmt.Errorf("output %d of %d", p.Output, u.width)
		}
	}
	return nil
}

// Schema implements Model.
func (u *Uplift) Schema() *Schema { return &u.schema }

// Score implements Model. It does not allocate unless it errs.
func (u *Uplift) Score(_ context.Context, x []float64, cands []Candidate, out []Score) error {
	if len(x) != len(u.schema.Features) {
		return fmt.Errorf("%w: %d features, want %d", ErrUnscorable, len(x), len(u.schema.Features))
	}
	if len(out) < len(cands) {
		return fmt.Errorf("%w: %d scores for %d candidates", ErrUnscorable, len(out), len(cands))
	}
	var buf [MaxUpliftOutputs]float64
	outputs := buf[:u.width]
	u.outputs(x, outputs)
	without := clampUnit(u.schema.Unit, u.levels.Apply(u.without.eval(outputs)))
	if math.IsNaN(without) || math.IsInf(without, 0) {
		return fmt.Errorf("%w: the prediction without an offer is %v", ErrUnscorable, without)
	}
	for i, c := range cands {
		if c.Arm < 0 || c.Arm >= len(u.arms) {
			out[i] = Score{Without: without, With: without}
			continue
		}
		a := &u.arms[c.Arm]
		effect := a.Shift + a.Scale*a.Effect.eval(outputs)
		half := z95 * math.Sqrt(max(a.Variance.eval(outputs), 0))
		if !isFinite(effect) || !isFinite(half) {
			return fmt.Errorf("%w: uplift of offer %q is %v ± %v", ErrUnscorable, u.schema.Offers[c.Arm], effect, half)
		}
		out[i] = clampedScore(u.schema.Unit, without, effect, half)
	}
	return nil
}

func (u *Uplift) outputs(x, out []float64) {
	at := 0
	for i := range u.scorers {
		s := &u.scorers[i]
		s.fill(x, out[at:at+s.width])
		at += s.width
	}
	u.blocks.fill(x, out)
}

// Effects fills the unclamped calibrated effect of every offer, in schema
// order: evaluation and stacking need them before probabilities are bounded.
func (u *Uplift) Effects(x, effects []float64) {
	var buf [MaxUpliftOutputs]float64
	outputs := buf[:u.width]
	u.outputs(x, outputs)
	for i := range u.arms {
		a := &u.arms[i]
		effects[i] = a.Shift + a.Scale*a.Effect.eval(outputs)
	}
}

// baseline is the model without its offers, for a Prior's artifact.
func (u *Uplift) baseline() *Uplift {
	b := *u
	b.arms, b.schema.Offers = nil, nil
	return &b
}

func (u *Uplift) kind() string { return KindUplift }
