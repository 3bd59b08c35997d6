package learner

import (
	"math"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// FitIsotonic fits the non-decreasing map from score to outcome with the
// smallest weighted squared error (pool adjacent violators, Barlow et al.
// 1972). Blocks lighter than minBlock rows are merged into their neighbour. The
// map is linear between block means. weight nil: 1.
func FitIsotonic(score, outcome, weight []float64, minBlock float64) models.Calibration {
	order := make([]int, len(score))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case score[a] < score[b]:
			return -1
		case score[a] > score[b]:
			return 1
		}
		return 0
	})
	var blocks []block
	for _, k := range order {
		w := 1.0
		if weight != nil {
			w = weight[k]
		}
		if w <= 0 {
			continue
		}
		b := block{w: w, x: w * score[k], y: w * outcome[k]}
		if n := len(blocks); n > 0 && (blocks[n-1].w < minBlock || blocks[n-1].last == score[k]) {
			b.add(blocks[n-1])
			blocks = blocks[:n-1]
		}
		b.last = score[k]
		for n := len(blocks); n > 0 && blocks[n-1].mean() >= b.mean(); n = len(blocks) {
			b.add(blocks[n-1])
			blocks = blocks[:n-1]
		}
		blocks = append(blocks, b)
	}
	if n := len(blocks); n > 1 && blocks[n-1].w < minBlock {
		blocks[n-2].add(blocks[n-1])
		blocks = blocks[:n-1]
	}
	return blockMap(blocks)
}

// block is a run of scores with one mean outcome.
type block struct{ w, x, y, last float64 }

func (b *block) add(o block)     { b.w, b.x, b.y = b.w+o.w, b.x+o.x, b.y+o.y }
func (b *block) mean() float64   { return b.y / b.w }
func (b *block) center() float64 { return b.x / b.w }

func blockMap(blocks []block) models.Calibration {
	var c models.Calibration
	for k := range blocks {
		x := blocks[k].center()
		if n := len(c.X); n > 0 && !(x > c.X[n-1]) {
			continue
		}
		y := blocks[k].mean()
		if n := len(c.Y); n > 0 {
			y = max(y, c.Y[n-1])
		}
		c.X, c.Y = append(c.X, x), append(c.Y, y)
	}
	return c
}

// FitPlatt fits outcome ~ sigmoid(a + b·logit(score)) (Platt 1999) and tables
// it as a piecewise linear map. A falling fit becomes the constant mean.
func FitPlatt(score, outcome, weight []float64) (models.Calibration, error) {
	col, rows := make([]float64, len(score)), make([]int32, len(score))
	for i, p := range score {
		col[i], rows[i] = logit(p), int32(i)
	}
	l, err := FitLinear([]models.Feature{{Name: "logit"}}, [][]float64{col}, outcome, weight, rows, models.LinkLogistic, LinearSettings{Ridge: 1e-6}, 1)
	if err != nil {
		return models.Calibration{}, err
	}
	l.Terms[0].Slope = max(l.Terms[0].Slope, 0)
	var c models.Calibration
	for k := range plattPoints {
		z := -9 + 18*float64(k)/float64(plattPoints-1)
		c.X, c.Y = append(c.X, sigmoid(z)), append(c.Y, l.Predict([]float64{z}))
	}
	return c, nil
}

const plattPoints = 121

func logit(p float64) float64 {
	p = min(max(p, 1e-6), 1-1e-6)
	return math.Log(p / (1 - p))
}

// calibrateLevels picks identity, Platt or isotonic for the prediction without
// an offer by two-fold squared error on rows that got none.
func (w *work) calibrateLevels(level []float64) (models.Calibration, error) {
	rows := w.arm(w.all, 0)
	half := [2][]int32{}
	for _, i := range rows {
		h := w.fold[i] % 2
		half[h] = append(half[h], i)
	}
	if len(rows) < 500 || len(half[0]) == 0 || len(half[1]) == 0 {
		return models.Calibration{}, nil
	}
	loss := [3]float64{}
	for h := range half {
		maps, err := w.levelMaps(level, half[h])
		if err != nil {
			return models.Calibration{}, err
		}
		for m := range maps {
			for _, i := range half[1-h] {
				d := w.d.Y[i] - maps[m].Apply(level[i])
				loss[m] += w.d.weight(int(i)) * d * d
			}
		}
	}
	best := 0
	for m := range loss {
		if loss[m] < loss[best]*(1-1e-4) {
			best = m
		}
	}
	maps, err := w.levelMaps(level, rows)
	return maps[best], err
}

