package foreign_test

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/foreign"
)

// TestForeignSLearner serves a LightGBM model with one-hot arms as a Model: the
// reference rows know which arm each customer got.
func TestForeignSLearner(t *testing.T) {
	dir := referenceDir(t)
	m := open(t, filepath.Join(dir, "lgb_uplift_s.txt"))
	f, err := m.Function("pred")
	if err != nil {
		t.Fatal(err)
	}
	schema := models.Schema{Unit: "probability", Features: m.Features()[:10], Offers: []string{"mens", "womens"}}
	inputs, err := models.Bind(m.Features(), &schema, models.Binding{
		Arms: map[string]string{"arm_mens": "mens", "arm_womens": "womens"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := models.NewAdapter(models.AdapterConfig{Schema: schema, Without: f, Inputs: inputs, SLearner: true})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(dir, "lgb_uplift_s.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	seen := [3]int{}
	for _, fields := range rows[1:] {
		row := make([]float64, 12)
		if err := m.ParseRow(fields[:12], row); err != nil {
			t.Fatal(err)
		}
		arm := int(row[10]+2*row[11]) - 1
		if arm < -1 || arm > 1 || row[10] != math.Trunc(row[10]) {
			continue // an edge row
		}
		seen[arm+1]++
		var want [1]float64
		if err := m.Predict(row, want[:]); err != nil {
			t.Fatal(err)
		}
		out := make([]models.Score, 1)
		if err := a.Score(context.Background(), row[:10], []models.Candidate{{Arm: max(arm, 0)}}, out); err != nil {
			t.Fatal(err)
		}
		got := out[0].With
		if arm < 0 {
			got = out[0].Without
		}
		if got != want[0] {
			t.Fatalf("arm %d: %v, want %v", arm, got, want[0])
		}
	}
	if min(seen[0], seen[1], seen[2]) < 20 {
		t.Errorf("rows per arm %v: too few to mean anything", seen)
	}
}

// TestFunctionOfEveryReferenceModel compares what an adapter would call with Predict.
func TestFunctionOfEveryReferenceModel(t *testing.T) {
	for _, file := range referenceFiles(t, ".txt", ".json", ".onnx") {
		m := open(t, file)
		schema := models.Schema{Features: m.Features()}
		inputs, err := models.Bind(m.Features(), &schema, models.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float64, len(m.Features()))
		for i := range row {
			row[i] = float64(i % 3)
		}
		want := make([]float64, len(m.Outputs()))
		if err := m.Predict(row, want); err != nil {
			t.Fatal(err)
		}
		for k, output := range m.Outputs() {
			checkFunction(t, m, output, schema, inputs, row, want[k])
		}
	}
}

func checkFunction(t *testing.T, m *foreign.Model, output string, schema models.Schema, inputs []models.Input, row []float64, want float64) {
	t.Helper()
	f, err := m.Function(output)
	if err != nil {
		t.Fatal(err)
	}
	a, err := models.NewAdapter(models.AdapterConfig{Schema: schema, Without: f, Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]models.Score, 1)
	if err := a.Score(context.Background(), row, []models.Candidate{{Arm: -1}}, out); err != nil {
		t.Fatal(err)
	}
	if math.Abs(out[0].Without-want) > 1e-15*math.Abs(want) || out[0].With != out[0].Without {
		t.Errorf("%s %s: %v, want %v without lift", m.Format(), output, out[0], want)
	}
}
