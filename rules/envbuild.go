package rules

import (
	"regexp"
	"slices"
	"strings"
)

// variableName is the form of names in expressions: group.member or a word.
var variableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// reservedNames cannot name an outcome, goal, fact or parameter group: they mean
// something in the language or are groups of their own.
var reservedNames = []string{
	"in", "or", "and", "not", "matches", "contains", "startsWith", "endsWith", "let", "if", "else", "true", "false", "nil",
	"request", "ret", "customer", "now", "store", "offer", "candidate", "cost", "goal", "decision", "chosen", "none",
	"all", "any", "one", "filter", "map", "count", "sum", "find", "reduce", "min", "max", "abs", "floor", "ceil", "round", "len",
	"has_none_candidate", "env",
}

// envBuilder collects the variables of a bundle.
type envBuilder struct {
	env *Env
}

func newEnvBuilder(schema Schema) *envBuilder {
	b := &envBuilder{env: &Env{slots: make(map[string]Slot)}}
	for _, v := range schema.Variables {
		b.add(v)
	}
	return b
}

func (b *envBuilder) add(v Variable) Slot {
	if s, ok := b.env.slots[v.Name]; ok {
		return s
	}
	s := Slot(len(b.env.vars))
	b.env.slots[v.Name] = s
	b.env.vars = append(b.env.vars, v)
	b.env.names = append(b.env.names, v.Name)
	return s
}

// addOutcome declares <name>.with, .without, .uplift, .lower and .upper. Chances
// are shares; their differences are ratios that may be negative.
func (b *envBuilder) addOutcome(o *Outcome) {
	level, change, unit := Share, Number, "share"
	if o.Unit == "money" {
		level, change, unit = Money, Money, "money"
	}
	v := func(member string, t Type, doc string) Slot {
		return b.add(Variable{Name: o.Name + "." + member, Type: t, Origin: OriginScore, Unit: unit, Doc: doc})
	}
	o.With = v("with", level, "with the candidate's offer")
	o.WithoutSlot = v("without", level, "without any offer")
	if o.Model == ModelProfile {
		o.Uplift, o.Lower, o.Upper = -1, -1, -1
		return
	}
	o.Uplift = v("uplift", change, "with minus without")
	o.Lower = v("lower", change, "lower bound of the uplift")
	o.Upper = v("upper", change, "upper bound of the uplift")
}

// addScores declares what is known of a candidate once it is scored.
func (b *envBuilder) addScores() {
	for _, v := range []Variable{
		{Name: "basket.with", Type: Money, Doc: "expected next basket with the offer; the basket in hand when there is one"},
		{Name: "basket.without", Type: Money, Doc: "expected next basket without an offer"},
		{Name: "basket.margin_rate", Type: Share, Doc: "margin rate of the expected basket's categories"},
		{Name: "cost.expected", Type: Money, Doc: "chance of redemption times liability"},
		{Name: "cost.liability", Type: Money, Doc: "expected cost if redeemed"},
		{Name: "candidate.liability", Type: Money, Doc: "expected cost if redeemed"},
		{Name: "candidate.max_liability", Type: Money, Doc: "the ceiling printed in the terms"},
		{Name: "candidate.margin_if_redeemed", Type: Money, Doc: "basket.with * basket.margin_rate - liability"},
		{Name: "candidate.percent_of_basket", Type: Number, Unit: "share", Doc: "liability / basket.with"},
	} {
		v.Origin = OriginScore
		b.add(v)
	}
}

// addOffers declares offer.* over all offers of the bundle.
func (b *envBuilder) addOffers(offers []Offer) {
	ids := make([]string, len(offers))
	for i, o := range offers {
		ids[i] = o.ID
	}
	kinds := make([]string, len(offerKinds))
	for i, k := range offerKinds {
		kinds[i] = string(k)
	}
	for _, v := range []Variable{
		{Name: "offer.id", Type: String, Values: ids, Doc: "the candidate's offer"},
		{Name: "offer.kind", Type: String, Values: kinds, Doc: "the offer's kind"},
		{Name: "offer.max_liability", Type: Money, Doc: "the offer's ceiling"},
		{Name: "offer.validity_hours", Type: Number, Unit: "hours", Doc: "how long the offer is valid"},
	} {
		v.Origin = OriginOffer
		b.add(v)
	}
	for i := range offers {
		for j := range offers[i].Params {
			p := &offers[i].Params[j]
			p.Slot = b.add(Variable{Name: "offer." + p.Name, Type: paramType(*p), Origin: OriginOffer, Doc: "parameter of an offer"})
		}
	}
}

// paramType types a parameter by its name: percents are shares, amounts money.
func paramType(p Param) Type {
	switch {
	case p.IsText:
		return String
	case isPercent(p.Name):
		return Share
	case p.Name == "amount":
		return Money
	}
	return Number
}

func isPercent(name string) bool { return name == "percent" || strings.HasSuffix(name, "_percent") }

// addDecision declares what is known after the draw.
func (b *envBuilder) addDecision(offers []Offer) {
	ids := []string{"none"}
	for _, o := range offers {
		ids = append(ids, o.ID)
	}
	kinds := []string{"none"}
	for _, k := range offerKinds {
		kinds = append(kinds, string(k))
	}
	for _, v := range []Variable{
		{Name: "decision.used_personal_data", Type: Bool, Doc: "whether the choice read personal data"},
		{Name: "decision.offer", Type: String, Values: ids, Doc: "the chosen offer, or none"},
		{Name: "chosen.id", Type: String, Values: ids, Doc: "the chosen offer, or none"},
		{Name: "chosen.kind", Type: String, Values: kinds, Doc: "the chosen offer's kind, or none"},
		{Name: "chosen.max_liability", Type: Money, Doc: "the chosen offer's ceiling; 0 for none"},
		{Name: "chosen.liability", Type: Money, Doc: "the chosen offer's liability; 0 for none"},
		{Name: "chosen.score", Type: Money, Doc: "the chosen offer's score; 0 for none"},
		{Name: "has_none_candidate", Type: Bool, Doc: "whether none could be chosen"},
	} {
		v.Origin = OriginDecision
		b.add(v)
	}
}

// checkName reports a name that expressions could not use.
func (r *report) checkName(k node, what string) bool {
	switch {
	case !variableName.MatchString(k.Value):
		r.add("RB1012", k, "%s %s cannot be used in expressions", what, quoteShort(k.Value)).expected("lower-case letters, digits and '_', starting with a letter")
		return false
	case slices.Contains(reservedNames, k.Value):
		r.add("RB1012", k, "%s %q has a meaning of its own in expressions", what, k.Value).expected("another name")
		return false
	}
	return true
}
