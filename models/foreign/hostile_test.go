package foreign_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/foreign"
)

// refusalLimit is what refusing a file may allocate in all.
const refusalLimit = 1 << 20

// openCounting opens data and returns the bytes allocated meanwhile.
func openCounting(name string, data []byte) (*foreign.Model, uint64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := foreign.Open(name, data)
	runtime.ReadMemStats(&after)
	return m, after.TotalAlloc - before.TotalAlloc, err
}

func refused(t *testing.T, name string, data []byte, want string) {
	t.Helper()
	_, bytes, err := openCounting(name, data)
	switch {
	case err == nil:
		t.Error("opens")
	case !errors.Is(err, foreign.ErrCorrupt) && !errors.Is(err, foreign.ErrUnsupported):
		t.Errorf("error %q is neither ErrCorrupt nor ErrUnsupported", err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error %q does not say %q", err, want)
	}
	if bytes > refusalLimit {
		t.Errorf("refusing took %d bytes", bytes)
	}
}

// edit replaces old once; it must be there.
func edit(t *testing.T, text, old, with string) []byte {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in the file to be damaged", old)
	}
	return []byte(strings.Replace(text, old, with, 1))
}

func TestHostileLightGBM(t *testing.T) {
	cases := map[string][3]string{ // old, new, error
		"10^12 leaves":      {"num_leaves=2", "num_leaves=1000000000000", "not a count"},
		"10^9 leaves":       {"num_leaves=2", "num_leaves=1000000000", "want 1000000000"},
		"10^9 categories":   {"num_cat=0", "num_cat=1000000000", "want 1000000001"},
		"10^12 features":    {"max_feature_idx=1", "max_feature_idx=1000000000000", "not a count"},
		"10^9 features":     {"max_feature_idx=1", "max_feature_idx=1000000000", "feature names"},
		"10^9 classes":      {"num_tree_per_iteration=1", "num_tree_per_iteration=1000000000", "trees per iteration"},
		"cycle":             {"left_child=-1", "left_child=0", "two parents or is the root"},
		"lost leaf":         {"left_child=-1", "left_child=-2", "two parents"},
		"NaN threshold":     {"threshold=30", "threshold=nan", "NaN"},
		"foreign feature":   {"split_feature=0", "split_feature=7", "feature 7 of 2"},
		"no such set":       {"decision_type=10", "decision_type=1", "categorical"},
		"no decision":       {"decision_type=10\n", "", "decision_type has 0"},
		"text for a number": {"leaf_value=0.5", "leaf_value=half", "for a number"},
		"objective":         {"objective=binary", "objective=telepathy", "telepathy"},
		"cut short":         {"end of trees", "", "end of trees"},
		"skipped tree":      {"Tree=0", "Tree=5", "Tree=0 is due"},
		"linear":            {"is_linear=0", "is_linear=1\nleaf_const=1 2\nnum_features=1 9\nleaf_features=0\nleaf_coeff=1", "leaf 1 has 9"},
		"linear feature":    {"is_linear=0", "is_linear=1\nleaf_const=1 2\nnum_features=1 0\nleaf_features=8\nleaf_coeff=1", "reads feature 8"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, "m.txt", edit(t, stump, c[0], c[1]), c[2]) })
	}
}

// xgbStump is an XGBoost model of one tree.
const xgbStump = `{"learner":{"attributes":{},"feature_names":[],"feature_types":[],"gradient_booster":{"model":{
"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"tree_info":[0],"trees":[{"base_weights":[0,1,2],"categories":[],
"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":[0,0,0],"id":0,"left_children":[1,-1,-1],
"loss_changes":[1,0,0],"parents":[2147483647,0,0],"right_children":[2,-1,-1],"split_conditions":[1.5,-1,1],"split_indices":[0,0,0],
"split_type":[0,0,0],"sum_hessian":[3,1,2],"tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"3","size_leaf_vector":"1"}}]},
"name":"gbtree"},"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"binary:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[2,0,0]}`

