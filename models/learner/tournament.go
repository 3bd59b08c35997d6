package learner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/rebound-engine/rebound/models"
)

// Criterion is what a tournament picks by, on out-of-fold predictions.
type Criterion string

// Criteria.
const (
	ByLoss   Criterion = "loss"   // doubly robust squared loss of the effects
	ByPolicy Criterion = "policy" // doubly robust value of giving each row its best arm
	ByQini   Criterion = "qini"   // sum of the offers' Qini areas
)

// ErrTournament is wrapped by errors of a tournament's specification.
var ErrTournament = errors.New("tournament")

// Spec declares a tournament.
type Spec struct {
	Name       string
	Candidates []Candidate // nil: DefaultCandidates; without offers in the data: the members of the outcome's stack
	Folds      int         // 0: 5
	Seed       uint64
	Threads    int       // 0: all cores; never changes the result
	Criterion  Criterion // "": ByLoss
	NoBlend    bool      // pick a single candidate
	Refits     int       // refits on halves for intervals; 0: 6, negative: none

	MaxTrials int              // candidates tried at most; 0: all
	Budget    time.Duration    // no candidate starts after it, except the first; 0: none
	Now       func() time.Time // clock of Budget and of reported seconds; nil: the figures are 0 and Budget is refused
	Progress  func(Progress)   // called between steps, never twice at once; may be nil

	// Resume holds the records of an interrupted run (nil: none); Save gets a
	// record per finished candidate (nil: none). Records of other data, folds,
	// seeds or settings are ignored.
	Resume io.Reader
	Save   io.Writer

	CreatedBy string // version for the model card
}

// Progress is how far a tournament is.
type Progress struct {
	Phase       string // "nuisance", "trial", "fit", "interval"
	Subject     string // the candidate at work
	Done, Total int    // steps of the phase
}

// Row is one candidate's line in the table.
type Row struct {
	Name      string
	Settings  string
	Qini      []float64 // per offer: Qini area per customer, out of fold
	Policy    float64   // doubly robust value of giving each row its best arm
	Gain      float64   // Policy less the value of the best single arm
	GainSE    float64
	Loss      float64 // doubly robust squared loss less that of constant effects, in outcome variances
	LossSE    float64
	Weight    float64 // share in the blend
	Seconds   float64 // 0 without a clock
	Failed    string  // why the candidate dropped out
	Picked    bool
	FromState bool // taken from Spec.Resume
}

// Guard says whether choosing by the learned effects beats the best single arm.
type Guard struct {
	Learned   bool    // false: the fallback is safer
	BestArm   string  // best single arm by doubly robust value; "" for none
	Gain      float64 // of the learned policy over it, out of fold
	Lower     float64 // 95 % bounds
	Upper     float64
	Statement string
}

// Result is what a tournament brought.
type Result struct {
	Model    *models.Uplift // the picked learner, calibrated, with intervals
	Fallback *models.Uplift // the same baseline with constant effects: acts as the best single arm
	Guard    Guard
	Table    []Row
	Card     models.Card // for Model
	Findings []Finding   // of the data check
}

// Champion is the model to serve: Model, or Fallback if the guard says so.
func (r *Result) Champion() (*models.Uplift, models.Card) {
	if r.Guard.Learned || len(r.Model.Schema().Offers) == 0 {
		return r.Model, r.Card
	}
	card := r.Card
	card.Learner = "best single arm"
	return r.Fallback, card
}

// entry is a candidate in the running.
type entry struct {
	c       *Candidate
	effects [][]float64 // out of fold
	verdict *judgement
	row     Row
}

// match is a tournament at work.
type match struct {
	spec    Spec
	w       *work
	stack   *levelStack
	nuis    []*nuisance
	entries []*entry
	start   time.Time
	saved   map[string]*trial
	digest  string
}

// Tournament cross-fits all candidates on the training data, picks one or
// their blend, refits it on all rows, calibrates levels and effects, adds
// intervals and guards the result. It looks at nothing but d.
func Tournament(ctx context.Context, spec Spec, d *Dataset) (*Result, error) {
	m, err := newMatch(spec, d)
	if err != nil {
		return nil, err
	}
	members := nuisanceMembers(d.Rows())
	if d.Arms() == 1 && spec.Candidates != nil {
		members = spec.Candidates
	}
	m.stack, m.nuis, err = m.w.crossFit(ctx, members, func(done, total int) { m.report("nuisance", "levels", done, total) })
	if err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	if d.Arms() == 1 {
		return m.outcomeOnly(ctx)
	}
	if err := m.runTrials(ctx); err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	p, err := m.pick()
	if err != nil {
		return nil, err
	}
	return m.finish(ctx, p)
}

func newMatch(spec Spec, d *Dataset) (*match, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if err := spec.complete(d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTournament, err)
	}
	for a := range d.Arms() {
		n := 0
		for _, arm := range d.Arm {
			if arm == a {
				n++
			}
		}
		if d.Arm != nil && n < 2*spec.Folds*innerFolds {
			return nil, fmt.Errorf("%w: %d rows of arm %d are too few for %d × %d folds", ErrTournament, n, a, spec.Folds, innerFolds)
		}
	}
	m := &match{spec: spec, digest: d.Digest(), saved: map[string]*trial{}}
	if spec.Now != nil {
		m.start = spec.Now()
	}
	var err error
	if spec.Resume != nil {
		if m.saved, err = readTrials(spec.Resume); err != nil {
			return nil, err
		}
	}
	m.w, err = newWork(d, spec.Folds, spec.Seed, spec.Threads)
	return m, err
}

