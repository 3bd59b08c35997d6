package eval

import (
	"fmt"
	"math"
)

// EffectBin compares the predicted effect with the observed one among rows of
// similar prediction.
type EffectBin struct {
	Rows       int     `json:"rows"`
	Predicted  float64 `json:"predicted"`  // mean score
	Treated    float64 `json:"treated"`    // mean outcome of treated
	Control    float64 `json:"control"`    // mean outcome of control
	Difference float64 `json:"difference"` // Treated less Control
	SE         float64 `json:"se"`         // of Difference, clustered
	Lower      float64 `json:"lower"`      // interval of Difference
	Upper      float64 `json:"upper"`
}

// EffectCalibration says whether predicted effects are the size they claim.
type EffectCalibration struct {
	Bins []EffectBin `json:"bins"` // by ascending prediction
	// Error is the mean over rows of |predicted - observed effect| by bin. Noise
	// alone makes it positive.
	Error float64 `json:"error"`
	// Debiased is the root of the mean over bins of the squared miss less its
	// sampling variance, 0 where that is negative.
	Debiased float64 `json:"debiased"`
	// Slope is the observed effect per unit of predicted effect: 1 is perfect,
	// below 1 the predictions are spread too wide. Nil for a constant score.
	Slope *Interval `json:"slope,omitempty"`
}

// CalibrateEffect checks predicted effects: bins cut from the stable ascending
// order at floor(b N/bins), their errors, and the slope, the coefficient of
// (w-p)s in the least squares fit of y on 1, s, w-p, (w-p)s with s the centred
// score, w the treatment and p its share (Chernozhukov, Demirer, Duflo and
// Fernández-Val, 2018, best linear predictor). Intervals are at the given level,
// with variances clustered by customer.
func CalibrateEffect(score []float64, t Trial, bins int, level float64) (EffectCalibration, error) {
	if err := t.checkScored(score); err != nil {
		return EffectCalibration{}, fmt.Errorf("calibrate effect: %w", err)
	}
	if bins < 1 || !(level > 0 && level < 1) {
		return EffectCalibration{}, fmt.Errorf("calibrate effect: %d bins at level %v: %w", bins, level, ErrColumns)
	}
	var c EffectCalibration
	order, w, z := ascending(score), t.weights(), math.Sqrt2*math.Erfinv(level)
	var weight, miss, squares float64
	for b := range bins {
		rows := order[b*len(order)/bins : (b+1)*len(order)/bins]
		bin, n, err := t.effectBin(rows, score, w, z)
		if err != nil {
			return EffectCalibration{}, fmt.Errorf("calibrate effect: bin %d of %d: %w", b+1, bins, err)
		}
		d := bin.Difference - bin.Predicted
		weight += n
		miss += n * math.Abs(d)
		squares += d*d - bin.SE*bin.SE
		c.Bins = append(c.Bins, bin)
	}
	c.Error = miss / weight
	c.Debiased = math.Sqrt(max(0, squares/float64(bins)))
	if slope, ok := t.slope(score, w, z); ok {
		c.Slope = &slope
	}
	return c, nil
}

func (t Trial) effectBin(rows []int32, score, w []float64, z float64) (EffectBin, float64, error) {
	var s step
	var predicted float64
	for _, i := range rows {
		s.add(t.Treated[i], w[i], t.Outcome[i])
		predicted += w[i] * score[i]
	}
	if s.nt == 0 || s.nc == 0 {
		return EffectBin{}, 0, fmt.Errorf("an arm is missing: %w", ErrUndefined)
	}
	bin := EffectBin{
		Rows: len(rows), Predicted: predicted / s.n(),
		Treated: s.yt / s.nt, Control: s.yc / s.nc, Difference: s.difference(),
	}
	bin.SE = t.differenceSE(rows, s, w)
	bin.Lower, bin.Upper = bin.Difference-z*bin.SE, bin.Difference+z*bin.SE
	return bin, s.n(), nil
}

// differenceSE is the standard error of the difference of means. Independent
// rows: the root of s_t^2/n_t + s_c^2/n_c; clustered rows: from the sums per
// cluster of each row's influence, with the correction G/(G-1).
func (t Trial) differenceSE(rows []int32, s step, w []float64) float64 {
	influence := make([]float64, len(rows))
	var perArm, count [2]float64
	for k, i := range rows {
		mean, n := s.yc/s.nc, -s.nc
		if t.Treated[i] {
			mean, n = s.yt/s.nt, s.nt
		}
		influence[k] = w[i] * (t.Outcome[i] - mean) / n
		perArm[arm(t.Treated[i])] += influence[k] * influence[k]
		count[arm(t.Treated[i])]++
	}
	if t.Cluster == nil {
		return math.Sqrt(corrected(perArm[0], count[0]) + corrected(perArm[1], count[1]))
	}
	clusters := make([]int, len(rows))
	for k, i := range rows {
		clusters[k] = t.Cluster[i]
	}
	ss, groups := clusterSquares(influence, clusters)
	return math.Sqrt(corrected(ss, float64(groups)))
}

// corrected applies n/(n-1); a single observation keeps its square, which is 0
// for one that is its own mean.
func corrected(ss, n float64) float64 {
	if n < 2 {
		return ss
	}
	return ss * n / (n - 1)
}

// clusterSquares adds values within clusters and returns the sum of squares and
// the number of clusters. A nil cluster column makes every value its own.
func clusterSquares(v []float64, cluster []int) (ss float64, groups int) {
	index := dense(cluster, len(v))
	sums := v
	if index.of != nil {
		sums = make([]float64, index.n)
		for i, x := range v {
			sums[index.of[i]] += x
		}
	}
	for _, x := range sums {
		ss += x * x
	}
	return ss, index.n
}
