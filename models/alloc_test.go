//go:build !race

// The race detector makes sync.Pool drop what it holds, so allocations are
// counted without it.

package models_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

func TestScoringDoesNotAllocate(t *testing.T) {
	e := boosted(1, 50, 31, 12)
	e.Trees = append(e.Trees, grow(rand.New(rand.NewPCG(1, 1)), 80, 12, 1, anyKind))
	s, err := models.NewScorer(e)
	if err != nil {
		t.Fatal(err)
	}
	split, err := s.Split([]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []int32{10, 11})
	if err != nil {
		t.Fatal(err)
	}
	x, out := make([]float64, 12), make([]float64, 5)
	var offers []*models.PreparedOffer
	for i := range 5 {
		offers = append(offers, split.Prepare([]float64{float64(i), 1}))
	}
	if n := testing.AllocsPerRun(200, func() { s.Raw(x, out); split.Raw(x, offers, out) }); n >= 1 {
		t.Errorf("scoring allocates %v times", n)
	}
}

func TestAdapterScoresWithoutAllocating(t *testing.T) {
	_, config := sLearner(3)
	m, err := models.NewAdapter(config)
	if err != nil {
		t.Fatal(err)
	}
	x, out := make([]float64, 3), make([]models.Score, 8)
	cands := make([]models.Candidate, 8)
	for i := range cands {
		cands[i] = models.Candidate{Arm: i%3 - 1, X: []float64{float64(i)}}
	}
	ctx := context.Background()
	n := testing.AllocsPerRun(500, func() {
		if err := m.Score(ctx, x, cands, out); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 {
		t.Errorf("Score allocates %v times", n)
	}
}
