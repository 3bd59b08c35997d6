package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/models/foreign"
)

// references is ../shared/testdata/models beside the repository.
var references = filepath.Join("..", "..", "..", "..", "shared", "testdata", "models")

// smallModel is one split over three inputs; the last describes the offer.
const smallModel = `tree
num_class=1
num_tree_per_iteration=1
max_feature_idx=2
objective=binary sigmoid:1
feature_names=a b percent

Tree=0
num_leaves=2
num_cat=0
split_feature=2
threshold=10
decision_type=10
left_child=-1
right_child=-2
leaf_value=0.5 -1.5

end of trees
`

func TestRunTimesAndCompares(t *testing.T) {
	dir := t.TempDir()
	rows := "a,b,percent,raw\n"
	for range candidates {
		rows += "1,2,5,0.5\nNaN,2,15,-1.25\n"
	}
	for name, text := range map[string]string{"m.txt": smallModel, "rows.csv": rows} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run(filepath.Join(dir, "m.txt"), filepath.Join(dir, "rows.csv"), 1, time.Millisecond, &out); err != nil {
		t.Fatal(err)
	}
	var got result
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.MaxDifference != 0.25 || len(got.Micros) != 5 {
		t.Errorf("result %+v, want a difference of 0.25 and five figures", got)
	}
	for name, micros := range got.Micros {
		if !(micros > 0) {
			t.Errorf("%s takes %v us", name, micros)
		}
	}
}

// BenchmarkPredict times one row of reference models of every format.
func BenchmarkPredict(b *testing.B) {
	for _, name := range []string{
		"lgb_binary_nan.txt", "lgb_cat.txt", "xgb_binary.ubj", "xgb_cat.json", "cat_num_binary.json", "cat_ctr.json",
		"onnx_lgbm_binary.onnx", "onnx_sk_mlp.onnx",
	} {
		b.Run(name, func(b *testing.B) {
			data, err := os.ReadFile(filepath.Join(references, name))
			if err != nil {
				b.Skipf("reference models are absent: %v", err)
			}
			m, err := foreign.Open(name, data)
			if err != nil {
				b.Fatal(err)
			}
			row, out := make([]float64, len(m.Features())), make([]float64, len(m.Outputs()))
			for i := range row {
				row[i] = float64(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Predict(row, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
