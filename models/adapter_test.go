package models_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// sLearner is a random ensemble over two customer inputs, a percentage, two
// indicators, an offer code and a constant.
func sLearner(seed uint64) (*models.Ensemble, models.AdapterConfig) {
	r := rand.New(rand.NewPCG(seed, 11))
	e := &models.Ensemble{Outputs: 1, Link: models.LinkLogistic}
	for _, name := range []string{"age", "percent", "is_a", "recency", "code", "is_b", "year"} {
		e.Features = append(e.Features, models.Feature{Name: name})
	}
	for range 30 {
		e.Trees = append(e.Trees, grow(r, 20, len(e.Features), 1, []uint8{models.NodeMissingNaN}))
	}
	schema := models.Schema{
		Unit:          "probability",
		Features:      []models.Feature{{Name: "recency"}, {Name: "unused"}, {Name: "age"}},
		OfferFeatures: []models.Feature{{Name: "percent"}},
		Offers:        []string{"a", "b"},
	}
	inputs, err := models.Bind(e.Features, &schema, models.Binding{
		Arms:      map[string]string{"is_a": "a", "is_b": "b"},
		Codes:     map[string]map[string]float64{"code": {"a": 1.5, "b": 2.5}},
		NoOffer:   map[string]float64{"percent": -1, "code": 0.25},
		Constants: map[string]float64{"year": 3},
	})
	if err != nil {
		panic(err)
	}
	return e, models.AdapterConfig{Schema: schema, Without: models.Function{Ensemble: e}, Inputs: inputs, SLearner: true}
}

// sRow is the row that the S-learner should see.
func sRow(x []float64, arm int, percent float64) []float64 {
	row := []float64{x[2], percent, 0, x[0], 0.25, 0, 3}
	switch arm {
	case 0:
		row[2], row[4] = 1, 1.5
	case 1:
		row[5], row[4] = 1, 2.5
	}
	return row
}

func predict(e *models.Ensemble, row []float64) float64 {
	out := make([]float64, e.Outputs)
	e.Raw(row, out)
	e.ApplyLink(out)
	return out[0]
}

func TestSLearnerScoresWhatTheEnsemblePredicts(t *testing.T) {
	e, config := sLearner(1)
	fast, err := models.NewAdapter(config)
	if err != nil {
		t.Fatal(err)
	}
	config.Without = models.Function{Width: 7, Row: func(row []float64) (float64, error) { return predict(e, row), nil }}
	slow, err := models.NewAdapter(config)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		x := []float64{r.NormFloat64(), 7, r.NormFloat64()}
		var cands []models.Candidate
		for range 1 + r.IntN(9) {
			percent := float64(r.IntN(3))
			if r.IntN(4) == 0 {
				percent = r.NormFloat64()
			}
			cands = append(cands, models.Candidate{Arm: r.IntN(3) - 1, X: []float64{percent}})
		}
		got, other := make([]models.Score, len(cands)), make([]models.Score, len(cands))
		if err := fast.Score(context.Background(), x, cands, got); err != nil {
			t.Fatal(err)
		}
		if err := slow.Score(context.Background(), x, cands, other); err != nil {
			t.Fatal(err)
		}
		without := predict(e, sRow(x, -1, -1))
		for i, c := range cands {
			with := predict(e, sRow(x, c.Arm, c.X[0]))
			want := models.Score{Without: without, With: with, Lower: -without, Upper: 1 - without}
			if got[i] != want || other[i] != want {
				t.Fatalf("candidate %v: %v and %v, want %v", c, got[i], other[i], want)
			}
		}
	}
}

func TestTLearnerAndBaseline(t *testing.T) {
	control, mens := boosted(1, 5, 8, 2), boosted(2, 5, 8, 2)
	schema := models.Schema{Unit: "money", Features: make([]models.Feature, 2), Offers: []string{"mens", "none known"}}
	inputs := []models.Input{{Index: 1}, {Index: 0}}
	m, err := models.NewAdapter(models.AdapterConfig{
		Schema: schema, Without: models.Function{Ensemble: control}, Inputs: inputs, HalfWidth: 0.5,
		With: []models.Function{{Ensemble: mens}, {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	x := []float64{0.3, -0.2}
	out := make([]models.Score, 3)
	if err := m.Score(context.Background(), x, []models.Candidate{{Arm: 0}, {Arm: 1}, {Arm: -1}}, out); err != nil {
		t.Fatal(err)
	}
	row := []float64{-0.2, 0.3}
	without, with := predict(control, row), predict(mens, row)
	if want := (models.Score{Without: without, With: with, Lower: with - without - 0.5, Upper: with - without + 0.5}); out[0] != want {
		t.Errorf("offer with a function: %v, want %v", out[0], want)
	}
	for _, s := range out[1:] {
		if s.With != without || s.Without != without {
			t.Errorf("offer without a function: %v, want no lift on %v", s, without)
		}
	}
}

func TestAdapterErrs(t *testing.T) {
	_, config := sLearner(1)
	m, err := models.NewAdapter(config)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]models.Score, 1)
	ctx := context.Background()
	cases := map[string]error{
		"short row":       m.Score(ctx, []float64{1}, []models.Candidate{{X: []float64{1}}}, out),
		"arm":             m.Score(ctx, make([]float64, 3), []models.Candidate{{Arm: 2, X: []float64{1}}}, out),
		"offer features":  m.Score(ctx, make([]float64, 3), []models.Candidate{{Arm: 0}}, out),
		"room for scores": m.Score(ctx, make([]float64, 3), make([]models.Candidate, 2), out),
	}
	for name, err := range cases {
		if !errors.Is(err, models.ErrUnscorable) {
			t.Errorf("%s: error %v, want ErrUnscorable", name, err)
		}
	}
	config.Without = models.Function{Width: 7, Row: func([]float64) (float64, error) { return math.NaN(), nil }}
	nan, err := models.NewAdapter(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := nan.Score(ctx, make([]float64, 3), []models.Candidate{{X: []float64{1}}}, out); !errors.Is(err, models.ErrUnscorable) {
		t.Errorf("a NaN prediction: error %v, want ErrUnscorable", err)
	}
	if _, err := models.Bind([]models.Feature{{Name: "recencie"}}, &config.Schema, models.Binding{}); err == nil || !strings.Contains(err.Error(), "recencie") {
		t.Errorf("an unknown input: error %v, want one that names it", err)
	}
	config.With = make([]models.Function, 2)
	if _, err := models.NewAdapter(config); err == nil {
		t.Error("an S-learner with functions per offer is accepted")
	}
}

func TestAdapterExplainsRawScore(t *testing.T) {
	e, config := sLearner(2)
	m, err := models.NewAdapter(config)
	if err != nil {
		t.Fatal(err)
	}
	x := []float64{0.4, 0, -1}
	contrib, raw := make([]float64, 4), make([]float64, 1)
	cands := []*models.Candidate{nil, {Arm: 1, X: []float64{2}}}
	for _, c := range cands {
		row := sRow(x, -1, -1)
		if c != nil {
			row = sRow(x, c.Arm, c.X[0])
		}
		if err := m.Explain(x, c, contrib); err != nil {
			t.Fatal(err)
		}
		e.Raw(row, raw)
		if sum := contrib[0] + contrib[1] + contrib[2] + contrib[3]; math.Abs(sum-raw[0]) > 1e-9 || contrib[1] != 0 {
			t.Errorf("candidate %v: contributions %v add up to %v, raw is %v", c, contrib, sum, raw[0])
		}
	}
}
