package live

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// EffectiveOf lists every value in force at a scope with the place that wrote
// it, sorted by path. A store may be named by its own number where that is unique.
func EffectiveOf(b *rules.Bundle, scope string) *server.Effective {
	scope = fullScope(b, scope)
	policy, exact := b.Policy(scope)
	e := &server.Effective{Chain: slices.Clone(policy.Chain), Exact: exact}
	if exact && policy.Scope != scope {
		e.Chain = append(e.Chain, scope) // described in a reference file, without a policy of its own
	}
	v := &values{policy: policy}
	v.company()
	v.outcomes()
	v.goals()
	v.offers()
	v.rules()
	v.money()
	v.measurement()
	slices.SortStableFunc(v.list, func(x, y server.EffectiveValue) int { return cmp.Compare(x.Path, y.Path) })
	e.Values = v.list
	return e
}

// fullScope finds the scope a store's own number stands for.
func fullScope(b *rules.Bundle, name string) string {
	if strings.Contains(name, ".") || slices.Contains(b.Scopes(), name) {
		return name
	}
	found := name
	for _, s := range b.Scopes() {
		if strings.HasSuffix(s, "."+name) {
			if found != name {
				return name
			}
			found = s
		}
	}
	return found
}

// values collects what a policy says.
type values struct {
	policy *rules.Policy
	list   []server.EffectiveValue
}

// add lists a value unless it is empty.
func (v *values) add(path, value string, at rules.Source) {
	if value != "" {
		v.list = append(v.list, server.EffectiveValue{Path: path, Value: value, Scope: at.Scope, Position: at.Position})
	}
}

// expr lists an expression at its own place.
func (v *values) expr(path string, p *rules.Program) {
	if p != nil {
		v.add(path, strings.Join(strings.Fields(p.Text()), " "), p.Source())
	}
}

func (v *values) company() {
	p := v.policy
	v.add("currency", p.Currency, p.CurrencySource)
	v.add("timezone", p.Location.String(), p.LocationSource)
}

func (v *values) outcomes() {
	for _, o := range v.policy.Outcomes {
		at, path := o.Source, "outcomes."+o.Name
		v.add(path+".event", o.Event, at)
		v.add(path+".channel", o.Channel, at)
		v.add(path+".unit", o.Unit, at)
		if o.Model != rules.ModelProfile {
			v.add(path+".window", window(o), at)
		}
		v.model("models."+o.Name, o)
	}
}

func window(o rules.Outcome) string {
	switch {
	case o.To < 0:
		return "validity"
	case o.From == 0:
		return duration(o.To)
	}
	return duration(o.From) + " to " + duration(o.To)
}

func (v *values) model(path string, o rules.Outcome) {
	switch o.Model {
	case rules.ModelAlias:
		v.add(path+".of", o.Of, o.Source)
	case rules.ModelFile:
		v.add(path+".file", o.File, o.Source)
	case rules.ModelProfile:
		v.add(path+".from", "profile", o.Source)
	case rules.ModelPrior:
		without := number(o.Without)
		if o.File != "" {
			without = o.File
		}
		v.add(path+".without", without, o.Source)
		for offer, lift := range o.Prior { // sorted at the end, by path
			v.add(path+".prior."+offer, number(lift.Mean)+" ± "+number(lift.SD), o.Source)
		}
	}
}

func (v *values) goals() {
	for _, g := range v.policy.Goals {
		path := "goals." + g.Name
		v.expr(path+".when", g.When)
		v.expr(path+".expr", g.Expr)
		v.add(path+".unit", g.Unit, g.Source)
		v.add(path+".value", number(g.Value), g.Source)
		weight := cmp.Or(g.WeightSource, g.Source)
		v.add(path+".weight", number(g.Weight), weight)
		if g.WeightMax > g.WeightMin {
			v.add(path+".weight.range", number(g.WeightMin)+" to "+number(g.WeightMax), g.Source)
		}
	}
}

