package main

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/foreign"
)

// offerTree is a LightGBM file: a tree on the customer, then one on the offer.
const offerTree = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=customer.recency_days offer.percent
feature_infos=[0:100] [0:1]
tree_sizes=200 200

Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=30
decision_type=2
left_child=-1
right_child=-2
leaf_value=0.5 -0.5
leaf_weight=1 1
leaf_count=10 10
internal_value=0
internal_weight=2
internal_count=20
is_linear=0
shrinkage=1

Tree=1
num_leaves=2
num_cat=0
split_feature=1
split_gain=1
threshold=0.1
decision_type=2
left_child=-1
right_child=-2
leaf_value=-0.2 0.7
leaf_weight=1 1
leaf_count=10 10
internal_value=0
internal_weight=2
internal_count=20
is_linear=0
shrinkage=1

end of trees
`

func TestConvertScoresOffers(t *testing.T) {
	file, out := writeFile(t, "booster.txt", offerTree), filepath.Join(t.TempDir(), "m.rbm")
	card := decoded[models.Card](t, "model", "convert", file, "--out", out, "--window", "30d", "--offers", "ten,twenty")
	if card.Kind != models.KindAdapted || card.Schema.WindowSeconds != 30*24*3600 || len(card.Schema.OfferFeatures) != 1 || len(card.Schema.Offers) != 2 {
		t.Errorf("card %+v", card)
	}
	m, _, err := models.Open([]byte(fileText(t, out)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := foreign.Open(file, []byte(offerTree))
	if err != nil {
		t.Fatal(err)
	}
	scores := make([]models.Score, 2)
	if err := m.Score(context.Background(), []float64{12}, []models.Candidate{{Arm: 0, X: []float64{0.1}}, {Arm: -1, X: []float64{0.3}}}, scores); err != nil {
		t.Fatal(err)
	}
	want := make([]float64, 1)
	for i, percent := range []float64{0.1, 0.3} {
		if err := f.Predict([]float64{12, percent}, want); err != nil {
			t.Fatal(err)
		}
		if scores[i].With != want[0] {
			t.Errorf("at %v: %v, the file says %v", percent, scores[i].With, want[0])
		}
	}
	if scores[0].Uplift() != 0 || scores[1].Uplift() < 0.1 {
		t.Errorf("lifts: %v", scores)
	}
	refused(t, exitUsage, []string{"is an artifact already"}, "model", "convert", out, "--out", out)
	refused(t, exitUsage, []string{"--unit euro"}, "model", "convert", file, "--out", out, "--unit", "euro")
	refused(t, exitUsage, []string{"--window"}, "model", "convert", file, "--out", out, "--window", "soon")
	refused(t, exitFailed, []string{"no output", "pred"}, "model", "convert", file, "--out", out, "--prediction", "chance")
}

// What converts predicts the same bits; what does not says why.
func TestConvertTheLibrariesFiles(t *testing.T) {
	files, err := filepath.Glob(sample(t, "testdata", "models") + "/*")
	if err != nil {
		t.Fatal(err)
	}
	converted, out := 0, filepath.Join(t.TempDir(), "m.rbm")
	for _, file := range files {
		name, ext := filepath.Base(file), filepath.Ext(file)
		if ext == ".csv" || ext == ".md" {
			continue
		}
		args := []string{"model", "convert", file, "--out", out, "--unit", "money"}
		why := refusedBecause(name)
		if f, err := foreign.Open(file, []byte(fileText(t, file))); err == nil {
			if len(f.Outputs()) > 2 {
				args = append(args, "--prediction", f.Outputs()[1])
			}
			if why == "" && slices.ContainsFunc(f.Features(), func(x models.Feature) bool { return x.Type == models.Category && x.Levels == nil }) {
				why = "whose levels the file does not name"
			}
		}
		_, errOut, code := cli(t, args...)
		if code == exitOK {
			converted++
			samePredictions(t, file, out, args[len(args)-1])
			continue
		}
		if why == "" || !strings.Contains(errOut, why) {
			t.Errorf("%s is refused: %s", name, errOut)
		}
	}
	if converted < 40 {
		t.Errorf("%d files converted", converted)
	}
}

// refusedBecause is why a file of the reference does not convert; "" if it must.
func refusedBecause(name string) string {
	switch {
	case strings.HasSuffix(name, ".cbm"):
		return "save the model as JSON"
	case strings.HasSuffix(name, ".onnx"):
		return "graph of operators"
	case strings.HasPrefix(name, "cat_ctr"), strings.HasPrefix(name, "cat_onehot"):
		return "categories"
	case strings.Contains(name, "gblinear"):
		return "linear booster"
	}
	return ""
}

// samePredictions runs the inputs of a reference through a file and its artifact.
func samePredictions(t *testing.T, file, artifact, output string) {
	t.Helper()
	f, err := foreign.Open(file, []byte(fileText(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := models.Open([]byte(fileText(t, artifact)))
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.Open(strings.TrimSuffix(file, filepath.Ext(file)) + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	defer reference.Close()
	records, err := csv.NewReader(reference).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	k := 0
	for i, o := range f.Outputs() {
		if o == output || len(f.Outputs()) == 2 {
			k = i
		}
	}
	n := len(f.Features())
	row, want, got := make([]float64, n), make([]float64, len(f.Outputs())), make([]models.Score, 1)
	for i, r := range records[1:] {
		if err := f.ParseRow(r[:n], row); err != nil {
			t.Fatal(err)
		}
		if err := f.Predict(row, want); err != nil {
			t.Fatal(err)
		}
		if err := m.Score(context.Background(), row, []models.Candidate{{Arm: -1}}, got); err != nil {
			t.Fatal(err)
		}
		if got[0].Without != want[k] {
			t.Fatalf("%s, row %d: %v, the file says %v", filepath.Base(file), i, got[0].Without, want[k])
		}
	}
	if len(records) < 10 {
		t.Errorf("%s: %d rows compared", filepath.Base(file), len(records)-1)
	}
}