func (s *Spec) complete(d *Dataset) error {
	if s.Candidates == nil {
		s.Candidates = DefaultCandidates(d.Rows(), d.Unit)
	}
	if s.Folds == 0 {
		s.Folds = 5
	}
	if s.Threads == 0 {
		s.Threads = runtime.GOMAXPROCS(0)
	}
	if s.Criterion == "" {
		s.Criterion = ByLoss
	}
	if s.Refits == 0 {
		s.Refits = 6
	}
	if s.Folds < 2 || s.Folds > 100 || s.Threads < 0 {
		return fmt.Errorf("%d folds on %d threads", s.Folds, s.Threads)
	}
	if s.Budget > 0 && s.Now == nil {
		return errors.New("a time budget without a clock")
	}
	switch s.Criterion {
	case ByLoss, ByPolicy, ByQini:
	default:
		return fmt.Errorf("criterion %q is not loss, policy or qini", s.Criterion)
	}
	names := map[string]bool{}
	for i := range s.Candidates {
		c := &s.Candidates[i]
		if c.Name == "" || names[c.Name] {
			return fmt.Errorf("candidate %d: name %q is empty or taken", i, c.Name)
		}
		names[c.Name] = true
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *match) report(phase, subject string, done, total int) {
	if m.spec.Progress != nil {
		m.spec.Progress(Progress{Phase: phase, Subject: subject, Done: done, Total: total})
	}
}

func (m *match) elapsed() time.Duration {
	if m.spec.Now == nil {
		return 0
	}
	return m.spec.Now().Sub(m.start)
}

// runTrials cross-validates candidates until they or the budget run out. A
// candidate that cannot be fitted drops out; only cancellation ends the run.
func (m *match) runTrials(ctx context.Context) error {
	total := len(m.spec.Candidates)
	if m.spec.MaxTrials > 0 {
		total = min(total, m.spec.MaxTrials)
	}
	for i := range total {
		if i > 0 && m.spec.Budget > 0 && m.elapsed() > m.spec.Budget {
			return nil
		}
		c := &m.spec.Candidates[i]
		m.report("trial", c.Name, i, total)
		t, resumed, err := m.trial(ctx, c)
		if err != nil {
			return err
		}
		e := &entry{c: c, effects: t.Effects, row: Row{Name: c.Name, Settings: c.String(), Seconds: t.Seconds, Failed: t.Failed, FromState: resumed}}
		if t.Failed == "" {
			e.verdict = m.w.judge(e.effects, m.evaluation(), m.w.all)
			e.row.fill(m.w, e.verdict)
		}
		m.entries = append(m.entries, e)
	}
	m.report("trial", "", total, total)
	return nil
}

// evaluation is the nuisance whose value for a row was made without its fold.
func (m *match) evaluation() *nuisance { return m.nuis[m.w.folds] }

// trial cross-fits one candidate, or takes it from the state.
func (m *match) trial(ctx context.Context, c *Candidate) (*trial, bool, error) {
	if m.w.d.ordered() && (c.Method != MethodS || c.Base != BaseBoost) {
		return &trial{Failed: "cannot keep the order of offers"}, false, nil
	}
	key := fmt.Sprintf("1 %s folds=%d seed=%d %s %s", m.digest, m.spec.Folds, m.spec.Seed, c.Name, c)
	if t, ok := m.saved[key]; ok {
		return t, true, nil
	}
	before := m.elapsed()
	t := &trial{Key: key, Effects: m.w.columns(len(m.w.d.Offers))}
	err := parallelTry(m.w.threads, m.w.folds, func(f int) error {
		held, train := m.w.split(m.w.all, f)
		fit, err := m.w.fit(ctx, c, train, m.nuis[f])
		if err == nil {
			fit.evaluate(m.w, fit.effects, held, t.Effects)
		}
		return err
	})
	if ctx.Err() != nil {
		return nil, false, fmt.Errorf("candidate %s: %w", c.Name, ctx.Err())
	}
	if err != nil {
		t.Failed, t.Effects = err.Error(), nil
	}
	t.Seconds = (m.elapsed() - before).Seconds()
	if m.spec.Save != nil {
		if err := writeTrial(m.spec.Save, t); err != nil {
			return nil, false, err
		}
	}
	return t, false, nil
}

func (r *Row) fill(w *work, j *judgement) {
	r.Qini, r.Policy, r.Loss = j.qini, j.policy, j.loss
	r.Gain, r.GainSE = w.meanSE(j.gain)
	_, r.LossSE = w.meanSE(j.point)
}

// meanSE is the weighted mean of per-row values and its standard error,
// clustered by group.
func (w *work) meanSE(v []float64) (mean, se float64) {
	sw := 0.0
	for i := range v {
		sw += w.d.weight(i)
		mean += w.d.weight(i) * v[i]
	}
	mean /= max(sw, 1e-300)
	if w.d.Group == nil {
		for i := range v {
			d := w.d.weight(i) * (v[i] - mean)
			se += d * d
		}
		return mean, math.Sqrt(se) / sw
	}
	slot := map[uint64]int{}
	var sums []float64
	for i := range v {
		k, ok := slot[w.d.Group[i]]
		if !ok {
			k = len(sums)
			slot[w.d.Group[i]] = k
			sums = append(sums, 0)
		}
		sums[k] += w.d.weight(i) * (v[i] - mean)
	}
	for _, s := range sums {
		se += s * s
	}
	return mean, math.Sqrt(se) / sw
}
