package rules

import (
	"slices"
	"time"

	"github.com/rebound-engine/rebound/internal/currency"
)

// bounds lowers the bounds of the parent; raising one is refused with both places.
func (l *loader) bounds(d *document, st *state) {
	if !d.spec.has("bounds") {
		return
	}
	m, ok := l.openMap(d.spec.get("bounds"), "bounds", []string{"max_percent_off", "max_liability"})
	if !ok {
		return
	}
	b := &st.Bounds
	if m.has("max_percent_off") {
		v := m.get("max_percent_off")
		x := m.number("max_percent_off", b.MaxPercentOff, 0, 1)
		if b.MaxPercentOff >= 0 && x > b.MaxPercentOff {
			l.add("RB3001", v, "max_percent_off rises from %s to %s", formatNumber(b.MaxPercentOff), v.Value).
				expected("at most "+formatNumber(b.MaxPercentOff)).relate(b.PercentSource.Position, "the inherited bound")
		} else {
			b.MaxPercentOff, b.PercentSource = x, d.at(v)
		}
	}
	if m.has("max_liability") {
		v := m.get("max_liability")
		x := m.money("max_liability", st.Currency, b.MaxLiability)
		if b.MaxLiability >= 0 && x > b.MaxLiability {
			was, _ := currency.Format(b.MaxLiability, st.Currency)
			l.add("RB3001", v, "max_liability rises from %s to %s", was, v.Value).
				expected("at most "+was).relate(b.LiabilitySource.Position, "the inherited bound")
		} else {
			b.MaxLiability, b.LiabilitySource = x, d.at(v)
		}
	}
}

// addConstraints ANDs a level's constraints to the inherited ones. One that
// repeats an id replaces it only when it is proved to be at least as strict, also
// where a variable does not exist: it must read all that the parent's reads.
func (l *loader) addConstraints(d *document, p *Policy) {
	added := l.constraints(d)
	fresh := make([]Rule, 0, len(added))
	for _, rule := range added {
		i := slices.IndexFunc(p.Constraints, func(r Rule) bool { return r.ID == rule.ID })
		if j := slices.IndexFunc(fresh, func(r Rule) bool { return r.ID == rule.ID }); j >= 0 {
			l.addRule("RB3008", d, rule, "the constraint %q is declared twice", rule.ID).relate(fresh[j].Source.Position, "first here")
			continue
		}
		if i < 0 {
			fresh = append(fresh, rule)
			continue
		}
		l.replaceConstraint(d, p, i, rule)
	}
	p.Constraints = joined(p.Constraints, fresh)
}

func (l *loader) addRule(code string, d *document, r Rule, format string, args ...any) *Diagnostic {
	return l.addAt(code, d.f, d.f.offset(r.Source.Line, r.Source.Column), len(r.ID), format, args...)
}

func (l *loader) replaceConstraint(d *document, p *Policy, i int, rule Rule) {
	parent := p.Constraints[i]
	if parent.Source.Scope == d.scope {
		l.addRule("RB3008", d, rule, "the constraint %q is declared twice", rule.ID).relate(parent.Source.Position, "first here")
		return
	}
	if rule.When == nil || parent.When == nil {
		return
	}
	readsAll := !slices.ContainsFunc(parent.When.reads, func(x Slot) bool { return !slices.Contains(rule.When.reads, x) })
	if !readsAll || !tightens(rule.When.root, parent.When.root) {
		at := rule.When.source.Position
		l.addAt("RB3004", d.f, d.f.offset(at.Line, at.Column), len(rule.When.text), "the constraint %q admits what its parent refuses, or may", rule.ID).
			expected("a condition that implies: "+parent.When.text).relate(parent.When.source.Position, "the parent's condition").
			help("give it another id: both then hold, which is always at least as strict")
		return
	}
	p.Constraints = slices.Clone(p.Constraints)
	p.Constraints[i] = rule
}

