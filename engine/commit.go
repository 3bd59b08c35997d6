package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/rules"
)

// override is what a what-if sets instead of what ledger and policy say.
type override struct {
	lambda  func(budget string) float64
	left    map[string]int64 // minor units by budget; one that is not listed is open
	explore bool             // as the policy says; otherwise the best is chosen
}

// room is a budget as the override has it.
func (o *override) room(b *budgetRoom) {
	left, limited := o.left[b.id]
	if !limited {
		left = b.limit
	}
	b.allowed = left
	b.lambda = int64(math.Round(o.lambda(b.id) * lambdaUnit))
}

// choose is steps 8 (shadow prices), 9 and 10 under the ledger's lock. It
// changes the decision, not the ledger.
func (t *task) choose(l *Ledger) {
	t.admit(l)
	t.draw()
}

// admit finds A': what fits caps and every budget.
func (t *task) admit(l *Ledger) {
	t.rooms(l)
	t.slices(l)
	t.caps(l)
	charges := room(&t.d.memory.charges, len(t.index)*len(t.budgets))
	for i := 1; i < len(t.d.Candidates); i++ {
		if c := &t.d.Candidates[i]; c.Scored {
			c.reopen()
			charges = t.price(c, i, charges)
			t.fit(c)
		}
	}
}

// reopen forgets what an earlier look at the ledger said: a decision that waited
// for a budget slice looks again.
func (c *Candidate) reopen() {
	c.Fits = false
	if c.Stage == StageLedger || c.Stage == StageSelection {
		c.Reason, c.Rule, c.Detail = "", RuleRef{}, ""
	}
}

// rooms reads every budget of the scope. What the superseded decision holds
// counts as free: it is given up by the same entry.
func (t *task) rooms(l *Ledger) {
	now := milli(t.now)
	t.budgets = t.budgets[:0]
	for i := range t.plan.Budgets {
		b := &t.plan.Budgets[i]
		start, end, ok := t.plan.period(i, t.now)
		r := budgetRoom{id: b.ID, scope: b.Scope, start: start, end: end, limit: b.Limit, buffer: b.Buffer, hard: b.Guarantee != "expected", pacing: b.Pacing}
		if !ok {
			r.limit = 0
		}
		if t.override != nil {
			t.override.room(&r)
			t.budgets = append(t.budgets, r)
			continue
		}
		l.fill(&r, now)
		if t.before != nil {
			l.without(&r, t.before.decision)
		}
		if t.d.DryRun {
			l.expiredBy(&r, now)
		}
		t.budgets = append(t.budgets, r)
	}
}

// price takes the shadow prices off a candidate's value, and asks for caution
// where the policy does.
func (t *task) price(c *Candidate, i int, charges []Charge) (rest []Charge) {
	c.Score = t.gross[i]
	lower := t.lower[i]
	n := len(t.budgets)
	c.Charges, rest = charges[:0:n], charges[n:]
	for k := range t.budgets {
		b := &t.budgets[k]
		x := Charge{Budget: b.id, Lambda: float64(b.lambda) / lambdaUnit}
		x.Amount = x.Lambda * c.ExpectedCost
		c.Score -= x.Amount
		lower -= x.Amount
		c.Charges = append(c.Charges, x)
	}
	if !t.plan.Selection.RequireLower || !c.alive() {
		return rest
	}
	c.LowerScore, c.Stage = lower, StageSelection
	if lower <= 0 {
		c.reject(StageSelection, verdict{reason: ReasonLowerBound, detail: fmt.Sprintf("its cautious score of %.3f does not beat none", lower)})
	}
	return rest
}

// caps finds the first cap that is reached; it is the same for every offer.
func (t *task) caps(l *Ledger) {
	t.cap = verdict{}
	for i := range t.plan.Caps {
		if t.cap = t.capped(l, &t.plan.Caps[i]); t.cap.reason != "" {
			return
		}
	}
}

// fit admits a candidate to A' if its caps and every budget have room.
func (t *task) fit(c *Candidate) {
	if !c.alive() {
		return
	}
	if t.cap.reason != "" {
		c.reject(StageLedger, t.cap)
		return
	}
	expected := t.expectedMinor(c)
	for i := range t.budgets {
		b := &t.budgets[i]
		if !b.fits(c.Ceiling, expected) {
			c.reject(StageLedger, t.exhausted(b, c, expected))
			return
		}
	}
	if t.sliced() {
		t.wants(c.Ceiling, expected)
	}
	c.Fits, c.Stage = true, StageDraw
}

