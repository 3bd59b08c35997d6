package engine

import (
	"fmt"
	"strings"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// Words for what a check said of a candidate. A rule that refuses after
// another one already did would have refused too.
const (
	wordHolds      = "holds"
	wordRefuses    = "refuses"
	wordAlso       = "refuses too"
	wordNotReached = "not reached"
)

// NarrateRules lists, for each candidate of a what-if's decision, every check of
// the policy in the order of a decision with its verdict and its place. A check
// that refuses shows the value of each of its parts. One that nothing was known
// for, because the candidate had been refused before, was not reached.
func NarrateRules(p *rules.Policy, d *Decision, o *rulestest.Outcome) string {
	n := &narrator{d: d}
	for i := range o.Candidates {
		x := &o.Candidates[i]
		c := d.Candidate(x.Offer)
		k := offerIndex(p, x.Offer)
		if c == nil || k < 0 || x.Frame == nil {
			continue
		}
		n.say("rules for %s:", x.Offer)
		checks := &ruleChecks{n: n, c: c, f: x.Frame, p: p}
		checks.all(&p.Offers[k])
	}
	return n.b.String()
}

func offerIndex(p *rules.Policy, id string) int {
	for i := range p.Offers {
		if p.Offers[i].ID == id {
			return i
		}
	}
	return -1
}

// ruleChecks lists the checks of one candidate.
type ruleChecks struct {
	n *narrator
	c *Candidate
	f *rules.Frame
	p *rules.Policy
}

func (x *ruleChecks) all(o *rules.Offer) {
	x.terms(o)
	if o.Eligible != nil {
		x.rule("offer", &rules.Rule{ID: "eligible", When: o.Eligible, Source: o.Eligible.Source()}, StageEligibility)
	}
	for i := range x.p.Constraints {
		r := &x.p.Constraints[i]
		stage := StageEligibility
		if r.When.Origins()&rules.OriginScore != 0 {
			stage = StageRules
		}
		x.rule("constraint", r, stage)
	}
	if x.p.Bounds.MaxLiability >= 0 {
		x.plain("bound", "max_liability", x.p.Bounds.LiabilitySource, StageBounds, x.n.money(x.p.Bounds.MaxLiability))
	}
	if x.p.Bounds.MaxPercentOff >= 0 && (o.Kind == rules.PercentOff || o.Kind == rules.AmountOff) {
		x.plain("bound", "max_percent_off", x.p.Bounds.PercentSource, StageBounds, fmt.Sprintf("%g of the basket", x.p.Bounds.MaxPercentOff))
	}
	for i := range x.p.Guardrails {
		x.rule("guardrail", &x.p.Guardrails[i], StageGoals)
	}
	for i := range x.p.Budgets {
		b := &x.p.Budgets[i]
		x.plain("budget", b.ID, b.Source, StageLedger, fmt.Sprintf("%s per %s", x.n.money(b.Limit), b.Period.Kind))
	}
}

// terms says whether the offer's own terms let it be offered here: enabled, phase, channel, category.
func (x *ruleChecks) terms(o *rules.Offer) {
	if x.c.Stage != StageCatalogue {
		x.line(wordHolds, "offer", "terms", o.Source, "may be offered here")
		return
	}
	at := rules.Source{Position: rules.Position{File: x.c.Rule.File, Line: x.c.Rule.Line, Column: x.c.Rule.Column}}
	x.line(wordRefuses, "offer", "terms", at, sentence(string(x.c.Reason)+": "+x.c.Detail))
}

// plain writes a check that is no expression; the trace alone says how it went.
func (x *ruleChecks) plain(kind, id string, at rules.Source, stage Stage, text string) {
	word := wordNotReached
	switch {
	case x.c.Reason != "" && x.c.Rule.ID == id && x.c.Stage == stage:
		word = wordRefuses
	case x.c.Stage > stage:
		word = wordHolds
	}
	x.line(word, kind, id, at, text)
}

// rule writes what a rule says, and the values of its parts if it refuses.
func (x *ruleChecks) rule(kind string, r *rules.Rule, stage Stage) {
	word := x.word(r, stage)
	x.line(word, kind, r.ID, r.Source, r.When.Text())
	if word != wordRefuses && word != wordAlso {
		return
	}
	if r.When.Personal() && !x.n.d.Consent {
		x.n.say("%s%s", strings.Repeat(" ", valueIndent), "it reads personal data, and there is no consent")
		return
	}
	for _, v := range r.When.Trace(x.f) {
		x.n.say("%s%s = %s", strings.Repeat(" ", valueIndent+2*v.Depth), oneLine(v.Text), v.Value)
	}
}

const valueIndent = 14

func (x *ruleChecks) line(word, kind, id string, at rules.Source, text string) {
	x.n.say("  %-11s %s %s (%s): %s", word, kind, id, at.Position, oneLine(text))
}

// word is the verdict of a rule. What the frame holds for a stage is only that
// candidate's once it came so far.
func (x *ruleChecks) word(r *rules.Rule, stage Stage) string {
	if x.refusedBy(r) {
		return wordRefuses
	}
	if !x.known(r, stage) {
		return wordNotReached
	}
	if r.When.Personal() && !x.n.d.Consent {
		return wordAlso
	}
	if ok, err := r.When.Bool(x.f); err != nil || !ok {
		return wordAlso
	}
	return wordHolds
}

// refusedBy reports whether the decision names this rule as the one that refused.
func (x *ruleChecks) refusedBy(r *rules.Rule) bool {
	at := RuleRef{File: r.Source.File, Line: r.Source.Line, Column: r.Source.Column, Scope: r.Source.Scope, ID: x.c.Rule.ID}
	return x.c.Reason != "" && x.c.Rule == at && (x.c.Rule.ID == r.ID || x.c.Rule.ID == x.c.Offer)
}

// known reports whether the frame holds what the rule reads of this candidate.
func (x *ruleChecks) known(r *rules.Rule, stage Stage) bool {
	switch {
	case stage == StageGoals:
		return x.c.Scored
	case stage == StageRules:
		return x.c.Stage >= StageRules
	case r.When.Origins()&rules.OriginOffer != 0:
		return x.c.Stage > StageCatalogue
	}
	return true
}
