package learner_test

import (
	"context"
	"fmt"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

// A past campaign becomes an artifact that models.Open serves.
func ExampleTournament() {
	past := synth.Retail(3000, 1)
	past.Data.Logged = past.Chance // the chances the offers were drawn with
	res, err := learner.Tournament(context.Background(), learner.Spec{
		Name:  "purchase",
		Folds: 3,
		Candidates: []learner.Candidate{
			{Name: "s-linear", Method: learner.MethodS, Base: learner.BaseLinear, Linear: learner.LinearSettings{Ridge: 1}, Pooling: 300},
			{Name: "t-linear", Method: learner.MethodT, Base: learner.BaseLinear, Linear: learner.LinearSettings{Ridge: 1}},
		},
	}, past.Data)
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := models.Encode(res.Model, res.Card)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, card, err := models.Open(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(card.Learner, m.Schema().Offers)
	// Output: s-linear [percent amount points exchange]
}
