package rules

import (
	"math"
	"slices"
)

// goalDraft is a goal whose expressions wait for the environment.
type goalDraft struct {
	*mapping
	goal Goal
}

// goals reads the section without its expressions, margin first.
func (l *loader) goals(d *document) []goalDraft {
	section, ok := l.openMap(d.spec.get("goals"), "goals", nil)
	if !ok {
		return nil
	}
	if !section.has("margin") {
		l.add("RB3011", section.at, "goals lacks margin").expected("margin: {expr: ...}, in money").near(nearest("margin", section.keys))
	}
	var out []goalDraft
	for _, name := range section.keys {
		if !l.checkName(section.name[name], "the goal") {
			continue
		}
		m, ok := l.openMap(section.get(name), "goal "+name, []string{"when", "expr", "unit", "value", "weight"})
		if !ok || !m.require("expr") {
			continue
		}
		draft := goalDraft{mapping: m, goal: Goal{Name: name, Source: d.at(section.name[name]), Unit: "money", Value: 1, Weight: 1, WeightMin: 1, WeightMax: 1, Slot: -1}}
		draft.goal.WeightSource = draft.goal.Source
		if name == "margin" {
			l.marginGoal(&draft)
			out = slices.Insert(out, 0, draft)
			continue
		}
		l.otherGoal(d, &draft)
		out = append(out, draft)
	}
	return out
}

// marginGoal holds margin to its place as the yardstick.
func (l *loader) marginGoal(g *goalDraft) {
	for _, key := range []string{"unit", "value", "weight", "when"} {
		v := g.get(key)
		if !g.has(key) || key == "unit" && v.Value == "money" || (key == "value" || key == "weight") && (v.Value == "1" || v.Value == "1.0") {
			continue
		}
		l.add("RB3011", g.name[key], "the goal margin has no %s of its own", key).expected("money, value 1, weight 1, always")
	}
}

func (l *loader) otherGoal(d *document, g *goalDraft) {
	if !g.require("unit") {
		return
	}
	g.goal.Unit = g.id("unit")
	if g.goal.Unit == "money" && !g.has("value") {
		g.goal.Value = 1
	} else if g.require("value") {
		g.goal.Value = g.number("value", 1, 0, 1e9)
	}
	l.weight(d, g)
}

// weight reads {default, min, max}; a goal without it has the fixed weight 1.
func (l *loader) weight(d *document, g *goalDraft) {
	if !g.has("weight") {
		return
	}
	g.goal.WeightSource = d.at(g.get("weight"))
	if g.get("weight").isScalar() {
		w := g.number("weight", 1, 0, 1e6)
		g.goal.Weight, g.goal.WeightMin, g.goal.WeightMax = w, w, w
		return
	}
	m, ok := l.openMap(g.get("weight"), g.what+".weight", []string{"default", "min", "max"})
	if !ok || !m.require("default", "min", "max") {
		return
	}
	w, lo, hi := m.number("default", 1, 0, 1e6), m.number("min", 0, 0, 1e6), m.number("max", math.Inf(1), 0, 1e6)
	if w < lo || w > hi || lo > hi {
		l.add("RB3002", m.at, "%s: default %s is not within [%s, %s]", m.what, formatNumber(w), formatNumber(lo), formatNumber(hi)).expected("min <= default <= max")
	}
	g.goal.Weight, g.goal.WeightMin, g.goal.WeightMax = w, lo, hi
}

// compileGoal compiles a goal's expressions.
func (l *loader) compileGoal(d *document, draft goalDraft) Goal {
	g := draft.goal
	g.Slot = l.lang.env.Slot("goal." + g.Name)
	g.Expr = l.expression(draft.get("expr"), roleGoal(g.Unit), d.scope)
	if draft.has("when") && g.Name != "margin" {
		g.When = l.expression(draft.get("when"), roleGoalWhen(), d.scope)
	}
	return g
}
