package learner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rebound-engine/rebound/internal/splitmix"
)

// sharedFile finds a file of the data folder beside the repository; a test
// without it is skipped.
func sharedFile(t testing.TB, path ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("go.mod not found above the test")
		}
		dir = filepath.Dir(dir)
	}
	p := filepath.Join(append([]string{dir, "..", "shared"}, path...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("data is absent: %v", err)
	}
	return p
}

func hillstrom(t testing.TB, outcome, unit string) *Dataset {
	t.Helper()
	f, err := os.Open(sharedFile(t, "data", "hillstrom", "hillstrom_minethatdata_2008.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := ReadHillstrom(f, outcome, unit)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func BenchmarkBoostHillstrom(b *testing.B) {
	d := hillstrom(b, "visit", "probability")
	rows := make([]int32, d.Rows())
	for i := range rows {
		rows[i] = int32(i)
	}
	s := BoostSettings{Loss: LossLogistic, Trees: 100, LearningRate: 0.1, Leaves: 31, MinRows: 20, MinHessian: 1e-3}
	for b.Loop() {
		bins := NewBins(d.Features, d.X, 2)
		m, err := TrainBoosted(b.Context(), bins, d.Y, nil, rows, nil, s, 2)
		if err != nil {
			b.Fatal(err)
		}
		raw := make([]float64, d.Rows())
		m.AddRaw(rows, raw, 2)
		b.ReportMetric((&trainSet{target: d.Y}).lossOn(rows, logisticAt(raw)), "loss")
	}
}

// shortField is a part of the default field that two splits can afford.
func shortField(n int) []Candidate {
	var out []Candidate
	for _, c := range DefaultCandidates(n, "probability") {
		switch c.Name {
		case "s-linear-300", "t-linear", "x-linear", "s-boost-small", "x-boost-small":
			out = append(out, c)
		}
	}
	return out
}

// TestHillstromShort is the two-split form of the published comparison: what
// the tournament picks on the training half alone ranks the test half.
// bench/models/learn runs all ten splits with the whole field.
func TestHillstromShort(t *testing.T) {
	full := hillstrom(t, "visit", "probability")
	total := 0.0
	for r := range 2 {
		var train, test []int
		for i := range full.Rows() {
			if splitmix.Sum64(uint64(10*i+r))>>63 == 1 {
				test = append(test, i)
			} else {
				train = append(train, i)
			}
		}
		if want := []int{31967, 32084}[r]; len(test) != want {
			t.Fatalf("split %d tests %d rows, want %d", r, len(test), want)
		}
		res, err := Tournament(t.Context(), Spec{Candidates: shortField(len(train)), Folds: 3, Refits: -1, Seed: 1}, full.Subset(train))
		if err != nil {
			t.Fatal(err)
		}
		te := full.Subset(test)
		w, err := newWork(te, 2, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		effects := w.columns(2)
		x, e := make([]float64, len(te.Features)), make([]float64, 2)
		for i := range te.Rows() {
			te.Row(i, x)
			res.Model.Effects(x, e)
			effects[0][i], effects[1][i] = e[0], e[1]
		}
		mens, womens := w.qini(1, effects[0], w.all), w.qini(2, effects[1], w.all)
		if womens < 4.5e-3 {
			t.Errorf("split %d: %s: Qini area of Womens %.5f", r, res.Card.Learner, womens)
		}
		total += mens + womens
	}
	if total/2 < 7e-3 {
		t.Errorf("mean Qini area of both e-mails %.5f, want at least 0.007 (noise of one arm on one half is 0.0013)", total/2)
	}
}

// BenchmarkForestHillstrom grows 500 trees for both e-mails on a training
// half, the size of the published forests.
func BenchmarkForestHillstrom(b *testing.B) {
	full := hillstrom(b, "visit", "probability")
	var half []int
	for i := range full.Rows() {
		if splitmix.Sum64(uint64(10*i))>>63 == 0 {
			half = append(half, i)
		}
	}
	w, err := newWork(full.Subset(half), 5, 1, 2)
	if err != nil {
		b.Fatal(err)
	}
	n := &nuisance{level: w.columns(3)}
	for a := range n.level {
		mean := w.mean(w.d.Y, w.arm(w.all, a))
		for i := range n.level[a] {
			n.level[a][i] = mean
		}
	}
	for b.Loop() {
		if _, err := w.fitForest(b.Context(), &ForestSettings{Trees: 500, MinLeaf: 200}, w.all, n); err != nil {
			b.Fatal(err)
		}
	}
}
