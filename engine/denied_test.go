package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
)

// What policies may not read, the models they use may not read either.
func TestModelsReadNothingDenied(t *testing.T) {
	for denied, want := range map[string]string{"ret.category": "", "ret.refund_value": `reads "ret.refund_value", which is on the deny list`} {
		fsys := fstest.MapFS{}
		for path, content := range modelled(t).Files() {
			if path == "company.yaml" {
				content = append(slices.Clip(content), "  deny: ["+denied+"]\n"...)
			}
			fsys[path] = &fstest.MapFile{Data: content}
		}
		b, err := rules.Load(fsys, engine.Schema())
		if err != nil {
			t.Fatal(err)
		}
		schema := models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"half"}, Features: []models.Feature{{Name: "ret.refund_value"}}}
		w := newWorld(t, policy(t, ""), opener(map[string]models.Model{"models/m.rbm": &scorer{schema, nil}}))
		_, err = w.Activate(context.Background(), b, engine.ActivateOptions{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s denied: %v", denied, err)
		}
	}
}
