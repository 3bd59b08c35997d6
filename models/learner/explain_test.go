package learner_test

import (
	"context"
	"math"
	"testing"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

// What every method learns can be explained: the attributions add up, exactly on
// the scale they claim, and start from about the mean.
func TestLearnedModelsAreExplained(t *testing.T) {
	d := synth.Retail(700, 2).Data
	boost := learner.BoostSettings{Trees: 30, Leaves: 8, LearningRate: 0.1, MinRows: 10, Lambda: 1}
	levels := learner.Candidate{Name: "levels", Method: learner.MethodT, Base: learner.BaseLinear, Linear: learner.LinearSettings{Ridge: 1}}
	for method, link := range map[learner.Method]models.Link{
		learner.MethodS: models.LinkLogistic, learner.MethodT: models.LinkLogistic, learner.MethodX: 0, learner.MethodR: 0, learner.MethodDR: 0, learner.MethodForest: 0,
	} {
		c := learner.Candidate{Name: string(method), Method: method, Base: learner.BaseBoost, Boost: boost}
		if method == learner.MethodForest {
			c.Forest = &learner.ForestSettings{Trees: 24, MinLeaf: 10}
		}
		m, err := learner.Fit(context.Background(), learner.FitSpec{Candidate: c, Levels: levels, Folds: 2}, d)
		if err != nil {
			t.Fatal(err)
		}
		e, err := models.NewUpliftExplainer(m, nil)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if got := e.Effect(0); got != (models.Explained{Link: link, Exact: true}) {
			t.Errorf("%s is explained as %+v", method, got)
		}
		checkAttributions(t, method, m, e, d)
	}
}

func checkAttributions(t *testing.T, method learner.Method, m *models.Uplift, e *models.UpliftExplainer, d *learner.Dataset) {
	t.Helper()
	n := len(d.Features)
	x, without, effects, want := make([]float64, n), make([]float64, n+1), make([][]float64, len(d.Offers)), make([]float64, len(d.Offers))
	for a := range effects {
		effects[a] = make([]float64, n+1)
	}
	mean, moved := 0.0, 0.0
	for i := range d.Rows() {
		d.Row(i, x)
		e.Explain(x, without, effects)
		m.Effects(x, want)
		sum := 0.0
		for j, v := range effects[0] {
			sum += v
			if j < n {
				moved += math.Abs(v)
			}
		}
		mean += sum / float64(d.Rows())
		if e.Effect(0).Link == models.LinkIdentity && math.Abs(sum-want[0]) > 1e-9 {
			t.Fatalf("%s, row %d: attributions add up to %v, the effect is %v", method, i, sum, want[0])
		}
	}
	if moved == 0 {
		t.Errorf("%s: nothing moves the effect", method)
	}
	if base := effects[0][n]; math.Abs(base-mean) > 0.25*moved/float64(d.Rows()) {
		t.Errorf("%s: base %v, mean of the explained %v", method, base, mean)
	}
}
