package learner_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

func boost(trees, leaves, rows int) learner.BoostSettings {
	return learner.BoostSettings{Trees: trees, Leaves: leaves, LearningRate: 0.1, MinRows: rows, Lambda: 1}
}

// field is a small tournament with every method.
func field() []learner.Candidate {
	linear := learner.LinearSettings{Ridge: 1}
	return []learner.Candidate{
		{Name: "s-linear", Method: learner.MethodS, Base: learner.BaseLinear, Linear: linear, Pooling: 30},
		{Name: "t-linear", Method: learner.MethodT, Base: learner.BaseLinear, Linear: linear},
		{Name: "s-boost", Method: learner.MethodS, Base: learner.BaseBoost, Boost: boost(80, 8, 20)},
		{Name: "t-boost", Method: learner.MethodT, Base: learner.BaseBoost, Boost: boost(80, 8, 20)},
		{Name: "x-boost", Method: learner.MethodX, Base: learner.BaseBoost, Boost: boost(40, 6, 20)},
		{Name: "r-boost", Method: learner.MethodR, Base: learner.BaseBoost, Boost: boost(40, 6, 20)},
		{Name: "dr-linear", Method: learner.MethodDR, Base: learner.BaseLinear, Linear: linear},
		{Name: "forest", Method: learner.MethodForest, Forest: &learner.ForestSettings{Trees: 40, MinLeaf: 15}},
	}
}

func nieWager(t testing.TB, setup string, n int, seed uint64) *synth.Campaign {
	t.Helper()
	c, err := synth.NieWager(setup, n, seed)
	if err != nil {
		t.Fatal(err)
	}
	c.Data.Logged = c.Chance
	return c
}

