package foreign

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
)

// linearProgram is a linear booster (gblinear).
type linearProgram struct {
	link    *models.Ensemble // base, outputs and link; no trees
	weights []float32        // per feature and output, then the bias per output
}

func xgbLinear(e *models.Ensemble, weights []float32, format Format) (*Model, error) {
	if len(weights) != (len(e.Features)+1)*e.Outputs {
		return nil, fmt.Errorf("%w: %d weights for %d features and %d outputs", ErrCorrupt, len(weights), len(e.Features), e.Outputs)
	}
	for _, w := range weights {
		if w != w || math.IsInf(float64(w), 0) {
			return nil, fmt.Errorf("%w: a weight is not finite", ErrCorrupt)
		}
	}
	return &Model{
		format: format, features: e.Features, outputs: columnNames("pred", e.Predictions()),
		program: &linearProgram{link: e, weights: weights},
	}, nil
}

func (p *linearProgram) rawOutputs() int { return p.link.Outputs }

// raw sums in 32 bits; a missing input adds nothing.
func (p *linearProgram) raw(row, out []float64) error {
	k := p.link.Outputs
	bias := p.weights[len(row)*k:]
	for o := range k {
		sum := float32(p.link.Base[o]) + bias[o]
		for f, v := range row {
			if v == v {
				sum += float32(v) * p.weights[f*k+o]
			}
		}
		out[o] = float64(sum)
	}
	return nil
}

func (p *linearProgram) predict(row, out []float64) error {
	raw := make([]float64, p.link.Outputs)
	if err := p.raw(row, raw); err != nil {
		return err
	}
	p.link.ApplyLink(raw)
	copy(out, raw[:p.link.Predictions()])
	return nil
}
