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

// perRow is the number of rows a unit of Hessian stands for.
func (s *leafStats) perRow() float64 { return s.rows / max(s.h, 1e-300) }

// target is a leaf to be cut and what a cut of it must reach.
type target struct {
	leafStats
	leastH float64 // of a side
	base   float64 // gains count from here
}

func (r *splitRules) target(s leafStats) *target {
	t := &target{leafStats: s, leastH: max(r.minHessian, (r.minRows-0.5)/max(s.perRow(), 1e-300))}
	t.base = score(s.g, s.h, r.lambda)
	if r.monotone != nil {
		t.base, _ = boundedScore(s.g, s.h, r.lambda, s.lo, s.hi)
	}
	t.base += r.minGain
	return t
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

// improve replaces best by the best cut of a feature, if that gains more; left
// is set for categories only.
func (r *splitRules) improve(best *split, feature int, f *featureBins, h []pair, t *target) {
	if f.isCat {
		r.improveByCategories(best, feature, f, h, t)
		return
	}
	last := f.count - 1
	if f.missing {
		last = f.count // the last border leaves only the missing on the right
	}
	r.scan(best, feature, h[:last], t, pair{}, false)
	if f.missing && h[f.count].h > 0 {
		r.scan(best, feature, h[:f.count-1], t, h[f.count], true)
	}
}

// scan tries the border after every bin of h, with l already on the left.
// A border that gains clearly too little is passed over without a division.
func (r *splitRules) scan(best *split, feature int, h []pair, t *target, l pair, missingLeft bool) {
	found, gain, left := -1, best.gain, pair{}
	need := nearly * (t.base + gain)
	bounded := r.monotone != nil
	for b := firstFilled(h); b < len(h); b++ {
		l.g += h[b].g
		l.h += h[b].h
		if l.h < t.leastH {
			continue
		}
		right := pair{t.g - l.g, t.h - l.h}
		if right.h < t.leastH {
			break
		}
		var sum float64
		if bounded {
			sum = r.monotoneGain(l, right, t, r.monotone[feature])
		} else {
			lw, rw := l.h+r.lambda, right.h+r.lambda
			if l.g*l.g*rw+right.g*right.g*lw < need*lw*rw {
				continue
			}
			sum = l.g*l.g/lw + right.g*right.g/rw
		}
		if sum-t.base > gain {
			found, gain, left = b, sum-t.base, l
			need = nearly * (t.base + gain)
		}
	}
	if found >= 0 {
		*best = split{gain: gain, feature: feature, bin: found, missing: missingLeft, gl: left.g, hl: left.h}
	}
}

// nearly leaves more room than rounding needs.
const nearly = 1 - 1e-9

// firstFilled passes over empty bins, after which a cut separates nothing new.
func firstFilled(h []pair) int {
	for b, e := range h {
		if e.h != 0 || e.g != 0 {
			return b
		}
	}
	return len(h)
}

// monotoneGain refuses a split whose outputs run against the direction.
func (r *splitRules) monotoneGain(l, right pair, t *target, direction int8) float64 {
	a, wl := boundedScore(l.g, l.h, r.lambda, t.lo, t.hi)
	b, wr := boundedScore(right.g, right.h, r.lambda, t.lo, t.hi)
	if direction > 0 && wl > wr || direction < 0 && wl < wr {
		return math.Inf(-1)
	}
	return a + b
}

// improveByCategories sorts levels by their smoothed output and cuts the order
// (Fisher 1958); missing and unknown levels go right.
func (r *splitRules) improveByCategories(best *split, feature int, f *featureBins, h []pair, t *target) {
	perRow := t.perRow()
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
		r.scanCategories(best, feature, order, h, t, lambda)
		slices.Reverse(order)
	}
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
func (r *splitRules) scanCategories(best *split, feature int, order []int, h []pair, t *target, lambda float64) {
	base := score(t.g, t.h, lambda) + r.minGain
	var l pair
	var set binSet
	group, lastH := 0.0, 0.0
	if len(order) > 4 {
		group = minGroupRows / max(t.perRow(), 1e-300)
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
		right := pair{t.g - l.g, t.h - l.h}
		if l.h < t.leastH {
			continue
		}
		if right.h < t.leastH {
			return
		}
		gain := score(l.g, l.h, lambda) + score(right.g, right.h, lambda)
		if r.monotone != nil {
			a, _ := boundedScore(l.g, l.h, lambda, t.lo, t.hi)
			c, _ := boundedScore(right.g, right.h, lambda, t.lo, t.hi)
			gain = a + c
		}
		if gain-base > best.gain && !math.IsNaN(gain) {
			*best = split{gain: gain - base, feature: feature, left: set, gl: l.g, hl: l.h}
		}
	}
}
