package models_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

const shapFeatures = 4

// shapModel is an uplift model over one predictor of every kind, and what each
// predictor's first output gives when only some features are known.
type shapModel struct {
	spec       models.UpliftSpec
	background [][]float64
}

// nativeKind are the nodes that trees trained here have.
var nativeKind = []uint8{models.NodeMissingNaN}

// ordinary is a row without infinities: some values are missing.
func ordinary(r *rand.Rand) []float64 {
	x := make([]float64, shapFeatures)
	for j := range x {
		if x[j] = r.NormFloat64() * 3; r.IntN(6) == 0 {
			x[j] = math.NaN()
		}
	}
	return x
}

func numbers(n int) models.Schema {
	s := models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"a", "b"}}
	for range n {
		s.Features = append(s.Features, models.Feature{})
	}
	return s
}

func native(r *rand.Rand, trees int, link models.Link) *models.Ensemble {
	e := &models.Ensemble{Features: make([]models.Feature, shapFeatures), Outputs: 1, Base: []float64{0.3}, Link: link}
	for range trees {
		tree := grow(r, 2+r.IntN(10), shapFeatures, 1, nativeKind)
		e.Trees = append(e.Trees, tree)
	}
	return e
}

func newShapModel(r *rand.Rand) *shapModel {
	m := &shapModel{}
	for range 20 {
		m.background = append(m.background, ordinary(r))
	}
	forest := &models.Forest{Arms: 2, Group: 2, PriorVariance: []float64{0, 0}}
	for range 4 {
		tree := grow(r, 3+r.IntN(8), shapFeatures, 1, nativeKind)
		var v []float64
		for range 2 * len(tree.Leaf) {
			v = append(v, r.NormFloat64())
		}
		tree.Leaf = nil
		forest.Trees, forest.Value = append(forest.Trees, tree), append(forest.Value, v)
	}
	linear := func(link models.Link) *models.Linear {
		l := &models.Linear{Intercept: r.NormFloat64(), Link: link, Terms: make([]models.LinearTerm, shapFeatures)}
		for j := range l.Terms {
			l.Terms[j] = models.LinearTerm{Slope: r.NormFloat64(), Log: j == 1, Missing: r.NormFloat64()}
		}
		return l
	}
	m.spec = models.UpliftSpec{
		Schema: numbers(shapFeatures),
		Predictors: []models.Predictor{
			{Linear: linear(models.LinkLogistic)}, {Trees: native(r, 3, models.LinkLogistic)}, // levels: outputs 0 and 1
			{Trees: native(r, 3, models.LinkIdentity)}, {Linear: linear(models.LinkIdentity)}, // effects: outputs 2 and 3
			{Forest: forest}, // effects: outputs 4 and 5; variances: 6 and 7
		},
		Without: models.Sum{Offset: 0.1, Parts: []models.Part{{Output: 0, Weight: 0.4}, {Output: 1, Weight: 0.6}}},
	}
	return m
}

// known is the first or second output of a predictor before its link, when the
// features of a set are known: the definition, in exponential time.
func (m *shapModel) known(predictor, output int, x []float64, set uint) float64 {
	p := m.spec.Predictors[predictor]
	total := 0.0
	switch {
	case p.Linear != nil:
		row := make([]float64, len(x))
		for _, b := range m.background {
			for j := range x {
				row[j] = b[j]
				if set>>j&1 != 0 {
					row[j] = x[j]
				}
			}
			total += p.Linear.Raw(row) / float64(len(m.background))
		}
	case p.Trees != nil:
		total = p.Trees.Base[0]
		for i := range p.Trees.Trees {
			total += expectation(&p.Trees.Trees[i], x, set, 0)
		}
	default:
		for i, tree := range p.Forest.Trees {
			for l := range tree.Leaves() {
				tree.Leaf = append(tree.Leaf, p.Forest.Value[i][2*l+output])
			}
			total += expectation(&tree, x, set, 0) / float64(len(p.Forest.Trees))
		}
	}
	return total
}

