package eval

import (
	"fmt"
	"math"
)

// LevelBin is one bin of a calibration table of probabilities.
type LevelBin struct {
	Rows      int     `json:"rows"`
	From      float64 `json:"from"`      // lowest prediction in the bin
	To        float64 `json:"to"`        // highest prediction in the bin
	Predicted float64 `json:"predicted"` // mean prediction
	Observed  float64 `json:"observed"`  // share of outcome 1
	Lower     float64 `json:"lower"`     // interval of Observed
	Upper     float64 `json:"upper"`
}

// Covers reports whether the interval of what was observed holds the mean prediction.
func (b LevelBin) Covers() bool { return b.Lower <= b.Predicted && b.Predicted <= b.Upper }

// CalibrationTable cuts the rows, by ascending prediction (stable), into bins
// whose borders are floor(k N/bins) and compares prediction with outcome in
// each. The interval is Wilson's (Brown, Cai and DasGupta, Statistical Science
// 16, 2001) at the given level, on the number of rows divided by the design
// effect of the clusters in the bin, at least 1. Bins without weight are left out.
func CalibrationTable(p []float64, r Rows, bins int, level float64) ([]LevelBin, error) {
	if err := checkBinary(p, r); err != nil {
		return nil, fmt.Errorf("calibration table: %w", err)
	}
	if bins < 1 || !(level > 0 && level < 1) {
		return nil, fmt.Errorf("calibration table: %d bins at level %v: %w", bins, level, ErrColumns)
	}
	order, w := ascending(p), r.weights()
	z := math.Sqrt2 * math.Erfinv(level)
	var out []LevelBin
	for b := range bins {
		rows := order[b*len(order)/bins : (b+1)*len(order)/bins]
		if bin, ok := levelBin(rows, p, w, r, z); ok {
			out = append(out, bin)
		}
	}
	return out, nil
}

func levelBin(rows []int32, p, w []float64, r Rows, z float64) (LevelBin, bool) {
	var n, n2, sp, sy float64
	for _, i := range rows {
		n += w[i]
		n2 += w[i] * w[i]
		sp += w[i] * p[i]
		sy += w[i] * r.Outcome[i]
	}
	if n == 0 {
		return LevelBin{}, false
	}
	bin := LevelBin{
		Rows: len(rows), From: p[rows[0]], To: p[rows[len(rows)-1]],
		Predicted: sp / n, Observed: sy / n,
	}
	effective := n * n / n2 / designEffect(rows, r, func(i int32) float64 { return w[i] * (r.Outcome[i] - bin.Observed) })
	bin.Lower, bin.Upper = wilson(bin.Observed, effective, z)
	return bin, true
}

// designEffect is the variance of a sum of residuals under the clusters divided
// by that of independent rows (Kish, Survey Sampling, 1965), at least 1.
func designEffect(rows []int32, r Rows, residual func(i int32) float64) float64 {
	if r.Cluster == nil {
		return 1
	}
	values, clusters := make([]float64, len(rows)), make([]int, len(rows))
	var independent float64
	for k, i := range rows {
		values[k], clusters[k] = residual(i), r.Cluster[i]
		independent += values[k] * values[k]
	}
	if independent == 0 {
		return 1
	}
	clustered, _ := clusterSquares(values, clusters)
	return max(1, clustered/independent)
}

func wilson(mean, n, z float64) (lower, upper float64) {
	scale := 1 + z*z/n
	centre := (mean + z*z/(2*n)) / scale
	half := z / scale * math.Sqrt(mean*(1-mean)/n+z*z/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}
