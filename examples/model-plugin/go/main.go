// Command purchase-model is a model that runs as a process of its own: a
// logistic regression with the coefficients written down. Put it into the
// server's folder of programs and name it in a descriptor (see ../README.md).
package main

import (
	"context"
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/process"
)

// logistic predicts another purchase from the days since the last one and the
// amount off; the offer moves those more who have been away longer.
type logistic struct{ schema models.Schema }

func newLogistic() *logistic {
	return &logistic{schema: models.Schema{
		Outcome: "purchase", Unit: "probability",
		Features:      []models.Feature{{Name: "customer.recency_days"}},
		OfferFeatures: []models.Feature{{Name: "offer.amount"}},
	}}
}

// Schema is what the descriptor must agree with.
func (l *logistic) Schema() *models.Schema { return &l.schema }

// halfWidth is half of the 95 % interval of the uplift on the data it was fitted to.
const halfWidth = 0.02

// Score refuses amounts it was not fitted to.
func (l *logistic) Score(_ context.Context, x []float64, cands []models.Candidate, out []models.Score) error {
	days := x[0]
	if math.IsNaN(days) {
		days = 90 // no purchase yet: as those who have been away for a season
	}
	without := chance(days, 0)
	for i, c := range cands {
		amount := c.X[0]
		if !(amount >= 0 && amount <= 50) {
			return fmt.Errorf("%w: amounts of 0 to 50 were seen in training, not %v", models.ErrUnscorable, amount)
		}
		with := chance(days, amount)
		out[i] = models.Score{Without: without, With: with, Lower: with - without - halfWidth, Upper: with - without + halfWidth}
	}
	return nil
}

func chance(days, amount float64) float64 {
	return 1 / (1 + math.Exp(0.4+days/120-amount*min(days, 60)/600))
}

func main() { process.Serve(newLogistic()) }
