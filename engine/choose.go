package engine

import (
	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/rules"
)

// drawable is a candidate of A'. The first of a slice is always None.
type drawable struct {
	offer   string
	score   float64
	ceiling int64
	limited bool   // too dear to be explored
	width   uint64 // buckets of bucket.Size it takes; filled by spread
}

// spread lays the candidates out on bucket.Size buckets and returns the index
// of the best one, the number that took part and the floor as applied.
// Widths add up to bucket.Size exactly (docs/formats/bucketing.md).
func spread(x *rules.Explore, cands []drawable) (best, k int, floor float64) {
	best = bestOf(cands)
	for i := range cands {
		c := &cands[i]
		c.limited = i != best && x.MaxLiability >= 0 && c.ceiling > x.MaxLiability
		if !c.limited {
			k++
		}
	}
	floor = min(x.Floor, 1/float64(k))
	rest := uint64(bucket.Size)
	for i := range cands {
		c := &cands[i]
		c.width = 0
		if i == best || c.limited {
			continue
		}
		c.width = bucket.Width(otherChance(x, k, floor, cands[best].score-c.score))
		rest -= c.width
	}
	cands[best].width = rest
	return best, k, floor
}

// otherChance is the chance of a candidate that is not the best and gap behind it.
// Inverse gap weighting: Foster and Rakhlin 2020, "Beyond UCB", section 3.
func otherChance(x *rules.Explore, k int, floor, gap float64) float64 {
	switch x.Strategy {
	case "epsilon":
		return x.Epsilon / float64(k)
	case "inverse_gap":
		return max(floor, 1/(float64(k)+x.Gamma*gap/x.Scale))
	}
	return 0
}

// bestOf returns the index of the highest score. Ties: None, then the lowest
// ceiling, then the offer id.
func bestOf(cands []drawable) int {
	best := 0
	for i := 1; i < len(cands); i++ {
		if beats(&cands[i], &cands[best], best == 0) {
			best = i
		}
	}
	return best
}

func beats(c, b *drawable, overNone bool) bool {
	switch {
	case c.score != b.score:
		return c.score > b.score
	case overNone:
		return false
	case c.ceiling != b.ceiling:
		return c.ceiling < b.ceiling
	}
	return c.offer < b.offer
}

// drawn returns the index of the candidate on whose buckets u falls.
func drawn(cands []drawable, at uint32) int {
	upto := uint64(0)
	for i := range cands {
		if upto += cands[i].width; uint64(at) < upto {
			return i
		}
	}
	return 0
}

// chance turns a width into the exact probability.
func chance(width uint64) float64 { return float64(width) / bucket.Size }

// drawHash is u: what decides the draw of a profile for a return key.
func drawHash(salt string, subject, returnKey []byte) uint64 {
	return bucket.Hash(salt, []byte("draw"), subject, returnKey)
}

// heldOut reports whether a unit is held out, and the exact share that is.
func heldOut(h *rules.Holdout, unit []byte) (bool, float64) {
	if h == nil {
		return false, 0
	}
	width := bucket.Width(h.Percent / 100)
	at := bucket.Of(bucket.Hash(h.Salt, []byte(h.ID), unit))
	return uint64(at) < width, chance(width)
}
