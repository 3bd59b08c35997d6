package engine_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

var (
	ruleHeader = regexp.MustCompile(`^rules for (\S+):$`)
	ruleLine   = regexp.MustCompile(`^  (holds|refuses|refuses too|not reached) +(offer|constraint|guardrail|bound|budget) (\S+) \((\S+)\): (.+)$`)
	valueLine  = regexp.MustCompile(`^ {14,}(.+) = (.+)$`)
)

// ruleText is the list of rule verdicts taken apart.
type ruleText struct {
	explanation
	policy *rules.Policy
	frame  *rules.Frame
	rule   *rules.Program
	values []rules.SubValue // of the refusing rule, not yet told
	reason bool             // the missing consent has to be told
}

// checkRules objects to whatever is wrong with a list of rule verdicts.
func checkRules(p *rules.Policy, d *engine.Decision, o *rulestest.Outcome, text string) []string {
	x := &ruleText{explanation: explanation{d: d, said: map[string]int{}}, policy: p}
	for line := range strings.Lines(text) {
		before := len(x.errors)
		x.line(strings.TrimSuffix(line, "\n"), o)
		for k := before; k < len(x.errors); k++ {
			x.errors[k] = strings.TrimSpace(line) + ": " + x.errors[k]
		}
	}
	x.finish()
	for i := range p.Offers {
		x.owesRules(&p.Offers[i])
	}
	return x.errors
}

func (x *ruleText) line(line string, o *rulestest.Outcome) {
	if m := ruleHeader.FindStringSubmatch(line); m != nil {
		x.finish()
		x.cur, x.frame = x.candidate(m[1]), nil
		for i := range o.Candidates {
			if o.Candidates[i].Offer == m[1] {
				x.frame = o.Candidates[i].Frame
			}
		}
		x.want(x.frame != nil, "nothing was seen of it")
		x.note("rules for " + m[1])
		return
	}
	if x.cur == nil || x.frame == nil {
		x.wrong("it belongs to no candidate")
		return
	}
	if m := ruleLine.FindStringSubmatch(line); m != nil {
		x.finish()
		x.verdict(m[1], m[2], m[3], m[4], m[5])
		return
	}
	if strings.TrimSpace(line) == "it reads personal data, and there is no consent" {
		x.want(x.reason, "it does not matter here")
		x.reason = false
		return
	}
	m := valueLine.FindStringSubmatch(line)
	if m == nil {
		x.wrong("no sentence of the list")
		return
	}
	if len(x.values) == 0 || strings.Join(strings.Fields(x.values[0].Text), " ") != m[1] || x.values[0].Value != m[2] {
		x.wrong("no such part has this value")
		return
	}
	x.variable(m[1], m[2])
	x.values = x.values[1:]
}

// finish objects to values that were not told.
func (x *ruleText) finish() {
	x.want(len(x.values) == 0 && !x.reason, "%d values of a refusing rule are not told", len(x.values))
	x.values, x.reason, x.rule = nil, false, nil
}

