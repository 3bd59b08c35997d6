package eval_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/rebound-engine/rebound/models/eval"
)

// Whatever the columns hold, a metric is a finite number or an error of the two
// kinds; nothing panics.
func TestMetricsAnswerOrRefuse(t *testing.T) {
	value := rapid.OneOf(
		rapid.Float64Range(-3, 3),
		rapid.SampledFrom([]float64{0, 1, 0.5, -1, math.NaN(), math.Inf(1), math.Inf(-1)}),
	)
	clean := rapid.OneOf(rapid.SampledFrom([]float64{0, 1}), rapid.SampledFrom([]float64{0, 0.25, 0.5, 1}))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		draw := func(name string) []float64 {
			gen := rapid.SampledFrom([]*rapid.Generator[float64]{clean, clean, clean, value}).Draw(t, name+" kind")
			size := n
			if rapid.IntRange(0, 20).Draw(t, name+" short") == 0 {
				size = max(0, n-1)
			}
			return rapid.SliceOfN(gen, size, size).Draw(t, name)
		}
		r := eval.Rows{Outcome: draw("outcome")}
		if rapid.Bool().Draw(t, "weighted") {
			r.Weight = draw("weight")
		}
		if rapid.Bool().Draw(t, "clustered") {
			r.Cluster = rapid.SliceOfN(rapid.IntRange(0, 3), n, n).Draw(t, "cluster")
		}
		trial := eval.Trial{Rows: r, Treated: rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "treated")}
		score := draw("score")
		logged := eval.Logged{Rows: r, Propensity: draw("propensity"), Target: draw("target"), Q: draw("q"), V: draw("v")}
		b := eval.Bootstrap{Replicates: 5, Seed: 1}
		check := func(name string, v float64, err error) {
			switch {
			case err != nil && !errors.Is(err, eval.ErrColumns) && !errors.Is(err, eval.ErrUndefined):
				t.Errorf("%s: an error of neither kind: %v", name, err)
			case err == nil && (math.IsNaN(v) || math.IsInf(v, 0)):
				t.Errorf("%s: %v without an error", name, v)
			}
		}
		for name, metric := range upliftMetrics() {
			v, err := metric(score, trial)
			if err != nil && err.Error() == "no slope" {
				continue
			}
			check(name, v, err)
		}
		for kind := eval.IPS; kind <= eval.SubGaussianDR+1; kind++ {
			v, err := eval.PolicyValue(logged, eval.Estimator{Kind: kind, Lambda: 0.5})
			check(eval.Estimator{Kind: kind}.String(), v, err)
		}
		auc, err := eval.AUC(score, r)
		check("AUC", auc, err)
		m, err := eval.EvaluateBinary(eval.Prediction{Name: "m", P: score}, r, b)
		check("binary", m.AUC.Upper, err)
		c, err := eval.CheckCalibration(score, r)
		check("calibration", c.WorstZ, err)
		u, err := eval.EvaluateUplift(eval.UpliftInput{Score: score, Trial: trial}, b)
		check("uplift", u.Targeting.AUTOC.Upper+u.Qini.Upper, err)
		s, err := eval.PSI(r.Outcome, score)
		check("PSI", s.PSI+s.P, err)
		baseline, err := eval.NewBaseline(score, 4)
		check("baseline", 0, err)
		if err == nil {
			s, err = baseline.Compare(r.Outcome)
			check("shift", s.PSI+s.P, err)
		}
	})
}
