package registry

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rebound-engine/rebound/models/eval"
)

// Trial is what was logged while a model was watched, in columns.
type Trial struct {
	// Arms are the logged decisions with complete outcomes; the arms are the
	// offers, with none first. Outcome is what the goals count, in their money.
	Arms eval.Arms
	// Candidate and Incumbent are what each model would have given, per row. A
	// nil Incumbent stands for the best single arm. Against names who the
	// incumbent is: "champion", or Bundle while there is none.
	Candidate, Incumbent []int
	Against              string
	// Predicted is the candidate's prediction of the model's outcome for the arm
	// that was given, and Happened whether it came; nil for an outcome in money.
	Predicted, Happened []float64
	// Reads and Answers compare the candidate's inputs and scores with its training.
	Reads, Answers []Watched
	// From and To bound the decisions; Window is how long after its decision an
	// outcome is complete.
	From, To time.Time
	Window   time.Duration
}

// Bundle is what the policies themselves decide by while no model is champion.
const Bundle = "bundle"

// Watched is a feature or score at training and now.
type Watched struct {
	Name   string
	Before eval.Baseline
	Now    []float64
}

// Evidence is what a promotion stands on.
type Evidence struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Rows int       `json:"rows"`
	// Window is how long after its decision an outcome is complete.
	Window time.Duration `json:"window,omitempty"`
	// Against is what the candidate is compared with: "champion", Bundle, or the best single arm's name.
	Against string `json:"against"`
	// Gain is the policy value per decision of the candidate less that of the
	// incumbent, paired and clustered by customer.
	Gain eval.Interval `json:"gain"`
	// Covered is the share of what the candidate would do that the log knows, or
	// of what the incumbent would, if that is less: the mean weight, 1 but for
	// chance where every choice could be logged.
	Covered eval.Interval `json:"covered"`
	// Calibration is nil for an outcome in money.
	Calibration *eval.CalibrationCheck `json:"calibration,omitempty"`
	// Reads and Answers are how far inputs and scores have moved since training.
	// Scores that have broken away keep a model from being promoted; inputs alone
	// do not: many, such as the age of an account, grow with time.
	Reads   []Drift `json:"reads,omitempty"`
	Answers []Drift `json:"answers,omitempty"`
}

// Drift is how far one feature or score has moved.
type Drift struct {
	Name string `json:"name"`
	eval.Shift
}

// Judge computes the evidence of a trial. It decides nothing.
func Judge(t Trial, b eval.Bootstrap) (*Evidence, error) {
	e := &Evidence{From: t.From, To: t.To, Window: t.Window, Rows: len(t.Arms.Outcome)}
	if err := e.compare(t, b); err != nil {
		return nil, fmt.Errorf("judge model: %w", err)
	}
	if t.Predicted != nil {
		rows := t.Arms.Rows
		rows.Outcome = t.Happened
		c, err := eval.CheckCalibration(t.Predicted, rows)
		if err != nil {
			return nil, fmt.Errorf("judge model: %w", err)
		}
		e.Calibration = &c
	}
	var err error
	if e.Reads, err = Watch(t.Reads); err != nil {
		return nil, fmt.Errorf("judge model: %w", err)
	}
	if e.Answers, err = Watch(t.Answers); err != nil {
		return nil, fmt.Errorf("judge model: %w", err)
	}
	return e, nil
}

func (e *Evidence) compare(t Trial, b eval.Bootstrap) error {
	var err error
	if e.Covered, err = t.covered("candidate", t.Candidate); err != nil {
		return err
	}
	if t.Incumbent == nil {
		g, err := eval.Guarded(t.Arms, t.Candidate, 0, b)
		if err != nil {
			return err
		}
		e.Against, e.Gain = g.Arms[g.Best], g.Gain
		return nil
	}
	known, err := t.covered("incumbent", t.Incumbent)
	if err != nil {
		return err
	}
	if known.Value < e.Covered.Value {
		e.Covered = known
	}
	e.Against = t.Against
	e.Gain, err = eval.ComparePolicies(t.Arms, t.Candidate, t.Incumbent, b)
	return err
}

// covered is the share of what somebody would do that the log knows.
func (t *Trial) covered(who string, choice []int) (eval.Interval, error) {
	l, err := t.Arms.Under(choice)
	if err != nil {
		return eval.Interval{}, err
	}
	support, err := eval.Supported(l)
	switch {
	case errors.Is(err, eval.ErrUndefined):
		return eval.Interval{}, fmt.Errorf("nothing the %s would do was ever done: %w", who, err)
	case err != nil:
		return eval.Interval{}, err
	}
	return meanWeight(support, len(t.Arms.Outcome)), nil
}

// z95 is the two-sided 95 % quantile of the normal distribution.
const z95 = 1.959963984540054

// meanWeight is the mean weight of n rows with its normal interval. The mean of the
// squared weights follows from the effective number of rows, (sum w)^2 / sum w^2.
func meanWeight(s eval.Support, n int) eval.Interval {
	variance := max(0, s.MeanWeight*s.MeanWeight*(float64(n)/s.Effective-1))
	se := math.Sqrt(variance / float64(n))
	return eval.Interval{Value: s.MeanWeight, SE: se, Lower: s.MeanWeight - z95*se, Upper: s.MeanWeight + z95*se}
}

// Watch compares features and scores with their training, in the given order.
// It serves the metrics of models in any role.
func Watch(watched []Watched) ([]Drift, error) {
	var out []Drift
	for _, w := range watched {
		s, err := w.Before.Compare(w.Now)
		if err != nil {
			return nil, fmt.Errorf("drift of %s: %w", w.Name, err)
		}
		out = append(out, Drift{Name: w.Name, Shift: s})
	}
	return out, nil
}
