package learner

import (
	"os"
	"path/filepath"
	"testing"
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
		b.ReportMetric((&trainSet{target: d.Y}).lossOn(rows, LossLogistic, raw), "loss")
	}
}