// levelMaps fits identity, Platt (identity unless probabilities) and isotonic.
func (w *work) levelMaps(level []float64, rows []int32) (maps [3]models.Calibration, err error) {
	s, y, wt := make([]float64, len(rows)), make([]float64, len(rows)), make([]float64, len(rows))
	for k, i := range rows {
		s[k], y[k], wt[k] = level[i], w.d.Y[i], w.d.weight(int(i))
	}
	if w.d.Unit == "probability" {
		if maps[1], err = FitPlatt(s, y, wt); err != nil {
			return maps, err
		}
	}
	maps[2] = FitIsotonic(s, y, wt, max(50, float64(len(rows))/50))
	return maps, nil
}

// effectMap is the calibration of one offer's effect: shift + own × the offer's
// effect + all × the sum of all offers' effects.
type effectMap struct{ shift, own, all float64 }

// Standard deviations of the prior that a scale is right (1): the fitted slope
// counts by its precision against it. Several offers together are trusted more:
// their scale moves none of them past another.
const (
	slopeTrust  = 0.3
	commonTrust = 0.1
)

// calibrateEffects fits shrunk linear maps of out-of-fold effects on doubly
// robust pseudo-outcomes. Subtracting two isotonic fits instead would make steps
// that are in neither arm.
//
// The mean over the offers has one scale, what sets each offer apart from it
// another, which is known better: rows without an offer are noise in every
// pseudo-outcome alike, and it decides between offers.
func (w *work) calibrateEffects(effects [][]float64, n *nuisance) []effectMap {
	k := len(effects)
	x, y := w.columns(k), w.columns(k)
	meanX, meanY, sum := make([]float64, k), make([]float64, k), 0.0
	for a := range effects {
		copy(x[a], effects[a])
		for _, i := range w.all {
			y[a][i] = w.doublyRobust(a+1, i, n)
		}
		meanX[a], meanY[a] = w.centre(x[a]), w.centre(y[a])
		sum += meanX[a]
	}
	commonX, commonY := [][]float64{takeMean(x)}, [][]float64{takeMean(y)}
	var own, all float64
	if k == 1 {
		own = w.shrunkSlope(commonX, commonY, slopeTrust)
	} else {
		own = w.shrunkSlope(x, y, slopeTrust)
		all = (w.shrunkSlope(commonX, commonY, commonTrust) - own) / float64(k)
	}
	maps := make([]effectMap, k)
	for a := range maps {
		maps[a] = effectMap{shift: meanY[a] - own*meanX[a] - all*sum, own: own, all: all}
	}
	return maps
}

// centre takes the weighted mean out of v and returns it.
func (w *work) centre(v []float64) float64 {
	mean := w.mean(v, w.all)
	for i := range v {
		v[i] -= mean
	}
	return mean
}

// takeMean takes the mean over the columns out of every row and returns it.
func takeMean(columns [][]float64) []float64 {
	mean := make([]float64, len(columns[0]))
	for _, c := range columns {
		for i, v := range c {
			mean[i] += v / float64(len(columns))
		}
	}
	for _, c := range columns {
		for i := range c {
			c[i] -= mean[i]
		}
	}
	return mean
}

// shrunkSlope is the slope of y on x, both centred, over all columns, shrunk
// towards 1 by a prior of standard deviation sd and not below 0; 1 if x is constant.
func (w *work) shrunkSlope(x, y [][]float64, sd float64) float64 {
	xx, xy, total := 0.0, 0.0, 0.0
	for a, column := range x {
		target := y[a]
		for i, v := range column {
			wt := w.d.weight(i)
			xx += wt * v * v
			xy += wt * v * target[i]
			total += wt
		}
	}
	if xx <= 1e-24*total {
		return 1
	}
	slope, noise := xy/xx, 0.0
	for i := range x[0] {
		r := 0.0
		for a := range x {
			r += x[a][i] * (y[a][i] - slope*x[a][i])
		}
		r *= w.d.weight(i)
		noise += r * r
	}
	trust := sd * sd / (sd*sd + noise/(xx*xx))
	return max(0, 1+trust*(slope-1))
}
