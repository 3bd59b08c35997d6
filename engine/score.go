package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
)

// scoreAll is step 6: every outcome scores the surviving candidates in one batch,
// on the highest rung of its ladder that answers.
func (t *task) scoreAll() error {
	t.outcomes = t.snap.outcomes
	if t.snap.contests != nil {
		t.takeSides()
	}
	t.survivors()
	if len(t.index) == 0 {
		return nil
	}
	t.scoreSurvivors()
	if t.snap.shadows != nil {
		t.scoreShadows()
	}
	return nil
}

// scoreSurvivors scores with the models that decide.
func (t *task) scoreSurvivors() {
	for i := range t.outcomes {
		if o := &t.outcomes[i]; o.Model == rules.ModelPrior || o.Model == rules.ModelFile {
			t.rungs[i] = t.scoreOutcome(i, o)
		}
	}
	for i := range t.outcomes {
		if of := t.outcomes[i].of; of >= 0 {
			t.rungs[i] = t.rungs[of]
		}
	}
	t.unscored()
}

// survivors lists the offers nothing has refused so far.
func (t *task) survivors() {
	t.index = t.index[:0]
	for i := range t.plan.Offers {
		if t.d.Candidates[i+1].alive() {
			t.index = append(t.index, i)
		}
	}
}

// scoreOutcome goes down the ladder of one outcome and returns the rung that answered.
func (t *task) scoreOutcome(i int, o *outcomeModel) Rung {
	var cause error
	if t.canAskModels() {
		rung := RungModel
		for _, b := range [...]*bound{o.model, o.distill} {
			if b != nil {
				if cause = t.ask(i, o, b); cause == nil {
					return t.landed(o, rung)
				}
			}
			rung++
		}
	} else {
		cause = errTooLate
	}
	if t.fromSegment(i, o) {
		t.degrade("outcome "+o.Name, RungPrior, cause)
		return RungPrior
	}
	t.degrade("outcome "+o.Name, RungNone, cause)
	return RungNone
}

// landed notes where a score came from when it is not the full model over the
// person: without consent a trained model answers for the segment.
func (t *task) landed(o *outcomeModel, rung Rung) Rung {
	if rung == RungDistilled {
		t.degrade("outcome "+o.Name, rung, nil)
		return rung
	}
	if !t.d.Consent && o.File != "" {
		t.degrade("outcome "+o.Name, RungPrior, nil)
		return RungPrior
	}
	return rung
}

// ask scores all survivors with one model.
func (t *task) ask(i int, o *outcomeModel, b *bound) error {
	raw, err := t.answer(o, b)
	if err != nil {
		return err
	}
	for k, offer := range t.index {
		t.scores[i][offer] = raw[k]
	}
	return nil
}

// answer is what one model says of all survivors; it stays valid until the next.
func (t *task) answer(o *outcomeModel, b *bound) ([]models.Score, error) {
	t.x = b.vector(t.frame, t.x)
	t.cands = t.cands[:0]
	for _, offer := range t.index {
		t.cands = append(t.cands, models.Candidate{Arm: b.arms[offer], X: b.offers[offer]})
	}
	if cap(t.raw) < len(t.cands) {
		t.raw = make([]models.Score, len(t.cands))
	}
	raw := t.raw[:len(t.cands)]
	if err := askModel(t.ctx, b, t.x, t.cands, raw, t.e.opts.ModelTimeout); err != nil {
		return nil, err
	}
	return raw, soundScores(o.Unit, raw)
}

// fromSegment answers with what the model said of nobody in particular.
func (t *task) fromSegment(i int, o *outcomeModel) bool {
	if o.segment == nil || soundScores(o.Unit, o.segment.scores) != nil {
		return false
	}
	copy(t.scores[i], o.segment.scores)
	return true
}

// unscored refuses every candidate if an outcome has no score at all.
func (t *task) unscored() {
	for i := range t.outcomes {
		if t.rungs[i] != RungNone {
			continue
		}
		t.fallback = true
		at := verdict{reason: ReasonModelUnavailable, detail: "no model scored the outcome " + t.outcomes[i].Name, source: t.outcomes[i].Source, rule: t.outcomes[i].Name}
		for _, offer := range t.index {
			if c := &t.d.Candidates[offer+1]; c.alive() {
				c.reject(StageScoring, at)
			}
		}
	}
}

// minModelTime is what must be left before the deadline for models to be asked.
const minModelTime = time.Millisecond

// canAskModels reports whether there is time to score and still record the decision.
func (t *task) canAskModels() bool {
	until, ok := t.ctx.Deadline()
	return !ok || time.Until(until) > minModelTime
}

// degrade notes what was not as it should be.
func (t *task) degrade(subject string, rung Rung, cause error) {
	g := Degradation{Subject: subject, Rung: rung}
	switch {
	case cause != nil && context.Cause(t.ctx) != nil:
		g.Cause = "the caller's deadline has passed"
	case cause != nil:
		g.Cause = cause.Error()
	case rung == RungPrior:
		g.Cause = "no consent: the model sees the request alone"
	default:
		g.Cause = "the full model did not answer"
	}
	t.d.Degraded = append(t.d.Degraded, g)
}

