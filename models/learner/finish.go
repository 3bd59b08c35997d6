package learner

import (
	"context"
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// assembly collects predictors into one artifact.
type assembly struct {
	spec  models.UpliftSpec
	width int
}

// add appends a predictor and returns its first output.
func (a *assembly) add(f fitted) int {
	a.spec.Predictors = append(a.spec.Predictors, f.predictor())
	at := a.width
	a.width += f.outputs()
	return at
}

// addModel appends all fits and returns the first output of each.
func (a *assembly) addModel(m *effectModel) []int {
	at := make([]int, len(m.fits))
	for k, f := range m.fits {
		at[k] = a.add(f)
	}
	return at
}

// translate turns fit indexes into outputs.
func translate(s sum, at []int) models.Sum {
	out := models.Sum{Offset: s.offset}
	for _, p := range s.parts {
		out.Parts = append(out.Parts, models.Part{Output: at[p.fit] + p.output, Weight: p.weight})
	}
	return out
}

// finish refits the choice on all rows and builds the artifact's model.
func (m *match) finish(ctx context.Context, p *choice) (*Result, error) {
	fit, err := m.fitChoice(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	maps, calibrated := m.calibrate(p)
	fit.scale(maps)
	spread, err := m.spread(ctx, p, fit, maps)
	if err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	res := &Result{Guard: m.guard(calibrated), Findings: Check(m.w.d)}
	if res.Model, err = m.assemble(ctx, fit, maps, spread); err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	if res.Fallback, err = m.fallback(ctx); err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	res.Table = m.table(p)
	res.Card = m.card(p, res)
	return res, nil
}

// fitChoice fits the members on all rows as one model of effects.
func (m *match) fitChoice(ctx context.Context, p *choice) (*effectModel, error) {
	out := &effectModel{effects: make([]sum, len(m.w.d.Offers))}
	for k, c := range p.members {
		m.report("fit", c.Name, k, len(p.members))
		fit, err := m.w.fit(ctx, c, m.w.all, m.evaluation())
		if err != nil {
			return nil, fmt.Errorf("refit %s: %w", c.Name, err)
		}
		out.merge(fit, p.weight[k])
	}
	return out, nil
}

// merge adds another model's effects with a weight.
func (m *effectModel) merge(o *effectModel, weight float64) {
	base := len(m.fits)
	m.fits = append(m.fits, o.fits...)
	for a, s := range o.effects {
		m.effects[a].add(s, base, weight)
	}
}

// calibrate maps the offers' effects and returns the calibrated out-of-fold effects.
func (m *match) calibrate(p *choice) ([]effectMap, [][]float64) {
	w := m.w
	maps, out := w.calibrateEffects(p.effects, m.evaluation()), w.columns(len(w.d.Offers))
	if w.d.ordered() {
		common(maps)
	}
	for _, i := range w.all {
		sum := 0.0
		for a := range p.effects {
			sum += p.effects[a][i]
		}
		for a, e := range maps {
			out[a][i] = e.shift + e.own*p.effects[a][i] + e.all*sum
		}
	}
	return maps, out
}

// common gives all offers the same shift, which keeps their order.
func common(maps []effectMap) {
	mean := 0.0
	for _, e := range maps {
		mean += e.shift / float64(len(maps))
	}
	for a := range maps {
		maps[a].shift = mean
	}
}

// scale applies maps to the effects, but for the shifts.
func (m *effectModel) scale(maps []effectMap) {
	raw := m.effects
	m.effects = make([]sum, len(maps))
	for a, e := range maps {
		m.effects[a].add(raw[a], 0, e.own)
		if e.all != 0 {
			for _, s := range raw {
				m.effects[a].add(s, 0, e.all)
			}
		}
	}
}

// add adds another sum, whose fits start at base, with a weight.
func (s *sum) add(o sum, base int, weight float64) {
	s.offset += weight * o.offset
	for _, p := range o.parts {
		p.fit, p.weight = base+p.fit, weight*p.weight
		same := func(q part) bool { return q.fit == p.fit && q.output == p.output }
		if k := slices.IndexFunc(s.parts, same); k >= 0 {
			s.parts[k].weight += p.weight
		} else {
			s.parts = append(s.parts, p)
		}
	}
}

// spread estimates the variance of the effects per row; nil without refits.
func (m *match) spread(ctx context.Context, p *choice, fit *effectModel, maps []effectMap) ([][]float64, error) {
	if _, ok := soleForest(fit); ok || m.spec.Refits < 1 {
		return nil, nil
	}
	effects := m.w.columns(len(m.w.d.Offers))
	fit.evaluate(m.w, fit.effects, m.w.all, effects)
	done := 0
	return m.w.halfSampleSpread(ctx, m.spec.Refits, effects, func(ctx context.Context, rows []int32) (*effectModel, error) {
		out := &effectModel{effects: make([]sum, len(m.w.d.Offers))}
		for k, c := range p.members {
			half, err := m.w.fit(ctx, c, rows, m.evaluation())
			if err != nil {
				return nil, err
			}
			out.merge(half, p.weight[k])
		}
		out.scale(maps)
		return out, nil
	}, func() { done++; m.report("interval", p.name, done, m.spec.Refits) })
}

// baseline starts an assembly with the calibrated level without an offer.
func (m *match) baseline(ctx context.Context) (*assembly, error) {
	levels, err := m.stack.fit(ctx, m.w, m.w.all)
	if err != nil {
		return nil, err
	}
	a := &assembly{spec: models.UpliftSpec{Schema: m.w.d.Schema()}}
	for _, p := range levels.levels[0].parts {
		at := a.add(levels.fits[p.fit])
		a.spec.Without.Parts = append(a.spec.Without.Parts, models.Part{Output: at, Weight: p.weight})
	}
	a.spec.Levels, err = m.w.calibrateLevels(m.evaluation().level[0])
	return a, err
}

// assemble builds the served model.
func (m *match) assemble(ctx context.Context, fit *effectModel, maps []effectMap, spread [][]float64) (*models.Uplift, error) {
	a, err := m.baseline(ctx)
	if err != nil {
		return nil, err
	}
	at := a.addModel(fit)
	_, ate := m.constantEffects()
	var variances []fitted
	if spread != nil {
		if variances, err = m.w.fitVariance(ctx, spread); err != nil {
			return nil, err
		}
	}
	for k, e := range maps {
		arm := models.ArmEffect{Effect: translate(fit.effects[k], at), Shift: e.shift, Scale: 1, Variance: models.Sum{Offset: ate[k]}}
		if f, ok := soleForest(fit); ok {
			scale := max(e.own, e.own+float64(len(maps))*e.all)
			arm.Variance.Parts = []models.Part{{Output: at[0] + f.arms + k, Weight: scale * scale * spreadFactor}}
		} else if spread != nil && variances[k] != nil {
			f := variances[k].(scaledFit)
			arm.Variance.Parts = []models.Part{{Output: a.add(f), Weight: f.scale * spreadFactor}}
		}
		a.spec.Arms = append(a.spec.Arms, arm)
	}
	return models.NewUplift(a.spec)
}

// soleForest is the forest that alone makes the effects: it knows its variance.
func soleForest(fit *effectModel) (*fittedForest, bool) {
	if len(fit.fits) != 1 {
		return nil, false
	}
	f, ok := fit.fits[0].(*fittedForest)
	return f, ok
}

// spreadFactor widens the sampling variance for what refitting cannot see:
// the bias of a regularised learner. Half-widths grow by √2; tests hold the
// coverage on known truth.
const spreadFactor = 2

// fallback is the baseline with constant effects.
func (m *match) fallback(ctx context.Context) (*models.Uplift, error) {
	a, err := m.baseline(ctx)
	if err != nil {
		return nil, err
	}
	mean, variance := m.constantEffects()
	for k := range mean {
		a.spec.Arms = append(a.spec.Arms, models.ArmEffect{Shift: mean[k], Variance: models.Sum{Offset: variance[k]}})
	}
	return models.NewUplift(a.spec)
}

// outcomeOnly is a tournament without offers: the stacked, calibrated outcome.
func (m *match) outcomeOnly(ctx context.Context) (*Result, error) {
	a, err := m.baseline(ctx)
	if err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	res := &Result{Findings: Check(m.w.d)}
	if res.Model, err = models.NewUplift(a.spec); err != nil {
		return nil, fmt.Errorf("tournament: %w", err)
	}
	res.Fallback = res.Model
	res.Guard.Statement = "no offers in the data: an outcome model"
	for k := range m.stack.members {
		c := &m.stack.members[k]
		res.Table = append(res.Table, Row{Name: c.Name, Settings: c.String(), Weight: m.stack.weight[k], Picked: m.stack.weight[k] > 0})
	}
	res.Card = m.card(&choice{name: "stacked levels", members: nil}, res)
	return res, nil
}

func (m *match) table(p *choice) []Row {
	var out []Row
	for _, e := range m.entries {
		r := e.row
		r.Picked = e.c.Name == p.name
		out = append(out, r)
	}
	if len(p.members) > 1 {
		r := Row{Name: p.name, Settings: fmt.Sprintf("%d members", len(p.members)), Picked: true}
		r.fill(m.w, p.verdict)
		out = append(out, r)
	}
	return out
}

func (m *match) card(p *choice, res *Result) models.Card {
	d := m.w.d
	c := models.Card{Name: m.spec.Name, Learner: p.name, CreatedBy: m.spec.CreatedBy}
	t := &models.Training{Rows: d.Rows(), DataSHA256: m.digest, Seeds: []uint64{m.spec.Seed}, Seconds: m.elapsed().Seconds()}
	for i, at := range d.Time {
		if i == 0 || at.Before(t.From) {
			t.From = at
		}
		if i == 0 || at.After(t.To) {
			t.To = at
		}
	}
	t.ArmRows = make([]int, d.Arms())
	for _, a := range d.Arm {
		t.ArmRows[a]++
	}
	c.Training = t
	for k, cand := range p.members {
		c.Settings += fmt.Sprintf("%.3g × %s; ", p.weight[k], cand)
	}
	if p.verdict != nil {
		for a, q := range p.verdict.qini {
			c.Metrics = append(c.Metrics, models.Metric{Name: "qini_area_oof", Arm: d.Offers[a], Value: q})
		}
		c.Metrics = append(c.Metrics,
			models.Metric{Name: "policy_value_dr_oof", Value: p.verdict.policy},
			models.Metric{Name: "policy_gain_over_best_arm_oof", Value: res.Guard.Gain, Lower: res.Guard.Lower, Upper: res.Guard.Upper})
	}
	c.Notes = append(c.Notes, res.Guard.Statement)
	for _, f := range res.Findings {
		c.Notes = append(c.Notes, f.String())
	}
	return c
}
