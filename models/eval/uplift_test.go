package eval_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

// trial draws rows whose effect is known: tau = 0.2 x - 0.05, with x uniform.
func trial(seed uint64, n int) (tau []float64, t eval.Trial) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		x := rng.Float64()
		effect := 0.2*x - 0.05
		treated := rng.IntN(2) == 1
		p := 0.3 + 0.1*x
		if treated {
			p += effect
		}
		y := 0.0
		if rng.Float64() < p {
			y = 1
		}
		tau = append(tau, effect)
		t.Outcome = append(t.Outcome, y)
		t.Treated = append(t.Treated, treated)
		t.Cluster = append(t.Cluster, i/2)
	}
	return tau, t
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestConstantScoreIsWorthNothing(t *testing.T) {
	_, data := trial(1, 501)
	score := make([]float64, 501)
	for name, metric := range map[string]func([]float64, eval.Trial) (float64, error){
		"per customer": eval.QiniPerCustomer, "classic": eval.QiniClassic, "scikit-uplift auuc": eval.SkliftAUUC,
		"scikit-uplift qini": func(s []float64, t eval.Trial) (float64, error) { return eval.SkliftQini(s, t, true) },
	} {
		if v := must[float64](t)(metric(score, data)); v != 0 {
			t.Errorf("%s of a constant score is %v, want exactly 0", name, v)
		}
	}
	if c := must[eval.EffectCalibration](t)(eval.CalibrateEffect(score, data, 5, 0.95)); c.Slope != nil {
		t.Errorf("a constant score has slope %v", *c.Slope)
	}
	ate := must[float64](t)(eval.AverageEffect(data))
	near(t, "uplift among 30 %", must[float64](t)(eval.UpliftAt(0.3, score, data)), ate, 1e-12)
	toc := must[eval.Targeting](t)(eval.RATE(score, data.Outcome, data.Rows, eval.Bootstrap{Replicates: 20}))
	near(t, "AUTOC", toc.AUTOC.Value, 0, 1e-12)
	near(t, "AUTOC error", toc.AUTOC.SE, 0, 1e-12)
}

// The order of rows, a monotone map of the score and a weight of 1 change nothing.
func TestUpliftMetricsInvariance(t *testing.T) {
	tau, data := trial(2, 700)
	score := make([]float64, len(tau))
	for i, v := range tau {
		score[i] = math.Round(v*40) / 40
	}
	perm := rand.New(rand.NewPCG(9, 9)).Perm(len(tau))
	var shuffled eval.Trial
	var moved []float64
	for _, i := range perm {
		moved = append(moved, math.Exp(score[i]))
		shuffled.Outcome = append(shuffled.Outcome, data.Outcome[i])
		shuffled.Treated = append(shuffled.Treated, data.Treated[i])
		shuffled.Weight = append(shuffled.Weight, 1)
	}
	for name, metric := range map[string]func([]float64, eval.Trial) (float64, error){
		"per customer": eval.QiniPerCustomer, "classic": eval.QiniClassic,
		"uplift at 20 %": func(s []float64, t eval.Trial) (float64, error) { return eval.UpliftAt(0.2, s, t) },
	} {
		near(t, name, must[float64](t)(metric(moved, shuffled)), must[float64](t)(metric(score, data)), 1e-12)
	}
}

// A weight of k is k copies of the row.
func TestWeightsAreCopies(t *testing.T) {
	tau, data := trial(3, 300)
	rng := rand.New(rand.NewPCG(4, 4))
	var copies eval.Trial
	var score []float64
	for i := range tau {
		w := rng.IntN(4)
		data.Weight = append(data.Weight, float64(w))
		for range w {
			score = append(score, tau[i])
			copies.Outcome = append(copies.Outcome, data.Outcome[i])
			copies.Treated = append(copies.Treated, data.Treated[i])
			copies.Weight = append(copies.Weight, 1)
		}
	}
	for name, metric := range map[string]func([]float64, eval.Trial) (float64, error){
		"per customer": eval.QiniPerCustomer, "classic": eval.QiniClassic,
		"uplift at 35 %": func(s []float64, t eval.Trial) (float64, error) { return eval.UpliftAt(0.35, s, t) },
	} {
		near(t, name, must[float64](t)(metric(tau, data)), must[float64](t)(metric(score, copies)), 1e-12)
	}
}

func TestCurveEndsAtAverageEffect(t *testing.T) {
	tau, data := trial(5, 900)
	curve := must[[]eval.Point](t)(eval.UpliftCurve(tau, data))
	end := curve[len(curve)-1]
	if curve[0] != (eval.Point{}) || end.X != 1 {
		t.Errorf("curve from %v to %v", curve[0], end)
	}
	near(t, "end", end.Y, must[float64](t)(eval.AverageEffect(data)), 1e-12)
	perfect := must[[]eval.Point](t)(eval.PerfectCurve(data))
	for _, p := range curve {
		if p.Y > height(perfect, p.X)+1e-12 {
			t.Fatalf("the curve at %v is above the perfect one", p)
		}
	}
	if thin := eval.Thin(curve, 50); len(thin) != 50 || thin[0] != curve[0] || thin[49] != end {
		t.Errorf("thinned to %d points", len(thin))
	}
}

