package foreign_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/foreign"
)

// fuzzOpen opens the input under one name: it must be refused with one of the
// two errors or predict.
func fuzzOpen(f *testing.F, name string, seeds ...[]byte) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := foreign.Open(name, data)
		if err == nil {
			exercise(t, m)
			return
		}
		if !errors.Is(err, foreign.ErrCorrupt) && !errors.Is(err, foreign.ErrUnsupported) {
			t.Errorf("error %q is neither ErrCorrupt nor ErrUnsupported", err)
		}
	})
}

// small takes reference files of at most 32 kB as seeds, where they are present.
func small(f *testing.F, extension string) [][]byte {
	f.Helper()
	var seeds [][]byte
	dir, ok := findReferences()
	if !ok {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Size() > 32<<10 || !strings.HasSuffix(e.Name(), extension) {
			continue
		}
		data, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, data)
	}
	return seeds
}

func FuzzLightGBMText(f *testing.F) {
	fuzzOpen(f, "m.txt", append(small(f, ".txt"), []byte(stump))...)
}

func FuzzLightGBMJSON(f *testing.F) {
	fuzzOpen(f, "m.json", []byte(`{"num_class":1,"num_tree_per_iteration":1,"max_feature_idx":0,"objective":"binary sigmoid:1",
"feature_names":["a"],"tree_info":[{"tree_structure":{"split_feature":0,"threshold":"0||3","decision_type":"==","missing_type":"NaN",
"default_left":false,"internal_count":9,"left_child":{"leaf_index":0,"leaf_value":1,"leaf_count":4},
"right_child":{"leaf_index":1,"leaf_value":2,"leaf_count":5}}}]}`))
}

func FuzzXGBoostJSON(f *testing.F) {
	fuzzOpen(f, "m.json", append(small(f, "gblinear.json"), []byte(xgbStump))...)
}

func FuzzXGBoostUBJSON(f *testing.F) {
	fuzzOpen(f, "m.ubj", append(small(f, ".ubj"), []byte("{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L\x00\x00\x00\x00\x00\x00\x00\x01a[$d#i\x01\x00\x00\x00\x00}}"))...)
}

func FuzzCatBoost(f *testing.F) { fuzzOpen(f, "m.json", []byte(catStump)) }

func FuzzONNX(f *testing.F) {
	fuzzOpen(f, "m.onnx", append(small(f, ".onnx"), onnxStump(nil))...)
}
