package models_test

import (
	"context"
	"fmt"

	"github.com/rebound-engine/rebound/models"
)

// A model fitted elsewhere, with an indicator of the offer, serves as S-learner.
func ExampleNewAdapter() {
	fitted := &models.Ensemble{
		Features: []models.Feature{{Name: "recency_days"}, {Name: "got_points"}},
		Outputs:  1,
		Link:     models.LinkLogistic,
		Trees: []models.Tree{{
			Feature: []int32{0, 1}, Threshold: []float64{30, 0.5}, Flags: []uint8{0, 0},
			Left: []int32{-1, -2}, Right: []int32{1, -3}, Leaf: []float64{0, -2, -1},
		}},
	}
	schema := models.Schema{
		Outcome: "purchase", Unit: "probability",
		Features: []models.Feature{{Name: "recency_days"}}, Offers: []string{"points"},
	}
	inputs, err := models.Bind(fitted.Features, &schema, models.Binding{Arms: map[string]string{"got_points": "points"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := models.NewAdapter(models.AdapterConfig{
		Schema: schema, Without: models.Function{Ensemble: fitted}, Inputs: inputs, SLearner: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	out := make([]models.Score, 1)
	for _, recency := range []float64{10, 90} {
		if err := m.Score(context.Background(), []float64{recency}, []models.Candidate{{Arm: 0}}, out); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v days: without %.3f, with %.3f, uplift %.3f\n", recency, out[0].Without, out[0].With, out[0].Uplift())
	}
	// Output:
	// 10 days: without 0.500, with 0.500, uplift 0.000
	// 90 days: without 0.119, with 0.269, uplift 0.150
}
