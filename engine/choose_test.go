package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/rules"
)

func TestSpread(t *testing.T) {
	cands := func() []drawable {
		return []drawable{{offer: None}, {offer: "a", score: 4, ceiling: 100}, {offer: "b", score: 3, ceiling: 50}, {offer: "dear", score: 2, ceiling: 9000}}
	}
	width := bucket.Width
	for _, c := range []struct {
		name string
		x    rules.Explore
		want [4]uint64 // 0: the rest
		k    int
	}{
		{"none", rules.Explore{Strategy: "none", MaxLiability: -1}, [4]uint64{0, 1 << 32, 0, 0}, 4},
		{"epsilon", rules.Explore{Strategy: "epsilon", Epsilon: 0.3, MaxLiability: -1}, [4]uint64{width(0.3 / 4), 0, width(0.3 / 4), width(0.3 / 4)}, 4},
		{"inverse gap", rules.Explore{Strategy: "inverse_gap", Gamma: 15, Scale: 10, Floor: 0.02, MaxLiability: 500},
			[4]uint64{width(1 / (3 + 15*4.0/10)), 0, width(1 / (3 + 15*1.0/10)), 0}, 3},
		{"floor", rules.Explore{Strategy: "inverse_gap", Gamma: 1e6, Scale: 10, Floor: 0.02, MaxLiability: 500}, [4]uint64{width(0.02), 0, width(0.02), 0}, 3},
		{"floor above 1/K", rules.Explore{Strategy: "inverse_gap", Gamma: 1, Scale: 10, Floor: 0.9, MaxLiability: 500}, [4]uint64{width(1.0 / 3), 0, width(1.0 / 3), 0}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := cands()
			best, k, _ := spread(&c.x, got)
			sum := uint64(0)
			for i := range got {
				sum += got[i].width
				if i != best && got[i].width != c.want[i] {
					t.Errorf("%s: %d buckets, want %d", got[i].offer, got[i].width, c.want[i])
				}
			}
			if best != 1 || k != c.k || sum != bucket.Size {
				t.Errorf("best %d of %d, %d buckets in all", best, k, sum)
			}
		})
	}
}

func TestTies(t *testing.T) {
	for _, c := range []struct {
		name  string
		cands []drawable
		want  string
	}{
		{"none first", []drawable{{offer: None}, {offer: "a"}}, None},
		{"lowest ceiling", []drawable{{offer: None}, {offer: "a", score: 1, ceiling: 2}, {offer: "b", score: 1, ceiling: 1}}, "b"},
		{"offer id", []drawable{{offer: None}, {offer: "b", score: 1}, {offer: "a", score: 1}}, "a"},
		{"none of negative ones", []drawable{{offer: None}, {offer: "a", score: -1}}, None},
	} {
		if got := c.cands[bestOf(c.cands)].offer; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The logged propensity is the chance of the choice: 10^6 customers are drawn
// again, and every frequency is within five standard deviations.
func TestPropensityIsExact(t *testing.T) {
	const n = 1_000_000
	x := rules.Explore{Strategy: "inverse_gap", Gamma: 15, Scale: 10, Floor: 0.02, MaxLiability: -1}
	cands := []drawable{{offer: None}, {offer: "a", score: 3.1}, {offer: "b", score: 2.9}, {offer: "c", score: -4}, {offer: "d", score: -40}}
	spread(&x, cands)
	rng := rand.New(rand.NewPCG(1, 2))
	var subject [16]byte
	counts := make([]int, len(cands))
	for range n {
		for i := range subject {
			subject[i] = byte(rng.Uint32())
		}
		counts[drawn(cands, bucket.Of(drawHash("salt", subject[:], []byte("key"))))]++
	}
	for i, c := range cands {
		p := chance(c.width)
		if sd := math.Sqrt(p * (1 - p) * n); math.Abs(float64(counts[i])-p*n) > 5*sd {
			t.Errorf("%s: drawn %d times of %d, propensity %v", c.offer, counts[i], n, p)
		}
	}
}
