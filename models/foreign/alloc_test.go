//go:build !race

package foreign_test

import (
	"path/filepath"
	"testing"
)

// Scoring a row by any of the reference graphs (trees, linear models, scalers,
// a network) does not allocate once the memory for it has been made. The race
// detector makes pools forget it.
func TestPredictAllocatesNothing(t *testing.T) {
	for _, file := range referenceFiles(t, ".onnx") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := open(t, file)
			row, out := make([]float64, len(m.Features())), make([]float64, len(m.Outputs()))
			var failed error
			n := testing.AllocsPerRun(100, func() {
				if err := m.Predict(row, out); err != nil {
					failed = err
				}
			})
			if failed != nil {
				t.Fatal(failed)
			}
			if n != 0 {
				t.Errorf("%v allocations a row", n)
			}
		})
	}
}
