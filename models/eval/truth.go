package eval

import (
	"fmt"
	"math"
)

// PEHE is the error of predicted effects where the true ones are known, as on
// simulated customers: the root of the mean over rows and arms of the squared
// difference (Hill, Journal of Computational and Graphical Statistics 20, 2011).
// Row i of both has one effect per arm, in the same order.
func PEHE(predicted, truth [][]float64) (float64, error) {
	if len(predicted) != len(truth) || len(truth) == 0 {
		return 0, fmt.Errorf("pehe: %d and %d rows: %w", len(predicted), len(truth), ErrColumns)
	}
	var ss float64
	n := 0
	for i, row := range truth {
		if err := finite("predicted effect", predicted[i], len(row)); err != nil {
			return 0, fmt.Errorf("pehe: row %d: %w", i, err)
		}
		for k, v := range row {
			ss += (predicted[i][k] - v) * (predicted[i][k] - v)
			n++
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("pehe: no arms: %w", ErrUndefined)
	}
	return math.Sqrt(ss / float64(n)), nil
}

// Regret is how a policy does where the true values are known.
type Regret struct {
	Value  float64 `json:"value"`  // mean true value of the policy
	Oracle float64 `json:"oracle"` // mean of the best value of each row
	Share  float64 `json:"share"`  // gain over the base arm as a share of the oracle's
}

// OracleRegret compares the policy that gives row i the arm choice[i] with the
// oracle that knows values[i][k], the true value of arm k for row i. Gains are
// over giving everybody the base arm, which is 0 for no offer.
func OracleRegret(choice []int, values [][]float64, base int) (Regret, error) {
	if len(choice) != len(values) || len(values) == 0 {
		return Regret{}, fmt.Errorf("regret: %d choices for %d rows: %w", len(choice), len(values), ErrColumns)
	}
	var r Regret
	var none float64
	n := float64(len(values))
	for i, k := range Best(values) {
		if c := choice[i]; c < 0 || c >= len(values[i]) || base < 0 || base >= len(values[i]) {
			return Regret{}, fmt.Errorf("regret: row %d: arm %d or %d of %d: %w", i, c, base, len(values[i]), ErrColumns)
		}
		r.Value += values[i][choice[i]] / n
		r.Oracle += values[i][k] / n
		none += values[i][base] / n
	}
	if r.Oracle == none {
		return Regret{}, fmt.Errorf("regret: the oracle gains nothing: %w", ErrUndefined)
	}
	r.Share = (r.Value - none) / (r.Oracle - none)
	return r, nil
}