func (t *task) exhausted(b *budgetRoom, c *Candidate, expected int64) verdict {
	v := verdict{reason: ReasonBudgetExhausted, rule: b.id, detail: fmt.Sprintf("budget %s has %s left for its %s", b.id, t.money(b.available()), t.money(b.take(c.Ceiling, expected)))}
	i := slices.IndexFunc(t.plan.Budgets, func(x rules.Budget) bool { return x.ID == b.id })
	v.source = t.plan.Budgets[i].Source
	if b.allowed < b.limit-b.buffer {
		v.detail += " (held back by even pacing)"
	}
	return v
}

// expectedMinor is the expected cost in minor units, rounded up.
func (t *task) expectedMinor(c *Candidate) int64 {
	minor, err := currency.RoundUp(c.ExpectedCost, t.plan.Currency)
	if err != nil {
		return c.Ceiling
	}
	return min(minor, c.Ceiling)
}

// capped checks one cap.
func (t *task) capped(l *Ledger, c *rules.Cap) verdict {
	now, n := milli(t.now), 0
	q := counting{redeemed: c.Counts == "redeemed", ghost: t.held, from: now - c.Window.Milliseconds(), now: now}
	if t.before != nil {
		q.except = t.before.decision
	}
	switch {
	case c.Per == "associate" && t.d.AssociateID != "":
		n = l.counted(unitKey{unitAssociate, t.d.AssociateID}, q)
	case c.Per == "household" && t.d.Household != "":
		n = l.counted(unitKey{unitHousehold, t.d.Household}, q)
	case c.Per == "profile":
		n = t.offers.counted(q)
	}
	if n < c.Limit {
		return verdict{}
	}
	return verdict{reason: ReasonCapReached, rule: c.ID, source: c.Source, detail: fmt.Sprintf("%d of %d per %s within %s", n, c.Limit, c.Per, c.Window)}
}

// draw is step 10: the probabilities of A' and the choice by u.
func (t *task) draw() {
	t.draws, t.drawn = t.draws[:0], t.drawn[:0]
	for i := range t.d.Candidates {
		c := &t.d.Candidates[i]
		if i > 0 && !c.Fits {
			continue
		}
		c.Fits = true
		t.draws = append(t.draws, drawable{offer: c.Offer, score: c.Score, ceiling: c.Ceiling})
		t.drawn = append(t.drawn, i)
	}
	x := &t.plan.Explore
	if t.override != nil && !t.override.explore {
		x = &rules.Explore{Strategy: "none", MaxLiability: -1}
	}
	best, k, floor := spread(x, t.draws)
	u := drawHash(t.e.opts.Salt, t.d.Subject[:], t.key[:])
	at := bucket.Of(u)
	chosen := drawn(t.draws, at)
	t.d.Draw = Draw{
		Strategy: x.Strategy, U: u, Bucket: at, Best: t.draws[best].offer, Explored: chosen != best,
		Epsilon: x.Epsilon, Gamma: x.Gamma, Scale: x.Scale, Floor: floor, K: k, Holdout: t.share,
	}
	if t.plan.Holdout != nil {
		t.d.Draw.HoldoutID = t.plan.Holdout.ID
	}
	t.probabilities()
	t.assign(&t.d.Candidates[t.drawn[chosen]])
}

// probabilities writes both vectors: the chance to be drawn, and to be shown
// with the holdout folded in.
func (t *task) probabilities() {
	for i := range t.draws {
		c := &t.d.Candidates[t.drawn[i]]
		c.PChoice = chance(t.draws[i].width)
		c.PShown = c.PChoice * (1 - t.share)
		if i == 0 {
			c.PShown += t.share
		}
		if t.draws[i].limited {
			c.Reason = ReasonExploreLimit
			c.Detail = t.plan.limited[t.drawn[i]-1]
		}
	}
}

// assign notes what was drawn and what of it is shown.
func (t *task) assign(c *Candidate) {
	d := t.d
	c.Stage = StageChosen
	d.Assigned, d.Delivered, d.Propensity = c.Offer, c.Offer, c.PChoice
	d.HeldOut = t.held
	switch {
	case t.held && c.Offer != None:
		d.Outcome, d.Delivered = OutcomeHoldout, None
	case c.Offer != None:
		d.Outcome = OutcomeOffer
	case t.fallback:
		d.Outcome = OutcomeFallback
	default:
		d.Outcome = OutcomeNoOffer
	}
}