func train(t testing.TB, spec learner.Spec, d *learner.Dataset) *learner.Result {
	t.Helper()
	res, err := learner.Tournament(context.Background(), spec, d)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// against holds a model against the truth of a campaign.
func against(t testing.TB, m *models.Uplift, c *synth.Campaign) (pehe, cover float64) {
	t.Helper()
	k, n := len(c.Effect), c.Data.Rows()
	x, e := make([]float64, len(c.Data.Features)), make([]float64, k)
	cands, out := make([]models.Candidate, k), make([]models.Score, k)
	for a := range cands {
		cands[a].Arm = a
	}
	for i := range n {
		c.Data.Row(i, x)
		m.Effects(x, e)
		if err := m.Score(context.Background(), x, cands, out); err != nil {
			t.Fatal(err)
		}
		for a := range e {
			pehe += (e[a] - c.Effect[a][i]) * (e[a] - c.Effect[a][i]) / float64(n*k)
			if out[a].Lower <= c.Effect[a][i] && c.Effect[a][i] <= out[a].Upper {
				cover += 1 / float64(n*k)
			}
		}
	}
	return math.Sqrt(pehe), cover
}

func TestEveryMethodLearnsTheEffect(t *testing.T) {
	tr, te := nieWager(t, "B", 4000, 1), nieWager(t, "B", 4000, 901)
	for _, c := range field() {
		res := train(t, learner.Spec{Folds: 3, Refits: -1, Candidates: []learner.Candidate{c}}, tr.Data)
		if pehe, _ := against(t, res.Model, te); pehe > 0.75 {
			t.Errorf("%s: error of the effect %.3f; of a constant 1.1", c.Name, pehe)
		}
	}
	class := learner.Candidate{Name: "class", Method: learner.MethodClass, Base: learner.BaseBoost, Boost: boost(40, 4, 50)}
	retail, test := synth.Retail(8000, 1), synth.Retail(4000, 901)
	retail.Data.Logged = retail.Chance
	res := train(t, learner.Spec{Folds: 3, Refits: -1, Candidates: []learner.Candidate{class}}, retail.Data)
	if pehe, _ := against(t, res.Model, test); pehe > 0.09 {
		t.Errorf("class transformation: error of the effect %.3f", pehe)
	}
}

func TestTournamentBeatsItsField(t *testing.T) {
	tr, te := nieWager(t, "D", 4000, 1), nieWager(t, "D", 4000, 901)
	res := train(t, learner.Spec{Folds: 3, Candidates: field(), Refits: 4}, tr.Data)
	pehe, cover := against(t, res.Model, te)
	if pehe > 0.62 || cover < 0.8 {
		t.Errorf("picked %s: error of the effect %.3f, coverage %.3f", res.Card.Learner, pehe, cover)
	}
	if len(res.Table) < 8 || !res.Guard.Learned {
		t.Errorf("%d lines; guard: %s", len(res.Table), res.Guard.Statement)
	}
	b, err := models.Encode(res.Model, res.Card)
	if err != nil {
		t.Fatal(err)
	}
	m, card, err := models.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if card.Training.Rows != 4000 || card.Training.DataSHA256 != tr.Data.Digest() || len(card.Metrics) == 0 {
		t.Errorf("card %+v", card)
	}
	x, one := make([]float64, 8), []models.Candidate{{Arm: 0}}
	want, got := make([]models.Score, 1), make([]models.Score, 1)
	for i := range 100 {
		te.Data.Row(i, x)
		if err := errors.Join(res.Model.Score(context.Background(), x, one, want), m.Score(context.Background(), x, one, got)); err != nil {
			t.Fatal(err)
		}
		if want[0] != got[0] {
			t.Fatalf("row %d: %v from the artifact, %v before", i, got[0], want[0])
		}
	}
	if n := testing.AllocsPerRun(50, func() {
		if err := m.Score(context.Background(), x, one, got); err != nil {
			t.Fatal(err)
		}
	}); n != 0 && !raceDetector {
		t.Errorf("%v allocations per Score", n)
	}
}

func artifact(t testing.TB, r *learner.Result) []byte {
	t.Helper()
	b, err := models.Encode(r.Model, r.Card)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTournamentRepeatsAndResumes(t *testing.T) {
	d := nieWager(t, "B", 1500, 3).Data
	spec := learner.Spec{Folds: 3, Refits: 2, Candidates: field(), Seed: 9}
	spec.Threads = 1
	want := artifact(t, train(t, spec, d))
	spec.Threads = 3
	if !bytes.Equal(want, artifact(t, train(t, spec, d))) {
		t.Error("threads changed the artifact")
	}

	var state bytes.Buffer
	ctx, stop := context.WithCancel(context.Background())
	spec.Save = &state
	spec.Progress = func(p learner.Progress) {
		if p.Phase == "trial" && p.Done == 3 {
			stop()
		}
	}
	if _, err := learner.Tournament(ctx, spec, d); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	cut := state.Bytes()[:state.Len()-7] // the last record is torn
	spec.Progress, spec.Save, spec.Resume = nil, nil, bytes.NewReader(cut)
	res := train(t, spec, d)
	if !bytes.Equal(want, artifact(t, res)) {
		t.Error("resuming changed the artifact")
	}
	if !res.Table[0].FromState || res.Table[2].FromState {
		t.Error("the state was not used up to its torn record")
	}
	d.Y[0]++
	spec.Resume = bytes.NewReader(cut)
	if train(t, spec, d).Table[0].FromState {
		t.Error("the state of other data was used")
	}
}

func TestGuardFallsBackWithoutEffect(t *testing.T) {
	c := synth.Retail(6000, 5)
	c.Data.Logged = c.Chance
	for i := range c.Data.Y { // outcomes that ignore the arm
		c.Data.Y[i] = 0
		if synth.Uniform(99, i, 0) < c.Mean[0][i] {
			c.Data.Y[i] = 1
		}
	}
	res := train(t, learner.Spec{Folds: 3, Refits: -1, Candidates: field()[:4]}, c.Data)
	if res.Guard.Learned {
		t.Errorf("the guard trusts noise: %s", res.Guard.Statement)
	}
	m, card := res.Champion()
	if m != res.Fallback || card.Learner != "best single arm" {
		t.Error("the champion is not the fallback")
	}
	x, e := make([]float64, len(c.Data.Features)), make([]float64, 4)
	for i := range 20 {
		c.Data.Row(i, x)
		m.Effects(x, e)
		for a, v := range e {
			if math.Abs(v) > 0.05 {
				t.Errorf("fallback effect of arm %d is %v", a, v)
			}
		}
	}
}

func TestConstantEffectIsRecovered(t *testing.T) {
	tr, te := nieWager(t, "C", 4000, 2), nieWager(t, "C", 2000, 902)
	res := train(t, learner.Spec{Folds: 3, Candidates: field(), Refits: 4}, tr.Data)
	pehe, cover := against(t, res.Model, te)
	if pehe > 0.2 || cover < 0.85 {
		t.Errorf("%s: error of a constant effect %.3f, coverage %.3f", res.Card.Learner, pehe, cover)
	}
}

func TestForestIntervals(t *testing.T) {
	tr, te := nieWager(t, "A", 4000, 4), nieWager(t, "A", 2000, 904)
	forest := learner.Candidate{Name: "forest", Method: learner.MethodForest, Forest: &learner.ForestSettings{Trees: 200, MinLeaf: 20}}
	res := train(t, learner.Spec{Folds: 3, Candidates: []learner.Candidate{forest}, Refits: -1}, tr.Data)
	if pehe, cover := against(t, res.Model, te); pehe > 0.25 || cover < 0.8 || cover > 0.9999 {
		t.Errorf("error of the effect %.3f, coverage of the forest's own intervals %.3f", pehe, cover)
	}
}

func TestOutcomeOnly(t *testing.T) {
	c := synth.Retail(5000, 6)
	d := c.Data
	d.Arm, d.Offers = nil, nil
	res := train(t, learner.Spec{Folds: 3}, d)
	x, out := make([]float64, len(d.Features)), make([]models.Score, 1)
	brier, constant := 0.0, 0.0
	for i := range d.Rows() {
		d.Row(i, x)
		if err := res.Model.Score(context.Background(), x, []models.Candidate{{Arm: -1}}, out); err != nil {
			t.Fatal(err)
		}
		brier += (out[0].Without - d.Y[i]) * (out[0].Without - d.Y[i])
		constant += (0.2 - d.Y[i]) * (0.2 - d.Y[i])
	}
	if brier > 0.95*constant {
		t.Errorf("squared error %v, of a constant %v", brier, constant)
	}
}

func TestSpecIsChecked(t *testing.T) {
	d := nieWager(t, "B", 500, 1).Data
	for want, spec := range map[string]learner.Spec{
		"clock":          {Budget: time.Second},
		"folds":          {Folds: 1},
		"criterion":      {Criterion: "best"},
		"taken":          {Candidates: []learner.Candidate{field()[0], field()[0]}},
		"unknown method": {Candidates: []learner.Candidate{{Name: "q", Method: "q"}}},
		"too few":        {Folds: 90},
	} {
		if _, err := learner.Tournament(context.Background(), spec, d); !errors.Is(err, learner.ErrTournament) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to say %q", err, want)
		}
	}
}

func TestBudgetEndsTrials(t *testing.T) {
	now := time.Unix(0, 0)
	spec := learner.Spec{Folds: 2, Refits: -1, Candidates: field()[:4], Budget: time.Minute, Now: func() time.Time {
		now = now.Add(25 * time.Second)
		return now
	}}
	if n := len(train(t, spec, nieWager(t, "B", 500, 1).Data).Table); n < 1 || n > 3 {
		t.Errorf("%d lines after a minute of a slow clock", n)
	}
}
