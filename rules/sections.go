package rules

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var reasonForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// constraints reads rules of the form {id, when, reason}.
func (l *loader) constraints(d *document) []Rule {
	var out []Rule
	for _, m := range d.spec.items("constraints", "a constraint", []string{"id", "when", "reason"}) {
		if rule, ok := l.rule(d, m, "constraint", roleConstraint()); ok {
			out = append(out, rule)
		}
	}
	return out
}

// rule reads {id, when, reason}. It is not ok when it has no id to be known by.
func (l *loader) rule(d *document, m *mapping, what string, r role) (Rule, bool) {
	if !m.require("id", "when", "reason") {
		return Rule{}, false
	}
	out := Rule{ID: m.id("id"), Reason: m.text("reason"), Source: d.at(m.get("id"))}
	m.what = what + " " + out.ID
	if !reasonForm.MatchString(out.Reason) {
		l.add("RB1011", m.get("reason"), "%s.reason is %s", m.what, quoteShort(out.Reason)).expected("capital letters, digits and '_', such as ABUSE_RISK")
	}
	out.When = l.expression(m.get("when"), r, d.scope)
	return out, true
}

// guardrails reads per-decision rules and limits on measured metrics.
func (l *loader) guardrails(d *document) (rules []Rule, aggregates []AggregateGuardrail) {
	known := []string{"id", "when", "reason", "metric", "lower95", "window", "onBreach"}
	for _, m := range d.spec.items("guardrails", "a guardrail", known) {
		if !m.has("metric") {
			if rule, ok := l.rule(d, m, "guardrail", roleGuardrail()); ok {
				rules = append(rules, rule)
			}
			continue
		}
		if a, ok := l.aggregate(d, m); ok {
			aggregates = append(aggregates, a)
		}
	}
	return rules, aggregates
}

func (l *loader) aggregate(d *document, m *mapping) (AggregateGuardrail, bool) {
	if !m.require("id", "lower95", "window") {
		return AggregateGuardrail{}, false
	}
	a := AggregateGuardrail{ID: m.id("id"), Source: d.at(m.get("id"))}
	m.what = "guardrail " + a.ID
	a.Metric = m.enum("metric", "", "margin_vs_holdout")
	a.Window = m.duration("window", 28*24*time.Hour)
	a.OnBreach = m.enum("onBreach", "none_only", "none_only")
	bound, isAtLeast := strings.CutPrefix(strings.TrimSpace(m.text("lower95")), ">=")
	value, err := strconv.ParseFloat(strings.TrimSpace(bound), 64)
	if !isAtLeast || err != nil || value-value != 0 {
		l.add("RB1011", m.get("lower95"), "%s.lower95 is %s", m.what, m.get("lower95").describe()).expected(`">= 0", the least the lower bound of the 95 %% interval may be`)
	}
	a.LowerBound = value
	return a, true
}

// budgets reads the limits a scope declares.
func (l *loader) budgets(d *document, code string, zone *time.Location) []Budget {
	var out []Budget
	known := []string{"id", "limit", "period", "from", "to", "guarantee", "buffer", "pacing"}
	for _, m := range d.spec.items("budgets", "a budget", known) {
		if !m.require("id", "limit", "period") {
			continue
		}
		b := Budget{ID: m.id("id"), Scope: d.scope, Currency: code, Location: zone, Source: d.at(m.get("id"))}
		m.what = "budget " + b.ID
		b.Limit = m.money("limit", code, 0)
		b.Period = l.period(m, zone)
		b.Guarantee = m.enum("guarantee", "hard", "hard", "expected")
		b.Pacing = m.enum("pacing", "none", "none", "even", "dual")
		b.Buffer = m.money("buffer", code, 0)
		if m.has("buffer") && b.Guarantee != "expected" {
			l.add("RB1011", m.name["buffer"], "%s is hard and needs no buffer", m.what).expected("guarantee: expected, or no buffer")
		}
		if b.Buffer > b.Limit {
			l.add("RB1011", m.get("buffer"), "%s holds back more than its limit", m.what).expected("a buffer of at most the limit")
		}
		out = append(out, b)
	}
	return out
}

func (l *loader) period(m *mapping, zone *time.Location) Period {
	p := Period{Kind: m.enum("period", "month", "day", "week", "month", "fixed")}
	if p.Kind != "fixed" {
		if m.has("from") || m.has("to") {
			l.add("RB1011", m.at, "%s has from or to, which only the period fixed reads", m.what).expected("period: fixed, or neither from nor to")
		}
		return p
	}
	if !m.require("from", "to") {
		return p
	}
	p.From, p.To = l.date(m, "from", zone), l.date(m, "to", zone)
	if !p.From.Before(p.To) {
		l.add("RB1011", m.get("to"), "%s ends before it starts", m.what).expected("from < to")
	}
	return p
}