// variable compares a value that is a variable's with the variables themselves.
func (x *ruleText) variable(name, text string) {
	slot := x.policy.Env.Slot(name)
	if slot < 0 {
		return
	}
	want := "does not exist"
	switch x.policy.Env.Variables()[slot].Type {
	case rules.String:
		if v, ok := x.frame.Text(slot); ok {
			want = strconv.Quote(v)
		}
	case rules.Strings:
		if v, ok := x.frame.List(slot); ok {
			quoted := make([]string, len(v))
			for i := range v {
				quoted[i] = strconv.Quote(v[i])
			}
			want = "[" + strings.Join(quoted, ", ") + "]"
		}
	case rules.Bool:
		if v, ok := x.frame.Number(slot); ok {
			want = strconv.FormatBool(v != 0)
		}
	default:
		if v, ok := x.frame.Number(slot); ok {
			want = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	x.want(text == want, "it is %s", want)
}

// verdict checks one rule's verdict against the trace and, for expressions,
// against their evaluation step by step.
func (x *ruleText) verdict(word, kind, id, at, text string) {
	when, place, want := x.find(kind, id)
	if place == "" {
		x.wrong("the policy has no such %s", kind)
		return
	}
	x.note(strings.Join([]string{x.cur.Offer, kind, id}, " "))
	x.want(at == place, "it is at %s", place)
	x.want(text == strings.Join(strings.Fields(want), " "), "it reads %q", want)
	r := &x.cur.Rule
	refuser := x.cur.Reason != "" && place == rules.Position{File: r.File, Line: r.Line, Column: r.Column}.String()
	x.want(refuser == (word == "refuses"), "the trace says %q by %+v", x.cur.Reason, *r)
	x.want(word == "holds" || x.cur.Reason != "", "nothing refused the candidate")
	if when == nil || word == "not reached" {
		return
	}
	parts := when.Trace(x.frame)
	holds := len(parts) > 0 && parts[0].Value == "true"
	hidden := when.Personal() && !x.d.Consent
	x.want(refuser || (word == "holds") == (holds && !hidden), "it evaluates to %+v", parts)
	if word != "holds" {
		if x.reason = hidden; !hidden {
			x.values = parts
		}
	}
}

// find returns a rule of the policy: its expression if it is one, place and text.
func (x *ruleText) find(kind, id string) (*rules.Program, string, string) {
	p := x.policy
	of := func(r *rules.Rule) (*rules.Program, string, string) {
		return r.When, r.Source.String(), r.When.Text()
	}
	switch kind {
	case "offer":
		if id == "terms" {
			return x.terms()
		}
		for i := range p.Offers {
			if o := &p.Offers[i]; o.ID == x.cur.Offer && id == "eligible" && o.Eligible != nil {
				return o.Eligible, o.Eligible.Source().String(), o.Eligible.Text()
			}
		}
	case "constraint", "guardrail":
		list := p.Constraints
		if kind == "guardrail" {
			list = p.Guardrails
		}
		for i := range list {
			if list[i].ID == id {
				return of(&list[i])
			}
		}
	case "bound":
		switch id {
		case "max_liability":
			return nil, p.Bounds.LiabilitySource.String(), minorText(p.Bounds.MaxLiability, p)
		case "max_percent_off":
			if kind := x.cur.Kind; kind != string(rules.PercentOff) && kind != string(rules.AmountOff) {
				return nil, "", ""
			}
			return nil, p.Bounds.PercentSource.String(), strconv.FormatFloat(p.Bounds.MaxPercentOff, 'g', -1, 64) + " of the basket"
		}
	case "budget":
		for _, b := range p.Budgets {
			if b.ID == id {
				return nil, b.Source.String(), minorText(b.Limit, p) + " per " + b.Period.Kind
			}
		}
	}
	return nil, "", ""
}

// terms is what must stand of an offer's own terms: whether it may be offered here at all.
func (x *ruleText) terms() (*rules.Program, string, string) {
	if r := &x.cur.Rule; x.cur.Stage == engine.StageCatalogue {
		return nil, rules.Position{File: r.File, Line: r.Line, Column: r.Column}.String(), plain(string(x.cur.Reason) + ": " + x.cur.Detail)
	}
	for i := range x.policy.Offers {
		if o := &x.policy.Offers[i]; o.ID == x.cur.Offer {
			return nil, o.Source.String(), "may be offered here"
		}
	}
	return nil, "", ""
}

func minorText(minor int64, p *rules.Policy) string {
	unit := int64(1)
	for range p.Exponent {
		unit *= 10
	}
	if p.Exponent == 0 {
		return fmt.Sprintf("%d %s", minor, p.Currency)
	}
	return fmt.Sprintf("%d.%0*d %s", minor/unit, p.Exponent, minor%unit, p.Currency)
}

// owesRules: every rule of the policy, for every offer.
func (x *ruleText) owesRules(o *rules.Offer) {
	x.owed("rules for " + o.ID)
	x.owed(o.ID + " offer terms")
	if o.Eligible != nil {
		x.owed(o.ID + " offer eligible")
	}
	for _, r := range x.policy.Constraints {
		x.owed(o.ID + " constraint " + r.ID)
	}
	for _, r := range x.policy.Guardrails {
		x.owed(o.ID + " guardrail " + r.ID)
	}
	for _, b := range x.policy.Budgets {
		x.owed(o.ID + " budget " + b.ID)
	}
	if x.policy.Bounds.MaxLiability >= 0 {
		x.owed(o.ID + " bound max_liability")
	}
	if x.policy.Bounds.MaxPercentOff >= 0 && (o.Kind == rules.PercentOff || o.Kind == rules.AmountOff) {
		x.owed(o.ID + " bound max_percent_off")
	}
}
