package learner

import (
	"context"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
)

const (
	referenceRows  = 10_000 // at most, evenly spaced
	referenceBins  = 10
	referenceSize  = 25   // list elements that one distribution takes in a card
	referenceSpace = 6000 // of the 8,192 a card may have, less those of its schema
)

// Reference is how a model's inputs and scores are distributed on the data it
// learned from, for Card.Reference: without an offer first, then per offer, then
// the features in their order, as many as the card has room for. A model that
// cannot score its own data leaves the scores out.
func Reference(d *Dataset, m models.Model) []models.Distribution {
	rows := referenceSample(d.Rows())
	var out []models.Distribution
	add := func(name string, values []float64) {
		b, err := eval.NewBaseline(values, referenceBins)
		if err == nil && len(out) < roomForReference(m.Schema()) {
			out = append(out, models.Distribution{Name: name, Edges: b.Edges, Counts: b.Counts})
		}
	}
	if without, uplifts, err := scoresOf(d, m, rows); err == nil {
		add(models.ReferenceWithout, without)
		for k, offer := range m.Schema().Offers {
			add(models.ReferenceUplift+offer, uplifts[k])
		}
	}
	for j, f := range d.Features {
		add(f.Name, pick(d.X[j], rows))
	}
	return out
}

func referenceSample(n int) []int {
	count := min(n, referenceRows)
	rows := make([]int, count)
	for i := range rows {
		rows[i] = i * n / count
	}
	return rows
}

// roomForReference is how many distributions fit beside the schema.
func roomForReference(s *models.Schema) int {
	used := 4 * (len(s.Features) + len(s.OfferFeatures) + len(s.Offers))
	for _, f := range s.Features {
		used += len(f.Levels)
	}
	return max(referenceSpace-used, 0) / referenceSize
}

// scoresOf asks the model for every offer it knows, row by row.
func scoresOf(d *Dataset, m models.Model, rows []int) (without []float64, uplifts [][]float64, err error) {
	offers := len(m.Schema().Offers)
	cands := make([]models.Candidate, max(offers, 1))
	for k := range cands {
		cands[k].Arm = k
		if offers == 0 {
			cands[k].Arm = -1
		}
	}
	x, out := make([]float64, len(d.Features)), make([]models.Score, len(cands))
	without, uplifts = make([]float64, len(rows)), make([][]float64, offers)
	for k := range uplifts {
		uplifts[k] = make([]float64, len(rows))
	}
	for i, r := range rows {
		d.Row(r, x)
		if err := m.Score(context.Background(), x, cands, out); err != nil {
			return nil, nil, err
		}
		without[i] = out[0].Without
		for k := range uplifts {
			uplifts[k][i] = out[k].Uplift()
		}
	}
	return without, uplifts, nil
}
