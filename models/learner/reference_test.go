package learner_test

import (
	"math"
	"testing"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

// TestReference: every feature and score is there, the counts are those of all
// rows, and the card that holds them can be read again.
func TestReference(t *testing.T) {
	d := synth.Retail(2000, 1).Data
	m, err := models.NewUplift(models.UpliftSpec{
		Schema:     models.Schema{Outcome: d.Outcome, Unit: d.Unit, Features: d.Features, Offers: d.Offers[:1]},
		Predictors: []models.Predictor{{Linear: &models.Linear{Intercept: 0.3, Terms: make([]models.LinearTerm, len(d.Features))}}},
		Without:    models.Sum{Parts: []models.Part{{Output: 0, Weight: 1}}},
		Arms:       []models.ArmEffect{{Shift: 0.125, Scale: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := learner.Reference(d, m)
	if len(got) != 2+len(d.Features) || got[0].Name != models.ReferenceWithout || got[1].Name != models.ReferenceUplift+d.Offers[0] || got[2].Name != d.Features[0].Name {
		t.Fatalf("%d distributions: %+v", len(got), got)
	}
	for _, r := range got {
		n := 0.0
		for _, c := range r.Counts {
			n += c
		}
		if n != 2000 || len(r.Counts) != len(r.Edges)+2 {
			t.Errorf("%s: %v rows in %d bins between %d edges", r.Name, n, len(r.Counts), len(r.Edges))
		}
		for _, e := range r.Edges {
			if math.IsNaN(e) {
				t.Errorf("%s has the edges %v", r.Name, r.Edges)
			}
		}
	}
	if len(got[1].Edges) != 0 { // the same effect for everybody
		t.Errorf("a constant uplift has the edges %v", got[1].Edges)
	}
	data, err := models.Encode(m, models.Card{Reference: got})
	if err != nil {
		t.Fatal(err)
	}
	card, err := models.ReadCard(data)
	if err != nil || len(card.Reference) != len(got) || card.Reference[2].Counts[1] != got[2].Counts[1] {
		t.Errorf("the card came back as %+v, %v", card, err)
	}
}