// addGuardrails adds a level's guardrails; none of a parent can be repeated.
func (l *loader) addGuardrails(d *document, p *Policy) {
	rules, aggregates := l.guardrails(d)
	places := map[string]Source{}
	for _, r := range p.Guardrails {
		places[r.ID] = r.Source
	}
	for _, a := range p.Aggregates {
		places[a.ID] = a.Source
	}
	check := func(id string, at Source) {
		if before, ok := places[id]; ok {
			code, text := "RB3006", "the guardrail %q is the parent's and cannot be overridden"
			if before.Scope == at.Scope {
				code, text = "RB3008", "the guardrail %q is declared twice"
			}
			l.addAt(code, d.f, d.f.offset(at.Line, at.Column), len(id), text, id).relate(before.Position, "first here")
		}
		places[id] = at
	}
	for _, r := range rules {
		check(r.ID, r.Source)
	}
	for _, a := range aggregates {
		check(a.ID, a.Source)
	}
	p.Guardrails, p.Aggregates = joined(p.Guardrails, rules), joined(p.Aggregates, aggregates)
}

// addCaps adds caps; one that repeats an id may only count less or look back longer.
func (l *loader) addCaps(d *document, p *Policy) {
	var fresh []Cap
	for _, c := range l.caps(d) {
		at := d.f.offset(c.Source.Line, c.Source.Column)
		if slices.ContainsFunc(fresh, func(x Cap) bool { return x.ID == c.ID }) {
			l.addAt("RB3008", d.f, at, len(c.ID), "the cap %q is declared twice", c.ID)
			continue
		}
		i := slices.IndexFunc(p.Caps, func(x Cap) bool { return x.ID == c.ID })
		if i < 0 {
			fresh = append(fresh, c)
			continue
		}
		parent := p.Caps[i]
		if c.Limit > parent.Limit || c.Window < parent.Window || c.Counts != parent.Counts || c.Per != parent.Per {
			l.addAt("RB3005", d.f, at, len(c.ID), "the cap %q is looser than its parent's, or counts something else", c.ID).
				expected("counts "+parent.Counts+" per "+parent.Per+", a limit of at most "+formatNumber(float64(parent.Limit))+", a window of at least "+formatDuration(parent.Window)).
				relate(parent.Source.Position, "the parent's cap")
			continue
		}
		p.Caps = slices.Clone(p.Caps)
		p.Caps[i] = c
	}
	p.Caps = joined(p.Caps, fresh)
}

func formatDuration(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return formatNumber(d.Hours()/24) + "d"
	}
	return formatNumber(d.Hours()) + "h"
}

func (l *loader) addDisclosures(d *document, p *Policy) {
	var fresh []Disclosure
	for _, x := range l.disclosures(d) {
		known := append(slices.Clone(p.Disclosures), fresh...)
		if i := slices.IndexFunc(known, func(y Disclosure) bool { return y.ID == x.ID }); i >= 0 {
			l.addAt("RB3008", d.f, d.f.offset(x.Source.Line, x.Source.Column), len(x.ID), "the disclosure %q is declared twice", x.ID).
				relate(known[i].Source.Position, "first here")
			continue
		}
		fresh = append(fresh, x)
	}
	p.Disclosures = joined(p.Disclosures, fresh)
}

// windows demands that the window margin is compared in outlasts every offer.
func (l *loader) windows(d *document, p *Policy) {
	if len(p.Goals) == 0 || p.Goals[0].Name != "margin" || p.Goals[0].Expr == nil {
		return
	}
	for _, o := range p.Outcomes {
		if o.From != 0 || o.To < 0 || !slices.Contains(p.Goals[0].Expr.reads, o.With) || o.Model == ModelProfile {
			continue
		}
		for _, offer := range p.Offers {
			if offer.Validity >= o.To {
				l.addAt("RB3013", d.f, d.f.offset(o.Source.Line, o.Source.Column), len(o.Name),
					"the window of %s, %s, does not outlast the offer %s, valid for %s", o.Name, formatDuration(o.To), offer.ID, formatDuration(offer.Validity)).
					relate(offer.Source.Position, "the offer").expected("a window longer than every validity")
			}
		}
	}
}
