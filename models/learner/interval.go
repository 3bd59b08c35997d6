package learner

import (
	"context"
	"fmt"

	"github.com/rebound-engine/rebound/internal/splitmix"
)

// halfSampleSpread estimates the sampling variance of effects by refitting on
// random halves: for a half, E(τ_half - τ)² is the variance of τ on the whole
// (delete-d jackknife, Shao and Wu 1989). It fills out per offer and row.
func (w *work) halfSampleSpread(ctx context.Context, refits int, effects [][]float64, fit func(ctx context.Context, rows []int32) (*effectModel, error), step func()) ([][]float64, error) {
	k := len(effects)
	out := w.columns(k)
	for r := range refits {
		s := newStream(w.seed, 51, uint64(r/2))
		var rows []int32
		for _, i := range w.all {
			id := uint64(i)
			if w.d.Group != nil {
				id = w.d.Group[i]
			}
			if splitmix.Sum64(s.key^id*0x9E3779B97F4A7C15)>>63 == uint64(r%2) {
				rows = append(rows, i)
			}
		}
		m, err := fit(ctx, rows)
		if err != nil {
			return nil, fmt.Errorf("refit %d on a half: %w", r, err)
		}
		half := w.columns(k)
		m.evaluate(w, m.effects, w.all, half)
		for a := range out {
			for i := range out[a] {
				d := half[a][i] - effects[a][i]
				out[a][i] += d * d / float64(refits)
			}
		}
		step()
	}
	return out, nil
}

// varianceBoost smooths a row-wise variance into few small trees: a gamma
// regression, as squared deviations are.
var varianceBoost = BoostSettings{Loss: LossGamma, Trees: 40, LearningRate: 0.15, Leaves: 6, Lambda: 1}

// fitVariance turns row-wise variances into predictors, one per offer.
func (w *work) fitVariance(ctx context.Context, spread [][]float64) ([]fitted, error) {
	out := make([]fitted, len(spread))
	for a, v := range spread {
		mean := w.mean(v, w.all)
		if !(mean > 0) {
			continue
		}
		target := w.column()
		for i := range target {
			target[i] = max(v[i]/mean, 1e-3) // in units of the mean: the gamma gradient is scale-free
		}
		s := varianceBoost
		s.MinRows = max(20, w.d.Rows()/200)
		m, err := trainBoosted(ctx, w.bins, target, w.d.Weight, w.all, nil, s, w.threads)
		if err != nil {
			return nil, fmt.Errorf("interval of %s: %w", w.d.Offers[a], err)
		}
		out[a] = scaledFit{fittedBoost{m}, mean}
	}
	return out, nil
}

// scaledFit remembers the unit of a fit's target.
type scaledFit struct {
	fittedBoost
	scale float64
}
