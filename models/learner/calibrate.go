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

// effectMap is the calibration of one offer's effect: shift + scale × effect.
type effectMap struct{ shift, scale float64 }

// slopeTrust is the standard deviation of the prior that an effect model's
// scale is right (1): the fitted slope counts by its precision against it.
const slopeTrust = 0.3

// calibrateEffect fits the shrunk linear map of an out-of-fold effect on
// doubly robust pseudo-outcomes. Subtracting two isotonic fits instead would
// make steps that are in neither arm.
func (w *work) calibrateEffect(a int, effect []float64, n *nuisance, rows []int32) effectMap {
	gamma := make([]float64, len(rows))
	sw, mg, me := 0.0, 0.0, 0.0
	for k, i := range rows {
		wt := w.d.weight(int(i))
		gamma[k] = w.doublyRobust(a, i, n)
		sw += wt
		mg += wt * gamma[k]
		me += wt * effect[i]
	}
	mg /= sw
	me /= sw
	see, seg := 0.0, 0.0
	for k, i := range rows {
		wt := w.d.weight(int(i))
		see += wt * (effect[i] - me) * (effect[i] - me)
		seg += wt * (effect[i] - me) * (gamma[k] - mg)
	}
	if see <= 1e-12*sw*(me*me+1e-12) {
		return effectMap{shift: mg - me, scale: 1}
	}
	slope, noise := seg/see, 0.0
	for k, i := range rows {
		wt := w.d.weight(int(i))
		r := gamma[k] - mg - slope*(effect[i]-me)
		noise += wt * wt * r * r * (effect[i] - me) * (effect[i] - me)
	}
	se2 := noise / (see * see)
	trust := slopeTrust * slopeTrust / (slopeTrust*slopeTrust + se2)
	scale := max(0, 1+trust*(slope-1))
	return effectMap{shift: mg - scale*me, scale: scale}
}
