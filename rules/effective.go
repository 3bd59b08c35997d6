package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/internal/currency"
)

// EffectiveValue is one line of a merged policy with the place it comes from.
type EffectiveValue struct {
	Section string // "goals", "bounds"
	Name    string // "traffic.weight"
	Value   string
	Source  Source // file empty: a default
}

// Effective returns the merged policy of a scope, a line per value, each with its
// origin, in the order of the sections.
func (b *Bundle) Effective(scope string) (lines []EffectiveValue, exact bool) {
	p, exact := b.Policy(scope)
	e := &effective{policy: p}
	e.general()
	e.goals()
	e.offers()
	e.rules()
	e.limits()
	e.measurement()
	return e.lines, exact
}

// FormatEffective writes the lines as YAML-like text with origins as comments.
func FormatEffective(lines []EffectiveValue) string {
	var b strings.Builder
	section := ""
	for _, l := range lines {
		if l.Section != section {
			section = l.Section
			b.WriteString(section + ":\n")
		}
		text := fmt.Sprintf("  %s: %s", l.Name, l.Value)
		fmt.Fprintf(&b, "%-72s # %s\n", text, l.origin())
	}
	return b.String()
}

func (l EffectiveValue) origin() string {
	if l.Source.File == "" {
		return "default"
	}
	return fmt.Sprintf("%s, %s", scopeName(l.Source.Scope), l.Source.Position)
}

type effective struct {
	policy *Policy
	lines  []EffectiveValue
}

func (e *effective) add(section, name, value string, at Source) {
	e.lines = append(e.lines, EffectiveValue{section, name, value, at})
}

func (e *effective) money(minor int64) string {
	return currency.Text(minor, e.policy.Currency)
}

// text writes an expression on one line.
func (p *Program) line() string {
	if p == nil {
		return ""
	}
	return strings.Join(strings.Fields(p.text), " ")
}

func (e *effective) general() {
	p := e.policy
	e.add("policy", "chain", quoteAll(p.Chain), Source{})
	e.add("policy", "currency", p.Currency, p.CurrencySource)
	e.add("policy", "timezone", p.Location.String(), p.LocationSource)
	for _, o := range p.Outcomes {
		e.add("outcomes", o.Name, describeOutcome(o), o.Source)
		for _, offer := range slices.Sorted(maps.Keys(o.Prior)) {
			lift := o.Prior[offer]
			e.add("outcomes", o.Name+".lift."+offer, fmt.Sprintf("%s, sd %s", formatNumber(lift.Mean), formatNumber(lift.SD)), o.Source)
		}
	}
}

