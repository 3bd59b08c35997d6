package eval_test

import (
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// shared opens a file of the reference data beside the repository and skips the
// test, saying so, where there is none.
func shared(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(root(t), "..", "shared", path))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("reference data ../shared/%s is absent", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// records reads a CSV file as one map per row.
func records(t *testing.T, path string) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(shared(t, path)).ReadAll()
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := make(map[string]string, len(row))
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		out = append(out, m)
	}
	return out
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// column reads one numeric column of a file read by records.
func column(t *testing.T, rows []map[string]string, name string) []float64 {
	t.Helper()
	out := make([]float64, len(rows))
	for i, row := range rows {
		out[i] = number(t, row[name])
	}
	return out
}