// date reads a day in the scope's time zone, or a full time.
func (l *loader) date(m *mapping, key string, zone *time.Location) time.Time {
	v := m.get(key)
	if t, err := time.ParseInLocation(time.DateOnly, v.Value, zone); err == nil {
		return t
	}
	t, err := time.Parse(time.RFC3339, v.Value)
	if err != nil {
		l.add("RB1011", v, "%s.%s is %s", m.what, key, v.describe()).expected("a day such as 2026-11-27 or a time such as 2026-11-27T00:00:00Z")
	}
	return t
}

func (l *loader) caps(d *document) []Cap {
	var out []Cap
	for _, m := range d.spec.items("caps", "a cap", []string{"id", "counts", "limit", "window", "per"}) {
		if !m.require("id", "counts", "limit", "window", "per") {
			continue
		}
		c := Cap{ID: m.id("id"), Source: d.at(m.get("id"))}
		m.what = "cap " + c.ID
		c.Counts = m.enum("counts", "", "offered", "redeemed")
		c.Limit = m.integer("limit", 0, 0, 1<<31-1)
		c.Window = m.duration("window", time.Hour)
		c.Per = m.enum("per", "", "profile", "household", "associate")
		out = append(out, c)
	}
	return out
}

func (l *loader) disclosures(d *document) []Disclosure {
	var out []Disclosure
	for _, m := range d.spec.items("disclosures", "a disclosure", []string{"id", "when", "text"}) {
		if !m.require("id", "when", "text") {
			continue
		}
		x := Disclosure{ID: m.id("id"), Text: m.text("text"), Source: d.at(m.get("id"))}
		x.When = l.expression(m.get("when"), roleDisclosure(), d.scope)
		out = append(out, x)
	}
	return out
}

func (l *loader) holdout(d *document) *Holdout {
	if !d.spec.has("holdout") {
		return nil
	}
	m, ok := l.openMap(d.spec.get("holdout"), "holdout", []string{"id", "percent", "salt", "unit"})
	if !ok || !m.require("id", "percent", "salt") {
		return nil
	}
	return &Holdout{
		ID: m.id("id"), Percent: m.number("percent", 0, 0, 50), Salt: m.text("salt"),
		Unit: m.enum("unit", "profile", "profile", "household"), Source: d.at(m.at),
	}
}

func (l *loader) explore(d *document, code string) Explore {
	e := Explore{Strategy: "none", MaxLiability: -1, Source: d.at(d.spec.at)}
	if !d.spec.has("explore") {
		return e
	}
	m, ok := l.openMap(d.spec.get("explore"), "explore", []string{"strategy", "epsilon", "gamma", "scale", "floor", "maxLiability"})
	if !ok || !m.require("strategy") {
		return e
	}
	e.Source = d.at(m.at)
	e.Strategy = m.enum("strategy", "none", "none", "epsilon", "inverse_gap")
	e.MaxLiability = m.money("maxLiability", code, -1)
	switch e.Strategy {
	case "epsilon":
		m.require("epsilon")
		e.Epsilon = m.number("epsilon", 0, 0, 1)
	case "inverse_gap":
		m.require("gamma", "scale", "floor")
		e.Gamma, e.Scale = m.number("gamma", 1, 0, 1e9), m.number("scale", 1, 1e-6, 1e9)
		e.Floor = m.number("floor", 0, 0, 0.5)
	}
	return e
}

func (l *loader) selection(d *document) Selection {
	order := []string{"none", "lowest_ceiling", "offer_id"}
	s := Selection{TieBreak: order}
	if !d.spec.has("selection") {
		return s
	}
	m, ok := l.openMap(d.spec.get("selection"), "selection", []string{"tieBreak", "requireLower"})
	if !ok {
		return s
	}
	s.RequireLower = m.flag("requireLower", false)
	if m.has("tieBreak") {
		if ties := m.enums("tieBreak", order); len(ties) != 3 || ties[0] != "none" || ties[1] != order[1] {
			l.add("RB1011", m.get("tieBreak"), "selection.tieBreak is another order").expected("[none, lowest_ceiling, offer_id], the one stated order")
		}
	}
	return s
}
