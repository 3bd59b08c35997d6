package foreign

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/rebound-engine/rebound/models"
)

// Function is one output of the model as a function of a row, to be served by
// models.NewAdapter; output is one of Outputs. Tree ensembles are handed over as
// such and scored by masks, everything else row by row.
func (m *Model) Function(output string) (models.Function, error) {
	k := slices.Index(m.outputs, output)
	if k < 0 {
		return models.Function{}, fmt.Errorf("model has no output %q, it has %s", output, strings.Join(m.outputs, ", "))
	}
	p, ok := m.program.(*treeProgram)
	if ok && p.extend == nil && !p.bothClasses {
		return models.Function{Ensemble: p.scorer.Ensemble(), Output: k}, nil
	}
	if ok && p.extend == nil && k == 1 { // of two classes, the ensemble predicts the second
		return models.Function{Ensemble: p.scorer.Ensemble()}, nil
	}
	return models.Function{Row: m.rowFunction(k), Width: len(m.features)}, nil
}

func (m *Model) rowFunction(k int) func([]float64) (float64, error) {
	pool := sync.Pool{New: func() any {
		out := make([]float64, len(m.outputs))
		return &out
	}}
	return func(row []float64) (float64, error) {
		out := pool.Get().(*[]float64)
		defer pool.Put(out)
		if err := m.Predict(row, *out); err != nil {
			return 0, err
		}
		return (*out)[k], nil
	}
}
