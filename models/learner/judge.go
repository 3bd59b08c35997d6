package learner

import (
	"math"
	"slices"
)

// judgement is how one candidate's out-of-fold effects fare on training data.
type judgement struct {
	qini   []float64 // per offer: Qini area per customer, of rows with the offer or none
	policy float64   // doubly robust value of giving each row its best arm
	gain   []float64 // per row: doubly robust score of the policy less that of the best single arm
	loss   float64   // doubly robust squared loss of the effects, less that of constant effects; negative is better
	point  []float64 // per row: that difference in loss
}

// judge scores effects (per offer, per row) on rows, against pseudo-outcomes
// made with the nuisances of each row's fold.
func (w *work) judge(effects [][]float64, n *nuisance, rows []int32) *judgement {
	j := &judgement{gain: make([]float64, len(rows)), point: make([]float64, len(rows))}
	for a := range effects {
		j.qini = append(j.qini, w.qini(a+1, effects[a], rows))
	}
	single := w.bestSingle(n, rows)
	total, sw := 0.0, 0.0
	for k, i := range rows {
		arm := bestArm(effects, i)
		v := w.armScore(arm, i, n)
		j.gain[k] = v - w.armScore(single, i, n)
		wt := w.d.weight(int(i))
		total += wt * v
		sw += wt
	}
	j.policy = total / max(sw, 1e-300)
	for a := range effects {
		w.addLoss(a+1, effects[a], n, rows, j.point)
	}
	for k, i := range rows {
		j.loss += w.d.weight(int(i)) * j.point[k] / max(sw, 1e-300)
	}
	return j
}

// bestArm is the arm with the largest positive effect, 0 if there is none.
func bestArm(effects [][]float64, i int32) int {
	best, arm := 0.0, 0
	for a := range effects {
		if v := effects[a][i]; v > best {
			best, arm = v, a+1
		}
	}
	return arm
}

// bestSingle is the arm whose doubly robust mean is largest.
func (w *work) bestSingle(n *nuisance, rows []int32) int {
	best, arm := math.Inf(-1), 0
	for a := range w.d.Arms() {
		total := 0.0
		for _, i := range rows {
			total += w.d.weight(int(i)) * w.armScore(a, i, n)
		}
		if total > best {
			best, arm = total, a
		}
	}
	return arm
}

// addLoss adds one offer's squared loss on pseudo-outcomes, less the loss of
// its mean effect, divided by the pseudo-outcome's variance.
func (w *work) addLoss(a int, effect []float64, n *nuisance, rows []int32, point []float64) {
	gamma := make([]float64, len(rows))
	mean, sw, square := 0.0, 0.0, 0.0
	for k, i := range rows {
		gamma[k] = w.doublyRobust(a, i, n)
		wt := w.d.weight(int(i))
		sw += wt
		mean += wt * gamma[k]
		square += wt * gamma[k] * gamma[k]
	}
	mean /= max(sw, 1e-300)
	variance := max(square/max(sw, 1e-300)-mean*mean, 1e-300)
	for k, i := range rows {
		d, c := gamma[k]-effect[i], gamma[k]-mean
		point[k] += (d*d - c*c) / variance
	}
}

// qini is the Qini area per customer of one offer against none over rows:
// the trapezoid area under V(x) = Y_t/N_t - Y_c/N_c, sorted by effect with ties
// grouped, less the area of random order. Outcomes are weighted by inverse
// propensity, which leaves a randomised trial as it is.
func (w *work) qini(a int, effect []float64, rows []int32) float64 {
	type entry struct{ effect, share, t, c float64 }
	var es []entry
	nt, nc, n := 0.0, 0.0, 0.0
	for _, i := range rows {
		arm := w.d.Arm[i]
		if arm != 0 && arm != a {
			continue
		}
		wt := w.d.weight(int(i))
		e := entry{effect: effect[i], share: wt}
		p := w.pairChance(a, i)
		if arm == a {
			e.t = wt * w.d.Y[i] / p
			nt += wt / p
		} else {
			e.c = wt * w.d.Y[i] / (1 - p)
			nc += wt / (1 - p)
		}
		n += wt
		es = append(es, e)
	}
	if nt == 0 || nc == 0 {
		return 0
	}
	slices.SortStableFunc(es, func(x, y entry) int {
		switch {
		case x.effect > y.effect:
			return -1
		case x.effect < y.effect:
			return 1
		}
		return 0
	})
	area, v, x := 0.0, 0.0, 0.0
	for k := 0; k < len(es); {
		dv, dx := 0.0, 0.0
		group := es[k].effect
		for ; k < len(es) && es[k].effect == group; k++ {
			dv += es[k].t/nt - es[k].c/nc
			dx += es[k].share / n
		}
		area += dx * (v + dv/2)
		v += dv
		x += dx
	}
	return area - v/2
}