func quoteAll(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func describeOutcome(o Outcome) string {
	model := ""
	switch o.Model {
	case ModelPrior:
		model = fmt.Sprintf("assumed, %s without", formatNumber(o.Without))
		if o.File != "" {
			model = "assumed lifts on " + o.File
		}
	case ModelFile:
		model = o.File
	case ModelAlias:
		model = "as " + o.Of
	case ModelProfile:
		return "from the profile"
	}
	window := formatDuration(o.From) + " to " + formatDuration(o.To)
	switch {
	case o.To < 0:
		window = "while the offer is valid"
	case o.From == 0:
		window = "within " + formatDuration(o.To)
	}
	event := o.Event
	if o.Channel != "" {
		event += " in " + o.Channel
	}
	return fmt.Sprintf("%s %s, %s, %s", event, window, o.Unit, model)
}

func (e *effective) goals() {
	for _, g := range e.policy.Goals {
		e.add("goals", g.Name+".expr", g.Expr.line(), g.Expr.source)
		if g.When != nil {
			e.add("goals", g.Name+".when", g.When.line(), g.When.source)
		}
		e.add("goals", g.Name+".value", formatNumber(g.Value)+" "+e.policy.Currency+" per "+g.Unit, g.Source)
		weight := formatNumber(g.Weight)
		if g.WeightMin != g.WeightMax {
			weight += fmt.Sprintf(" of [%s, %s]", formatNumber(g.WeightMin), formatNumber(g.WeightMax))
		}
		e.add("goals", g.Name+".weight", weight, g.WeightSource)
	}
}

func (e *effective) offers() {
	for _, o := range e.policy.Offers {
		if o.Disabled != nil {
			e.add("offers", o.ID, "disabled", *o.Disabled)
			continue
		}
		e.add("offers", o.ID, string(o.Kind)+" for "+formatDuration(o.Validity), o.Source)
		e.add("offers", o.ID+".maxLiability", e.money(o.Ceiling), o.Source)
		for _, x := range []struct {
			name    string
			program *Program
		}{{"eligible", o.Eligible}, {"appliesTo", o.Categories}, {"liability", o.Liability}} {
			if x.program != nil {
				e.add("offers", o.ID+"."+x.name, x.program.line(), x.program.source)
			}
		}
		for _, x := range []struct {
			name string
			list []string
		}{{"phases", o.Phases}, {"channels", o.Channels}} {
			if len(x.list) > 0 {
				e.add("offers", o.ID+"."+x.name, "["+strings.Join(x.list, ", ")+"]", o.Source)
			}
		}
		for _, param := range o.Params {
			value := formatNumber(param.Number)
			if param.IsText {
				value = fmt.Sprintf("%q", param.Text)
			}
			e.add("offers", o.ID+".params."+param.Name, value, o.Source)
		}
	}
}

func (e *effective) rules() {
	for _, x := range e.policy.Denied {
		e.add("deny", x.Variable, "read by nothing", x.Source)
	}
	for _, r := range e.policy.Constraints {
		e.add("constraints", r.ID, r.When.line()+" else "+r.Reason, r.Source)
	}
	if b := e.policy.Bounds; b.MaxPercentOff >= 0 {
		e.add("bounds", "max_percent_off", formatNumber(b.MaxPercentOff), b.PercentSource)
	}
	if b := e.policy.Bounds; b.MaxLiability >= 0 {
		e.add("bounds", "max_liability", e.money(b.MaxLiability), b.LiabilitySource)
	}
	for _, r := range e.policy.Guardrails {
		e.add("guardrails", r.ID, r.When.line()+" else "+r.Reason, r.Source)
	}
	for _, a := range e.policy.Aggregates {
		e.add("guardrails", a.ID, fmt.Sprintf("lower 95 %% of %s over %s >= %s, else %s", a.Metric, formatDuration(a.Window), formatNumber(a.LowerBound), a.OnBreach), a.Source)
	}
}

func (e *effective) limits() {
	for _, b := range e.policy.Budgets {
		e.add("budgets", b.ID, fmt.Sprintf("%s per %s of %s, %s, pacing %s", e.money(b.Limit), describePeriod(b.Period), scopeName(b.Scope), b.Guarantee, b.Pacing), b.Source)
	}
	for _, c := range e.policy.Caps {
		e.add("caps", c.ID, fmt.Sprintf("%d %s per %s in %s", c.Limit, c.Counts, c.Per, formatDuration(c.Window)), c.Source)
	}
}

func describePeriod(p Period) string {
	if p.Kind != "fixed" {
		return p.Kind
	}
	return p.From.Format(time.DateOnly) + " to " + p.To.Format(time.DateOnly)
}

func (e *effective) measurement() {
	p := e.policy
	if h := p.Holdout; h != nil {
		e.add("holdout", h.ID, fmt.Sprintf("%s %% by %s, salt %s", formatNumber(h.Percent), h.Unit, h.Salt), h.Source)
	}
	x := p.Explore
	text := x.Strategy
	switch x.Strategy {
	case "epsilon":
		text += " " + formatNumber(x.Epsilon)
	case "inverse_gap":
		text += fmt.Sprintf(", gamma %s, scale %s, floor %s", formatNumber(x.Gamma), formatNumber(x.Scale), formatNumber(x.Floor))
	}
	if x.MaxLiability >= 0 {
		text += ", ceilings up to " + e.money(x.MaxLiability)
	}
	e.add("explore", "strategy", text, x.Source)
	e.add("selection", "tieBreak", "["+strings.Join(p.Selection.TieBreak, ", ")+"]", Source{})
	e.add("selection", "requireLower", fmt.Sprint(p.Selection.RequireLower), Source{})
	for _, d := range p.Disclosures {
		e.add("disclosures", d.ID, d.When.line()+": "+fmt.Sprintf("%q", d.Text), d.Source)
	}
}
