package learner_test

import (
	"context"
	"testing"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

// BenchmarkScoreRow scores one customer under all arms with what a tournament
// picks: levels, effects and intervals, of 20,000 customers with four offers.
func BenchmarkScoreRow(b *testing.B) {
	d := synth.Retail(20_000, 1).Data
	for _, c := range learner.DefaultCandidates(d.Rows(), d.Unit) {
		switch c.Name {
		case "s-linear-300", "t-boost-large", "x-boost-large", "dr-boost", "s-boost-large", "forest-coarse", "forest":
		default:
			continue
		}
		res, err := learner.Tournament(context.Background(), learner.Spec{Candidates: []learner.Candidate{c}, Folds: 2, Refits: 2}, d)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.Name, func(b *testing.B) {
			cands := []models.Candidate{{Arm: 0}, {Arm: 1}, {Arm: 2}, {Arm: 3}}
			rows := make([][]float64, 512)
			for i := range rows {
				rows[i] = make([]float64, len(d.Features))
				d.Row(i, rows[i])
			}
			out, i := make([]models.Score, len(cands)), 0
			b.ReportAllocs()
			for b.Loop() {
				if err := res.Model.Score(context.Background(), rows[i&511], cands, out); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