func (v *values) offers() {
	for _, o := range v.policy.Offers {
		at, path := o.Source, "offers."+o.ID
		v.add(path+".kind", string(o.Kind), at)
		for _, p := range o.Params {
			value := p.Text
			if !p.IsText {
				value = number(p.Number)
			}
			v.add(path+".params."+p.Name, value, at)
		}
		v.add(path+".validity", duration(o.Validity), at)
		v.add(path+".phases", strings.Join(o.Phases, ", "), at)
		v.add(path+".channels", strings.Join(o.Channels, ", "), at)
		v.expr(path+".appliesTo.categories", o.Categories)
		v.expr(path+".eligible", o.Eligible)
		v.expr(path+".liability", o.Liability)
		v.add(path+".maxLiability", v.amount(o.Ceiling), at)
		if o.Disabled != nil {
			v.add(path+".disabled", "true", *o.Disabled)
		}
	}
}

func (v *values) rules() {
	p := v.policy
	for _, r := range p.Constraints {
		v.expr("constraints."+r.ID+".when", r.When)
		v.add("constraints."+r.ID+".reason", r.Reason, r.Source)
	}
	for _, r := range p.Guardrails {
		v.expr("guardrails."+r.ID+".when", r.When)
		v.add("guardrails."+r.ID+".reason", r.Reason, r.Source)
	}
	for _, g := range p.Aggregates {
		path := "guardrails." + g.ID
		v.add(path+".metric", g.Metric, g.Source)
		v.add(path+".lower95", ">= "+number(g.LowerBound), g.Source)
		v.add(path+".window", duration(g.Window), g.Source)
		v.add(path+".onBreach", g.OnBreach, g.Source)
	}
	if p.Bounds.MaxPercentOff >= 0 {
		v.add("bounds.max_percent_off", number(p.Bounds.MaxPercentOff), p.Bounds.PercentSource)
	}
	if p.Bounds.MaxLiability >= 0 {
		v.add("bounds.max_liability", v.amount(p.Bounds.MaxLiability), p.Bounds.LiabilitySource)
	}
}

func (v *values) money() {
	for _, b := range v.policy.Budgets {
		at, path := b.Source, "budgets."+b.ID
		v.add(path+".limit", amount(b.Limit, b.Currency), at)
		v.add(path+".period", period(b.Period), at)
		v.add(path+".guarantee", b.Guarantee, at)
		v.add(path+".pacing", b.Pacing, at)
		if b.Buffer > 0 {
			v.add(path+".buffer", amount(b.Buffer, b.Currency), at)
		}
	}
	for _, c := range v.policy.Caps {
		at, path := c.Source, "caps."+c.ID
		v.add(path+".counts", c.Counts, at)
		v.add(path+".limit", number(float64(c.Limit)), at)
		v.add(path+".window", duration(c.Window), at)
		v.add(path+".per", c.Per, at)
	}
}

func (v *values) measurement() {
	p := v.policy
	if h := p.Holdout; h != nil {
		v.add("holdout.id", h.ID, h.Source)
		v.add("holdout.percent", number(h.Percent), h.Source)
		v.add("holdout.unit", cmp.Or(h.Unit, "profile"), h.Source)
	}
	v.explore()
	for _, d := range p.Disclosures {
		v.expr("disclosures."+d.ID+".when", d.When)
		v.add("disclosures."+d.ID+".text", d.Text, d.Source)
	}
	company := rules.Source{Position: rules.Position{File: "company.yaml"}} // only it may say how to select
	v.add("selection.tieBreak", strings.Join(p.Selection.TieBreak, ", "), company)
	if p.Selection.RequireLower {
		v.add("selection.requireLower", "true", company)
	}
}

func (v *values) explore() {
	x := v.policy.Explore
	v.add("explore.strategy", x.Strategy, x.Source)
	switch x.Strategy {
	case "epsilon":
		v.add("explore.epsilon", number(x.Epsilon), x.Source)
	case "inverse_gap":
		v.add("explore.gamma", number(x.Gamma), x.Source)
		v.add("explore.scale", number(x.Scale), x.Source)
		v.add("explore.floor", number(x.Floor), x.Source)
	default:
		return
	}
	if x.MaxLiability >= 0 {
		v.add("explore.maxLiability", v.amount(x.MaxLiability), x.Source)
	}
}
