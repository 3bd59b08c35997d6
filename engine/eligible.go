package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/rules"
)

// verdict is the answer of a rule for a candidate. The zero verdict admits.
type verdict struct {
	reason Reason
	source rules.Source
	rule   string
	detail string
}

// reject takes a candidate out of the decision at a stage. The first refusal stays.
func (c *Candidate) reject(stage Stage, v verdict) {
	c.Stage, c.Reason, c.Detail = stage, v.reason, v.detail
	if v.source.File != "" {
		c.Rule = RuleRef{ID: v.rule, File: v.source.File, Line: v.source.Line, Column: v.source.Column, Scope: v.source.Scope}
	}
}

// alive reports whether nothing has refused the candidate.
func (c *Candidate) alive() bool { return c.Reason == "" }

// holds evaluates a condition. Without consent one that reads personal variables
// does not hold, nor does one with an evaluation error, which never counts as
// false: why is set then.
func (t *task) holds(p *rules.Program) (ok bool, why *verdict) {
	if p == nil {
		return true, nil
	}
	if why := t.hidden(p); why != nil {
		return false, why
	}
	ok, err := p.Bool(t.frame)
	if err != nil {
		return false, evaluationFailed(err)
	}
	return ok, nil
}

// hidden refuses what would read personal variables without consent; nil if it may be read.
func (t *task) hidden(p *rules.Program) *verdict {
	if !p.Personal() || t.d.Consent {
		return nil
	}
	return &verdict{reason: ReasonNoConsent, detail: "it reads personal data, and there is no consent: " + p.Text()}
}

func evaluationFailed(err error) *verdict {
	v := &verdict{reason: ReasonEvaluation, detail: err.Error()}
	if e, ok := errors.AsType[*rules.EvalError](err); ok {
		v.source = e.Program.Source()
	}
	return v
}

// because is the refusal, with why in place of its own reason if there is one.
func (v verdict) because(why *verdict) verdict {
	if why == nil {
		return v
	}
	v.reason, v.detail = why.reason, why.detail
	if v.source.File == "" {
		v.source = why.source
	}
	return v
}

// number evaluates an amount; why says why there is none.
func (t *task) number(p *rules.Program) (x float64, why *verdict) {
	if why := t.hidden(p); why != nil {
		return 0, why
	}
	x, err := p.Number(t.frame)
	if err != nil {
		return 0, evaluationFailed(err)
	}
	return x, nil
}

// eligible is step 5: what needs no score. Rules that read no candidate field
// run once for the decision.
func (t *task) eligible() error {
	t.onceVerdicts()
	for i := range t.plan.Offers {
		t.eligibleOne(i)
		if t.watch != nil {
			t.watch(i + 1)
		}
	}
	return nil
}

func (t *task) eligibleOne(i int) {
	o, c := &t.plan.Offers[i], &t.d.Candidates[i+1]
	*c = Candidate{Offer: o.ID, Kind: string(o.Kind), Ceiling: o.Ceiling, Stage: StageEligibility}
	t.applies[i] = nil
	if v := t.catalogue(o); v.reason != "" {
		c.reject(StageCatalogue, v)
		return
	}
	t.setOffer(o)
	if v := t.category(o, i); v.reason != "" {
		c.reject(StageCatalogue, v)
		return
	}
	if v := t.admitted(o); v.reason != "" {
		c.reject(StageEligibility, v)
	}
}

// onceVerdicts runs the constraints that are the same for every candidate.
func (t *task) onceVerdicts() {
	t.verdicts = slices.Grow(t.verdicts[:0], len(t.plan.Constraints))[:len(t.plan.Constraints)]
	clear(t.verdicts)
	for _, i := range t.plan.once {
		r := &t.plan.Constraints[i]
		if ok, why := t.holds(r.When); !ok {
			t.verdicts[i] = ruleRefusal(r).because(why)
		}
	}
}

func ruleRefusal(r *rules.Rule) verdict {
	return verdict{reason: Reason(r.Reason), source: r.Source, rule: r.ID}
}

// catalogue checks what the offer's own terms say of phase and channel.
func (t *task) catalogue(o *rules.Offer) verdict {
	switch {
	case o.Disabled != nil:
		return verdict{reason: ReasonOfferDisabled, source: *o.Disabled, rule: o.ID, detail: fmt.Sprintf("scope %q disables it", o.Disabled.Scope)}
	case len(o.Phases) > 0 && !slices.Contains(o.Phases, t.req.Phase.String()):
		return verdict{reason: ReasonPhase, source: o.Source, rule: o.ID, detail: "not offered in this phase"}
	case len(o.Channels) > 0 && !slices.Contains(o.Channels, t.req.Channel.String()):
		return verdict{reason: ReasonChannel, source: o.Source, rule: o.ID, detail: "not offered in this channel"}
	}
	return verdict{}
}

// category checks appliesTo: a list that is not empty and, where the store
// states its assortment, meets it.
func (t *task) category(o *rules.Offer, index int) verdict {
	if o.Categories == nil {
		return verdict{}
	}
	at := verdict{source: o.Categories.Source(), rule: o.ID}
	if why := t.hidden(o.Categories); why != nil {
		return at.because(why)
	}
	list, err := o.Categories.Strings(t.frame)
	if err != nil {
		return at.because(evaluationFailed(err))
	}
	at.reason = ReasonCategory
	if len(list) == 0 {
		at.detail = "it applies to no category here"
		return at
	}
	t.applies[index] = list
	stocked, ok := t.frame.List(t.snap.slots.assortment)
	if !ok || slices.ContainsFunc(list, func(c string) bool { return slices.Contains(stocked, c) }) {
		return verdict{}
	}
	at.detail = "the store stocks none of its categories"
	return at
}

// admitted checks the offer's eligibility and the constraints without scores, in the order of the bundle.
func (t *task) admitted(o *rules.Offer) verdict {
	if ok, why := t.holds(o.Eligible); !ok {
		return verdict{reason: ReasonNotEligible, rule: o.ID, source: o.Eligible.Source()}.because(why)
	}
	next := 0
	for i := range t.plan.Constraints {
		switch {
		case t.verdicts[i].reason != "":
			return t.verdicts[i]
		case next < len(t.plan.before) && t.plan.before[next] == i:
			next++
			r := &t.plan.Constraints[i]
			if ok, why := t.holds(r.When); !ok {
				return ruleRefusal(r).because(why)
			}
		}
	}
	return verdict{}
}
