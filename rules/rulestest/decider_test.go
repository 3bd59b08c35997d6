package rulestest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// simpleDecider decides cases by the rules alone: no profiles, no ledger, no draw.
// It is an independent reading of the policy format for the tests of the runner.
type simpleDecider struct{}

func (simpleDecider) DecideCase(_ context.Context, b *rules.Bundle, c rulestest.Case) (*rulestest.Outcome, error) {
	policy, _ := b.Policy(c.Scope)
	d := &simpleDecision{policy: policy, c: c, base: b.Env().NewFrame(), env: b.Env()}
	d.fillRequest(b)
	out := &rulestest.Outcome{Offer: "none", Frame: d.base}
	best, ceiling := 0.0, int64(0)
	for i := range policy.Offers {
		candidate, err := d.candidate(&policy.Offers[i])
		if err != nil {
			return nil, err
		}
		if candidate.Rejected == "" && *candidate.Score > best+1e-12 {
			out.Offer, best, ceiling = candidate.Offer, *candidate.Score, policy.Offers[i].Ceiling
		}
		out.Candidates = append(out.Candidates, candidate)
	}
	d.disclose(out, ceiling)
	return out, nil
}

type simpleDecision struct {
	policy   *rules.Policy
	c        rulestest.Case
	env      *rules.Env
	base     *rules.Frame
	personal bool
}

func set(f *rules.Frame, env *rules.Env, name string, v any) {
	s := env.Slot(name)
	switch v := v.(type) {
	case float64:
		f.SetNumber(s, v)
	case bool:
		f.SetBool(s, v)
	case string:
		f.SetString(s, v)
	case []string:
		f.SetStrings(s, v)
	}
}

func (d *simpleDecision) fillRequest(b *rules.Bundle) {
	f := d.base
	for _, fact := range b.StoreFacts(d.c.Scope) {
		fact.Set(f)
	}
	for name, v := range d.c.Store {
		set(f, d.env, "store."+name, v)
	}
	for name, v := range d.c.Return {
		set(f, d.env, "ret."+name, v)
	}
	for name, v := range d.c.Customer {
		if slot := d.env.Slot("customer." + name); d.c.Consent || d.env.Variables()[slot].Purpose != rules.PurposePersonal {
			set(f, d.env, "customer."+name, v)
		}
	}
	set(f, d.env, "request.channel", d.c.Channel)
	set(f, d.env, "request.phase", d.c.Phase)
	set(f, d.env, "request.scope", d.c.Scope)
	set(f, d.env, "request.jurisdiction", d.c.Jurisdiction)
	set(f, d.env, "request.consent", d.c.Consent)
	d.personal = d.c.Consent
}

// frame returns a new frame with what is known of an offer before scoring.
func (d *simpleDecision) frame(o *rules.Offer) *rules.Frame {
	f := d.env.NewFrame()
	for i, v := range d.env.Variables() {
		s := rules.Slot(i)
		switch v.Type {
		case rules.String:
			if x, ok := d.base.Text(s); ok {
				f.SetString(s, x)
			}
		case rules.Strings:
			if x, ok := d.base.List(s); ok {
				f.SetStrings(s, x)
			}
		default:
			if x, ok := d.base.Number(s); ok {
				f.SetNumber(s, x)
			}
		}
	}
	set(f, d.env, "offer.id", o.ID)
	set(f, d.env, "offer.kind", string(o.Kind))
	set(f, d.env, "offer.max_liability", float64(o.Ceiling)/math.Pow10(d.policy.Exponent))
	set(f, d.env, "offer.validity_hours", o.Validity.Hours())
	for _, p := range o.Params {
		if p.IsText {
			f.SetString(p.Slot, p.Text)
		} else {
			f.SetNumber(p.Slot, p.Number)
		}
	}
	return f
}

func (d *simpleDecision) candidate(o *rules.Offer) (rulestest.CandidateOutcome, error) {
	f := d.frame(o)
	out := rulestest.CandidateOutcome{Offer: o.ID, Frame: f, Source: o.Source, Goals: map[string]float64{}}
	out.Rejected = d.beforeScores(o, f, &out)
	if out.Rejected != "" {
		return out, nil
	}
	if err := d.score(o, f, &out); err != nil {
		return out, err
	}
	out.Rejected = d.afterScores(o, f, &out)
	return out, nil
}

// holds evaluates a condition; a missing variable gives the reason to reject.
func (d *simpleDecision) holds(p *rules.Program, f *rules.Frame, reason string) string {
	ok, err := p.Bool(f)
	var failed *rules.EvalError
	switch {
	case errors.As(err, &failed) && p.Personal() && !d.c.Consent:
		return "NO_CONSENT"
	case err != nil:
		return "EVALUATION_ERROR"
	case !ok:
		return reason
	}
	return ""
}

