package learner

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/rebound-engine/rebound/models"
)

// FitSpec says how Fit trains one candidate.
type FitSpec struct {
	Candidate Candidate
	// Levels learns the outcome per arm (MethodS or MethodT): behind the effects
	// of MethodX, R, DR and forests, cross-fitted, and as the level without an
	// offer. Candidates of MethodS and MethodT are their own.
	Levels  Candidate
	Folds   int // of cross-fitting; 0: 5
	Seed    uint64
	Threads int // 0: all cores; never changes the result
}

// Fit trains one candidate on all rows, for those who know what they want:
// no tournament, no calibration, no intervals but a forest's own, no guard.
func Fit(ctx context.Context, s FitSpec, d *Dataset) (*models.Uplift, error) {
	w, err := s.prepare(d)
	if err != nil {
		return nil, fmt.Errorf("fit %s: %w", s.Candidate.Name, err)
	}
	u, err := w.fitAlone(ctx, &s)
	if err != nil {
		return nil, fmt.Errorf("fit %s: %w", s.Candidate.Name, err)
	}
	return u, nil
}

func (s *FitSpec) prepare(d *Dataset) (*work, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if d.Arms() < 2 || d.ordered() {
		return nil, errors.New("needs offers, of no required order")
	}
	if err := s.Candidate.check(); err != nil {
		return nil, err
	}
	if s.ownLevels() {
		s.Levels = s.Candidate
	}
	if err := s.Levels.check(); err != nil {
		return nil, fmt.Errorf("levels: %w", err)
	}
	if m := s.Levels.Method; m != MethodS && m != MethodT {
		return nil, fmt.Errorf("method %q does not learn levels", m)
	}
	if s.Folds == 0 {
		s.Folds = 5
	}
	if s.Folds < 2 || s.Folds > 255 {
		return nil, fmt.Errorf("%d folds", s.Folds)
	}
	if s.Threads <= 0 {
		s.Threads = runtime.GOMAXPROCS(0)
	}
	return newWork(d, s.Folds, s.Seed, s.Threads)
}

func (s *FitSpec) ownLevels() bool {
	return s.Candidate.Method == MethodS || s.Candidate.Method == MethodT
}

func (w *work) fitAlone(ctx context.Context, s *FitSpec) (*models.Uplift, error) {
	var n *nuisance
	if !s.ownLevels() {
		var err error
		if n, err = w.outOfFold(ctx, &s.Levels); err != nil {
			return nil, err
		}
	}
	fit, err := w.fit(ctx, &s.Candidate, w.all, n)
	if err != nil {
		return nil, err
	}
	a := &assembly{spec: models.UpliftSpec{Schema: w.d.Schema()}}
	at := a.addModel(fit)
	if s.ownLevels() {
		a.spec.Without = translate(fit.levels[0], at)
	} else {
		levels, err := w.fitLevels(ctx, &s.Levels, w.all)
		if err != nil {
			return nil, fmt.Errorf("levels: %w", err)
		}
		a.spec.Without.Parts = []models.Part{{Output: a.add(levels[0]), Weight: 1}}
	}
	forest, _ := soleForest(fit)
	for k, e := range fit.effects {
		arm := models.ArmEffect{Effect: translate(e, at), Scale: 1}
		if forest != nil {
			arm.Variance.Parts = []models.Part{{Output: at[0] + forest.arms + k, Weight: spreadFactor}}
		}
		a.spec.Arms = append(a.spec.Arms, arm)
	}
	return models.NewUplift(a.spec)
}

// outOfFold predicts each row's levels by models that did not see its fold.
func (w *work) outOfFold(ctx context.Context, c *Candidate) (*nuisance, error) {
	n := &nuisance{level: w.columns(w.d.Arms())}
	err := parallelTry(w.threads, w.folds, func(f int) error {
		held, rest := w.split(w.all, f)
		arms, err := w.fitLevels(ctx, c, rest)
		if err != nil {
			return fmt.Errorf("levels without fold %d: %w", f, err)
		}
		for a, m := range arms {
			m.predict(w, held, n.level[a:a+1])
		}
		return nil
	})
	return n, err
}
