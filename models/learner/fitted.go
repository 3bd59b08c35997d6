package learner

import (
	"math"

	"github.com/rebound-engine/rebound/models"
)

// fitted is one trained predictor with one or more outputs.
type fitted interface {
	// predict sets out[k][i], output k of row i, for the given rows.
	predict(w *work, rows []int32, out [][]float64)
	outputs() int
	predictor() models.Predictor
}

type fittedLinear struct{ l *models.Linear }

func (f fittedLinear) predict(w *work, rows []int32, out [][]float64) {
	w.predictLinear(f.l, rows, out[0])
}
func (f fittedLinear) outputs() int                { return 1 }
func (f fittedLinear) predictor() models.Predictor { return models.Predictor{Linear: f.l} }

type fittedBoost struct{ m *Boosted }

func (f fittedBoost) predict(w *work, rows []int32, out [][]float64) {
	for _, i := range rows {
		out[0][i] = 0
	}
	f.m.addRaw(rows, out[0], w.threads)
	parallelRows(w.threads, len(rows), func(_, from, to int) {
		for _, i := range rows[from:to] {
			out[0][i] = f.m.loss.mean(out[0][i])
		}
	})
}
func (f fittedBoost) outputs() int                { return 1 }
func (f fittedBoost) predictor() models.Predictor { return models.Predictor{Trees: f.m.Ensemble()} }

// part is one weighted output of a fit.
type part struct {
	fit, output int
	weight      float64
}

// sum is a weighted sum of fit outputs.
type sum struct {
	offset float64
	parts  []part
}

// effectModel is what one learner trained: fits, levels per arm (nil for a
// learner of effects alone) and the effect per offer.
type effectModel struct {
	fits    []fitted
	levels  []sum
	effects []sum
}

// add appends a fit and returns its index.
func (m *effectModel) add(f fitted) int {
	m.fits = append(m.fits, f)
	return len(m.fits) - 1
}

// addLevels makes a learner of levels: effects are differences to arm 0.
func (m *effectModel) addLevels(arms []fitted) {
	for a, f := range arms {
		k := m.add(f)
		m.levels = append(m.levels, sum{parts: []part{{fit: k, weight: 1}}})
		if a > 0 {
			m.effects = append(m.effects, sum{parts: []part{{fit: k, weight: 1}, {fit: m.levels[0].parts[0].fit, weight: -1}}})
		}
	}
}

// evaluate computes sums for rows: out[k][i].
func (m *effectModel) evaluate(w *work, sums []sum, rows []int32, out [][]float64) {
	used := make([]bool, len(m.fits))
	for _, s := range sums {
		for _, p := range s.parts {
			used[p.fit] = true
		}
	}
	for k := range sums {
		for _, i := range rows {
			out[k][i] = sums[k].offset
		}
	}
	for f, fit := range m.fits {
		if !used[f] {
			continue
		}
		values := w.columns(fit.outputs())
		fit.predict(w, rows, values)
		for k, s := range sums {
			for _, p := range s.parts {
				if p.fit != f {
					continue
				}
				v := values[p.output]
				for _, i := range rows {
					out[k][i] += p.weight * v[i]
				}
			}
		}
	}
}

// mean turns a raw sum into a prediction.
func (l Loss) mean(raw float64) float64 {
	switch l.link() {
	case models.LinkLogistic:
		return sigmoid(raw)
	case models.LinkExp:
		return math.Exp(raw)
	}
	return raw
}
