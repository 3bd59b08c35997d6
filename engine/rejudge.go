package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
)

// errOutOfReach: a logged decision cannot be made again under the bundle in force.
var errOutOfReach = errors.New("cannot be decided again")

// again is a logged decision on its way through the steps of a decision once
// more: from the variables it was made from, with other models, under the bundle
// in force. Nothing is read or written.
type again struct {
	*task
	logged *Decision
}

// decideAgain sets up a decision as it stood before it was scored. The caller
// ends it. What the bundle refuses before scoring stays refused as logged.
func (e *Engine) decideAgain(ctx context.Context, s *snapshot, d *Decision) (*again, error) {
	_, p, _ := s.resolve(d.Scope)
	if d.Currency != p.Currency {
		return nil, fmt.Errorf("%w: it was in %s, the policy is in %s", errOutOfReach, d.Currency, p.Currency)
	}
	x := s.scratch.Get().(*scratch)
	x.reset()
	t := &task{scratch: x, e: e, ctx: ctx, snap: s, plan: p, req: &Request{Channel: d.Channel, Phase: d.Phase}}
	t.now = d.Time.In(p.Location)
	t.d = e.blank()
	t.d.Subject, t.d.Household, t.d.Time, t.d.Scope, t.d.Currency, t.d.Exponent = d.Subject, d.Household, d.Time, d.Scope, d.Currency, d.Exponent
	t.d.Consent, t.d.Personal, t.d.Candidates = d.Consent, d.Personal, make([]Candidate, 1+len(p.Offers))
	a := &again{task: t, logged: d}
	a.variables()
	a.admitted()
	return a, nil
}

// end gives the memory of the decision back.
func (a *again) end() {
	a.d.Release()
	a.task.end()
}

// variables puts back what rules and models read.
func (a *again) variables() {
	env, f := a.snap.env, a.frame
	for i := range a.logged.Variables {
		v := &a.logged.Variables[i]
		slot := env.Slot(v.Name)
		if slot < 0 || valueType(env.Variables()[slot].Type) != v.Type {
			continue
		}
		switch v.Type {
		case NumberValue:
			f.SetNumber(slot, v.Number)
		case BoolValue:
			f.SetBool(slot, v.Number != 0)
		case StringValue:
			f.SetString(slot, v.Text)
		case StringsValue:
			f.SetStrings(slot, v.List)
		}
	}
	s := &a.snap.slots
	f.SetNumber(s.basketMargin, a.logged.MarginRate)
	for i := range a.logged.Candidates {
		for _, o := range a.logged.Candidates[i].Outcomes {
			if o.Outcome == "basket" {
				f.SetNumber(s.basketWith, o.With)
				f.SetNumber(s.basketWithout, o.Without)
				return
			}
		}
	}
}

// admitted puts back which offers came as far as scoring.
func (a *again) admitted() {
	a.d.Candidates[0] = Candidate{Offer: None, Kind: None, Stage: StageDraw, Scored: true}
	for i := range a.plan.Offers {
		o, c := &a.plan.Offers[i], &a.d.Candidates[i+1]
		*c = Candidate{Offer: o.ID, Kind: string(o.Kind), Ceiling: o.Ceiling, Stage: StageEligibility}
		was := a.logged.Candidate(o.ID)
		switch {
		case was == nil:
			c.Reason = ReasonOfferDisabled
		case was.Stage < StageScoring && was.Reason != "":
			c.Reason = was.Reason
		}
	}
	a.survivors()
}

// choice is the index of the candidate that would be the best with the given
// outcomes: 0 for none.
func (a *again) choice(outcomes []outcomeModel) (int, error) {
	a.outcomes = outcomes
	for _, offer := range a.index {
		c := &a.d.Candidates[offer+1]
		*c = Candidate{Offer: c.Offer, Kind: c.Kind, Ceiling: c.Ceiling, Stage: StageEligibility}
	}
	clear(a.rungs)
	a.fallback = false
	a.scoreSurvivors()
	if a.fallback {
		return 0, fmt.Errorf("%w: a model does not answer: %s", errOutOfReach, a.d.Degraded[len(a.d.Degraded)-1].Cause)
	}
	if err := a.value(); err != nil {
		return 0, err
	}
	return a.best(), nil
}

