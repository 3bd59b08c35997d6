package models_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// Trees of more leaves than a mask holds, of every kind of node, are walked eight
// at a time to the leaves that Tree.Find reaches, alone and split by offers.
func TestWalkedTreesReachTheirLeaves(t *testing.T) {
	const features = 6
	r := rand.New(rand.NewPCG(5, 5))
	for trees := 1; trees < 20; trees++ {
		e := &models.Ensemble{Features: make([]models.Feature, features), Outputs: 1, Base: []float64{0.5}}
		for i := range trees {
			kinds := anyKind
			if i%2 == 0 {
				kinds = nativeKind
			}
			e.Trees = append(e.Trees, grow(r, 65+r.IntN(200), features, 1, kinds))
		}
		e.Trees = append(e.Trees, grow(r, 9, features, 1, anyKind))
		s, err := models.NewScorer(e)
		if err != nil {
			t.Fatal(err)
		}
		split, err := s.Split([]int32{0, 1, 2, 3}, []int32{4, 5})
		if err != nil {
			t.Fatal(err)
		}
		got, want, leaves := make([]float64, 1), make([]float64, 1), make([]int, len(e.Trees))
		for range 100 {
			x := values(r, features)
			e.Raw(x, want)
			if s.Raw(x, got); math.Float64bits(got[0]) != math.Float64bits(want[0]) {
				t.Fatalf("%d trees at %v: %v, want %v", trees, x, got, want)
			}
			if split.Raw(x, []*models.PreparedOffer{split.Prepare(x[4:])}, got); math.Float64bits(got[0]) != math.Float64bits(want[0]) {
				t.Fatalf("%d trees, split, at %v: %v, want %v", trees, x, got, want)
			}
			s.FindLeaves(x, leaves)
			for k := range e.Trees {
				if leaf := e.Trees[k].Find(x); leaves[k] != leaf {
					t.Fatalf("tree %d at %v: leaf %d, want %d", k, x, leaves[k], leaf)
				}
			}
		}
	}
}
