package eval_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

func normals(seed uint64, n int, mean float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 3))
	out := make([]float64, n)
	for i := range out {
		out[i] = mean + rng.NormFloat64()
	}
	return out
}

func TestPSIByHand(t *testing.T) {
	s := must[eval.Shift](t)(eval.PSI([]float64{50, 30, 20}, []float64{20, 30, 50}))
	near(t, "PSI", s.PSI, 2*0.3*math.Log(2.5), 1e-12)
	near(t, "noise", s.Noise, 2*0.02, 1e-12)
	// Two degrees of freedom: the tail is exp(-x/2).
	near(t, "P", s.P, math.Exp(-s.PSI/0.02/2), 1e-12)
	if s.Level != eval.Broken {
		t.Errorf("level %s", s.Level)
	}
	if same := must[eval.Shift](t)(eval.PSI([]float64{5, 5}, []float64{50, 50})); same.PSI != 0 || same.P != 1 || same.Level != eval.Stable {
		t.Errorf("no shift: %+v", same)
	}
}

func TestBaselineSeesAShift(t *testing.T) {
	base := must[eval.Baseline](t)(eval.NewBaseline(normals(1, 5000, 0), 10))
	if len(base.Edges) != 9 {
		t.Fatalf("%d edges", len(base.Edges))
	}
	cases := map[string]struct {
		values []float64
		want   eval.ShiftLevel
	}{
		"same":                 {normals(2, 3000, 0), eval.Stable},
		"few rows, only noise": {normals(3, 30, 0), eval.Stable},
		"moved by 0.4":         {normals(4, 3000, 0.4), eval.Shifted},
		"moved by 1":           {normals(5, 3000, 1), eval.Broken},
	}
	for name, c := range cases {
		if s := must[eval.Shift](t)(base.Compare(c.values)); s.Level != c.want {
			t.Errorf("%s: %+v, want %s", name, s, c.want)
		}
	}
	missing := normals(6, 3000, 0)
	for i := range 900 {
		missing[i] = math.NaN()
	}
	if s := must[eval.Shift](t)(base.Compare(missing)); s.Level != eval.Broken {
		t.Errorf("a third missing: %+v", s)
	}
}

func TestBaselineKeepsTies(t *testing.T) {
	base := must[eval.Baseline](t)(eval.NewBaseline([]float64{0, 0, 0, 0, 0, 0, 0, 1, 1, 2}, 10))
	if len(base.Edges) != 2 || base.Edges[0] != 0 || base.Edges[1] != 1 {
		t.Errorf("edges %v", base.Edges)
	}
	if c := base.Counts; c[0] != 7 || c[1] != 2 || c[2] != 1 || c[3] != 0 {
		t.Errorf("counts %v", c)
	}
}

// PSI of samples from one distribution follows the stated law.
func TestPSINoise(t *testing.T) {
	base := must[eval.Baseline](t)(eval.NewBaseline(normals(7, 2000, 0), 10))
	var mean, want float64
	low := 0
	for i := range 300 {
		s := must[eval.Shift](t)(base.Compare(normals(uint64(100+i), 1000, 0)))
		mean += s.PSI / 300
		want = s.Noise
		if s.P < 0.05 {
			low++
		}
	}
	// The baseline sample is the same in all runs, so its share of the noise is one draw.
	if mean < 0.6*want || mean > 1.6*want || low > 45 {
		t.Errorf("mean PSI %v, noise %v, %d of 300 below 5 %%", mean, want, low)
	}
}

