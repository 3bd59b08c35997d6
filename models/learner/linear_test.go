package learner

import (
	"math"
	"testing"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
)

// linearRows draws rows of a number, a number with gaps and a category.
func linearRows(n int) ([]models.Feature, [][]float64, []int32) {
	s := newStream(7)
	fs := []models.Feature{{Name: "a"}, {Name: "b"}, {Name: "c", Type: models.Category, Levels: []string{"x", "y", "z"}}}
	cols := [][]float64{make([]float64, n), make([]float64, n), make([]float64, n)}
	rows := make([]int32, n)
	for i := range n {
		rows[i] = int32(i)
		cols[0][i], cols[1][i], cols[2][i] = 100+30*s.uniform(), s.uniform(), float64(s.below(3))
		if s.uniform() < 0.2 {
			cols[1][i] = math.NaN()
		}
	}
	return fs, cols, rows
}

func trueRaw(cols [][]float64, i int) float64 {
	raw := 0.05*(cols[0][i]-115) + []float64{0, 0.5, -0.5}[int(cols[2][i])]
	if math.IsNaN(cols[1][i]) {
		return raw + 1
	}
	return raw + 2*(cols[1][i]-0.5)
}

func TestFitLinearRecoversTruth(t *testing.T) {
	fs, cols, rows := linearRows(20000)
	s := newStream(8)
	for _, link := range []models.Link{models.LinkIdentity, models.LinkLogistic, models.LinkExp} {
		y := make([]float64, len(rows))
		for i := range y {
			raw := trueRaw(cols, i)
			switch link {
			case models.LinkLogistic:
				if s.uniform() < sigmoid(raw) {
					y[i] = 1
				}
			case models.LinkExp:
				y[i] = math.Exp(raw) * -math.Log1p(-s.uniform())
			default:
				y[i] = raw + s.uniform() - 0.5
			}
		}
		l, err := FitLinear(fs, cols, y, nil, rows, link, LinearSettings{Ridge: 1}, 2)
		if err != nil {
			t.Fatal(err)
		}
		x, worst := make([]float64, 3), 0.0
		for i := range 2000 {
			for j := range x {
				x[j] = cols[j][i]
			}
			worst = max(worst, math.Abs(l.Raw(x)-trueRaw(cols, i)))
		}
		if worst > 0.2 {
			t.Errorf("link %d: raw off by up to %v", link, worst)
		}
	}
}

// TestFitLinearIsOptimal holds a fit against the optimality condition of
// LogisticRegression(C=1) of scikit-learn on standardised inputs:
// the penalised gradient vanishes.
func TestFitLinearIsOptimal(t *testing.T) {
	fs, cols, rows := linearRows(500)
	y := make([]float64, len(rows))
	for i := range y {
		y[i] = float64(i % 2)
	}
	d := newDesign(fs, cols, rows, nil)
	w := make([]float64, len(rows))
	for i := range w {
		w[i] = 1 + float64(i%3)
	}
	beta, err := d.newton(y, w, models.LinkLogistic, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, g := d.normalEquations(beta, y, w, models.LinkLogistic, 1, nil)
	for j, v := range g {
		if math.Abs(v) > 1e-5 {
			t.Errorf("gradient %d is %v", j, v)
		}
	}
}

func TestFitLinearSameForAnyThreads(t *testing.T) {
	fs, cols, rows := linearRows(30000)
	y := make([]float64, len(rows))
	for i := range y {
		y[i] = float64(splitmix.Sum64(uint64(i)) & 1)
	}
	one, err := FitLinear(fs, cols, y, nil, rows, models.LinkLogistic, LinearSettings{Ridge: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	four, err := FitLinear(fs, cols, y, nil, rows, models.LinkLogistic, LinearSettings{Ridge: 1}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if one.Intercept != four.Intercept || one.Terms[0].Slope != four.Terms[0].Slope {
		t.Error("threads changed the fit")
	}
}
