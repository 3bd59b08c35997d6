package live_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// lightGBM is a model of one tree over two inputs.
const lightGBM = `tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=binary sigmoid:1
feature_names=ret.refund_value NAME
feature_infos=[0:900] [0:900]

Tree=0
num_leaves=2
num_cat=0
split_feature=FEATURE
threshold=THRESHOLD
decision_type=10
left_child=-1
right_child=-2
leaf_value=-1 1
leaf_count=40 60
internal_count=100
is_linear=0
shrinkage=1

end of trees
`

func withModel(t *testing.T, model string, data []byte) *rules.Bundle {
	t.Helper()
	files := bundle(1)
	files["company.yaml"] = bytes.Replace(files["company.yaml"], []byte("{without: 0.10, prior: {half: {lift: 0.50, sd: 0.01}}}"), []byte(model), 1)
	files["models/purchase.bin"] = data
	b, err := rules.LoadFiles(files, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func score(t *testing.T, m models.Model, x []float64, c models.Candidate) models.Score {
	t.Helper()
	out := make([]models.Score, 1)
	if err := m.Score(context.Background(), x, []models.Candidate{c}, out); err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestOpenNativeModel(t *testing.T) {
	prior, err := models.NewPrior(models.Schema{Outcome: "purchase", Unit: "probability"}, 0.25, nil, []models.AssumedLift{{Offer: "half", Lift: 0.1, SD: 0.01}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := models.Encode(prior, models.Card{})
	if err != nil {
		t.Fatal(err)
	}
	b := withModel(t, "{file: models/purchase.bin}", data)
	m, digest, err := live.OpenModel(b, "models/purchase.bin")
	if err != nil || digest != models.Digest(data) {
		t.Fatalf("digest %q, %v", digest, err)
	}
	if s := score(t, m, nil, models.Candidate{Arm: 0}); s.Without != 0.25 || s.With != 0.35 {
		t.Errorf("score %+v", s)
	}
	if _, _, err := live.OpenModel(b, "models/other.bin"); err == nil {
		t.Error("a missing file opened")
	}
}

func TestOpenForeignModel(t *testing.T) {
	text := strings.NewReplacer("NAME", "offer.amount", "FEATURE", "1", "THRESHOLD", "3").Replace(lightGBM)
	m, digest, err := live.OpenModel(withModel(t, "{file: models/purchase.bin}", []byte(text)), "models/purchase.bin")
	if err != nil || len(digest) != 64 {
		t.Fatalf("digest %q, %v", digest, err)
	}
	s := m.Schema()
	if s.Outcome != "purchase" || s.Unit != "probability" || len(s.Features) != 1 || len(s.OfferFeatures) != 1 {
		t.Fatalf("schema %+v", s)
	}
	if got := score(t, m, []float64{80}, models.Candidate{Arm: 0, X: []float64{5}}); !(got.With > 0.7 && got.Without < 0.3) {
		t.Errorf("an offer of 5 gives %+v", got)
	}

	text = strings.NewReplacer("NAME", "customer.recency_days", "FEATURE", "0", "THRESHOLD", "50").Replace(lightGBM)
	m, _, err = live.OpenModel(withModel(t, "{without: {file: models/purchase.bin}, prior: {half: {lift: 0.1, sd: 0.01}}}", []byte(text)), "models/purchase.bin")
	if err != nil {
		t.Fatal(err)
	}
	if got := score(t, m, []float64{80, 3}, models.Candidate{Arm: 0}); got.With != got.Without || got.Without < 0.7 {
		t.Errorf("a baseline gives %+v", got)
	}
	if _, _, err := live.OpenModel(withModel(t, "{file: models/purchase.bin}", []byte("no model")), "models/purchase.bin"); err == nil {
		t.Error("a text opened as a model")
	}
}

// TestForeignModelDecides activates a foreign file and decides by it.
func TestForeignModelDecides(t *testing.T) {
	text := strings.NewReplacer("NAME", "offer.amount", "FEATURE", "1", "THRESHOLD", "3").Replace(lightGBM)
	w := newWorld(t)
	w.activate(&server.Change{Files: withModel(t, "{file: models/purchase.bin}", []byte(text)).Files()})
	d, err := w.engine.Decide(context.Background(), decision("1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Provenance.Models) != 1 || len(d.Degraded) != 0 {
		t.Errorf("models %+v, degraded %+v", d.Provenance.Models, d.Degraded)
	}
	var purchase *engine.OutcomeScore
	for i, o := range d.Candidate("half").Outcomes {
		if o.Outcome == "purchase" {
			purchase = &d.Candidate("half").Outcomes[i]
		}
	}
	if purchase == nil || !(purchase.With > 0.7 && purchase.Without < 0.3) {
		t.Errorf("purchase with the offer: %+v", purchase)
	}
}

// TestForeignFormats opens files written by the libraries themselves; their inputs are unknown to policies.
func TestForeignFormats(t *testing.T) {
	dir := sharedDir(t) + "/testdata/models"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("no models in ../shared")
	}
	opened := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "lgb_") && !strings.HasPrefix(e.Name(), "xgb_") || strings.HasSuffix(e.Name(), ".csv") {
			continue
		}
		data, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files := bundle(1)
		files["models/"+e.Name()] = data
		b, err := rules.LoadFiles(files, engine.Schema())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := live.OpenModel(b, "models/"+e.Name()); err == nil {
			opened++
		} else {
			t.Logf("%s: %v", e.Name(), err)
		}
	}
	if opened == 0 {
		t.Error("no model of the libraries opened")
	}
}

// sharedDir is ../shared beside the repository.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir := "../../../shared"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("../shared is absent")
	}
	return dir
}
