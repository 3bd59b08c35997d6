//go:build !race

package models

import (
	"context"
	"math"
	"testing"
)

// The race detector makes sync.Pool drop what it holds, so allocations are
// counted without it.
func TestUpliftDoesNotAllocate(t *testing.T) {
	u := testUplift(t)
	x, cands, out := []float64{5, math.NaN()}, []Candidate{{Arm: 0}, {Arm: 1}}, make([]Score, 2)
	if n := testing.AllocsPerRun(100, func() {
		if err := u.Score(context.Background(), x, cands, out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per Score, want 0", n)
	}
}
