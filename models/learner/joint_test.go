package learner

import (
	"math"
	"slices"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// mixedRows draws indicators, short scales, a category, a constant and long
// numbers, some with gaps.
func mixedRows(n int) ([]models.Feature, [][]float64) {
	s := newStream(9)
	levels := []int{2, 2, 2, 5, 2, 1, 300, 2, 2, 2, 2, 2, 17, 1000}
	fs, cols := make([]models.Feature, len(levels)), make([][]float64, len(levels))
	for j, k := range levels {
		fs[j].Name = string(rune('a' + j))
		cols[j] = make([]float64, n)
		for i := range n {
			if cols[j][i] = float64(s.below(k)); j%3 == 0 && s.uniform() < 0.1 {
				cols[j][i] = math.NaN()
			}
		}
	}
	fs[3].Type, fs[3].Levels = models.Category, []string{"p", "q", "r", "s", "t"}
	return fs, cols
}

// The histogram of every feature is what counting it alone gives, and
// partition agrees with the bins.
func TestJointColumns(t *testing.T) {
	const n = 20000
	fs, cols := mixedRows(n)
	b := NewBins(fs, cols, 2)
	if len(b.joints) >= len(fs)/2 {
		t.Fatalf("%d columns for %d features", len(b.joints), len(fs))
	}
	checkColumns(t, b, cols)
	for _, first := range []int{0, 3, 9} {
		b = newBins(fs[:first], cols[:first], nil)
		b.rows = n
		checkColumns(t, b.extend(fs[first:], cols[first:], newCrew(2)), cols)
		checkColumns(t, b, cols[:first])
	}
}

func checkColumns(t *testing.T, b *Bins, cols [][]float64) {
	t.Helper()
	n := b.rows
	s, grad, idx := newStream(4), make([]pair, n), []int32(nil)
	for i := range grad {
		if grad[i] = (pair{s.uniform() - 0.5, s.uniform()}); s.uniform() < 0.7 {
			idx = append(idx, int32(i))
		}
	}
	pool := newHistPool(b)
	h, m := pool.get(), newMarginals(b)
	b.build(h, idx, grad, pool, nil)
	m.fill(b, h)
	for j := range cols {
		want := make([]pair, b.f[j].total())
		var set binSet
		var left []int32
		set.add(len(want) / 2)
		set.add(len(want) - 1)
		for _, i := range idx {
			bin := b.f[j].of(cols[j][i])
			want[bin].g += grad[i].g
			want[bin].h += grad[i].h
			if set.has(bin) {
				left = append(left, i)
			}
		}
		for bin, w := range want {
			if got := m.of[j][bin]; math.Abs(got.g-w.g) > 1e-9 || math.Abs(got.h-w.h) > 1e-9 {
				t.Fatalf("feature %d, bin %d: %v, alone %v", j, bin, got, w)
			}
		}
		moved := slices.Clone(idx)
		if k := b.partition(j, &set, moved, make([]int32, len(idx))); !slices.Equal(moved[:k], left) {
			t.Fatalf("feature %d: %d rows left, want %d", j, k, len(left))
		}
	}
}
