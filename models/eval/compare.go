package eval

import (
	"fmt"
	"math"
)

// Prediction is one model's column of predicted probabilities.
type Prediction struct {
	Name string
	P    []float64
}

// Binary is how well one model predicts a yes-or-no outcome.
type Binary struct {
	Model     string     `json:"model"`
	Rows      int        `json:"rows"`
	Customers int        `json:"customers"` // clusters
	BaseRate  float64    `json:"base_rate"` // share of outcome 1
	AUC       Interval   `json:"auc"`
	LogLoss   Interval   `json:"log_loss"` // nats
	Brier     Interval   `json:"brier"`
	Bins      []LevelBin `json:"bins"` // ten, by ascending prediction
}

// Comparison is two models judged on the same rows. The differences are First
// less Second, each computed on the same draws of customers.
type Comparison struct {
	First       Binary   `json:"first"`
	Second      Binary   `json:"second"`
	AUCDiff     Interval `json:"auc_difference"`      // above 0: First ranks better
	LogLossDiff Interval `json:"log_loss_difference"` // below 0: First predicts better
	BrierDiff   Interval `json:"brier_difference"`    // below 0: First predicts better
}

// EvaluateBinary computes the binary metrics of one model with intervals
// clustered by customer.
func EvaluateBinary(m Prediction, r Rows, b Bootstrap) (Binary, error) {
	if err := checkBinary(m.P, r); err != nil {
		return Binary{}, fmt.Errorf("evaluate model %q: %w", m.Name, err)
	}
	v, err := b.intervals(r, 3, binaryStatistic(m.P, r.Outcome))
	if err != nil {
		return Binary{}, fmt.Errorf("evaluate model %q: %w", m.Name, err)
	}
	return describeBinary(m, r, b, v)
}

// CompareBinary judges two models on the same rows: the metrics of each and
// their paired differences.
func CompareBinary(first, second Prediction, r Rows, b Bootstrap) (Comparison, error) {
	for _, m := range []Prediction{first, second} {
		if err := checkBinary(m.P, r); err != nil {
			return Comparison{}, fmt.Errorf("evaluate model %q: %w", m.Name, err)
		}
	}
	one, two := binaryStatistic(first.P, r.Outcome), binaryStatistic(second.P, r.Outcome)
	v, err := b.intervals(r, 9, func(w, out []float64) {
		one(w, out[:3])
		two(w, out[3:6])
		for k := range 3 {
			out[6+k] = out[k] - out[3+k]
		}
	})
	if err != nil {
		return Comparison{}, fmt.Errorf("compare models %q and %q: %w", first.Name, second.Name, err)
	}
	c := Comparison{AUCDiff: v[6], LogLossDiff: v[7], BrierDiff: v[8]}
	if c.First, err = describeBinary(first, r, b, v[:3]); err != nil {
		return Comparison{}, err
	}
	c.Second, err = describeBinary(second, r, b, v[3:6])
	return c, err
}

// Verdict says in a sentence which model is better, or that it cannot be told.
func (c Comparison) Verdict() string {
	return fmt.Sprintf("ranking: %s; probabilities: %s",
		c.say(c.AUCDiff, 1, "AUC"), c.say(c.LogLossDiff, -1, "log loss"))
}

func (c Comparison) say(d Interval, sign float64, metric string) string {
	figures := fmt.Sprintf("%s difference %+.4f, %+.4f to %+.4f", metric, d.Value, d.Lower, d.Upper)
	switch {
	case sign > 0 && d.Above(0), sign < 0 && d.Below(0):
		return fmt.Sprintf("%s is better (%s)", c.First.Model, figures)
	case d.Above(0), d.Below(0):
		return fmt.Sprintf("%s is better (%s)", c.Second.Model, figures)
	default:
		return fmt.Sprintf("no difference can be told (%s)", figures)
	}
}

// binaryStatistic computes AUC, log loss and Brier score.
func binaryStatistic(p, y []float64) statistic {
	order := rank(p)
	logs, squares := losses(p, y, logLossRow), losses(p, y, brierRow)
	return func(w, out []float64) {
		out[0] = order.auc(y, w)
		out[1] = weightedMean(logs, w)
		out[2] = weightedMean(squares, w)
	}
}

func describeBinary(m Prediction, r Rows, b Bootstrap, v []Interval) (Binary, error) {
	bins, err := CalibrationTable(m.P, r, 10, b.level())
	if err != nil {
		return Binary{}, fmt.Errorf("evaluate model %q: %w", m.Name, err)
	}
	base := weightedMean(r.Outcome, r.weights())
	if math.IsNaN(base) {
		return Binary{}, fmt.Errorf("evaluate model %q: all weights are 0: %w", m.Name, ErrUndefined)
	}
	return Binary{
		Model: m.Name, Rows: len(r.Outcome), Customers: dense(r.Cluster, len(r.Outcome)).n,
		BaseRate: base, AUC: v[0], LogLoss: v[1], Brier: v[2], Bins: bins,
	}, nil
}