// height reads a piecewise linear curve.
func height(curve []eval.Point, x float64) float64 {
	i, _ := slices.BinarySearchFunc(curve, x, func(p eval.Point, x float64) int {
		if p.X < x {
			return -1
		}
		return 1
	})
	i = min(i, len(curve)-1)
	if i == 0 {
		return curve[0].Y
	}
	a, b := curve[i-1], curve[i]
	return a.Y + (b.Y-a.Y)*(x-a.X)/(b.X-a.X)
}

func TestTrialRefuses(t *testing.T) {
	one := []float64{1, 2}
	cases := map[string]struct {
		trial eval.Trial
		want  error
	}{
		"one arm":         {eval.Trial{Rows: eval.Rows{Outcome: one}, Treated: []bool{true, true}}, eval.ErrUndefined},
		"weightless arm":  {eval.Trial{Rows: eval.Rows{Outcome: one, Weight: []float64{0, 1}}, Treated: []bool{true, false}}, eval.ErrUndefined},
		"treated missing": {eval.Trial{Rows: eval.Rows{Outcome: one}}, eval.ErrColumns},
		"infinite":        {eval.Trial{Rows: eval.Rows{Outcome: []float64{1, math.Inf(1)}}, Treated: []bool{true, false}}, eval.ErrColumns},
	}
	for name, c := range cases {
		if _, err := eval.QiniPerCustomer(one, c.trial); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	weighted := eval.Trial{Rows: eval.Rows{Outcome: []float64{1, 0}, Weight: one}, Treated: []bool{true, false}}
	if _, err := eval.SkliftAUUC(one, weighted); !errors.Is(err, eval.ErrColumns) {
		t.Errorf("weights in a count of rows: %v", err)
	}
	if _, err := eval.UpliftAt(0, one, eval.Trial{Rows: eval.Rows{Outcome: one}, Treated: []bool{true, false}}); !errors.Is(err, eval.ErrColumns) {
		t.Errorf("uplift at 0: %v", err)
	}
}

func TestCalibrationOfTheTruth(t *testing.T) {
	tau, data := trial(6, 40000)
	c := must[eval.EffectCalibration](t)(eval.CalibrateEffect(tau, data, 10, 0.999))
	if c.Slope == nil || c.Slope.Above(1) || c.Slope.Below(1) {
		t.Errorf("slope of the true effect: %+v", c.Slope)
	}
	// A bin of 4,000 rows has an error of 0.016, the root of the mean of ten
	// centred squares one of about 0.010.
	if c.Debiased > 0.02 || c.Error < c.Debiased {
		t.Errorf("error %v, debiased %v", c.Error, c.Debiased)
	}
	wide := make([]float64, len(tau))
	for i, v := range tau {
		wide[i] = 5 * v
	}
	c = must[eval.EffectCalibration](t)(eval.CalibrateEffect(wide, data, 10, 0.999))
	if c.Slope.Above(0.2) || c.Slope.Below(0.2) || !c.Slope.Below(1) {
		t.Errorf("slope of five times the effect: %+v", c.Slope)
	}
	// The miss of a bin is 4 tau of its middle: tau is uniform on -0.05 to 0.15.
	var want float64
	for b := range 10 {
		mid := -0.05 + 0.02*(float64(b)+0.5)
		want += 16 * mid * mid / 10
	}
	near(t, "debiased error", c.Debiased, math.Sqrt(want), 0.02)
}

// The standard error of a bin with the customers as units equals that of their
// means when every customer has one arm and as many rows.
func TestEffectErrorIsClustered(t *testing.T) {
	_, data := trial(7, 2000)
	repeated := eval.Trial{Treated: slices.Concat(data.Treated, data.Treated)}
	repeated.Outcome = slices.Concat(data.Outcome, data.Outcome)
	for i := range repeated.Outcome {
		repeated.Cluster = append(repeated.Cluster, i%2000)
	}
	data.Cluster = nil
	se := func(t2 eval.Trial) float64 {
		c := must[eval.EffectCalibration](t)(eval.CalibrateEffect(make([]float64, len(t2.Outcome)), t2, 1, 0.95))
		return c.Bins[0].SE
	}
	near(t, "ratio of errors", se(repeated)/se(data), 1, 0.002)
}

func TestRATEFollowsItsDefinition(t *testing.T) {
	tau, data := trial(8, 400)
	score := make([]float64, len(tau))
	for i, v := range tau {
		score[i] = math.Round(v*100) / 100
	}
	chance := must[[]float64](t)(eval.Share(data))
	effect := must[[]float64](t)(eval.EffectScores(data, chance, nil, nil))
	var ate float64
	for _, e := range effect {
		ate += e / float64(len(effect))
	}
	near(t, "mean of effect scores", ate, must[float64](t)(eval.AverageEffect(data)), 1e-12)
	autoc, qini := rateByHand(score, effect, ate)
	got := must[eval.Targeting](t)(eval.RATE(score, effect, data.Rows, eval.Bootstrap{Replicates: 100, Seed: 1}))
	near(t, "AUTOC", got.AUTOC.Value, autoc, 1e-12)
	near(t, "Qini", got.Qini.Value, qini, 1e-12)
	near(t, "TOC at 1", got.TOC[len(got.TOC)-1].Y, 0, 1e-12)
}

// rateByHand expands ties to their mean and averages over the ranks.
func rateByHand(score, effect []float64, ate float64) (autoc, qini float64) {
	n := len(score)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case score[a] > score[b]:
			return -1
		case score[a] < score[b]:
			return 1
		default:
			return 0
		}
	})
	var seen float64
	for k, i := range order {
		var tied, count float64
		for j := range n {
			if score[j] == score[i] {
				tied += effect[j]
				count++
			}
		}
		seen += tied / count
		toc := seen/float64(k+1) - ate
		autoc += toc / float64(n)
		qini += toc * float64(k+1) / float64(n) / float64(n)
	}
	return autoc, qini
}