// best picks among what fits caps and budgets as the decision found them.
func (a *again) best() int {
	capped := slices.ContainsFunc(a.logged.Candidates, func(c Candidate) bool { return c.Reason == ReasonCapReached })
	a.draws, a.drawn = append(a.draws[:0], drawable{offer: None}), append(a.drawn[:0], 0)
	for i := 1; i < len(a.d.Candidates); i++ {
		c := &a.d.Candidates[i]
		if !c.Scored || !c.alive() || capped {
			continue
		}
		score, lower := a.gross[i], a.lower[i]
		fits := true
		for k := range a.logged.Budgets {
			b := &a.logged.Budgets[k]
			score -= b.Lambda * c.ExpectedCost
			lower -= b.Lambda * c.ExpectedCost
			need := (&budgetRoom{hard: b.Guarantee != "expected"}).take(c.Ceiling, a.expectedMinor(c))
			fits = fits && (need <= 0 || need <= b.Available)
		}
		if !fits || a.plan.Selection.RequireLower && lower <= 0 {
			continue
		}
		a.draws = append(a.draws, drawable{offer: c.Offer, score: score, ceiling: c.Ceiling})
		a.drawn = append(a.drawn, i)
	}
	return a.drawn[bestOf(a.draws)]
}

// happened is what followed a decision.
type happened struct {
	outcomes []float64 // by outcome of the bundle: 1 if it came, or its money
	cost     float64   // of the redemption, major units
}