// value is steps 7 and 8 but for the shadow prices: liability, bounds, rules
// that read scores or cost, goals and guardrails.
func (t *task) value() error {
	n := len(t.d.Candidates)
	t.gross, t.lower = grow(t.gross, n), grow(t.lower, n)
	outcomes := room(&t.d.memory.outcomes, len(t.index)*len(t.outcomes))[:0]
	goals := room(&t.d.memory.goals, len(t.index)*len(t.plan.Goals))[:0]
	for _, offer := range t.index {
		c := &t.d.Candidates[offer+1]
		if !c.alive() {
			continue
		}
		t.setOffer(&t.plan.Offers[offer])
		t.setScores(offer)
		outcomes, c.Outcomes = t.traceScores(outcomes, offer)
		goals = t.valueOne(c, offer, goals)
		if t.watch != nil {
			t.watch(offer + 1)
		}
	}
	return nil
}

func grow(x []float64, n int) []float64 {
	if cap(x) < n {
		return make([]float64, n)
	}
	x = x[:n]
	clear(x)
	return x
}

// traceScores copies an offer's scores into the decision, out of one allocation.
func (t *task) traceScores(all []OutcomeScore, offer int) (rest, mine []OutcomeScore) {
	from := len(all)
	for i := range t.outcomes {
		o := &t.outcomes[i]
		if o.Model == rules.ModelProfile {
			with, _ := t.frame.Number(o.With)
			without, _ := t.frame.Number(o.WithoutSlot)
			all = append(all, OutcomeScore{Outcome: o.Name, With: with, Without: without, Rung: RungModel})
			continue
		}
		v, assumed := t.scoreOf(i, offer), o.assumed
		if o.of >= 0 {
			assumed = t.outcomes[o.of].assumed
		}
		all = append(all, OutcomeScore{Outcome: o.Name, With: v.With, Without: v.Without, Lower: v.Lower, Upper: v.Upper, Assumed: assumed, Rung: t.rungs[i]})
	}
	return all, all[from:len(all):len(all)]
}

// valueOne takes one candidate from liability to goals.
func (t *task) valueOne(c *Candidate, offer int, goals []GoalValue) []GoalValue {
	o := &t.plan.Offers[offer]
	if v := t.liable(c, o, offer); v.reason != "" {
		c.reject(StageBounds, v)
		return goals
	}
	if v := t.bounded(c, o); v.reason != "" {
		c.reject(StageBounds, v)
		return goals
	}
	for _, i := range t.plan.after {
		r := &t.plan.Constraints[i]
		if ok, why := t.holds(r.When); !ok {
			c.reject(StageRules, ruleRefusal(r).because(why))
			return goals
		}
	}
	from := len(goals)
	goals, t.gross[offer+1] = t.goals(c, goals)
	c.Goals = goals[from:len(goals):len(goals)]
	if !c.alive() {
		return goals
	}
	c.Scored = true
	for i := range t.plan.Guardrails {
		r := &t.plan.Guardrails[i]
		if ok, why := t.holds(r.When); !ok {
			c.reject(StageGoals, ruleRefusal(r).because(why))
			return goals
		}
	}
	t.aggregates(c)
	if t.plan.Selection.RequireLower && c.alive() {
		t.lower[offer+1] = t.cautious(c, offer)
	}
	return goals
}

// goals values what the candidate adds to every goal.
func (t *task) goals(c *Candidate, out []GoalValue) ([]GoalValue, float64) {
	sum := 0.0
	for i := range t.plan.Goals {
		out = append(out, GoalValue{})
		g := &out[len(out)-1]
		if why := t.goal(i, g); why != nil {
			c.reject(StageGoals, t.plan.goalRefusal(i).because(why))
			return out[:len(out)-1], 0
		}
		t.frame.SetNumber(t.plan.Goals[i].Slot, g.Amount)
		sum += g.Contribution
	}
	return out, sum
}

func (p *plan) goalRefusal(i int) verdict {
	return verdict{source: p.Goals[i].Source, rule: p.Goals[i].Name}
}

// goal evaluates one goal. One whose condition does not hold adds nothing.
func (t *task) goal(i int, g *GoalValue) *verdict {
	p := &t.plan.Goals[i]
	g.Goal, g.Unit, g.Value, g.Weight = p.Name, p.Unit, p.Value, p.Weight
	if applies, why := t.holds(p.When); !applies {
		g.Skipped = why == nil
		return why
	}
	x, why := t.number(p.Expr)
	if why != nil {
		return why
	}
	g.Amount = x
	g.Contribution = g.Weight * g.Value * g.Amount
	if !finite(g.Contribution) {
		return &verdict{reason: ReasonEvaluation, detail: fmt.Sprintf("the goal %s leaves the range of numbers", p.Name)}
	}
	return nil
}

// cautious is the value of the goals with every uplift at its lower bound. The
// cost stays as expected: caution does not make an offer cheaper.
func (t *task) cautious(c *Candidate, offer int) float64 {
	for i := range t.outcomes {
		if o := &t.outcomes[i]; o.Model != rules.ModelProfile && i != t.plan.redeem {
			v := t.scoreOf(i, offer)
			t.frame.SetNumber(o.With, v.Without+v.Lower)
			t.frame.SetNumber(o.Uplift, v.Lower)
		}
	}
	sum := 0.0
	for i := range t.plan.Goals {
		var g GoalValue
		if why := t.goal(i, &g); why != nil {
			c.reject(StageGoals, t.plan.goalRefusal(i).because(why))
			return 0
		}
		sum += g.Contribution
	}
	return sum
}

// aggregates refuses every offer while a guardrail on the whole programme is breached.
func (t *task) aggregates(c *Candidate) {
	for i := range t.plan.Aggregates {
		g := &t.plan.Aggregates[i]
		if c.alive() && t.e.breached(g, t.plan.Scope) {
			c.reject(StageGoals, verdict{reason: ReasonGuardrailBreached, source: g.Source, rule: g.ID, detail: g.Metric + " is below its bound"})
		}
	}
}
