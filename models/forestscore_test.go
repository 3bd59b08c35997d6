package models_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// The effects of a forest are the means of the leaves that walking reaches:
// trees of few leaves, of more than a mask holds, and of one leaf.
func TestForestScoresAsWalked(t *testing.T) {
	const features, arms = 5, 3
	r, kinds := rand.New(rand.NewPCG(7, 1)), []uint8{models.NodeMissingNaN, models.NodeMissingNaN | models.NodeCategorical}
	f := &models.Forest{Arms: arms, Group: 2, PriorVariance: make([]float64, arms)}
	for _, leaves := range []int{2, 20, 64, 65, 200, 7, 1, 33} {
		tree := grow(r, leaves, features, arms, kinds)
		f.Value = append(f.Value, tree.Leaf)
		tree.Leaf = nil
		f.Trees = append(f.Trees, tree)
	}
	spec := models.UpliftSpec{Schema: numbers(features), Predictors: []models.Predictor{{Forest: f}}}
	spec.Schema.Offers = []string{"a", "b", "c"}
	for a := range arms {
		spec.Arms = append(spec.Arms, models.ArmEffect{Effect: models.Sum{Parts: []models.Part{{Output: a, Weight: 1}}}, Scale: 1})
	}
	u, err := models.NewUplift(spec)
	if err != nil {
		t.Fatal(err)
	}
	x, effects := make([]float64, features), make([]float64, arms)
	for range 2000 {
		for j := range x {
			if x[j] = math.Floor(r.Float64()*80) / 8; r.IntN(8) == 0 {
				x[j] = math.NaN()
			}
		}
		u.Effects(x, effects)
		for a, got := range effects {
			want := 0.0
			for k := range f.Trees {
				want += f.Value[k][f.Trees[k].Find(x)*arms+a] / float64(len(f.Trees))
			}
			if math.Abs(got-want) > 1e-12 {
				t.Fatalf("row %v, arm %d: %v, walking gives %v", x, a, got, want)
			}
		}
	}
}
