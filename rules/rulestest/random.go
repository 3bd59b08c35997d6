package rulestest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/rules"
)

// mutation changes one input of a case.
type mutation struct {
	name  string // "customer.abuse_score", "purchase.with.pct-10", "basket"
	value any    // float64, bool, string or []string
}

// random checks the invariants on random inputs: the first case with one to eight
// inputs changed. A failure is shrunk to the fewest and simplest changes.
func (r *runner) random(ctx context.Context, s rules.Suite) []CaseResult {
	g := newGenerator(r.bundle, s)
	found := make([][]Failure, r.opts.RandomCases)
	changes := make([][]mutation, r.opts.RandomCases)
	r.parallel(ctx, r.opts.RandomCases, func(i int) {
		changes[i] = g.draw(rand.New(rand.NewPCG(r.opts.Seed, uint64(i))))
		found[i] = r.violations(ctx, s, g.apply(changes[i]))
	})
	result := CaseResult{Name: fmt.Sprintf("invariants on %d random inputs", r.opts.RandomCases)}
	for i, failures := range found {
		if len(failures) == 0 {
			continue
		}
		small := r.shrink(ctx, s, g, changes[i])
		result.Failures = r.violations(ctx, s, g.apply(small))
		for k := range result.Failures {
			result.Failures[k].Detail = append(describeMutations(g.base.Name, small), result.Failures[k].Detail...)
		}
		break
	}
	return []CaseResult{result}
}

// violations decides a case and returns the invariants that do not hold.
func (r *runner) violations(ctx context.Context, s rules.Suite, c Case) []Failure {
	outcome, err := r.decider.DecideCase(ctx, r.bundle, c)
	if err != nil {
		return []Failure{{Message: "the decision failed: " + err.Error()}}
	}
	return invariantFailures(s.Invariants, outcome)
}

// shrink drops changes that the failure does not need, then simplifies the rest.
func (r *runner) shrink(ctx context.Context, s rules.Suite, g *generator, changes []mutation) []mutation {
	fails := func(m []mutation) bool { return len(r.violations(ctx, s, g.apply(m))) > 0 }
	for again := true; again; {
		again = false
		for i := range changes {
			fewer := slices.Delete(slices.Clone(changes), i, i+1)
			if fails(fewer) {
				changes, again = fewer, true
				break
			}
		}
	}
	for i := range changes {
		for _, simpler := range simplerValues(changes[i].value) {
			trial := slices.Clone(changes)
			trial[i].value = simpler
			if fails(trial) {
				changes = trial
				break
			}
		}
	}
	return changes
}

// simplerValues lists replacements for a value, simplest first.
func simplerValues(v any) []any {
	x, ok := v.(float64)
	if !ok {
		return nil
	}
	out := []any{0.0, 1.0}
	for _, scale := range []float64{1, 10, 100, 1000} {
		out = append(out, math.Trunc(x*scale)/scale)
	}
	return out
}

func describeMutations(base string, changes []mutation) []string {
	out := []string{"smallest failing input: as in " + base}
	for _, m := range changes {
		out = append(out, fmt.Sprintf("  but %s = %v", m.name, m.value))
	}
	return out
}

// generator draws changes to a base case from the bundle's variables.
type generator struct {
	bundle  *rules.Bundle
	suite   rules.SuiteCase // what base was made from
	base    Case
	vars    []rules.Variable // settable by a case
	scopes  []string
	numbers []float64 // literals of the bundle's expressions: the borders of its rules
	texts   []string
	scores  []string // "<outcome>.with.<offer>" and "<outcome>.without"
}

func newGenerator(b *rules.Bundle, s rules.Suite) *generator {
	g := &generator{bundle: b, suite: s.Cases[0], base: NewCase(b, s.Cases[0]), scopes: b.Scopes()}
	for _, v := range b.Env().Variables() {
		group, _, _ := strings.Cut(v.Name, ".")
		if v.Name != "store.currency_rate" && (group == "customer" || group == "ret" || group == "store") {
			g.vars = append(g.vars, v)
		}
	}
	for _, np := range b.Programs() {
		numbers, texts := np.Program.Literals()
		g.numbers, g.texts = append(g.numbers, numbers...), append(g.texts, texts...)
	}
	slices.Sort(g.numbers)
	g.numbers = slices.Compact(g.numbers)
	slices.Sort(g.texts)
	g.texts = slices.Compact(g.texts)
	p, _ := b.Policy("")
	for _, outcome := range slices.Sorted(maps.Keys(g.base.Scores)) {
		g.scores = append(g.scores, outcome+".without")
		for _, o := range p.Offers {
			g.scores = append(g.scores, outcome+".with."+o.ID)
		}
	}
	return g
}