func TestUpliftAttributionsAreShapleyValues(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for range 10 {
		m := newShapModel(r)
		m.spec.Arms = []models.ArmEffect{
			// The T-learner's difference of chances, and a blend of effects.
			{Scale: 0.7, Shift: 0.02, Effect: models.Sum{Parts: []models.Part{{Output: 1, Weight: 1}, {Output: 0, Weight: -1}}}},
			{Scale: 0.5, Shift: 0.01, Effect: models.Sum{Offset: 0.2, Parts: []models.Part{{Output: 2, Weight: 0.3}, {Output: 3, Weight: 0.2}, {Output: 5, Weight: 0.5}}}},
		}
		games := []func(x []float64, set uint) float64{
			func(x []float64, set uint) float64 {
				return 0.1 + 0.4*m.known(0, 0, x, set) + 0.6*m.known(1, 0, x, set)
			},
			func(x []float64, set uint) float64 { return m.known(1, 0, x, set) - m.known(0, 0, x, set) },
			func(x []float64, set uint) float64 {
				return 0.01 + 0.5*(0.2+0.3*m.known(2, 0, x, set)+0.2*m.known(3, 0, x, set)+0.5*m.known(4, 1, x, set))
			},
		}
		e, u := explainer(t, m)
		logOdds := models.Explained{Link: models.LinkLogistic, Exact: true}
		if e.Without() != logOdds || e.Effect(0) != logOdds || e.Effect(1) != (models.Explained{Exact: true}) {
			t.Errorf("explained: %v, %v, %v", e.Without(), e.Effect(0), e.Effect(1))
		}
		for range 5 {
			x := ordinary(r)
			got := explain(e, x)
			for k, game := range games {
				v := func(set uint) float64 { return game(x, set) }
				for f := range shapFeatures {
					if want := shapleyOf(shapFeatures, f, v); math.Abs(got[k][f]-want) > 1e-9 {
						t.Fatalf("sum %d, feature %d of %v: %v, want %v", k, f, x, got[k][f], want)
					}
				}
				if want := v(0); math.Abs(got[k][shapFeatures]-want) > 1e-9 {
					t.Fatalf("sum %d: base %v, want %v", k, got[k][shapFeatures], want)
				}
			}
			effects := make([]float64, 2)
			u.Effects(x, effects)
			if sum := total(got[2]); math.Abs(sum-effects[1]) > 1e-9 {
				t.Fatalf("attributions add up to %v, the effect is %v", sum, effects[1])
			}
		}
	}
}

// A blend of chances and effects is explained in the unit of the effect: not
// exactly, but it adds up.
func TestMixedAttributionsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	m := newShapModel(r)
	for range 2 {
		m.spec.Arms = append(m.spec.Arms, models.ArmEffect{Scale: 0.7, Shift: 0.02, Effect: models.Sum{
			Parts: []models.Part{{Output: 1, Weight: 0.5}, {Output: 0, Weight: -0.5}, {Output: 2, Weight: 0.2}, {Output: 4, Weight: 0.3}},
		}})
	}
	e, u := explainer(t, m)
	if e.Effect(0) != (models.Explained{}) {
		t.Errorf("explained: %v", e.Effect(0))
	}
	effects := make([]float64, 2)
	for range 50 {
		x := ordinary(r)
		u.Effects(x, effects)
		if sum := total(explain(e, x)[1]); math.Abs(sum-effects[0]) > 1e-9 {
			t.Fatalf("attributions add up to %v, the effect is %v", sum, effects[0])
		}
	}
}

func TestUpliftExplainerRefuses(t *testing.T) {
	m := newShapModel(rand.New(rand.NewPCG(3, 3)))
	m.spec.Arms = make([]models.ArmEffect, 2)
	m.spec.Arms[0].Effect.Parts = []models.Part{{Output: 6, Weight: 1}}
	u, err := models.NewUplift(m.spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := models.NewUpliftExplainer(u, nil); !errors.Is(err, models.ErrNotExplainable) {
		t.Errorf("of a variance: %v", err)
	}
	m.spec.Arms[0].Effect.Parts[0].Output = 4
	m.spec.Predictors[4].Forest.Trees[1].Cover = nil
	if _, err := models.NewUpliftExplainer(u, nil); !errors.Is(err, models.ErrNotExplainable) {
		t.Errorf("without covers: %v", err)
	}
}

func explainer(t *testing.T, m *shapModel) (*models.UpliftExplainer, *models.Uplift) {
	t.Helper()
	u, err := models.NewUplift(m.spec)
	if err != nil {
		t.Fatal(err)
	}
	e, err := models.NewUpliftExplainer(u, m.background)
	if err != nil {
		t.Fatal(err)
	}
	return e, u
}

// explain returns the attributions without an offer, then per offer.
func explain(e *models.UpliftExplainer, x []float64) [][]float64 {
	out := [][]float64{make([]float64, len(x)+1), make([]float64, len(x)+1), make([]float64, len(x)+1)}
	e.Explain(x, out[0], out[1:])
	return out
}

func total(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}
