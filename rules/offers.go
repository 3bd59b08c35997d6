package rules

import (
	"slices"
	"strings"
	"time"
)

var offerKinds = []OfferKind{PercentOff, AmountOff, BOGO, PointsMultiplier, FreeShipping, BonusCredit, Message}

var offerKeys = []string{"id", "kind", "params", "appliesTo", "phases", "channels", "validity", "eligible", "liability", "maxLiability"}

// offerDraft is an offer whose expressions wait for the environment.
type offerDraft struct {
	*mapping
	offer Offer
}

// offers reads the section without its expressions.
func (l *loader) offers(d *document, code string) []offerDraft {
	var out []offerDraft
	seen := map[string]node{}
	for _, m := range d.spec.items("offers", "an offer", offerKeys) {
		if !m.require("id", "kind", "validity", "liability", "maxLiability") {
			continue
		}
		draft := offerDraft{mapping: m}
		o := &draft.offer
		o.ID, o.Index, o.Source = m.id("id"), len(out), d.at(m.get("id"))
		m.what = "offer " + o.ID
		if o.ID == "none" {
			l.add("RB1012", m.get("id"), "`none` is always a candidate and cannot be declared").expected("another id")
			continue
		}
		if before, twice := seen[o.ID]; twice {
			l.add("RB3008", m.get("id"), "the offer %q is declared twice", o.ID).relate(before.position(), "first here")
			continue
		}
		seen[o.ID] = m.get("id")
		o.Kind = OfferKind(m.enum("kind", "", kindNames()...))
		o.Validity = m.duration("validity", time.Hour)
		o.Phases, o.Channels = m.enums("phases", phaseNames), m.enums("channels", channelNames)
		o.Ceiling = m.money("maxLiability", code, 0)
		o.Params = l.params(m)
		out = append(out, draft)
	}
	return out
}

func kindNames() []string {
	names := make([]string, len(offerKinds))
	for i, k := range offerKinds {
		names[i] = string(k)
	}
	return names
}

func (l *loader) params(m *mapping) []Param {
	if !m.has("params") {
		return nil
	}
	section, ok := l.openMap(m.get("params"), m.what+".params", nil)
	if !ok {
		return nil
	}
	var out []Param
	for _, name := range section.keys {
		v := section.get(name)
		if !variableName.MatchString(name) || slices.Contains([]string{"id", "kind", "max_liability", "validity_hours"}, name) {
			l.add("RB1012", section.name[name], "the parameter %q cannot be read as offer.%s", name, name).expected("lower-case letters, digits and '_'; not id, kind, max_liability, validity_hours")
			continue
		}
		p := Param{Name: name, Slot: -1}
		if v.isPlain() && (v.Tag == "!!int" || v.Tag == "!!float") {
			p.Number, _ = l.number(v, section.what+"."+name)
			if isPercent(name) && (p.Number < 0 || p.Number > 1) {
				l.add("RB1011", v, "%s is %s", section.what+"."+name, v.Value).expected("a share from 0 to 1").help("write 0.10 for 10 percent")
			}
		} else if p.IsText = v.isScalar() && !v.isNull(); p.IsText {
			p.Text, _ = l.text(v, section.what+"."+name)
		} else {
			l.add("RB1008", v, "%s is %s", section.what+"."+name, v.describe()).expected("a number or a text")
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// paramKinds reports a parameter that is a number in one offer and a text in another.
func (l *loader) paramKinds(drafts []offerDraft) {
	first := map[string]offerDraft{}
	for _, d := range drafts {
		for _, p := range d.offer.Params {
			before, ok := first[p.Name]
			if !ok {
				first[p.Name] = d
				continue
			}
			i := slices.IndexFunc(before.offer.Params, func(q Param) bool { return q.Name == p.Name })
			if before.offer.Params[i].IsText != p.IsText {
				l.add("RB3015", d.get("params"), "the parameter %q is a number in one offer and a text in another", p.Name).
					relate(before.get("params").position(), "the other kind here")
			}
		}
	}
}

// compileOffer compiles an offer's expressions.
func (l *loader) compileOffer(d *document, draft offerDraft) Offer {
	o := draft.offer
	if draft.has("eligible") {
		o.Eligible = l.expression(draft.get("eligible"), roleEligible(), d.scope)
	}
	o.Liability = l.expression(draft.get("liability"), roleLiability(), d.scope)
	if draft.has("appliesTo") {
		if m, ok := l.openMap(draft.get("appliesTo"), draft.what+".appliesTo", []string{"categories"}); ok && m.require("categories") {
			o.Categories = l.expression(m.get("categories"), roleCategories(), d.scope)
		}
	}
	return o
}
