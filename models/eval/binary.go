package eval

import (
	"fmt"
	"math"
)

// logLossFloor keeps the logarithm finite, as scikit-learn does: a probability
// of 0 or 1 counts as this far from it.
const logLossFloor = 1e-15

// AUC is the chance that a row with outcome 1 has a higher prediction than a row
// with outcome 0, equal predictions counting one half (Hanley and McNeil,
// Radiology 143, 1982). It needs both outcomes, else ErrUndefined.
func AUC(p []float64, r Rows) (float64, error) {
	if err := checkBinary(p, r); err != nil {
		return 0, fmt.Errorf("auc: %w", err)
	}
	v := rank(p).auc(r.Outcome, r.weights())
	if math.IsNaN(v) {
		return 0, fmt.Errorf("auc: all outcomes are the same: %w", ErrUndefined)
	}
	return v, nil
}

// LogLoss is the mean of -log of the probability given to what happened, in nats.
func LogLoss(p []float64, r Rows) (float64, error) {
	return meanLoss("log loss", p, r, logLossRow)
}

// Brier is the mean squared difference of probability and outcome (Brier, Monthly
// Weather Review 78, 1950).
func Brier(p []float64, r Rows) (float64, error) {
	return meanLoss("brier", p, r, brierRow)
}

func meanLoss(name string, p []float64, r Rows, loss func(p, y float64) float64) (float64, error) {
	if err := checkBinary(p, r); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	w := r.weights()
	v := weightedMean(losses(p, r.Outcome, loss), w)
	if math.IsNaN(v) {
		return 0, fmt.Errorf("%s: all weights are 0: %w", name, ErrUndefined)
	}
	return v, nil
}

func logLossRow(p, y float64) float64 {
	p = min(max(p, logLossFloor), 1-logLossFloor)
	if y == 1 {
		return -math.Log(p)
	}
	return -math.Log1p(-p)
}

func brierRow(p, y float64) float64 { return (p - y) * (p - y) }

func losses(p, y []float64, loss func(p, y float64) float64) []float64 {
	out := make([]float64, len(p))
	for i := range p {
		out[i] = loss(p[i], y[i])
	}
	return out
}

// weightedMean is NaN if all weights are 0.
func weightedMean(v, w []float64) float64 {
	var s, n float64
	for i := range v {
		s += w[i] * v[i]
		n += w[i]
	}
	return s / n
}

// auc is NaN if one of the outcomes has no weight.
func (k ranking) auc(y, w []float64) float64 {
	var pos, neg, wins float64
	from := int32(0)
	for _, to := range k.ends {
		var p, n float64
		for _, i := range k.order[from:to] {
			p += w[i] * y[i]
			n += w[i] * (1 - y[i])
		}
		wins += n * (pos + p/2)
		pos += p
		neg += n
		from = to
	}
	return wins / (pos * neg)
}

func checkBinary(p []float64, r Rows) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := finite("prediction", p, len(r.Outcome)); err != nil {
		return err
	}
	for i, x := range p {
		if x < 0 || x > 1 {
			return fmt.Errorf("prediction: row %d is %v, want a probability: %w", i, x, ErrColumns)
		}
		if y := r.Outcome[i]; y != 0 && y != 1 {
			return fmt.Errorf("outcome: row %d is %v, want 0 or 1: %w", i, y, ErrColumns)
		}
	}
	return nil
}
