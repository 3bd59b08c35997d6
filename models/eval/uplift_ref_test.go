package eval_test

import (
	"fmt"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

// upliftMetrics names every metric of the reference file.
func upliftMetrics() map[string]func(score []float64, t eval.Trial) (float64, error) {
	m := map[string]func([]float64, eval.Trial) (float64, error){
		"qini_area_per_customer":        eval.QiniPerCustomer,
		"qini_area_classic_per_treated": eval.QiniClassic,
		"calibration_10": func(s []float64, t eval.Trial) (float64, error) {
			c, err := eval.CalibrateEffect(s, t, 10, 0.95)
			return c.Error, err
		},
		"calibration_slope": func(s []float64, t eval.Trial) (float64, error) {
			c, err := eval.CalibrateEffect(s, t, 10, 0.95)
			if err != nil {
				return 0, err
			}
			if c.Slope == nil {
				return 0, fmt.Errorf("no slope")
			}
			return c.Slope.Value, nil
		},
		"sklift_qini_auc_score": func(s []float64, t eval.Trial) (float64, error) { return eval.SkliftQini(s, t, true) },
		"sklift_qini_auc_score(negative_effect=False)": func(s []float64, t eval.Trial) (float64, error) {
			return eval.SkliftQini(s, t, false)
		},
		"sklift_uplift_auc_score":        eval.SkliftAUUC,
		"sklift_weighted_average_uplift": eval.SkliftWeightedAverage,
		"causalml_qini_score(normalize=True)": func(s []float64, t eval.Trial) (float64, error) {
			return eval.CausalMLQini(s, t, true)
		},
		"causalml_qini_score(normalize=False)": func(s []float64, t eval.Trial) (float64, error) {
			return eval.CausalMLQini(s, t, false)
		},
		"causalml_auuc_score(normalize=True)": func(s []float64, t eval.Trial) (float64, error) {
			return eval.CausalMLAUUC(s, t, true)
		},
		"causalml_auuc_score(normalize=False)": func(s []float64, t eval.Trial) (float64, error) {
			return eval.CausalMLAUUC(s, t, false)
		},
	}
	for _, q := range []float64{0.1, 0.3, 0.5} {
		m[fmt.Sprintf("uplift_at_%v", q)] = func(s []float64, t eval.Trial) (float64, error) { return eval.UpliftAt(q, s, t) }
		m[fmt.Sprintf("sklift_uplift_at_k(overall,%v)", q)] = func(s []float64, t eval.Trial) (float64, error) {
			return eval.SkliftUpliftAtK(q, s, t, false)
		}
		m[fmt.Sprintf("sklift_uplift_at_k(by_group,%v)", q)] = func(s []float64, t eval.Trial) (float64, error) {
			return eval.SkliftUpliftAtK(q, s, t, true)
		}
	}
	return m
}

func hillstromSample(t *testing.T) (rows []map[string]string, treated []bool) {
	t.Helper()
	rows = records(t, "testdata/metrics/rows.csv")
	treated = make([]bool, len(rows))
	for i, row := range rows {
		treated[i] = row["treated"] == "1"
	}
	return rows, treated
}

func TestUpliftMetricsAgreeWithReferences(t *testing.T) {
	rows, treated := hillstromSample(t)
	metrics := upliftMetrics()
	expected := records(t, "testdata/metrics/expected.csv")
	if len(expected) < 56 {
		t.Fatalf("%d expected values, want 56", len(expected))
	}
	for _, want := range expected {
		name := want["metric"] + " of " + want["score"] + " on " + want["outcome"]
		t.Run(name, func(t *testing.T) {
			metric, ok := metrics[want["metric"]]
			if !ok {
				t.Fatal("no such metric here")
			}
			trial := eval.Trial{Rows: eval.Rows{Outcome: column(t, rows, want["outcome"])}, Treated: treated}
			got, err := metric(column(t, rows, want["score"]), trial)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "value", got, number(t, want["value"]), 1e-9)
		})
	}
}