// draw makes one to eight changes.
func (g *generator) draw(rng *rand.Rand) []mutation {
	out := make([]mutation, 1+rng.IntN(8))
	for i := range out {
		out[i] = g.one(rng)
	}
	return out
}

func (g *generator) one(rng *rand.Rand) mutation {
	switch k := rng.IntN(10); {
	case k < 5 && len(g.vars) > 0:
		v := g.vars[rng.IntN(len(g.vars))]
		return mutation{v.Name, g.valueOf(rng, v)}
	case k < 8 && len(g.scores) > 0:
		return mutation{g.scores[rng.IntN(len(g.scores))], rng.Float64()}
	case k == 8:
		return mutation{"scope", g.scopes[rng.IntN(len(g.scopes))]}
	}
	if rng.IntN(2) == 0 {
		return mutation{"margin_rate", rng.Float64()}
	}
	return mutation{"basket", math.Abs(g.number(rng))}
}

// valueOf draws a value of a variable's type and range.
func (g *generator) valueOf(rng *rand.Rand, v rules.Variable) any {
	switch v.Type {
	case rules.Bool:
		return rng.IntN(2) == 0
	case rules.Share:
		return rng.Float64()
	case rules.String:
		return g.text(rng, v)
	case rules.Strings:
		list := make([]string, rng.IntN(4))
		for i := range list {
			list[i] = g.text(rng, v)
		}
		return list
	}
	return g.number(rng)
}

func (g *generator) text(rng *rand.Rand, v rules.Variable) string {
	pool := v.Values
	if len(pool) == 0 {
		pool = g.texts
	}
	if len(pool) == 0 || len(v.Values) == 0 && rng.IntN(8) == 0 {
		return "other"
	}
	return pool[rng.IntN(len(pool))]
}

// number draws near a literal of the rules, or from a wide range.
func (g *generator) number(rng *rand.Rand) float64 {
	if len(g.numbers) > 0 && rng.IntN(2) == 0 {
		return g.numbers[rng.IntN(len(g.numbers))] + float64(rng.IntN(3)-1)*0.01
	}
	return math.Round(math.Exp(rng.Float64()*10)*100) / 100
}

// apply returns the base case with changes; the base stays as it is.
func (g *generator) apply(changes []mutation) Case {
	c := g.base
	for _, m := range changes {
		if scope, ok := m.value.(string); ok && m.name == "scope" {
			moved := g.suite
			moved.Scope = scope
			c = NewCase(g.bundle, moved)
		}
	}
	c.Name = "random"
	c.Customer, c.Return, c.Store = maps.Clone(c.Customer), maps.Clone(c.Return), maps.Clone(c.Store)
	c.Scores = maps.Clone(c.Scores)
	for _, m := range changes {
		group, rest, _ := strings.Cut(m.name, ".")
		switch group {
		case "scope": // above
		case "basket":
			c.Basket, _ = m.value.(float64)
		case "margin_rate":
			c.MarginRate, _ = m.value.(float64)
		case "customer":
			c.Customer = with(c.Customer, rest, m.value)
		case "ret":
			c.Return = with(c.Return, rest, m.value)
		case "store":
			c.Store = with(c.Store, rest, m.value)
		default:
			c.Scores[group] = changedScore(c.Scores[group], rest, m.value)
		}
	}
	return c
}

func with(m map[string]any, key string, v any) map[string]any {
	if m == nil {
		m = map[string]any{}
	}
	m[key] = v
	return m
}

func changedScore(s StubScore, member string, v any) StubScore {
	x, _ := v.(float64)
	offer, isWith := strings.CutPrefix(member, "with.")
	if !isWith {
		s.Without = x
		return s
	}
	s.With = maps.Clone(s.With)
	if s.With == nil {
		s.With = map[string]float64{}
	}
	s.With[offer] = x
	return s
}
