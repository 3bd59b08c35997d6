package eval_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

func near(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.12g, want %.12g within %g", name, got, want, tolerance)
	}
}

// aucByPairs counts every pair, the definition itself.
func aucByPairs(p, y, w []float64) float64 {
	var wins, pairs float64
	for i := range p {
		for j := range p {
			if y[i] != 1 || y[j] != 0 {
				continue
			}
			ww := w[i] * w[j]
			pairs += ww
			if p[i] > p[j] {
				wins += ww
			} else if p[i] == p[j] {
				wins += ww / 2
			}
		}
	}
	return wins / pairs
}

func TestAUCCountsPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		n := 5 + rng.IntN(40)
		p, y, w := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			p[i] = float64(rng.IntN(8)) / 8
			y[i] = float64(rng.IntN(2))
			w[i] = float64(rng.IntN(4))
		}
		y[0], y[1], w[0], w[1] = 0, 1, 1, 1
		got, err := eval.AUC(p, eval.Rows{Outcome: y, Weight: w})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "AUC", got, aucByPairs(p, y, w), 1e-12)
	}
}

func TestLossesByHand(t *testing.T) {
	p := []float64{0.9, 0.2, 0.5, 0}
	r := eval.Rows{Outcome: []float64{1, 0, 1, 1}}
	got, err := eval.LogLoss(p, r)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "log loss", got, -(math.Log(0.9)+math.Log(0.8)+math.Log(0.5)+math.Log(1e-15))/4, 1e-12)
	got, err = eval.Brier(p, r)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "Brier", got, (0.01+0.04+0.25+1)/4, 1e-12)
}

func TestBinaryRefuses(t *testing.T) {
	cases := map[string]struct {
		p    []float64
		rows eval.Rows
		want error
	}{
		"one class":       {[]float64{0.1, 0.2}, eval.Rows{Outcome: []float64{1, 1}}, eval.ErrUndefined},
		"no rows":         {nil, eval.Rows{}, eval.ErrColumns},
		"length":          {[]float64{0.1}, eval.Rows{Outcome: []float64{1, 0}}, eval.ErrColumns},
		"NaN":             {[]float64{0.1, math.NaN()}, eval.Rows{Outcome: []float64{1, 0}}, eval.ErrColumns},
		"above 1":         {[]float64{0.1, 1.1}, eval.Rows{Outcome: []float64{1, 0}}, eval.ErrColumns},
		"outcome":         {[]float64{0.1, 0.1}, eval.Rows{Outcome: []float64{1, 2}}, eval.ErrColumns},
		"negative weight": {[]float64{0.1, 0.1}, eval.Rows{Outcome: []float64{1, 0}, Weight: []float64{1, -1}}, eval.ErrColumns},
		"cluster length":  {[]float64{0.1, 0.1}, eval.Rows{Outcome: []float64{1, 0}, Cluster: []int{1}}, eval.ErrColumns},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := eval.AUC(c.p, c.rows); !errors.Is(err, c.want) {
				t.Errorf("AUC: %v, want %v", err, c.want)
			}
			if _, err := eval.EvaluateBinary(eval.Prediction{Name: "m", P: c.p}, c.rows, eval.Bootstrap{}); !errors.Is(err, c.want) {
				t.Errorf("EvaluateBinary: %v, want %v", err, c.want)
			}
		})
	}
}

// population draws customers with several rows each, whose outcome chance is
// known; noise spoils the prediction.
func population(seed uint64, customers int, noise float64) (truth, spoilt []float64, r eval.Rows) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for c := range customers {
		u := rng.NormFloat64()
		for range 1 + rng.IntN(4) {
			p := 1 / (1 + math.Exp(-(u - 1 + 0.3*rng.NormFloat64())))
			y := 0.0
			if rng.Float64() < p {
				y = 1
			}
			truth = append(truth, p)
			spoilt = append(spoilt, 1/(1+math.Exp(-(math.Log(p/(1-p))+noise*rng.NormFloat64()))))
			r.Outcome = append(r.Outcome, y)
			r.Cluster = append(r.Cluster, c)
		}
	}
	return truth, spoilt, r
}

func TestCompareTellsTheBetterModel(t *testing.T) {
	truth, spoilt, r := population(3, 1500, 1.5)
	b := eval.Bootstrap{Replicates: 300, Seed: 7}
	c, err := eval.CompareBinary(eval.Prediction{Name: "truth", P: truth}, eval.Prediction{Name: "spoilt", P: spoilt}, r, b)
	if err != nil {
		t.Fatal(err)
	}
	if !c.AUCDiff.Above(0) || !c.LogLossDiff.Below(0) || !c.BrierDiff.Below(0) {
		t.Errorf("truth is not better: %+v", c)
	}
	near(t, "paired AUC", c.AUCDiff.Value, c.First.AUC.Value-c.Second.AUC.Value, 1e-15)
	if c.First.Customers != 1500 {
		t.Errorf("customers = %d, want 1500", c.First.Customers)
	}
	if v := c.Verdict(); strings.Count(v, "truth is better") != 2 {
		t.Errorf("verdict %q", v)
	}
	same, err := eval.CompareBinary(eval.Prediction{Name: "a", P: truth}, eval.Prediction{Name: "b", P: truth}, r, b)
	if err != nil {
		t.Fatal(err)
	}
	if same.AUCDiff != (eval.Interval{}) || !strings.Contains(same.Verdict(), "no difference") {
		t.Errorf("a model against itself: %+v", same.AUCDiff)
	}
}

