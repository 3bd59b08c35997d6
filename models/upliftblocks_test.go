package models_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// Boosted models that are scored together, some trees shared and in another
// order, one too large for a mask, give the bits that each gives alone.
func TestModelsScoredTogetherGiveTheirOwnBits(t *testing.T) {
	const features = 5
	r := rand.New(rand.NewPCG(8, 2))
	for _, largest := range []int{20, 90} {
		var pool []models.Tree
		for range 12 {
			pool = append(pool, grow(r, 1+r.IntN(largest), features, 1, nativeKind))
		}
		pool = append(pool, grow(r, largest, features, 1, nativeKind))
		spec := models.UpliftSpec{Schema: numbers(features)}
		spec.Schema.Offers = nil
		for k, link := range []models.Link{models.LinkIdentity, models.LinkLogistic, models.LinkExp, models.LinkIdentity} {
			e := &models.Ensemble{Features: spec.Schema.Features, Outputs: 1, Base: []float64{r.NormFloat64()}, Link: link, Scale: float64(k), Average: []float64{0, 0.3, 1, 2}[k]}
			for range 15 {
				e.Trees = append(e.Trees, pool[r.IntN(len(pool))])
			}
			if k == 3 {
				e.Outputs, e.Base = 2, []float64{1, 2} // stays on its own
			}
			spec.Predictors = append(spec.Predictors, models.Predictor{Trees: e})
		}
		for k := range 5 {
			spec.Schema.Offers = append(spec.Schema.Offers, string(rune('a'+k)))
			spec.Arms = append(spec.Arms, models.ArmEffect{Scale: 1, Effect: models.Sum{Parts: []models.Part{{Output: k, Weight: 1}}}})
		}
		u, err := models.NewUplift(spec)
		if err != nil {
			t.Fatal(err)
		}
		got, want := make([]float64, 5), make([]float64, 5)
		for range 500 {
			x := values(r, features)
			u.Effects(x, got)
			for k := range 3 {
				spec.Predictors[k].Trees.Raw(x, want[k:k+1])
				spec.Predictors[k].Trees.ApplyLink(want[k : k+1])
			}
			spec.Predictors[3].Trees.Raw(x, want[3:])
			spec.Predictors[3].Trees.ApplyLink(want[3:])
			for k := range want {
				if math.Float64bits(got[k]) != math.Float64bits(want[k]) {
					t.Fatalf("output %d at %v: %v, alone %v", k, x, got[k], want[k])
				}
			}
		}
	}
}
