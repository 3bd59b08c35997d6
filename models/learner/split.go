package learner

import (
	"cmp"
	"math"
	"slices"
)

// split is the best cut of one leaf.
type split struct {
	gain    float64 // 0: none
	feature int
	left    binSet
	bin     int  // of a number: bins <= bin go left
	missing bool // missing values go left
	gl, hl  float64
}

// splitRules are what a split must respect.
type splitRules struct {
	minRows    float64
	minHessian float64
	lambda     float64
	minGain    float64
	catSmooth  float64
	catLambda  float64
	monotone   []int8 // nil or per feature
}

// leafStats are the totals of the leaf to be cut.
type leafStats struct {
	g, h, rows float64
	lo, hi     float64 // bounds on the output from monotone ancestors
}

// score is half the loss reduction of an optimal output over zero.
func score(g, h, lambda float64) float64 { return g * g / (h + lambda) }

// boundedScore is score for an output clamped to the leaf's bounds.
func boundedScore(g, h, lambda, lo, hi float64) (s, out float64) {
	out = min(max(-g/(h+lambda), lo), hi)
	return -(2*g*out + (h+lambda)*out*out), out
}

// setLeft fills the bins that go left of a cut at a border.
func (s *split) setLeft(f *featureBins) {
	for b := range s.bin + 1 {
		s.left.add(b)
	}
	if s.missing {
		s.left.add(f.count)
	}
}

// bestSplit finds the best cut of one feature; left is set for categories only.
func (r *splitRules) bestSplit(feature int, f *featureBins, h []pair, s leafStats) split {
	if f.isCat {
		return r.bestCategories(feature, f, h, s)
	}
	best := split{feature: feature}
	r.scan(&best, f, h, s, pair{}, false)
	if f.missing {
		if m := h[f.count]; m.h > 0 {
			r.scan(&best, f, h, s, m, true)
		}
	}
	return best
}

// scan tries every border with start already on the left.
func (r *splitRules) scan(best *split, f *featureBins, h []pair, s leafStats, start pair, missingLeft bool) {
	var direction int8
	if r.monotone != nil {
		direction = r.monotone[best.feature]
	}
	perRow := s.rows / max(s.h, 1e-300)
	base := score(s.g, s.h, r.lambda) + r.minGain
	minH := max(r.minHessian, (r.minRows-0.5)/max(perRow, 1e-300))
	bounded := r.monotone != nil
	if bounded {
		base, _ = boundedScore(s.g, s.h, r.lambda, s.lo, s.hi)
		base += r.minGain
	}
	l := start
	last := f.count - 1
	if f.missing && !missingLeft {
		last = f.count // the last border leaves only the missing on the right
	}
	bestGain := best.gain
	for b := range last {
		e := h[b]
		if e.h == 0 && e.g == 0 {
			continue
		}
		l.g += e.g
		l.h += e.h
		if l.h < minH {
			continue
		}
		rh := s.h - l.h
		if rh < minH {
			break
		}
		rg := s.g - l.g
		var gain float64
		if bounded {
			var ok bool
			if gain, ok = r.monotoneGain(l, pair{rg, rh}, s, direction); !ok {
				continue
			}
		} else {
			gain = l.g*l.g/(l.h+r.lambda) + rg*rg/(rh+r.lambda)
		}
		if gain-base > bestGain {
			bestGain = gain - base
			best.gain, best.bin, best.missing, best.gl, best.hl = bestGain, b, missingLeft, l.g, l.h
		}
	}
}

// monotoneGain refuses a split whose outputs run against the direction.
func (r *splitRules) monotoneGain(l, right pair, s leafStats, direction int8) (float64, bool) {
	a, wl := boundedScore(l.g, l.h, r.lambda, s.lo, s.hi)
	b, wr := boundedScore(right.g, right.h, r.lambda, s.lo, s.hi)
	if direction > 0 && wl > wr || direction < 0 && wl < wr {
		return 0, false
	}
	return a + b, true
}

// bestCategories sorts levels by their smoothed output and cuts the order
// (Fisher 1958); missing and unknown levels go right.
func (r *splitRules) bestCategories(feature int, f *featureBins, h []pair, s leafStats) split {
	best := split{feature: feature}
	perRow := s.rows / max(s.h, 1e-300)
	order := make([]int, 0, f.count)
	for b := range f.count {
		if h[b].h > 0 && h[b].h*perRow >= minLevelRows {
			order = append(order, b)
		}
	}
	lambda := r.lambda
	if len(order) > 4 {
		lambda += r.catLambda
	}
	key := func(b int) float64 { return h[b].g / (h[b].h + r.catSmooth) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
	for range 2 {
		r.scanCategories(&best, order, h, s, lambda)
		slices.Reverse(order)
	}
	return best
}

// Limits on categorical splits, those of LightGBM: a level needs some rows to be
// placed, one side holds at most so many levels, and a border is tried only
// after so many more rows, if there are many levels.
const (
	minLevelRows = 10
	maxLeftSet   = 32
	minGroupRows = 100
)

// scanCategories tries prefixes of the order as the left side.
func (r *splitRules) scanCategories(best *split, order []int, h []pair, s leafStats, lambda float64) {
	perRow := s.rows / max(s.h, 1e-300)
	minH := max(r.minHessian, (r.minRows-0.5)/max(perRow, 1e-300))
	base := score(s.g, s.h, lambda) + r.minGain
	var l pair
	var set binSet
	group, lastH := 0.0, 0.0
	if len(order) > 4 {
		group = minGroupRows / max(perRow, 1e-300)
	}
	for k, b := range order {
		if k >= maxLeftSet {
			return
		}
		l.g += h[b].g
		l.h += h[b].h
		set.add(b)
		if l.h-lastH < group {
			continue
		}
		lastH = l.h
		right := pair{s.g - l.g, s.h - l.h}
		if l.h < minH {
			continue
		}
		if right.h < minH {
			return
		}
		gain := score(l.g, l.h, lambda) + score(right.g, right.h, lambda)
		if r.monotone != nil {
			a, _ := boundedScore(l.g, l.h, lambda, s.lo, s.hi)
			c, _ := boundedScore(right.g, right.h, lambda, s.lo, s.hi)
			gain = a + c
		}
		if gain-base > best.gain && !math.IsNaN(gain) {
			best.gain, best.left, best.gl, best.hl = gain-base, set, l.g, l.h
		}
	}
}