func TestHostileXGBoost(t *testing.T) {
	if _, err := foreign.Open("m.json", []byte(xgbStump)); err != nil {
		t.Fatalf("the sound file: %v", err)
	}
	cases := map[string][3]string{
		"10^12 features":   {`"num_feature":"2","num_target"`, `"num_feature":"1e12","num_target"`, "whole number"},
		"10^9 features":    {`"num_feature":"2","num_target"`, `"num_feature":"1000000000","num_target"`, "named"},
		"10^12 nodes":      {`"num_nodes":"3"`, `"num_nodes":"1000000000000"`, "entries"},
		"10^9 classes":     {`"num_class":"0"`, `"num_class":"1000000000"`, "num_class"},
		"cycle":            {`"left_children":[1,`, `"left_children":[0,`, "1 leaf values"},
		"far child":        {`"left_children":[1,`, `"left_children":[99,`, "99"},
		"negative child":   {`"right_children":[2,`, `"right_children":[-5,`, "-5"},
		"foreign feature":  {`"split_indices":[0,0,0]`, `"split_indices":[9,0,0]`, "feature 9 of 2"},
		"category nodes":   {`"categories_nodes":[]`, `"categories_nodes":[0]`, "differ in length"},
		"far categories":   {`"categories_nodes":[],"categories_segments":[],"categories_sizes":[]`, `"categories_nodes":[0],"categories_segments":[5],"categories_sizes":[1000000000]`, "of 0"},
		"huge category":    {`"categories":[],` + "\n" + `"categories_nodes":[],"categories_segments":[],"categories_sizes":[]`, `"categories":[2000000000],"categories_nodes":[0],"categories_segments":[0],"categories_sizes":[1]`, "category 2000000000"},
		"base score":       {`"base_score":"5E-1"`, `"base_score":"1"`, "base_score"},
		"many base scores": {`"base_score":"5E-1"`, `"base_score":"[1E-1,2E-1,3E-1]"`, "3 base scores"},
		"objective":        {"binary:logistic", "binary:telepathy", "telepathy"},
		"booster":          {`"name":"gbtree"`, `"name":"gbforest"`, "gbforest"},
		"leaf vector":      {`"size_leaf_vector":"1"`, `"size_leaf_vector":"1000000000"`, "leaf vector"},
		"tree info":        {`"tree_info":[0]`, `"tree_info":[7]`, "output 7 of 1"},
		"cut short":        {`"version":[2,0,0]}`, ``, "JSON"},
		"NaN threshold":    {`"split_conditions":[1.5`, `"split_conditions":[NaN`, "JSON"},
		"huge threshold":   {`"split_conditions":[1.5`, `"split_conditions":[1e99`, "corrupt"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(xgbStump, "\"categories\":[],\n", "\"categories\":[],")
			old := strings.ReplaceAll(c[0], "\n", "")
			text = strings.ReplaceAll(text, ",\n", ",")
			refused(t, "m.json", edit(t, text, old, c[1]), c[2])
		})
	}
	refused(t, "m.json", []byte(strings.Repeat(`{"learner":`, 100_000)), "nested")
	refused(t, "m.json", []byte(`{"learner":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}"), "nested")
}

func TestHostileUBJSON(t *testing.T) {
	big := binary.BigEndian.AppendUint64(nil, 1e12)
	key := "{L\x00\x00\x00\x00\x00\x00\x00\x07learner"
	cases := map[string][2]string{
		"10^12 typed elements":  {key + "[$d#L" + string(big), "a length of 1000000000000"},
		"elements of no size":   {key + "[$Z#L" + string(big), "take no room"},
		"10^12 counted":         {key + "[#L" + string(big), "a length of 1000000000000"},
		"10^12 letters":         {key + "SL" + string(big), "a length of 1000000000000"},
		"key of 10^12 letters":  {"{L" + string(big), "a length of 1000000000000"},
		"negative length":       {"{L\xff\xff\xff\xff\xff\xff\xff\xff", "a length of -1"},
		"NaN":                   {key + "d\x7f\xc0\x00\x00}", "NaN"},
		"deep":                  {key + strings.Repeat("[", 100_000), "nested"},
		"unknown type":          {key + "?", "unknown type"},
		"ends early":            {key, "too early"},
		"something follows":     {key + "i\x01}}", "behind the UBJSON document"},
		"typed without a count": {key + "[$d[", "without a count"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, "m.ubj", []byte(c[0]), c[1]) })
	}
}

// catStump is a CatBoost model of one symmetric tree over a number and a category.
const catStump = `{"features_info":{"cat_features_hash":[{"hash":7,"value":"web"}],"categorical_features":[{"feature_id":"channel",
"feature_index":0,"flat_feature_index":1,"values":[7]}],"ctrs":[{"borders":[1.5],"ctr_type":"Borders","elements":[{"cat_feature_index":0,
"combination_element":"cat_feature_value"}],"identifier":"id","prior_denomerator":1,"prior_numerator":0.5,"scale":15,"shift":0,
"target_border_idx":0}],"float_features":[{"borders":[2.5],"feature_id":"recency","feature_index":0,"flat_feature_index":0,
"has_nans":true,"nan_value_treatment":"AsFalse"}]},"ctr_data":{"id":{"counter_denominator":0,"hash_map":["12",3,4],"hash_stride":3}},
"model_info":{"params":{"loss_function":{"type":"RMSE"}}},"oblivious_trees":[{"leaf_values":[1,2,3,4],"leaf_weights":[1,1,1,1],
"splits":[{"border":2.5,"float_feature_index":0,"split_index":0,"split_type":"FloatFeature"},{"border":1.5,"split_index":2,
"split_type":"OnlineCtr"}]}],"scale_and_bias":[1,[0]]}`

func TestHostileCatBoost(t *testing.T) {
	if _, err := foreign.Open("m.json", []byte(catStump)); err != nil {
		t.Fatalf("the sound file: %v", err)
	}
	cases := map[string][3]string{
		"foreign float":   {`"float_feature_index":0,"split_index"`, `"float_feature_index":9,"split_index"`, "float feature 9"},
		"foreign split":   {`"split_index":2`, `"split_index":77`, "split_index 77"},
		"split type":      {`"OnlineCtr"`, `"Telepathy"`, "Telepathy"},
		"leaf values":     {`"leaf_values":[1,2,3,4]`, `"leaf_values":[1]`, "1 leaf values"},
		"flat index":      {`"flat_feature_index":1`, `"flat_feature_index":1000000000`, "flat_feature_index 1000000000"},
		"twice":           {`"flat_feature_index":1`, `"flat_feature_index":0`, "repeated"},
		"no table":        {`"identifier":"id"`, `"identifier":"other"`, "no ctr_data"},
		"stride":          {`"hash_stride":3`, `"hash_stride":2000000000`, "stride"},
		"ctr type":        {`"ctr_type":"Borders"`, `"ctr_type":"Telepathy"`, "Telepathy"},
		"target":          {`"target_border_idx":0`, `"target_border_idx":9`, "counts per entry"},
		"no hashes":       {`"cat_features_hash":[{"hash":7,"value":"web"}]`, `"cat_features_hash":[]`, "pool=pool"},
		"nan treatment":   {"AsFalse", "AsMaybe", "AsMaybe"},
		"loss":            {"RMSE", "Telepathy", "Telepathy"},
		"text features":   {`"float_features"`, `"text_features":[{}],"float_features"`, "text"},
		"scale":           {`"scale_and_bias":[1,[0]]`, `"scale_and_bias":[1]`, "scale_and_bias"},
		"cut short":       {`"scale_and_bias":[1,[0]]}`, ``, "JSON"},
		"17 splits":       {`"splits":[`, `"splits":[` + strings.Repeat(`{"border":2.5,"split_type":"FloatFeature"},`, 17), "depth 19"},
		"a childless one": {`"oblivious_trees"`, `"trees":[{"split":{"border":2.5,"split_type":"FloatFeature"}}],"oblivious_trees"`, "lacks a child"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(catStump, "\n", "")
			refused(t, "m.json", edit(t, text, c[0], c[1]), c[2])
		})
	}
	refused(t, "m.cbm", []byte("CBM1 and more"), "format=\"json\"")
}

func TestForeignBinariesAreRefused(t *testing.T) {
	for _, file := range referenceFiles(t, ".cbm") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, file, data, "format=\"json\"")
		refused(t, "renamed.bin", data, "format=\"json\"")
	}
	for name, text := range map[string]string{"empty": "", "blank": " \n", "prose": "Dear model,", "json": "{}", "old xgboost": "binf\x00\x00", "list": "[1]"} {
		t.Run(name, func(t *testing.T) { refused(t, name, []byte(text), "") })
	}
}

// TestTruncatedReferenceModels cuts every reference file at many places.
func TestTruncatedReferenceModels(t *testing.T) {
	for _, file := range referenceFiles(t, ".txt", ".json", ".ubj", ".onnx") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			end := len(data)
			if filepath.Ext(file) == ".txt" {
				end = strings.Index(string(data), "end of trees")
			}
			for i := range 8 {
				cut := (i*end/8 + end/16) % end
				t.Run(fmt.Sprint(cut), func(t *testing.T) { refused(t, file, data[:cut], "") })
			}
		})
	}
}

// TestDamagedReferenceModels flips bytes: a file may then be sound or refused,
// but it must predict or err, in bounded memory.
func TestDamagedReferenceModels(t *testing.T) {
	for _, file := range referenceFiles(t, ".txt", ".json", ".ubj", ".onnx") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, sound, err := openCounting(file, data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			bad := append([]byte(nil), data...)
			at := int(uint32(i*2654435761+len(data)) % uint32(len(data)))
			bad[at] ^= byte(1 << (i % 8))
			m, bytes, err := openCounting(file, bad)
			if bytes > 2*sound+refusalLimit {
				t.Errorf("%s with byte %d flipped: %d bytes, the sound file takes %d", file, at, bytes, sound)
			}
			if err == nil {
				exercise(t, m)
			}
		}
	}
}

// exercise predicts odd rows with a model that opened.
func exercise(t *testing.T, m *foreign.Model) {
	t.Helper()
	n := len(m.Features())
	row, out := make([]float64, n), make([]float64, len(m.Outputs()))
	contrib := make([]float64, (n+1)*max(1, m.RawOutputs()))
	for _, v := range []float64{0, 1, -1, math.NaN(), math.Inf(1), 1e30} {
		for i := range row {
			row[i] = v
		}
		err := m.Predict(row, out)
		if err != nil && m.Format() != foreign.ONNX {
			t.Errorf("%s: predict: %v", m.Format(), err)
		}
		if err := m.Contrib(row, contrib); err != nil && !errors.Is(err, foreign.ErrNotProvided) {
			t.Errorf("%s: contributions: %v", m.Format(), err)
		}
		if err := m.Leaves(row, make([]int, m.Trees())); err != nil && !errors.Is(err, foreign.ErrNotProvided) {
			t.Errorf("%s: leaves: %v", m.Format(), err)
		}
	}
}
