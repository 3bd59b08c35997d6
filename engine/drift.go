package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/store"
)

// ModelDrift is how far what a model reads and answers has moved since it was
// trained, and whether its chances still come true.
type ModelDrift struct {
	RegisteredModel
	From, To time.Time // of the decisions compared with training
	Rows     int
	// Reads and Answers are the model's inputs and scores; empty if the file says
	// nothing of its training.
	Reads, Answers []registry.Drift
	// Calibration is over the newest Settled decisions with complete outcomes;
	// nil if there are none, or if the outcome is no chance.
	Calibration *eval.CalibrationCheck
	Settled     int
}

const (
	driftRows     = 2000          // newest decisions that are compared with training, and with what came of them
	driftExamined = 4 * driftRows // decisions looked at to find them
)

// ModelDrift compares the newest decisions in the journal with a model's
// training. Decisions without consent do not count: models learn from none.
func (e *Engine) ModelDrift(ctx context.Context, outcome, digest string) (*ModelDrift, error) {
	p, err := e.proofOf(ctx, outcome, digest)
	if err != nil {
		return nil, err
	}
	i, err := p.snap.predictedOutcome(p.model.Outcome)
	if err != nil {
		return nil, err
	}
	h, err := e.hire(ctx, p.snap, i, p.registration)
	if err != nil {
		return nil, fmt.Errorf("drift of model %s: %w", short(p.model.Digest), err)
	}
	s := &survey{
		inquiry: inquiry{
			e: e, ctx: ctx, snap: p.snap, index: i, model: h.outcome, after: taughtUntil(h.card, p.registration.At), newest: fromMilli(e.opts.Ledger.newest.Load()),
			customers: map[store.Subject]followed{}, watched: newWatch(h.card, h.outcome.model),
		},
		out: &ModelDrift{RegisteredModel: p.described},
	}
	s.window = max(h.outcome.To, 0)
	if err := s.read(); err != nil {
		return nil, fmt.Errorf("drift of model %s: %w", short(p.model.Digest), err)
	}
	return s.out, s.finish()
}

// read looks at the newest decisions, and at the newest ones with complete outcomes.
func (s *survey) read() error {
	if err := s.e.decisionsFrom(s.ctx, 0, driftExamined, s.compare); err != nil {
		return err
	}
	before, err := s.e.positionAfter(s.ctx, s.newest.Add(-s.window))
	if err != nil {
		return err
	}
	return s.e.decisionsFrom(s.ctx, before, driftExamined, s.settled)
}

// survey gathers what a model would have said of the newest decisions.
type survey struct {
	inquiry
	out *ModelDrift
}

// again sets up a decision that counts and in which there was something to
// choose; nil: it does not.
func (s *survey) again(d *Decision) (*again, error) {
	if !d.Consent || d.Customer == (profile.Identity{}) {
		return nil, nil
	}
	a, err := s.e.decideAgain(s.ctx, s.snap, d)
	if errors.Is(err, errOutOfReach) {
		return nil, nil
	}
	if err == nil && len(a.index) == 0 {
		a.end()
		return nil, nil
	}
	return a, err
}

// compare notes what the model reads and answers; false: there is enough.
func (s *survey) compare(d *Decision) (bool, error) {
	a, err := s.again(d)
	if err != nil || a == nil {
		return true, err
	}
	defer a.end()
	s.watched.add(a)
	s.out.From = d.Time
	if s.out.To.IsZero() {
		s.out.To = d.Time
	}
	s.out.Rows++
	return s.out.Rows < driftRows, nil
}

// settled looks at a decision whose outcome is complete; false: there is enough.
func (s *survey) settled(d *Decision) (bool, error) {
	if !d.Time.After(s.after) || d.Time.Add(s.window).After(s.newest) {
		return true, nil
	}
	a, err := s.again(d)
	if err != nil || a == nil {
		return true, err
	}
	defer a.end()
	if err := s.settle(a); err != nil && !errors.Is(err, errOutOfReach) {
		return false, err
	}
	return s.out.Settled < driftRows, nil
}

// settle compares a chance with what came of it.
func (s *survey) settle(a *again) error {
	given := slices.IndexFunc(a.d.Candidates, func(c Candidate) bool { return c.Offer == a.logged.Delivered })
	if given < 0 {
		return nil
	}
	past, err := s.customer(a.logged)
	if err != nil {
		return err
	}
	h, err := a.occurred(past.events, past.settled)
	if err != nil {
		return err
	}
	if p, ok := a.forecast(&s.model, given); ok {
		s.trial.Predicted, s.trial.Happened = append(s.trial.Predicted, p), append(s.trial.Happened, h.outcomes[s.index])
		s.ids = append(s.ids, string(a.logged.Subject[:]))
		s.out.Settled++
	}
	return nil
}

func (s *survey) finish() error {
	reads, answers := s.watched.columns()
	var err error
	if s.out.Reads, err = registry.Watch(reads); err != nil {
		return err
	}
	if s.out.Answers, err = registry.Watch(answers); err != nil {
		return err
	}
	if s.out.Settled == 0 {
		return nil
	}
	c, err := eval.CheckCalibration(s.trial.Predicted, eval.Rows{Outcome: s.trial.Happened, Cluster: eval.Clusters(s.ids)})
	if err != nil {
		return err
	}
	s.out.Calibration = &c
	return nil
}

// watch collects what a model reads and answers, to be compared with its training.
type watch struct {
	model  *bound
	before map[string]eval.Baseline
	now    map[string][]float64
	names  []string // in the order of the card
}

// newWatch watches what the card has the distribution of at training.
func newWatch(card *models.Card, m *bound) *watch {
	w := &watch{model: m, before: map[string]eval.Baseline{}, now: map[string][]float64{}}
	if card == nil {
		return w
	}
	for _, d := range card.Reference {
		w.names = append(w.names, d.Name)
		w.before[d.Name] = eval.Baseline{Edges: d.Edges, Counts: d.Counts}
	}
	return w
}

// add notes one decision.
func (w *watch) add(a *again) {
	if len(w.names) == 0 {
		return
	}
	x := w.model.vector(a.frame, nil)
	for i, f := range w.model.Schema().Features {
		w.note(f.Name, x[i])
	}
	cands := make([]models.Candidate, len(w.model.arms))
	for i := range cands {
		cands[i] = models.Candidate{Arm: w.model.arms[i], X: w.model.offers[i]}
	}
	out := make([]models.Score, len(cands))
	if len(out) == 0 || w.model.Score(a.ctx, x, cands, out) != nil {
		return
	}
	w.note(models.ReferenceWithout, out[0].Without)
	for i := range out {
		w.note(models.ReferenceUplift+a.plan.Offers[i].ID, out[i].Uplift())
	}
}

func (w *watch) note(name string, v float64) {
	if _, ok := w.before[name]; ok && !math.IsInf(v, 0) {
		w.now[name] = append(w.now[name], v)
	}
}

// columns are what was seen of inputs and scores.
func (w *watch) columns() (reads, answers []registry.Watched) {
	for _, name := range w.names {
		if len(w.now[name]) == 0 {
			continue
		}
		x := registry.Watched{Name: name, Before: w.before[name], Now: w.now[name]}
		if name == models.ReferenceWithout || strings.HasPrefix(name, models.ReferenceUplift) {
			answers = append(answers, x)
		} else {
			reads = append(reads, x)
		}
	}
	return reads, answers
}
