package learner

import (
	"math"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

func TestIsotonicAndPlattRepairLevels(t *testing.T) {
	s := newStream(12)
	n := 20000
	score, y := make([]float64, n), make([]float64, n)
	truth := func(p float64) float64 { return sigmoid(0.5*logit(p) - 1) } // the score is too spread and too high
	for i := range n {
		score[i] = s.uniform()
		if s.uniform() < truth(score[i]) {
			y[i] = 1
		}
	}
	platt, err := FitPlatt(score, y, nil)
	if err != nil {
		t.Fatal(err)
	}
	iso := FitIsotonic(score, y, nil, 200)
	for p := 0.05; p < 1; p += 0.05 {
		if d := math.Abs(platt.Apply(p) - truth(p)); d > 0.02 {
			t.Errorf("Platt at %.2f is off by %.3f", p, d)
		}
		if d := math.Abs(iso.Apply(p) - truth(p)); d > 0.05 {
			t.Errorf("isotonic at %.2f is off by %.3f", p, d)
		}
	}
}

func TestIsotonicIsThePoolOfViolators(t *testing.T) {
	c := FitIsotonic([]float64{1, 2, 3, 4}, []float64{1, 3, 2, 5}, nil, 1)
	for _, w := range [][2]float64{{0, 1}, {1, 1}, {2.5, 2.5}, {4, 5}, {9, 5}} {
		if got := c.Apply(w[0]); got != w[1] {
			t.Errorf("at %v: %v, want %v", w[0], got, w[1])
		}
	}
	if c := FitIsotonic([]float64{1, 2}, []float64{2, 1}, nil, 1); c.Apply(1) != 1.5 || c.Apply(5) != 1.5 {
		t.Errorf("falling outcomes: %+v, want their mean", c)
	}
}

func TestQuadraticConstraints(t *testing.T) {
	q := newQuadratic(3)
	s := newStream(2)
	for range 5000 {
		a, b := s.uniform(), s.uniform()
		q.add([]float64{a, b, s.uniform()}, 0.7*a+0.3*b+0.01*(s.uniform()-0.5), 1)
	}
	for name, b := range map[string][]float64{"simplex": q.simplex(), "non-negative": q.nonNegative()} {
		if math.Abs(b[0]-0.7)+math.Abs(b[1]-0.3)+math.Abs(b[2]) > 0.02 {
			t.Errorf("%s: %v, want 0.7 0.3 0", name, b)
		}
	}
}

func TestQiniOfKnownCases(t *testing.T) {
	d := &Dataset{Outcome: "y", Unit: "probability", Offers: []string{"a"}, Y: []float64{1, 0, 0, 0}, Arm: []int{1, 0, 1, 0}}
	w := &work{d: d, chance: [][]float64{{.5, .5, .5, .5}, {.5, .5, .5, .5}}}
	rows := []int32{0, 1, 2, 3}
	if got := w.qini(1, []float64{2, 2, 1, 1}, rows); math.Abs(got-0.125) > 1e-12 {
		t.Errorf("perfect order: %v, want 0.125", got)
	}
	if got := w.qini(1, []float64{1, 1, 1, 1}, rows); got != 0 {
		t.Errorf("all tied: %v, want 0", got)
	}
}

// TestEffectScales: what sets offers apart is scaled by itself, the mean over
// the offers too.
func TestEffectScales(t *testing.T) {
	const n = 30_000
	d := &Dataset{Outcome: "y", Unit: "money", Offers: []string{"a", "b"}, Features: []models.Feature{{Name: "x"}}, X: [][]float64{make([]float64, n)}}
	said := [][]float64{make([]float64, n), make([]float64, n)}
	for i := range n {
		x := float64(i%7-3) / 3
		arm := i / 7 % 3
		common, apart := 1+float64(i%5-2)/2, x
		effect := [3]float64{0, common + apart, common - apart}
		d.X[0][i] = x
		d.Y, d.Arm = append(d.Y, effect[arm]), append(d.Arm, arm)
		said[0][i], said[1][i] = 5+common+2*apart, 7+common-2*apart
	}
	w, err := newWork(d, 2, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	maps := w.calibrateEffects(said, &nuisance{level: w.columns(3)})
	for a, e := range maps {
		if math.Abs(e.own-0.5) > 0.05 || math.Abs(e.own+2*e.all-1) > 0.1 {
			t.Errorf("offer %d: %+v", a, e)
		}
		if mean := e.shift + e.own*said[a][3] + e.all*(said[0][3]+said[1][3]); math.Abs(mean-1.5) > 0.1 {
			t.Errorf("offer %d has the effect %v in row 3", a, mean)
		}
	}
	alone := w.calibrateEffects(said[:1], &nuisance{level: w.columns(3)})
	if e := alone[0]; e.all != 0 || e.own < 0.5 || e.own > 0.9 {
		t.Errorf("one offer: %+v", e)
	}
}
