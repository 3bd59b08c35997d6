package learner

import "slices"

// blendSettings bound a blend.
const (
	blendShare   = 0.04 // members below this share of the weight are dropped
	blendMembers = 6    // at most so many members are kept
)

// blendWeights finds the non-negative blend of out-of-fold effects that best
// explains doubly robust pseudo-outcomes (causal stacking: Han and Wu 2022;
// R-stacking: Nie and Wager 2021, section 5). Weights are shared by all offers;
// each offer's mean is free. effects is per member, per offer, per row.
func (w *work) blendWeights(effects [][][]float64, n *nuisance, rows []int32) []float64 {
	k := len(effects)
	q := newQuadratic(k)
	x, mean := make([]float64, k), make([]float64, k)
	gamma := make([]float64, len(rows))
	for a := range w.d.Offers {
		sw, mg, vg := 0.0, 0.0, 0.0
		clear(mean)
		for r, i := range rows {
			wt := w.d.weight(int(i))
			gamma[r] = w.doublyRobust(a+1, i, n)
			sw += wt
			mg += wt * gamma[r]
			for m := range mean {
				mean[m] += wt * effects[m][a][i]
			}
		}
		mg /= sw
		for m := range mean {
			mean[m] /= sw
		}
		for r, i := range rows {
			vg += w.d.weight(int(i)) * (gamma[r] - mg) * (gamma[r] - mg)
		}
		vg = max(vg/sw, 1e-300)
		for r, i := range rows {
			for m := range x {
				x[m] = effects[m][a][i] - mean[m]
			}
			q.add(x, gamma[r]-mg, w.d.weight(int(i))/vg)
		}
	}
	return q.blend()
}

// blend minimises with a weak pull to equal weights, which decides only among
// members the data cannot tell apart, and keeps the heaviest members.
func (q *quadratic) blend() []float64 {
	target := make([]float64, q.k)
	for m := range target {
		target[m] = 1 / float64(q.k)
	}
	p := quadratic{k: q.k, a: slices.Clone(q.a), c: slices.Clone(q.c)}
	p.ridge(blendPull, target)
	b := dropSmall(p.nonNegative(), blendShare)
	if kept := heaviest(b, blendMembers); kept < len(b) {
		for m, v := range b {
			if v == 0 {
				p.c[m], p.a[m*p.k+m] = 0, 0
			}
		}
		b = p.nonNegative()
	}
	return b
}

// blendPull is the precision of the prior around equal weights, against a
// likelihood in units of the pseudo-outcomes' variance.
const blendPull = 4

// heaviest zeroes all but the n largest and returns how many are left.
func heaviest(b []float64, n int) int {
	sorted := slices.Clone(b)
	slices.SortFunc(sorted, func(x, y float64) int {
		if x > y {
			return -1
		}
		if x < y {
			return 1
		}
		return 0
	})
	limit := 0.0
	if n < len(sorted) {
		limit = sorted[n]
	}
	kept := 0
	for m := range b {
		if b[m] <= limit {
			b[m] = 0
		} else {
			kept++
		}
	}
	return kept
}
