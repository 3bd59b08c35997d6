package rules

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/internal/currency"
)

// state is the effective policy of one scope while the tree is merged.
type state struct {
	*Policy
	budgetIDs map[string]Source // of the whole bundle
}

// company builds the root policy and the environment of the whole bundle.
func (l *loader) company(d *document, b *envBuilder, facts *factTable) *state {
	p := &Policy{Chain: []string{""}, Location: time.UTC, CurrencyRate: 1}
	st := &state{Policy: p, budgetIDs: map[string]Source{}}
	if !d.spec.require("currency", "outcomes", "models", "goals", "offers") || !l.place(d, st) {
		return nil
	}
	drafts := l.offers(d, p.Currency)
	l.paramKinds(drafts)
	ids := make([]string, len(drafts))
	for i := range drafts {
		ids[i] = drafts[i].offer.ID
	}
	p.Outcomes = l.outcomes(d, ids)
	goals := l.goals(d)
	l.environment(b, facts, p, drafts, goals)
	p.Env = b.env
	for i := range drafts {
		p.Offers = append(p.Offers, l.compileOffer(d, drafts[i]))
	}
	for _, g := range goals {
		p.Goals = append(p.Goals, l.compileGoal(d, g))
	}
	p.Holdout, p.Explore, p.Selection = l.holdout(d), l.explore(d, p.Currency), l.selection(d)
	p.Bounds = Bounds{MaxPercentOff: -1, MaxLiability: -1}
	l.limits(d, st)
	l.windows(d, p)
	return st
}

// environment declares every variable the bundle adds, in a fixed order.
func (l *loader) environment(b *envBuilder, facts *factTable, p *Policy, drafts []offerDraft, goals []goalDraft) {
	facts.declare(b)
	offers := make([]Offer, len(drafts))
	for i := range drafts {
		offers[i] = drafts[i].offer
	}
	b.addOffers(offers)
	for i := range p.Outcomes {
		b.addOutcome(&p.Outcomes[i])
	}
	b.addScores()
	for _, g := range goals {
		b.add(Variable{Name: "goal." + g.goal.Name, Type: goalType(g.goal.Unit), Unit: g.goal.Unit, Origin: OriginScore, Doc: "value of the goal, in its unit"})
	}
	b.addDecision(offers)
	l.lang = newLanguage(b.env)
}

func goalType(unit string) Type {
	if unit == "money" {
		return Money
	}
	return Number
}

// place reads currency and time zone.
func (l *loader) place(d *document, st *state) bool {
	if d.spec.has("currency") {
		code := d.spec.text("currency")
		exponent, ok := currency.Exponent(code)
		if !ok {
			l.add("RB3012", d.spec.get("currency"), "%s is no currency", quoteShort(code)).expected("an ISO 4217 code such as USD, EUR or JPY")
			return false
		}
		changed := st.Currency != "" && st.Currency != code
		inherited := st.Exponent
		st.Currency, st.Exponent, st.CurrencySource = code, exponent, d.at(d.spec.get("currency"))
		if changed {
			l.convert(d, st, inherited)
		}
	}
	if d.spec.has("exchange") && st.CurrencySource.Scope != d.scope {
		l.add("RB3012", d.spec.name["exchange"], "exchange stands without a currency of its own").expected("currency and exchange together")
	}
	if d.spec.has("timezone") {
		zone, err := time.LoadLocation(d.spec.text("timezone"))
		if err != nil || zone == time.Local {
			l.add("RB1011", d.spec.get("timezone"), "%s is no time zone", quoteShort(d.spec.get("timezone").Value)).expected("an IANA name such as America/New_York")
			return true
		}
		st.Location, st.LocationSource = zone, d.at(d.spec.get("timezone"))
	}
	return true
}

// convert turns inherited amounts into a child's own currency by its exchange
// rate, rounding towards the retailer's caution. Budgets cannot follow.
func (l *loader) convert(d *document, st *state, inherited int) {
	for _, b := range st.Budgets {
		l.add("RB3012", d.spec.get("currency"), "the budget %s is in %s and cannot be charged by decisions in %s", b.ID, b.Currency, st.Currency).
			relate(b.Source.Position, "the budget").help("declare budgets at the scopes of one currency")
	}
	if !d.spec.has("exchange") {
		l.add("RB3012", d.spec.get("currency"), "the scope changes its currency without an exchange rate").
			expected("exchange: how many " + st.Currency + " one unit of the parent's currency is in inherited amounts")
		return
	}
	rate := d.spec.number("exchange", 1, 1e-6, 1e6)
	st.CurrencyRate *= rate
	scale := math.Pow10(inherited)
	amount := func(minor int64) int64 {
		if minor < 0 {
			return minor
		}
		converted, err := currency.RoundDown(float64(minor)/scale*rate, st.Currency)
		if err != nil {
			l.add("RB3012", d.spec.get("exchange"), "an inherited amount cannot be converted: %v", err)
			return minor
		}
		return converted
	}
	convertPolicy(st.Policy, rate, amount)
}

