package eval_test

import (
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

func BenchmarkEvaluateUplift(b *testing.B) {
	tau, data := trial(1, 20000)
	in := eval.UpliftInput{Model: "m", Arm: "a", Outcome: "visit", Unit: "probability", Score: tau, Trial: data}
	b.ReportAllocs()
	for b.Loop() {
		u, err := eval.EvaluateUplift(in, eval.Bootstrap{Replicates: 1000, Seed: 1})
		if err != nil || u.Rows != 20000 {
			b.Fatal(u.Rows, err)
		}
	}
}

func BenchmarkEvaluatePolicy(b *testing.B) {
	a, ideal, _ := experiment(1, 15000, 1)
	b.ReportAllocs()
	for b.Loop() {
		r, err := eval.EvaluatePolicy(eval.PolicyInput{Model: "m", Arms: a, Choice: ideal}, eval.Bootstrap{Replicates: 1000, Seed: 1})
		if err != nil || !r.Guard.UseModel {
			b.Fatal(r.Guard.Words, err)
		}
	}
	b.ReportMetric(float64(len(ideal)), "rows")
}

func BenchmarkUpliftMetrics(b *testing.B) {
	tau, data := trial(1, 20000)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range tau {
		tau[i] += 1e-6 * rng.Float64()
	}
	metrics := []struct {
		name   string
		metric func([]float64, eval.Trial) (float64, error)
	}{
		{"qini", eval.QiniPerCustomer},
		{"classic", eval.QiniClassic},
		{"sklift-auuc", eval.SkliftAUUC},
		{"causalml-auuc", func(s []float64, t eval.Trial) (float64, error) { return eval.CausalMLAUUC(s, t, true) }},
	}
	for _, m := range metrics {
		b.Run("metric="+m.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := m.metric(tau, data); err != nil || v == 0 {
					b.Fatal(v, err)
				}
			}
		})
	}
}
