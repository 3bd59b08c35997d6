package learner

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// choice is what a tournament picked: members with weights, and the
// out-of-fold effects of their blend.
type choice struct {
	name    string
	members []*Candidate
	weight  []float64
	effects [][]float64
	verdict *judgement
}

// pick compares candidates and their blend.
func (m *match) pick() (*choice, error) {
	var fit []*entry
	for _, e := range m.entries {
		if e.verdict != nil {
			fit = append(fit, e)
		}
	}
	if len(fit) == 0 {
		var errs []error
		for _, e := range m.entries {
			errs = append(errs, fmt.Errorf("%s: %s", e.c.Name, e.row.Failed))
		}
		return nil, fmt.Errorf("%w: no candidate could be fitted: %w", ErrTournament, errors.Join(errs...))
	}
	var field []*choice
	for _, e := range fit {
		field = append(field, &choice{name: e.c.Name, members: []*Candidate{e.c}, weight: []float64{1}, effects: e.effects, verdict: e.verdict})
	}
	if !m.spec.NoBlend && len(fit) > 1 {
		if b := m.blend(fit); len(b.members) > 0 {
			field = append(field, b)
		}
	}
	return m.settle(field), nil
}

// settle decides among the choices that the data cannot tell from the best of
// the field: a paired test at 95 % (in the spirit of the one-standard-error
// rule of Breiman et al. 1984). Where linear ones and ones built from trees are
// among them, the data are too weak to tell how complex the effects are: the
// simplest of both kinds are averaged, which err in different ways. A blend among
// them stands for trees alone, for the same reason. Else the best wins, of linear
// ones the simplest.
func (m *match) settle(field []*choice) *choice {
	best := field[0]
	for _, c := range field[1:] {
		if m.figure(c.verdict) > m.figure(best.verdict) {
			best = c
		}
	}
	var linear, trees, blend *choice
	for _, c := range field {
		switch {
		case c != best && m.clearlyWorse(c.verdict, best.verdict):
		case len(c.members) > 1:
			blend = c
		case c.members[0].Base == BaseLinear:
			linear = cmp.Or(linear, c)
		default:
			trees = cmp.Or(trees, c)
		}
	}
	switch {
	case linear != nil && trees != nil && !m.spec.NoBlend:
		return m.average(linear, trees)
	case linear != nil && len(best.members) == 1 && best.members[0].Base == BaseLinear:
		return linear
	case linear == nil && blend != nil:
		return blend
	}
	return best
}

// average gives two choices half the say each.
func (m *match) average(a, b *choice) *choice {
	out := &choice{name: a.name + " + " + b.name, effects: m.w.columns(len(m.w.d.Offers))}
	for _, c := range []*choice{a, b} {
		out.members = append(out.members, c.members...)
		for _, v := range c.weight {
			out.weight = append(out.weight, v/2)
		}
	}
	mix(out.effects, [][][]float64{a.effects, b.effects}, []float64{0.5, 0.5}, m.w.all)
	out.verdict = m.w.judge(out.effects, m.evaluation(), m.w.all)
	return out
}

// figure is the criterion's value, larger is better.
func (m *match) figure(j *judgement) float64 {
	switch m.spec.Criterion {
	case ByPolicy:
		return j.policy
	case ByQini:
		total := 0.0
		for _, q := range j.qini {
			total += q
		}
		return total
	}
	return -j.loss
}

// clearlyWorse reports whether a lies behind b by a paired test at 95 %;
// a Qini area, which is no mean over rows, by more than a tenth.
func (m *match) clearlyWorse(a, b *judgement) bool {
	if m.spec.Criterion == ByQini {
		return m.figure(a) < m.figure(b)-0.1*math.Abs(m.figure(b))
	}
	d := make([]float64, len(a.point))
	for i := range d {
		if m.spec.Criterion == ByPolicy {
			d[i] = b.gain[i] - a.gain[i]
		} else {
			d[i] = a.point[i] - b.point[i]
		}
	}
	mean, se := m.w.meanSE(d)
	return mean > z95*se
}

// blend weighs the candidates; each fold's blend is made with weights from
// the other folds, so that it is judged like any candidate.
func (m *match) blend(fit []*entry) *choice {
	w := m.w
	effects := make([][][]float64, len(fit))
	for k, e := range fit {
		effects[k] = e.effects
	}
	out := &choice{name: "blend", effects: w.columns(len(w.d.Offers))}
	for f := range w.folds {
		held, train := w.split(w.all, f)
		mix(out.effects, effects, w.blendWeights(effects, m.evaluation(), train), held)
	}
	out.verdict = w.judge(out.effects, m.evaluation(), w.all)
	weights := w.blendWeights(effects, m.evaluation(), w.all)
	for k, v := range weights {
		fit[k].row.Weight = v
		if v > 0 {
			out.members, out.weight = append(out.members, fit[k].c), append(out.weight, v)
		}
	}
	return out
}

// mix writes the weighted sum of members' effects for rows.
func mix(out [][]float64, effects [][][]float64, weight []float64, rows []int32) {
	for a := range out {
		for _, i := range rows {
			v := 0.0
			for k, wt := range weight {
				if wt != 0 {
					v += wt * effects[k][a][i]
				}
			}
			out[a][i] = v
		}
	}
}

// guard holds the learned policy against the best single arm, out of fold.
func (m *match) guard(calibrated [][]float64) Guard {
	w := m.w
	j := w.judge(calibrated, m.evaluation(), w.all)
	g := Guard{}
	if arm := w.bestSingle(m.evaluation(), w.all); arm > 0 {
		g.BestArm = w.d.Offers[arm-1]
	}
	mean, se := w.meanSE(j.gain)
	g.Gain, g.Lower, g.Upper = mean, mean-z95*se, mean+z95*se
	g.Learned = g.Lower > 0
	name := g.BestArm
	if name == "" {
		name = "no offer"
	}
	verdict := "learning brings nothing certain: fall back to it"
	if g.Learned {
		verdict = "the learned policy stands"
	}
	g.Statement = fmt.Sprintf("learned policy over %s for all: %+.5g (95 %% %.5g to %.5g): %s", name, g.Gain, g.Lower, g.Upper, verdict)
	return g
}

const z95 = 1.959963984540054

// constantEffects are each offer's doubly robust mean effect and its variance.
func (m *match) constantEffects() (mean, variance []float64) {
	w := m.w
	gamma := w.column()
	for a := range w.d.Offers {
		for _, i := range w.all {
			gamma[i] = w.doublyRobust(a+1, i, m.evaluation())
		}
		mu, se := w.meanSE(gamma)
		mean, variance = append(mean, mu), append(variance, se*se)
	}
	return mean, variance
}
