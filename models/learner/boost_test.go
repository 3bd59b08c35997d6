package learner

import (
	"context"
	"math"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// boostRows draws a non-linear truth over a number, a number with gaps and a category.
func boostRows(n int) ([]models.Feature, [][]float64, []float64, []int32) {
	s := newStream(3)
	fs := []models.Feature{{Name: "a"}, {Name: "b"}, {Name: "c", Type: models.Category, Levels: []string{"p", "q", "r", "s", "t", "u"}}, {Name: "d"}, {Name: "e"}}
	cols := make([][]float64, len(fs))
	for j := range cols {
		cols[j] = make([]float64, n)
	}
	y, rows := make([]float64, n), make([]int32, n)
	for i := range n {
		rows[i] = int32(i)
		for j := range cols {
			cols[j][i] = s.uniform()
		}
		cols[2][i] = float64(s.below(6))
		raw := 2*math.Sin(6*cols[0][i]) + 1.5*[]float64{1, -1, 0, 1, -1, 0}[int(cols[2][i])]
		if s.uniform() < 0.3 {
			cols[1][i] = math.NaN()
			raw += 2
		} else {
			raw += cols[1][i]
		}
		if s.uniform() < sigmoid(raw) {
			y[i] = 1
		}
	}
	return fs, cols, y, rows
}

var testBoost = BoostSettings{Loss: LossLogistic, Trees: 60, LearningRate: 0.1, Leaves: 12, MinRows: 20, Lambda: 1}

func ensembleRaw(e *models.Ensemble, cols [][]float64, i int) float64 {
	x, out := make([]float64, len(cols)), []float64{0}
	for j := range cols {
		x[j] = cols[j][i]
	}
	e.Raw(x, out)
	return out[0]
}

// logisticAt is where logistic loss stands at raw predictions.
func logisticAt(raw []float64) *running {
	r := newRunning(LossLogistic, len(raw), 0)
	for i, v := range raw {
		r.add([]int32{int32(i)}, v)
	}
	return r
}

func TestBoostedLearnsAndExports(t *testing.T) {
	fs, cols, y, rows := boostRows(20000)
	bins := NewBins(fs, cols, 2)
	m, err := TrainBoosted(context.Background(), bins, y, nil, rows[:15000], nil, testBoost, 2)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]float64, len(rows))
	m.AddRaw(rows, raw, 2)
	set := trainSet{target: y}
	test := set.lossOn(rows[15000:], logisticAt(raw))
	constant := set.lossOn(rows[15000:], logisticAt(make([]float64, len(rows))))
	if test > 0.75*constant {
		t.Errorf("test loss %v, a constant's %v", test, constant)
	}
	e := m.Ensemble()
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if got := ensembleRaw(e, cols, i); math.Abs(got-raw[i]) > 1e-9 {
			t.Fatalf("row %d: exported trees say %v, bins %v", i, got, raw[i])
		}
	}
}

func TestBoostedSameForAnyThreads(t *testing.T) {
	fs, cols, y, rows := boostRows(40000)
	s := testBoost
	s.RowFraction, s.ColumnFraction, s.Seed, s.Trees = 0.7, 0.6, 5, 20
	var want []float64
	for _, threads := range []int{1, 2, 3, 8} {
		m, err := TrainBoosted(context.Background(), NewBins(fs, cols, threads), y, nil, rows, nil, s, threads)
		if err != nil {
			t.Fatal(err)
		}
		raw := make([]float64, len(rows))
		m.AddRaw(rows, raw, threads)
		if want == nil {
			want = raw
			continue
		}
		for i := range raw {
			if raw[i] != want[i] {
				t.Fatalf("%d threads: row %d is %v, with one thread %v", threads, i, raw[i], want[i])
			}
		}
	}
}

func TestBoostedMonotone(t *testing.T) {
	fs, cols, y, rows := boostRows(8000)
	s := testBoost
	s.Monotone = []int8{1, 0, 0, 0, 0}
	m, err := TrainBoosted(context.Background(), NewBins(fs, cols, 1), y, nil, rows, nil, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	e := m.Ensemble()
	x, out := make([]float64, len(fs)), []float64{0}
	for i := range 300 {
		for j := range x {
			x[j] = cols[j][i]
		}
		last := math.Inf(-1)
		for a := 0.0; a <= 1; a += 0.01 {
			x[0] = a
			if e.Raw(x, out); out[0] < last {
				t.Fatalf("row %d: raw falls from %v to %v at a = %v", i, last, out[0], a)
			}
			last = out[0]
		}
	}
}

func TestBoostedEarlyStop(t *testing.T) {
	fs, cols, y, rows := boostRows(3000)
	s := testBoost
	s.Trees, s.EarlyStopRounds, s.LearningRate, s.MinRows = 2000, 20, 0.3, 1
	m, err := TrainBoosted(context.Background(), NewBins(fs, cols, 1), y, nil, rows[:2000], rows[2000:], s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.trees) > 500 {
		t.Errorf("%d trees kept of an overfitting model", len(m.trees))
	}
}

func TestBoostedLosses(t *testing.T) {
	fs, cols, _, rows := boostRows(10000)
	r := newStream(9)
	for _, loss := range []Loss{LossSquared, LossPoisson, LossGamma} {
		y, sw, sy := make([]float64, len(rows)), 0.0, 0.0
		weight := make([]float64, len(rows))
		for i := range y {
			y[i] = math.Exp(cols[0][i]*2) * -math.Log1p(-r.uniform())
			weight[i] = 0.5 + r.uniform()
			sw += weight[i]
			sy += weight[i] * y[i]
		}
		s := testBoost
		s.Loss = loss
		m, err := TrainBoosted(context.Background(), NewBins(fs, cols, 2), y, weight, rows, nil, s, 2)
		if err != nil {
			t.Fatal(err)
		}
		raw, mean := make([]float64, len(rows)), 0.0
		m.AddRaw(rows, raw, 2)
		low, high := 0.0, 0.0
		for i := range raw {
			p := raw[i]
			if loss != LossSquared {
				p = math.Exp(p)
			}
			mean += weight[i] * p
			if cols[0][i] < 0.2 {
				low += p / 2000
			} else if cols[0][i] > 0.8 {
				high += p / 2000
			}
		}
		if math.Abs(mean/sy-1) > 0.05 || high < 2.5*low {
			t.Errorf("%s: mean %v of %v, ends %v and %v", loss, mean/sw, sy/sw, low, high)
		}
	}
}

func TestBordersCoverValues(t *testing.T) {
	for _, values := range [][]float64{{}, {1}, {1, 1, 1}, {1, 2}, {0, math.Nextafter(0, 1)}} {
		upper := borders(values, 254)
		if v, _ := distinct(values); len(upper) != max(0, len(v)-1) {
			t.Errorf("%v: borders %v", values, upper)
		}
	}
	s := newStream(1)
	many := make([]float64, 100000)
	for i := range many {
		many[i] = math.Floor(-1000 * math.Log1p(-s.uniform()))
	}
	f := newFeatureBins(models.Feature{}, many)
	counts := make([]int, 256)
	for _, v := range many {
		counts[f.of(v)]++
	}
	if f.count > 254 || f.count < 200 {
		t.Errorf("%d bins", f.count)
	}
	for b, c := range counts[:f.count] {
		if c == 0 || c > 2000 {
			t.Errorf("bin %d of %d holds %d rows", b, f.count, c)
		}
	}
}