// conclude is steps 11 and 12: what the entry reserves, the terms, the disclosures.
func (t *task) conclude() {
	t.change = ledgerChange{}
	if t.before != nil {
		t.d.Supersedes = t.before.decision
		t.change.release = &released{id: t.before.decision, associate: t.before.associate, household: t.before.household}
	}
	offer := slices.IndexFunc(t.plan.Offers, func(o rules.Offer) bool { return o.ID == t.d.Assigned })
	if offer >= 0 {
		t.reserve(&t.plan.Offers[offer], &t.d.Candidates[offer+1])
		if t.d.Delivered != None {
			t.d.Offer = t.terms(&t.plan.Offers[offer], offer)
			t.d.Disclosures = t.disclose(&t.d.Candidates[offer+1])
		}
	}
	t.traceBudgets()
}

func (t *task) reserve(o *rules.Offer, c *Candidate) {
	r := &reservation{
		id: t.d.ID, offer: o.ID, ceiling: o.Ceiling, expected: t.expectedMinor(c),
		issued: milli(t.now), expires: milli(t.now.Add(o.Validity)), ghost: t.held,
		associate: t.d.AssociateID, household: t.d.Household,
	}
	for i := range t.budgets {
		b := &t.budgets[i]
		r.charges = append(r.charges, chargeRef{b.id, b.start, b.end, b.limit})
	}
	t.change.reserve = r
}

func (t *task) terms(o *rules.Offer, index int) *Terms {
	terms := &t.d.memory.terms
	*terms = Terms{
		OfferID: o.ID, Kind: string(o.Kind), Ceiling: o.Ceiling,
		ValidFrom: t.d.Time, Expires: t.d.Time.Add(o.Validity), Channels: o.Channels,
	}
	if len(o.Params) > 0 {
		terms.Params = room(&t.d.memory.params, len(o.Params))
		for i, p := range o.Params {
			terms.Params[i] = Param{Name: p.Name, Number: p.Number, Text: p.Text, IsText: p.IsText}
		}
	}
	for _, c := range t.applies[index] {
		terms.Categories = append(terms.Categories, strings.Clone(c))
	}
	return terms
}

// disclose is step 12. A disclosure whose condition cannot be evaluated is
// shown: saying too much breaks no law.
func (t *task) disclose(c *Candidate) []Disclosure {
	t.setChosen(c)
	out := t.d.memory.disclosed[:0]
	for i := range t.plan.Disclosures {
		x := &t.plan.Disclosures[i]
		show, err := x.When.Bool(t.frame)
		if err != nil {
			t.d.Degraded = append(t.d.Degraded, Degradation{Subject: "disclosure " + x.ID, Cause: err.Error()})
		}
		if show || err != nil {
			out = append(out, Disclosure{ID: x.ID, Text: x.Text})
		}
	}
	t.d.memory.disclosed = out
	return out
}

// setChosen makes decision.* and chosen.* those of the candidate drawn.
func (t *task) setChosen(c *Candidate) {
	f, s := t.frame, &t.snap.slots
	f.SetBool(s.usedPersonal, t.d.Personal)
	f.SetBool(s.hasNone, t.d.Candidates[0].Fits)
	f.SetString(s.decisionOffer, t.d.Delivered)
	f.SetString(s.chosenID, c.Offer)
	f.SetString(s.chosenKind, c.Kind)
	f.SetNumber(s.chosenMax, float64(c.Ceiling)/t.plan.minorPerOne)
	f.SetNumber(s.chosenLiability, c.Liability)
	f.SetNumber(s.chosenScore, c.Score)
}

// traceBudgets notes every budget as the decision found it.
func (t *task) traceBudgets() {
	t.d.Budgets = room(&t.d.memory.budgets, len(t.budgets))[:0]
	for i := range t.budgets {
		b := &t.budgets[i]
		u := BudgetUse{
			Budget: b.id, Scope: b.scope, Guarantee: "hard", Pacing: b.pacing, Start: fromMilli(b.start), End: fromMilli(b.end),
			Limit: b.limit, Reserved: b.reserved, Settled: b.settled, Available: b.available(), Lambda: float64(b.lambda) / lambdaUnit,
		}
		if !b.hard {
			u.Guarantee, u.Reserved = "expected", b.expected
		}
		if r := t.change.reserve; r != nil && !r.ghost {
			u.Reserves = b.take(r.ceiling, r.expected)
		}
		t.d.Budgets = append(t.d.Budgets, u)
	}
}