// expected is what the goals count on of every candidate, by the models of the
// last choice: worth, with chances in place of what happened. Candidates that
// were not scored are worth what none is.
func (a *again) expected() ([]float64, error) {
	out := make([]float64, len(a.d.Candidates))
	for i := range out {
		offer := a.index[0]
		if i > 0 {
			offer = i - 1
		}
		if i > 0 && !slices.Contains(a.index, offer) {
			out[i] = out[0]
			continue
		}
		h := happened{outcomes: make([]float64, len(a.outcomes)), cost: a.d.Candidates[i].ExpectedCost}
		for k := range a.outcomes {
			switch {
			case a.outcomes[k].Model == rules.ModelProfile || i == 0 && k == a.plan.redeem:
			case i == 0:
				h.outcomes[k] = a.scoreOf(k, offer).Without
			default:
				h.outcomes[k] = a.scoreOf(k, offer).With
			}
		}
		var err error
		if out[i], err = a.worth(i, h); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// worth is what the goals count of a decision, in their money, when every
// prediction is replaced by what happened: with the outcome that came, without
// nothing, at the cost that was redeemed. The expected basket stays. What the
// goals add over no offer is the difference of two such values.
func (a *again) worth(delivered int, h happened) (float64, error) {
	f, s := a.frame, &a.snap.slots
	c := Candidate{Offer: None}
	if delivered > 0 {
		o := &a.plan.Offers[delivered-1]
		c = Candidate{Offer: o.ID, Kind: string(o.Kind), Ceiling: o.Ceiling}
		a.setOffer(o)
		if v := a.liable(&c, o, delivered-1); v.reason != "" {
			return 0, fmt.Errorf("%w: liability of %s: %s", errOutOfReach, o.ID, v.detail)
		}
	} else {
		a.setNoOffer()
	}
	for i := range a.outcomes {
		if o := &a.outcomes[i]; o.Model != rules.ModelProfile {
			y := h.outcomes[i]
			f.SetNumber(o.With, y)
			f.SetNumber(o.WithoutSlot, 0)
			f.SetNumber(o.Uplift, y)
			f.SetNumber(o.Lower, y)
			f.SetNumber(o.Upper, y)
		}
	}
	f.SetNumber(s.costExpected, h.cost)
	_, sum := a.goals(&c, nil)
	if !c.alive() {
		return 0, fmt.Errorf("%w: the goals cannot be counted: %s", errOutOfReach, c.Detail)
	}
	return sum, nil
}

// setNoOffer makes offer.*, cost.* and candidate.* those of no offer: it costs nothing.
func (t *task) setNoOffer() {
	f, s := t.frame, &t.snap.slots
	for _, slot := range s.params {
		f.Unset(slot)
	}
	f.SetString(s.offerID, None)
	f.SetString(s.offerKind, None)
	f.SetNumber(s.offerMax, 0)
	f.SetNumber(s.offerHours, 0)
	t.setCost(&Candidate{}, 0)
}

// occurred reads what followed from the events of the customer.
func (a *again) occurred(events []*profile.Event, settled map[string]int64) (h happened, err error) {
	h.outcomes = make([]float64, len(a.snap.own))
	h.cost = float64(settled[a.logged.ID]) / a.plan.minorPerOne
	for i := range a.snap.own {
		o := &a.snap.own[i]
		if o.Model == rules.ModelProfile {
			continue
		}
		for _, ev := range events {
			v, err := a.counts(&o.Outcome, ev)
			if err != nil {
				return h, err
			}
			h.outcomes[i] += v
		}
		if o.Unit == "probability" {
			h.outcomes[i] = min(h.outcomes[i], 1)
		}
	}
	return h, nil
}

// counts is what one event adds to an outcome of the decision.
func (a *again) counts(o *rules.Outcome, ev *profile.Event) (float64, error) {
	matches, err := shows(o, ev)
	if err != nil || !matches {
		return 0, err
	}
	if ev.Kind == profile.KindRedemption && o.Event == "redemption" {
		if ev.DecisionID != a.logged.ID {
			return 0, nil
		}
		return 1, nil
	}
	after, to := ev.Time.Sub(a.logged.Time), o.To
	if to < 0 && a.logged.Offer != nil { // the offer's validity
		to = a.logged.Offer.Expires.Sub(a.logged.Time)
	}
	if after <= o.From || after > to {
		return 0, nil
	}
	if o.Unit != "money" {
		return 1, nil
	}
	paid := int64(0)
	for i := range ev.Lines {
		paid += ev.Lines[i].Paid
	}
	return float64(paid) / a.plan.minorPerOne, nil
}

// shows reports whether an event is one of an outcome's. A visit to a store is
// seen by what is done there: a purchase, a return or a redemption.
func shows(o *rules.Outcome, ev *profile.Event) (bool, error) {
	if o.Channel != "" && o.Channel != ev.Channel.String() {
		return false, nil
	}
	switch o.Event {
	case "purchase":
		return ev.Kind == profile.KindPurchase, nil
	case "return":
		return ev.Kind == profile.KindReturn, nil
	case "redemption":
		return ev.Kind == profile.KindRedemption, nil
	case "store_visit":
		physical := ev.Channel == profile.ChannelStore || ev.Channel == profile.ChannelBORIS || ev.Channel == profile.ChannelBOPIS
		return physical && (ev.Kind == profile.KindPurchase || ev.Kind == profile.KindReturn || ev.Kind == profile.KindRedemption), nil
	}
	return false, fmt.Errorf("%w: nothing recorded shows the event %q of outcome %s", errOutOfReach, o.Event, o.Name)
}

// forecast is the chance a model gave to what was given: an offer by its index
// and one, or 0 for none. Not ok if the outcome is no chance or the model does not answer.
func (a *again) forecast(o *outcomeModel, given int) (p float64, ok bool) {
	if o.Unit != "probability" {
		return 0, false
	}
	scores, err := a.answer(o, o.model)
	if err != nil {
		return 0, false
	}
	if k := slices.Index(a.index, given-1); k >= 0 {
		return scores[k].With, true
	}
	return scores[0].Without, true
}
