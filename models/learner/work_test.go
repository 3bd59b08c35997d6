package learner

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// armRows is a small campaign of two offers with a confounded or random draw.
func armRows(n int, confounded bool) *Dataset {
	s := newStream(21)
	d := &Dataset{Outcome: "y", Unit: "probability", Offers: []string{"a", "b"}, Y: make([]float64, n), Arm: make([]int, n)}
	for _, name := range []string{"x", "z", "g"} {
		d.Features = append(d.Features, models.Feature{Name: name})
		d.X = append(d.X, make([]float64, n))
	}
	for i := range n {
		for j := range d.X {
			d.X[j][i] = s.uniform()
		}
		if s.uniform() < 0.1 {
			d.X[2][i] = math.NaN()
		}
		d.Arm[i] = s.below(3)
		if confounded && s.uniform() < d.X[0][i] {
			d.Arm[i] = 1
		}
		if s.uniform() < sigmoid(-1+d.X[1][i]+[]float64{0, 1, d.X[0][i]}[d.Arm[i]]) {
			d.Y[i] = 1
		}
	}
	return d
}

func mustWork(t *testing.T, d *Dataset) *work {
	t.Helper()
	w, err := newWork(d, 3, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestArmModelsAreTheWholeModel holds the models cut out per arm against the
// pooled model with its arm indicators set.
func TestArmModelsAreTheWholeModel(t *testing.T) {
	w := mustWork(t, armRows(4000, false))
	s := BoostSettings{Trees: 40, Leaves: 12, LearningRate: 0.2, MinRows: 5, Lambda: 1}
	whole, err := TrainBoosted(context.Background(), w.armBins, w.d.Y, nil, w.all, nil, w.outcomeBoost(s, true), 2)
	if err != nil {
		t.Fatal(err)
	}
	e := whole.Ensemble()
	for arm := range 3 {
		cut := whole.forArm(w.bins, w.armValues[arm]).Ensemble()
		if err := cut.Validate(); err != nil {
			t.Fatal(err)
		}
		x, a, b := make([]float64, 5), []float64{0}, []float64{0}
		for i := range 500 {
			w.d.Row(i, x[:3])
			x[3], x[4] = 0, 0
			if arm > 0 {
				x[2+arm] = 1
			}
			e.Raw(x, a)
			if cut.Raw(x[:3], b); math.Abs(a[0]-b[0]) > 1e-9 {
				t.Fatalf("arm %d, row %d: %v, whole model %v", arm, i, b[0], a[0])
			}
		}
	}
}

func TestPoolingShrinksArmSlopes(t *testing.T) {
	w := mustWork(t, armRows(6000, false))
	spread := func(pooling float64) float64 {
		arms, err := w.fitLinearS(LinearSettings{Ridge: 1}, pooling, w.all)
		if err != nil {
			t.Fatal(err)
		}
		return math.Abs(arms[2].(fittedLinear).l.Terms[0].Slope - arms[0].(fittedLinear).l.Terms[0].Slope)
	}
	free, tight := spread(0.01), spread(1e6)
	if free < 0.5 || tight > 0.02 {
		t.Errorf("slopes differ by %v without and %v with pooling, truth 1", free, tight)
	}
}

func TestPropensities(t *testing.T) {
	random := mustWork(t, armRows(3000, false))
	for a := range 3 {
		if slices.Min(random.chance[a]) != slices.Max(random.chance[a]) {
			t.Errorf("a random draw got propensities %v to %v of arm %d", slices.Min(random.chance[a]), slices.Max(random.chance[a]), a)
		}
	}
	w := mustWork(t, armRows(6000, true))
	for i := range 200 {
		x := w.d.X[0][i]
		if want := x + (1-x)/3; math.Abs(w.chance[1][i]-want) > 0.12 {
			t.Errorf("row %d: propensity %.3f, truth %.3f", i, w.chance[1][i], want)
		}
		sum := w.chance[0][i] + w.chance[1][i] + w.chance[2][i]
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("row %d: propensities sum to %v", i, sum)
		}
	}
}

func TestFoldsKeepGroupsTogether(t *testing.T) {
	d := armRows(900, false)
	d.Group = make([]uint64, 900)
	for i := range d.Group {
		d.Group[i] = uint64(i / 3)
	}
	fold := foldsOf(d, 5, 3)
	counts := make([]int, 5)
	for i, f := range fold {
		if f != fold[i/3*3] {
			t.Fatalf("row %d left its group", i)
		}
		counts[f]++
	}
	for f, c := range counts {
		if c != 180 {
			t.Errorf("fold %d has %d rows", f, c)
		}
	}
}

// TestDeeperDiscountNeverLowersTheChance trains on noise in the order of three
// depths and still gets ordered predictions for every customer.
func TestDeeperDiscountNeverLowersTheChance(t *testing.T) {
	d := armRows(4000, false)
	d.Offers, d.OfferFeatures = []string{"ten", "twenty", "five"}, []models.Feature{{Name: "percent"}}
	d.OfferX, d.OfferMonotone = [][]float64{{10}, {20}, {5}}, []int8{1}
	for i := range d.Arm {
		d.Arm[i] = i % 4
	}
	spec := Spec{Folds: 2, Refits: -1, Candidates: []Candidate{
		{Name: "t-linear", Method: MethodT, Base: BaseLinear},
		{Name: "s-boost", Method: MethodS, Base: BaseBoost, Boost: BoostSettings{Trees: 60, Leaves: 12, LearningRate: 0.2, MinRows: 5, Lambda: 1}},
	}}
	res, err := Tournament(t.Context(), spec, d)
	if err != nil {
		t.Fatal(err)
	}
	if res.Table[0].Failed == "" || !res.Table[1].Picked {
		t.Errorf("table %+v", res.Table)
	}
	x, e := make([]float64, 3), make([]float64, 3)
	for i := range d.Rows() {
		d.Row(i, x)
		res.Model.Effects(x, e)
		if e[2] > e[0]+1e-12 || e[0] > e[1]+1e-12 {
			t.Fatalf("row %d: effects of 10, 20, 5 percent are %v", i, e)
		}
	}
}
