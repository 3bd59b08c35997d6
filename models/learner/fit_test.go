package learner_test

import (
	"context"
	"testing"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

func boosted(method learner.Method, trees, leaves int) learner.Candidate {
	return learner.Candidate{Name: string(method), Method: method, Base: learner.BaseBoost, Boost: learner.BoostSettings{Trees: trees, Leaves: leaves, LearningRate: 0.1, MinRows: 40, Lambda: 1}}
}

// Every method finds effects that beat the average effect, for any threads.
func TestFitFindsEffects(t *testing.T) {
	past, err := synth.NieWager("B", 4000, 1)
	if err != nil {
		t.Fatal(err)
	}
	truth, mean := past.Effect[0], 0.0
	for _, e := range truth {
		mean += e / float64(len(truth))
	}
	forest := learner.Candidate{Name: "forest", Method: learner.MethodForest, Forest: &learner.ForestSettings{Trees: 100, MinLeaf: 20}}
	for _, c := range []learner.Candidate{
		boosted(learner.MethodS, 60, 8), boosted(learner.MethodT, 40, 4), boosted(learner.MethodX, 40, 4),
		boosted(learner.MethodR, 40, 4), boosted(learner.MethodDR, 40, 4), forest,
	} {
		spec := learner.FitSpec{Candidate: c, Levels: boosted(learner.MethodT, 60, 4), Folds: 3, Seed: 1, Threads: 1}
		one := fitEffects(t, spec, past.Data)
		spec.Threads = 3
		three := fitEffects(t, spec, past.Data)
		var sq, constant float64
		for i, e := range one {
			if e != three[i] {
				t.Fatalf("%s: row %d is %v with one thread, %v with three", c.Name, i, e, three[i])
			}
			sq += (e - truth[i]) * (e - truth[i])
			constant += (mean - truth[i]) * (mean - truth[i])
		}
		if sq > constant/2 {
			t.Errorf("%s: squared error %v, the average effect's %v", c.Name, sq, constant)
		}
	}
}

func fitEffects(t *testing.T, spec learner.FitSpec, d *learner.Dataset) []float64 {
	t.Helper()
	u, err := learner.Fit(context.Background(), spec, d)
	if err != nil {
		t.Fatal(err)
	}
	x, out := make([]float64, len(d.Features)), make([]float64, d.Rows())
	for i := range out {
		d.Row(i, x)
		u.Effects(x, out[i:i+1])
	}
	var s [1]models.Score
	if err := u.Score(context.Background(), x, []models.Candidate{{}}, s[:]); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFitRefuses(t *testing.T) {
	past := synth.Retail(200, 1)
	for name, spec := range map[string]learner.FitSpec{
		"no levels":            {Candidate: boosted(learner.MethodX, 10, 4)},
		"levels from effects":  {Candidate: boosted(learner.MethodX, 10, 4), Levels: boosted(learner.MethodDR, 10, 4)},
		"one fold":             {Candidate: boosted(learner.MethodT, 10, 4), Folds: 1},
		"an unknown candidate": {Candidate: boosted("z", 10, 4)},
	} {
		if _, err := learner.Fit(context.Background(), spec, past.Data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