// Intervals of AUTOC and of its Qini form cover the value on a very large sample.
func TestRATECovers(t *testing.T) {
	// With tau = 0.2x - 0.05 and x ranked perfectly, TOC(q) = 0.1 (1-q).
	const wantAUTOC, wantQini = 0.05, 0.1 / 6
	const runs = 200
	covered := [2]int{}
	for i := range runs {
		tau, data := trial(uint64(1000+i), 800)
		effect := must[[]float64](t)(eval.EffectScores(data, must[[]float64](t)(eval.Share(data)), nil, nil))
		v := must[eval.Targeting](t)(eval.RATE(tau, effect, data.Rows, eval.Bootstrap{Replicates: 200, Seed: uint64(i)}))
		for j, c := range []struct {
			got  eval.Interval
			want float64
		}{{v.AUTOC, wantAUTOC}, {v.Qini, wantQini}} {
			if c.got.Lower <= c.want && c.want <= c.got.Upper {
				covered[j]++
			}
		}
	}
	for j, name := range []string{"AUTOC", "Qini"} {
		if covered[j] < 178 || covered[j] > 200 {
			t.Errorf("%s: the 95 %% interval covered the truth in %d of %d runs", name, covered[j], runs)
		}
	}
}

func TestEffectScoresAreDoublyRobust(t *testing.T) {
	tau, data := trial(9, 20000)
	var truth float64
	for _, v := range tau {
		truth += v / float64(len(tau))
	}
	half := make([]float64, len(tau))
	wrong := make([]float64, len(tau))
	for i := range half {
		half[i], wrong[i] = 0.5, 0.9
	}
	effect := must[[]float64](t)(eval.EffectScores(data, half, wrong, wrong))
	var mean float64
	for _, e := range effect {
		mean += e / float64(len(effect))
	}
	near(t, "average effect with a wrong model", mean, truth, 0.03)
	half[3] = 1
	if _, err := eval.EffectScores(data, half, nil, nil); !errors.Is(err, eval.ErrColumns) {
		t.Errorf("a propensity of 1: %v", err)
	}
}

// A trial whose offers went to those who buy anyway shows no ranking and no
// effect once rows weigh one over the chance of what they got.
func TestUnequalChancesAreWeighedOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var in eval.UpliftInput
	for range 20000 {
		x := rng.Float64()
		chance := 0.1 + 0.8*x
		in.Score = append(in.Score, x)
		in.Propensity = append(in.Propensity, chance)
		in.Trial.Treated = append(in.Trial.Treated, rng.Float64() < chance)
		y := 0.0
		if rng.Float64() < x {
			y = 1
		}
		in.Trial.Outcome = append(in.Trial.Outcome, y)
	}
	u := must[eval.Uplift](t)(eval.EvaluateUplift(in, eval.Bootstrap{Replicates: 100, Seed: 1}))
	if !(u.Effect.Lower < 0 && 0 < u.Effect.Upper) || !(u.Qini.Lower < 0 && 0 < u.Qini.Upper) || u.Calibration.Bins[9].Lower > 0 {
		t.Errorf("effect %+v, Qini area %+v, last bin %+v", u.Effect, u.Qini, u.Calibration.Bins[9])
	}
	in.Propensity = nil
	if u = must[eval.Uplift](t)(eval.EvaluateUplift(in, eval.Bootstrap{Replicates: 100, Seed: 1})); u.Effect.Lower < 0.1 {
		t.Errorf("without the chances the effect should look large, is %+v", u.Effect)
	}
}