func (d *simpleDecision) beforeScores(o *rules.Offer, f *rules.Frame, out *rulestest.CandidateOutcome) string {
	switch {
	case o.Disabled != nil:
		return "OFFER_DISABLED"
	case len(o.Phases) > 0 && !slices.Contains(o.Phases, d.c.Phase):
		return "PHASE"
	case len(o.Channels) > 0 && !slices.Contains(o.Channels, d.c.Channel):
		return "CHANNEL"
	}
	for _, r := range d.policy.Constraints {
		if r.When.Origins()&rules.OriginScore == 0 {
			if reason := d.holds(r.When, f, r.Reason); reason != "" {
				out.Source = r.Source
				return reason
			}
		}
	}
	if o.Categories != nil {
		list, err := o.Categories.Strings(f)
		if err != nil && !d.c.Consent && o.Categories.Personal() {
			return "NO_CONSENT"
		}
		stocked, has := f.List(d.env.Slot("store.assortment"))
		if err != nil || len(list) == 0 || has && !slices.ContainsFunc(list, func(s string) bool { return slices.Contains(stocked, s) }) {
			return "CATEGORY"
		}
	}
	if o.Eligible != nil {
		return d.holds(o.Eligible, f, "NOT_ELIGIBLE")
	}
	return ""
}

func (d *simpleDecision) score(o *rules.Offer, f *rules.Frame, out *rulestest.CandidateOutcome) error {
	for _, outcome := range d.policy.Outcomes {
		name := outcome.Name
		switch outcome.Model {
		case rules.ModelProfile:
			f.SetNumber(outcome.With, d.c.Basket)
			f.SetNumber(outcome.WithoutSlot, d.c.Basket)
			continue
		case rules.ModelAlias:
			name = outcome.Of
		}
		s, ok := d.c.Scores[name]
		if !ok {
			return fmt.Errorf("case %q: no scores for outcome %s", d.c.Name, name)
		}
		with, listed := s.With[o.ID]
		if !listed {
			with = s.Without
		}
		f.SetNumber(outcome.With, with)
		f.SetNumber(outcome.WithoutSlot, s.Without)
		f.SetNumber(outcome.Uplift, with-s.Without)
	}
	set(f, d.env, "basket.margin_rate", d.c.MarginRate)
	liability, err := o.Liability.Number(f)
	if err != nil {
		return fmt.Errorf("liability of %s: %w", o.ID, err)
	}
	out.Liability = liability
	redeem, _ := f.Number(d.env.Slot("redeem.with"))
	for name, v := range map[string]float64{
		"candidate.liability": liability, "cost.liability": liability, "cost.expected": redeem * liability,
		"candidate.max_liability":      float64(o.Ceiling) / math.Pow10(d.policy.Exponent),
		"candidate.margin_if_redeemed": d.c.Basket*d.c.MarginRate - liability,
		"candidate.percent_of_basket":  liability / d.c.Basket,
	} {
		set(f, d.env, name, v)
	}
	return d.value(f, out, redeem*liability)
}

// value sums the goals less the shadow price of the expected cost.
func (d *simpleDecision) value(f *rules.Frame, out *rulestest.CandidateOutcome, cost float64) error {
	total := 0.0
	for _, g := range d.policy.Goals {
		if g.When != nil {
			if on, err := g.When.Bool(f); err != nil || !on {
				continue
			}
		}
		v, err := g.Expr.Number(f)
		if err != nil {
			return fmt.Errorf("goal %s: %w", g.Name, err)
		}
		f.SetNumber(g.Slot, v)
		out.Goals[g.Name] = v
		total += g.Weight * g.Value * v
	}
	for _, b := range d.policy.Budgets {
		lambda, ok := d.c.Lambda[b.ID]
		if !ok {
			lambda = d.c.DefaultLambda
		}
		total -= lambda * cost
	}
	out.Score = &total
	return nil
}

func (d *simpleDecision) afterScores(o *rules.Offer, f *rules.Frame, out *rulestest.CandidateOutcome) string {
	percent, _ := f.Number(d.env.Slot("candidate.percent_of_basket"))
	bounded := o.Kind == rules.PercentOff || o.Kind == rules.AmountOff
	switch b := d.policy.Bounds; {
	case bounded && b.MaxPercentOff >= 0 && percent > b.MaxPercentOff*(1+1e-9):
		return "MAX_PERCENT_OFF"
	case b.MaxLiability >= 0 && o.Ceiling > b.MaxLiability:
		return "MAX_LIABILITY"
	}
	for _, r := range slices.Concat(d.policy.Constraints, d.policy.Guardrails) {
		if r.When.Origins()&rules.OriginScore != 0 {
			if reason := d.holds(r.When, f, r.Reason); reason != "" {
				out.Source = r.Source
				return reason
			}
		}
	}
	for _, b := range d.policy.Budgets {
		if left, limited := d.c.Budgets[b.ID]; limited && float64(o.Ceiling) > left*math.Pow10(d.policy.Exponent) {
			out.Source = b.Source
			return "BUDGET_EXHAUSTED"
		}
	}
	return ""
}

func (d *simpleDecision) disclose(out *rulestest.Outcome, ceiling int64) {
	set(d.base, d.env, "decision.used_personal_data", d.personal)
	set(d.base, d.env, "decision.offer", out.Offer)
	set(d.base, d.env, "chosen.id", out.Offer)
	set(d.base, d.env, "chosen.max_liability", float64(ceiling)/math.Pow10(d.policy.Exponent))
	set(d.base, d.env, "has_none_candidate", true)
	for _, x := range d.policy.Disclosures {
		if due, err := x.When.Bool(d.base); err == nil && due {
			out.Disclosures = append(out.Disclosures, x.ID)
		}
	}
}