func TestBootstrapRepeats(t *testing.T) {
	truth, _, r := population(3, 200, 1)
	m := eval.Prediction{Name: "m", P: truth}
	run := func(seed uint64) eval.Binary {
		v, err := eval.EvaluateBinary(m, r, eval.Bootstrap{Replicates: 50, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	one, again, other := run(1), run(1), run(2)
	if one.AUC != again.AUC || one.LogLoss != again.LogLoss {
		t.Error("the same seed gave another interval")
	}
	if one.AUC == other.AUC {
		t.Error("another seed gave the same interval")
	}
}

// Repeating every row of a customer adds no information: clustered intervals
// must stay as wide, where row-wise ones shrink by the root of four.
func TestBootstrapKeepsCustomersTogether(t *testing.T) {
	truth, _, r := population(5, 400, 1)
	var p []float64
	var repeated eval.Rows
	for range 4 {
		p = append(p, truth...)
		repeated.Outcome = append(repeated.Outcome, r.Outcome...)
		repeated.Cluster = append(repeated.Cluster, r.Cluster...)
	}
	se := func(p []float64, r eval.Rows) float64 {
		v, err := eval.EvaluateBinary(eval.Prediction{Name: "m", P: p}, r, eval.Bootstrap{Replicates: 400, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return v.LogLoss.SE
	}
	once, clustered := se(truth, r), se(p, repeated)
	near(t, "clustered SE over SE of single rows", clustered/once, 1, 0.01)
	repeated.Cluster = nil
	near(t, "row-wise SE over clustered SE", se(p, repeated)/clustered, 0.5, 0.12)
}

func TestBootstrapCovers(t *testing.T) {
	const runs = 200
	covered := 0
	for i := range runs {
		truth, _, r := population(uint64(100+i), 150, 1)
		v, err := eval.EvaluateBinary(eval.Prediction{Name: "m", P: truth}, r, eval.Bootstrap{Replicates: 200, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		if v.Brier.Lower <= trueBrier(truth) && trueBrier(truth) <= v.Brier.Upper {
			covered++
		}
	}
	// The Brier score given the chances varies less than the interval allows
	// for, so coverage is above the nominal 95 %.
	if covered < 185 {
		t.Errorf("the 95 %% interval covered the true Brier score in %d of %d runs", covered, runs)
	}
}

func trueBrier(p []float64) float64 {
	var s float64
	for _, x := range p {
		s += x * (1 - x)
	}
	return s / float64(len(p))
}

func TestCalibrationTable(t *testing.T) {
	truth, _, r := population(9, 4000, 1)
	bins, err := eval.CalibrationTable(truth, r, 10, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	rows, covered := 0, 0
	for i, b := range bins {
		rows += b.Rows
		if b.Covers() {
			covered++
		}
		if i > 0 && b.From < bins[i-1].To {
			t.Errorf("bin %d starts at %v below the end of the last, %v", i, b.From, bins[i-1].To)
		}
	}
	if len(bins) != 10 || rows != len(truth) || covered < 8 {
		t.Errorf("%d bins, %d of %d rows, %d cover", len(bins), rows, len(truth), covered)
	}
	half := make([]float64, len(truth))
	for i := range half {
		half[i] = truth[i] / 2
	}
	bins, err = eval.CalibrationTable(half, r, 10, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if bins[9].Covers() {
		t.Error("half the true chance passes for calibrated")
	}
}

func TestWilsonInterval(t *testing.T) {
	// 10 of 50 at 95 %: 0.1124 to 0.3304 (Newcombe, Statistics in Medicine 17, 1998, method 3).
	p, y := make([]float64, 50), make([]float64, 50)
	for i := range 10 {
		y[i] = 1
	}
	bins, err := eval.CalibrationTable(p, eval.Rows{Outcome: y}, 1, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "lower", bins[0].Lower, 0.1124, 5e-5)
	near(t, "upper", bins[0].Upper, 0.3304, 5e-5)
}

func TestBinaryText(t *testing.T) {
	truth, spoilt, r := population(3, 300, 1)
	c, err := eval.CompareBinary(eval.Prediction{Name: "champion", P: truth}, eval.Prediction{Name: "prior", P: spoilt}, r,
		eval.Bootstrap{Replicates: 50, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if err := c.First.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AUC", "log loss", "Brier", "champion", "prior", "predicted", "ranking:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("text lacks %q:\n%s", want, out.String())
		}
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back eval.Comparison
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.AUCDiff != c.AUCDiff || len(back.First.Bins) != 10 {
		t.Error("JSON does not carry the comparison")
	}
}