// convertPolicy replaces every amount of a policy: ceilings, bounds, values per
// unit, exploration, and outcomes in money.
func convertPolicy(p *Policy, rate float64, amount func(int64) int64) {
	p.Offers = slices.Clone(p.Offers)
	for i := range p.Offers {
		p.Offers[i].Ceiling = amount(p.Offers[i].Ceiling)
	}
	p.Goals = slices.Clone(p.Goals)
	for i := range p.Goals {
		if p.Goals[i].Unit != "money" { // of money, the value is a discount
			p.Goals[i].Value *= rate
		}
	}
	p.Bounds.MaxLiability = amount(p.Bounds.MaxLiability)
	p.Explore.MaxLiability = amount(p.Explore.MaxLiability)
	p.Explore.Scale *= rate
	p.Outcomes = slices.Clone(p.Outcomes)
	for i := range p.Outcomes {
		o := &p.Outcomes[i]
		if o.Unit != "money" || o.Model != ModelPrior {
			continue
		}
		o.Without *= rate
		o.Prior = maps.Clone(o.Prior)
		for offer, lift := range o.Prior {
			o.Prior[offer] = Lift{Mean: lift.Mean * rate, SD: lift.SD * rate}
		}
	}
}

// child derives the policy of a scope from its parent's.
func (l *loader) child(d *document, parent *state) *state {
	p := *parent.Policy
	p.Scope = d.scope
	p.Chain = append(slices.Clone(parent.Chain), d.scope)
	st := *parent
	st.Policy = &p
	l.place(d, &st)
	l.weights(d, &p)
	l.disable(d, &p)
	l.limits(d, &st)
	return &st
}

// limits reads what every level may declare.
func (l *loader) limits(d *document, st *state) {
	l.bounds(d, st)
	l.addConstraints(d, st.Policy)
	l.addGuardrails(d, st.Policy)
	l.addCaps(d, st.Policy)
	l.addDisclosures(d, st.Policy)
	l.addDenials(d, st.Policy)
	added := l.budgets(d, st.Currency, st.Location)
	for _, b := range added {
		if before, twice := st.budgetIDs[b.ID]; twice {
			l.addAt("RB3008", d.f, d.f.offset(b.Source.Line, b.Source.Column), len(b.ID), "the budget %q is declared twice", b.ID).relate(before.Position, "first here")
		}
		st.budgetIDs[b.ID] = b.Source
	}
	st.Budgets = joined(st.Budgets, added)
}

// joined appends without writing into memory a parent shares.
func joined[T any](inherited, added []T) []T {
	if len(added) == 0 {
		return inherited
	}
	return append(slices.Clip(inherited), added...)
}

// weights moves goals within the company's ranges.
func (l *loader) weights(d *document, p *Policy) {
	if !d.spec.has("weights") {
		return
	}
	m, ok := l.openMap(d.spec.get("weights"), "weights", nil)
	if !ok {
		return
	}
	p.Goals = slices.Clone(p.Goals)
	names := make([]string, len(p.Goals))
	for i, g := range p.Goals {
		names[i] = g.Name
	}
	for _, name := range m.keys {
		i := slices.Index(names, name)
		if i < 0 {
			l.add("RB3007", m.name[name], "there is no goal %q", name).expected("one of " + strings.Join(names, ", ")).near(nearest(name, names))
			continue
		}
		g, v := &p.Goals[i], m.get(name)
		w, ok := l.number(v, "weights."+name)
		if !ok {
			continue
		}
		if w < g.WeightMin || w > g.WeightMax {
			l.add("RB3002", v, "the weight %s of %s is outside [%s, %s]", v.Value, name, formatNumber(g.WeightMin), formatNumber(g.WeightMax)).
				expected(rangeText(g.WeightMin, g.WeightMax)).relate(g.Source.Position, "the company's range")
			continue
		}
		g.Weight, g.WeightSource = w, d.at(v)
	}
}

// disable switches offers off for a scope and all below it.
func (l *loader) disable(d *document, p *Policy) {
	if !d.spec.has("disableOffers") {
		return
	}
	ids := d.spec.texts("disableOffers")
	p.Offers = slices.Clone(p.Offers)
	names := make([]string, len(p.Offers))
	for i, o := range p.Offers {
		names[i] = o.ID
	}
	list := d.spec.get("disableOffers")
	for i, id := range ids {
		item := list.child(min(i, len(list.Content)-1))
		k := slices.Index(names, id)
		if k < 0 {
			l.add("RB3007", item, "there is no offer %q", id).expected("one of " + strings.Join(names, ", ")).near(nearest(id, names))
			continue
		}
		if p.Offers[k].Disabled == nil {
			at := d.at(item)
			p.Offers[k].Disabled = &at
		}
	}
}
