package eval

import (
	"fmt"
	"math"
)

// CalibrationCheck says whether predicted levels still match what happens.
type CalibrationCheck struct {
	Predicted  float64  `json:"predicted"`  // mean prediction
	Observed   float64  `json:"observed"`   // mean outcome
	Difference Interval `json:"difference"` // Observed less Predicted, at 99.9 %
	// Worst is the bin whose outcome is farthest from its prediction, in
	// standard errors under the prediction.
	Worst  LevelBin `json:"worst"`
	WorstZ float64  `json:"worst_z"`
	Alarm  bool     `json:"alarm"`
	Words  string   `json:"words"`
}

// CheckCalibration raises an alarm if the mean outcome differs from the mean
// prediction, or if it does in one of ten bins of ascending prediction, at a
// false alarm rate of 0.001 each (the bins together, by Bonferroni). The
// variance is that of outcomes with the predicted chances, times the design
// effect of the customers. Feed it complete outcomes only: a window that is
// still open looks like a miss.
func CheckCalibration(p []float64, r Rows) (CalibrationCheck, error) {
	bins, err := CalibrationTable(p, r, 10, 1-driftAlpha)
	if err != nil {
		return CalibrationCheck{}, fmt.Errorf("check calibration: %w", err)
	}
	if len(bins) == 0 {
		return CalibrationCheck{}, fmt.Errorf("check calibration: all weights are 0: %w", ErrUndefined)
	}
	order, w := ascending(p), r.weights()
	mean, difference := missOf(order, p, w, r)
	c := CalibrationCheck{Predicted: mean, Observed: mean + difference.Value, Difference: difference}
	for b := range 10 {
		rows := order[b*len(order)/10 : (b+1)*len(order)/10]
		bin, ok := levelBin(rows, p, w, r, alarmZ(1))
		if !ok {
			continue
		}
		_, d := missOf(rows, p, w, r)
		if z := d.Value / d.SE; math.Abs(z) > math.Abs(c.WorstZ) {
			c.Worst, c.WorstZ = bin, z
		}
	}
	overall := difference.Above(0) || difference.Below(0)
	c.Alarm = overall || math.Abs(c.WorstZ) > alarmZ(len(bins))
	c.Words = c.words(overall)
	return c, nil
}

// alarmZ is the normal quantile at which one of the given number of tests
// raises a false alarm with chance driftAlpha.
func alarmZ(tests int) float64 {
	return Bootstrap{Level: 1 - driftAlpha/float64(tests)}.z()
}

// missOf is the mean prediction of the rows and the mean outcome less it.
func missOf(rows []int32, p, w []float64, r Rows) (mean float64, miss Interval) {
	var n, variance float64
	for _, i := range rows {
		n += w[i]
		mean += w[i] * p[i]
		miss.Value += w[i] * (r.Outcome[i] - p[i])
		chance := min(max(p[i], logLossFloor), 1-logLossFloor)
		variance += w[i] * w[i] * chance * (1 - chance)
	}
	variance *= designEffect(rows, r, func(i int32) float64 { return w[i] * (r.Outcome[i] - p[i]) })
	miss.Value /= n
	miss.SE = math.Sqrt(variance) / n
	miss.Lower, miss.Upper = miss.Value-alarmZ(1)*miss.SE, miss.Value+alarmZ(1)*miss.SE
	return mean / n, miss
}

func (c CalibrationCheck) words(overall bool) string {
	switch {
	case overall:
		return fmt.Sprintf("Alarm: predicted %.4g on average, observed %.4g.", c.Predicted, c.Observed)
	case c.Alarm:
		return fmt.Sprintf("Alarm: right on average, but where %.4g was predicted %.4g was observed (%d rows).",
			c.Worst.Predicted, c.Worst.Observed, c.Worst.Rows)
	default:
		return fmt.Sprintf("Calibrated: predicted %.4g on average, observed %.4g, within what chance explains.",
			c.Predicted, c.Observed)
	}
}
