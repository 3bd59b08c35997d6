package descriptor_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/internal/descriptor"
	"github.com/rebound-engine/rebound/models"
)

func TestCheckAnswer(t *testing.T) {
	good := models.Score{Without: 0.1, With: 0.2, Lower: -0.1, Upper: 0.3}
	for name, c := range map[string]struct {
		unit  string
		spoil func(*models.Score)
		ok    bool
	}{
		"good":          {"probability", func(*models.Score) {}, true},
		"not a number":  {"money", func(s *models.Score) { s.Upper = math.NaN() }, false},
		"infinite":      {"money", func(s *models.Score) { s.Lower = math.Inf(-1) }, false},
		"chance of 1.1": {"probability", func(s *models.Score) { s.With = 1.1 }, false},
		"money of 1.1":  {"money", func(s *models.Score) { s.With = 1.1 }, true},
		"lost money":    {"money", func(s *models.Score) { s.With = -1 }, true},
		"count below 0": {"count", func(s *models.Score) { s.Without = -1 }, false},
		"upside down":   {"money", func(s *models.Score) { s.Lower = 1 }, false},
	} {
		s := good
		c.spoil(&s)
		if err := descriptor.CheckAnswer(c.unit, s); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModelSchema(t *testing.T) {
	var s descriptor.Schema
	text := "outcome: purchase\nunit: count\nwindow: 720h\nfeatures: [a, {name: b, levels: [x, y]}]\noffer_features: [c]\noffers: [ten]\n"
	if err := descriptor.Decode([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	m := s.Model()
	if m.Window != 720*time.Hour || len(m.Features) != 2 || m.Features[0].Type != models.Number || m.Features[1].Type != models.Category || m.OfferFeatures[0].Name != "c" {
		t.Errorf("%+v", m)
	}
}

func ExampleDecode() {
	var s descriptor.Schema
	err := descriptor.Decode([]byte("outcome: purchase\nfeatures: [customer.recency_days]\n"), &s)
	fmt.Println(s.Outcome, s.Features[0].Name, err)
	fmt.Println(descriptor.Decode([]byte("outcom: purchase\n"), &s) != nil)
	// Output:
	// purchase customer.recency_days <nil>
	// true
}
