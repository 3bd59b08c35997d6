package main

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// prediction is what a model says about the rows of a table.
type prediction struct {
	without []float64
	scores  [][]models.Score // per row, per offer of the model
	effects [][]float64      // per offer of the model, per row: not bounded by the outcome's range where the model can tell
}

func newPrediction(rows, offers int) *prediction {
	p := &prediction{without: make([]float64, rows), scores: make([][]models.Score, rows), effects: make([][]float64, offers)}
	for k := range p.effects {
		p.effects[k] = make([]float64, rows)
	}
	return p
}

// scoreRows scores an aligned dataset.
func scoreRows(ctx context.Context, m models.Model, d *learner.Dataset) (*prediction, error) {
	offers := m.Schema().Offers
	p := newPrediction(d.Rows(), len(offers))
	cands := []models.Candidate{{Arm: -1}}
	for k := range offers {
		cands = append(cands, models.Candidate{Arm: k})
	}
	unbounded, _ := m.(interface{ Effects(x, effects []float64) })
	x, effects := make([]float64, len(d.Features)), make([]float64, len(offers))
	for i := range d.Rows() {
		d.Row(i, x)
		out := make([]models.Score, len(cands))
		if err := m.Score(ctx, x, cands, out); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		p.without[i], p.scores[i] = out[0].Without, out[1:]
		for k, s := range p.scores[i] {
			effects[k] = s.Uplift()
		}
		if unbounded != nil {
			unbounded.Effects(x, effects)
		}
		for k, v := range effects {
			p.effects[k][i] = v
		}
	}
	return p, nil
}

// best is the offer with the largest effect above 0, or -1.
func (p *prediction) best(i int) int {
	best, at := 0.0, -1
	for k := range p.effects {
		if v := p.effects[k][i]; v > best {
			best, at = v, k
		}
	}
	return at
}

// outcomeFolds is how many parts rows are dealt to where nothing was held out.
const outcomeFolds = 5

// outcomeRidge keeps least squares solvable where columns repeat each other; in
// standard deviations, so small that it moves no figure shown.
const outcomeRidge = 1e-3

// outcomesByArm predicts the outcome of each judged row under each arm by least
// squares per arm on rows that are not judged with it: those held back for
// training or, where there are none, the other folds. Per judged row, per arm.
// It returns nil where an arm has too few rows for that.
func outcomesByArm(d *learner.Dataset, train, test []int) ([][]float64, error) {
	out := make([][]float64, len(test))
	for k := range out {
		out[k] = make([]float64, d.Arms())
	}
	if len(train) > 0 {
		enough, err := fitArms(d, train, test, allIndexes(len(test)), out)
		if err != nil || !enough {
			return nil, err
		}
		return out, nil
	}
	first := firstRows(d)
	for fold := range uint64(outcomeFolds) {
		var learn, rows, at []int
		for k, i := range test {
			if splitmix.Sum64(uint64(first[i]))%outcomeFolds == fold {
				rows, at = append(rows, i), append(at, k)
			} else {
				learn = append(learn, i)
			}
		}
		enough, err := fitArms(d, learn, rows, at, out)
		if err != nil || !enough {
			return nil, err
		}
	}
	return out, nil
}

// fitArms fits an arm's outcome on the rows of learn that had the arm and
// writes the predictions for rows to out[at].
func fitArms(d *learner.Dataset, learn, rows, at []int, out [][]float64) (enough bool, err error) {
	x := make([]float64, len(d.Features))
	for a := range d.Arms() {
		var got []int32
		for _, i := range learn {
			if d.Arm[i] == a {
				got = append(got, int32(i))
			}
		}
		if len(got) <= 2*len(d.Features) {
			return false, nil
		}
		l, err := learner.FitLinear(d.Features, d.X, d.Y, d.Weight, got, models.LinkIdentity, learner.LinearSettings{Ridge: outcomeRidge}, runtime.GOMAXPROCS(0))
		if err != nil {
			return false, fmt.Errorf("outcome of arm %d: %w", a, err)
		}
		for k, i := range rows {
			d.Row(i, x)
			v := l.Predict(x)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return false, fmt.Errorf("outcome of arm %d is %v in row %d", a, v, i+1)
			}
			out[at[k]][a] = v
		}
	}
	return true, nil
}

// chances is the propensity of every arm for a row: logged, or the arms' shares.
func chances(d *learner.Dataset) func(arm, i int) float64 {
	if d.Logged != nil {
		return func(arm, i int) float64 { return d.Logged[arm][i] }
	}
	share, total := make([]float64, d.Arms()), 0.0
	for i, a := range d.Arm {
		w := 1.0
		if d.Weight != nil {
			w = d.Weight[i]
		}
		share[a] += w
		total += w
	}
	return func(arm, _ int) float64 { return share[arm] / total }
}