func TestSampleRatio(t *testing.T) {
	r := must[eval.RatioTest](t)(eval.SampleRatio([]int{4450, 5550}, []float64{1, 1}))
	near(t, "chi square", r.ChiSquare, 2*550*550/5000.0, 1e-9)
	if !r.Mismatch {
		t.Error("a mismatch is not seen")
	}
	// One degree of freedom: the tail of 3.841459 is 0.05.
	x := math.Sqrt(3.841458820694124 * 10000)
	near(t, "P", must[eval.RatioTest](t)(eval.SampleRatio([]int{int(5000*100 + x*5), int(5000*100 - x*5)}, []float64{0.5, 0.5})).P, 0.05, 1e-3)
	// Hillstrom's three arms were filled as meant.
	if r := must[eval.RatioTest](t)(eval.SampleRatio([]int{21306, 21307, 21387}, []float64{1, 1, 1})); r.Mismatch {
		t.Errorf("Hillstrom: %+v", r)
	}
	for name, err := range map[string]error{
		"one arm":    second(eval.SampleRatio([]int{1}, []float64{1})),
		"zero share": second(eval.SampleRatio([]int{1, 1}, []float64{1, 0})),
	} {
		if !errors.Is(err, eval.ErrColumns) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(eval.SampleRatio([]int{0, 0}, []float64{1, 1})); !errors.Is(err, eval.ErrUndefined) {
		t.Errorf("no units: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestCalibrationAlarm(t *testing.T) {
	truth, _, r := population(20, 4000, 1)
	if c := must[eval.CalibrationCheck](t)(eval.CheckCalibration(truth, r)); c.Alarm || !strings.HasPrefix(c.Words, "Calibrated") {
		t.Errorf("the truth raises an alarm: %s (z %v)", c.Words, c.WorstZ)
	}
	high := make([]float64, len(truth))
	flat := make([]float64, len(truth))
	var mean float64
	for i, p := range truth {
		high[i] = min(1, p*1.15)
		mean += r.Outcome[i] / float64(len(truth))
	}
	for i, p := range truth {
		flat[i] = min(1, max(0, mean+2*(p-mean)))
	}
	c := must[eval.CalibrationCheck](t)(eval.CheckCalibration(high, r))
	if !c.Alarm || !c.Difference.Below(0) {
		t.Errorf("15 %% too high raises no alarm: %+v", c)
	}
	if c = must[eval.CalibrationCheck](t)(eval.CheckCalibration(flat, r)); !c.Alarm {
		t.Errorf("too wide a spread raises no alarm: %+v", c)
	}
}

func TestCalibrationAlarmSeldomFalse(t *testing.T) {
	alarms := 0
	for i := range 300 {
		truth, _, r := population(uint64(700+i), 200, 1)
		if must[eval.CalibrationCheck](t)(eval.CheckCalibration(truth, r)).Alarm {
			alarms++
		}
	}
	if alarms > 4 {
		t.Errorf("%d false alarms in 300, want about 0.6", alarms)
	}
}

func TestPermutationImportance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	const n = 2000
	columns := [][]float64{make([]float64, n), make([]float64, n), make([]float64, n)}
	var r eval.Rows
	for i := range n {
		for j := range columns {
			columns[j][i] = rng.NormFloat64()
		}
		y := 0.0
		if 2*columns[0][i]+0.5*columns[1][i]+rng.NormFloat64() > 0 {
			y = 1
		}
		r.Outcome = append(r.Outcome, y)
	}
	predict := func(c [][]float64) ([]float64, error) {
		out := make([]float64, n)
		for i := range out {
			out[i] = 1 / (1 + math.Exp(-2*c[0][i]-0.5*c[1][i]))
		}
		return out, nil
	}
	metric := func(s []float64) (float64, error) { return eval.AUC(s, r) }
	before := columns[0][0]
	got := must[[]eval.Importance](t)(eval.PermutationImportance([]string{"big", "small", "none"}, columns, predict, metric, 5, 1))
	if got[0].Feature != "big" || got[1].Feature != "small" || got[2].Feature != "none" {
		t.Errorf("order %v", got)
	}
	if got[2].Drop != 0 || got[1].Drop < 0.005 || got[0].Drop < 0.3 || got[0].SD <= 0 {
		t.Errorf("drops %v", got)
	}
	if columns[0][0] != before {
		t.Error("the columns were changed")
	}
	again := must[[]eval.Importance](t)(eval.PermutationImportance([]string{"big", "small", "none"}, columns, predict, metric, 5, 1))
	if again[0] != got[0] {
		t.Error("the same seed gave another answer")
	}
	broken := func([][]float64) ([]float64, error) { return nil, errors.New("model cannot score") }
	if _, err := eval.PermutationImportance([]string{"x"}, columns[:1], broken, metric, 1, 1); err == nil {
		t.Error("a failing model passes")
	}
}
