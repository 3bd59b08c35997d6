package engine_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// explainRuns is how many decisions are explained and checked:
// REBOUND_EXPLAIN_N, or what a plain `go test` has time for.
func explainRuns(t *testing.T) int {
	text := os.Getenv("REBOUND_EXPLAIN_N")
	if text == "" {
		return 5000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("REBOUND_EXPLAIN_N=%q: give the number of decisions", text)
	}
	return n
}

// exampleBundles are the four retailers of examples/policies.
func exampleBundle(t testing.TB, name string) *rules.Bundle {
	t.Helper()
	b, err := rules.Load(os.DirFS(filepath.Join("..", "examples", "policies", name)), engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every sentence of every explanation is proved against the trace of its decision.
func TestExplanationsTellTheTrace(t *testing.T) {
	n := explainRuns(t) / 5
	for _, name := range []string{"apparel", "chain", "electronics", "grocery", "shared"} {
		t.Run(name, func(t *testing.T) {
			var b *rules.Bundle
			if name == "shared" {
				b = sharedBundle(t)
			} else {
				b = exampleBundle(t, name)
			}
			outcomes := map[string]int{}
			explainMany(t, b, n, func(i int, x *explained) {
				outcomes[x.d.Outcome.String()]++
				for _, v := range []engine.Voice{engine.VoiceEngineer, engine.VoiceMerchandiser, engine.VoiceAssociate} {
					text := engine.Narrate(x.d, v)
					if wrong := checkExplanation(x.d, v, text); len(wrong) > 0 {
						t.Fatalf("decision %d, %s:\n%s\n%s", i, v, strings.Join(wrong, "\n"), text)
					}
				}
				if text := engine.Narrate(x.d.Redacted(), engine.VoiceAssociate); text != engine.Narrate(x.d, engine.VoiceAssociate) {
					t.Fatalf("decision %d: the associate hears what a redacted decision does not hold:\n%s", i, text)
				}
				if x.outcome == nil {
					return
				}
				p, _ := b.Policy(x.d.Scope)
				text := engine.NarrateRules(p, x.d, x.outcome)
				if wrong := checkRules(p, x.d, x.outcome, text); len(wrong) > 0 {
					t.Fatalf("decision %d, rules:\n%s\n%s", i, strings.Join(wrong, "\n"), text)
				}
			})
			t.Log(outcomes)
			for _, o := range []string{"OFFER", "NO_OFFER", "HOLDOUT"} {
				if outcomes[o] == 0 {
					t.Errorf("none of %d decisions is %s", n, o)
				}
			}
		})
	}
}

// Caution and caps, which the retailers' suites do not bring about.
func TestExplanationsOfCautionAndCaps(t *testing.T) {
	w := newWorld(t, policy(t, `    - id: weak
      kind: bonus_credit
      params: {amount: 3.00}
      validity: 48h
      liability: "3.00"
      maxLiability: 3.00
    - id: dear
      kind: percent_off
      params: {percent: 0.50}
      validity: 48h
      liability: offer.percent * basket.with
      maxLiability: 20.00
  bounds: {max_percent_off: 0.30, max_liability: 20.00}
  selection: {requireLower: true}
  caps:
    - {id: once, counts: offered, limit: 1, window: 30d, per: profile}
`))
	reasons := map[engine.Reason]bool{}
	basket := int64(6000)
	for i := range 3 {
		r := request(fmt.Sprint("r", i), "anna")
		r.Basket = &basket
		d := w.decide(r)
		for _, c := range d.Candidates {
			reasons[c.Reason] = true
		}
		for v := engine.VoiceEngineer; v <= engine.VoiceAssociate; v++ {
			if text := engine.Narrate(d, v); len(checkExplanation(d, v, text)) > 0 {
				t.Errorf("%s: %s\n%s", v, checkExplanation(d, v, text), text)
			}
		}
	}
	for _, want := range []engine.Reason{engine.ReasonLowerBound, engine.ReasonCapReached, engine.ReasonMaxPercentOff} {
		if !reasons[want] {
			t.Errorf("nothing was refused for %s: %v", want, reasons)
		}
	}
}

// explained is a decision to explain; outcome is nil if it was a live one.
type explained struct {
	d       *engine.Decision
	outcome *rulestest.Outcome
}

// explainMany makes n decisions: one in eight a dry run of an engine with
// customers and their past, the others what-ifs on random variables and scores.
func explainMany(t *testing.T, b *rules.Bundle, n int, visit func(i int, x *explained)) {
	g := newCases(t, b)
	w := newWorld(t, b)
	g.population(w)
	decider := engine.NewWhatIf("explain")
	for i := range n {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		if i%8 == 0 {
			visit(i, &explained{d: w.decide(g.request(i, rng))})
			continue
		}
		c := g.draw(rng)
		outcome, d, err := decider.ExplainCase(context.Background(), b, c)
		if err != nil {
			t.Fatal(err)
		}
		visit(i, &explained{d, outcome})
	}
}

// cases draws random inputs around the cases of a bundle's own suites.
type cases struct {
	b       *rules.Bundle
	base    []rulestest.Case
	scopes  []string
	vars    []rules.Variable
	numbers []float64
	texts   []string
}

func newCases(t *testing.T, b *rules.Bundle) *cases {
	suites, _, err := b.Suites()
	if err != nil {
		t.Fatal(err)
	}
	g := &cases{b: b, scopes: append(b.Scopes(), "zz.unknown")}
	for _, s := range suites {
		for _, c := range s.Cases {
			g.base = append(g.base, rulestest.NewCase(b, c))
		}
	}
	for _, v := range b.Env().Variables() {
		if group, _, _ := strings.Cut(v.Name, "."); v.Name != "store.currency_rate" && (group == "customer" || group == "ret" || group == "store") {
			g.vars = append(g.vars, v)
		}
	}
	for _, p := range b.Programs() {
		numbers, texts := p.Program.Literals()
		g.numbers, g.texts = append(g.numbers, numbers...), append(g.texts, texts...)
	}
	return g
}

// draw changes a case in up to six variables, its scores, and how it is decided.
func (g *cases) draw(rng *rand.Rand) rulestest.Case {
	c := g.base[rng.IntN(len(g.base))]
	c.Name = fmt.Sprint("case ", rng.Uint64())
	c.Customer, c.Return, c.Store, c.Scores = maps.Clone(c.Customer), maps.Clone(c.Return), maps.Clone(c.Store), maps.Clone(c.Scores)
	for range rng.IntN(7) {
		g.change(rng, &c)
	}
	if rng.IntN(4) == 0 {
		c.Scope, c.Store = g.scopes[rng.IntN(len(g.scopes))], nil
		for _, f := range g.b.StoreFacts(c.Scope) {
			c = withStore(c, strings.TrimPrefix(g.b.Env().Variables()[f.Slot].Name, "store."), f.Value())
		}
	}
	if rng.IntN(5) == 0 {
		c.Consent = !c.Consent
	}
	c.Holdout, c.Explore = rng.IntN(2) == 0, rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		c.DefaultLambda = math.Pow(10, -4+4*rng.Float64())
	}
	c.Budgets = g.budgets(rng, c.Scope)
	if rng.IntN(6) == 0 {
		c.Phase = []string{"STARTED", "AUTHORIZED", "REFUNDED", "AFTER"}[rng.IntN(4)]
	}
	if rng.IntN(6) == 0 {
		c.Channel = []string{"STORE", "MAIL", "BORIS", "BOPIS", "CURBSIDE", "LOCKER", "THIRD_PARTY"}[rng.IntN(7)]
	}
	return c
}

func withStore(c rulestest.Case, name string, v any) rulestest.Case {
	if c.Store == nil {
		c.Store = map[string]any{}
	}
	c.Store[name] = v
	return c
}

// change draws one variable, or the scores of one outcome, anew.
func (g *cases) change(rng *rand.Rand, c *rulestest.Case) {
	if rng.IntN(3) == 0 {
		names := slices.Sorted(maps.Keys(c.Scores))
		name := names[rng.IntN(len(names))]
		s := rulestest.StubScore{Without: rng.Float64(), With: map[string]float64{}}
		for offer := range c.Scores[name].With {
			s.With[offer] = min(max(s.Without+0.6*rng.Float64()-0.1, 0), 1)
		}
		c.Scores[name] = s
		return
	}
	v := g.vars[rng.IntN(len(g.vars))]
	group, name, _ := strings.Cut(v.Name, ".")
	into := map[string]*map[string]any{"customer": &c.Customer, "ret": &c.Return, "store": &c.Store}[group]
	if *into == nil {
		*into = map[string]any{}
	}
	(*into)[name] = g.value(rng, &v)
}

func (g *cases) value(rng *rand.Rand, v *rules.Variable) any {
	text := func() string {
		pool := v.Values
		if len(pool) == 0 {
			pool = append([]string{"other"}, g.texts...)
		}
		return pool[rng.IntN(len(pool))]
	}
	switch v.Type {
	case rules.Bool:
		return rng.IntN(2) == 0
	case rules.Share:
		return rng.Float64()
	case rules.String:
		return text()
	case rules.Strings:
		return []string{text(), text()}[:rng.IntN(3)]
	}
	if len(g.numbers) > 0 && rng.IntN(2) == 0 {
		return g.numbers[rng.IntN(len(g.numbers))] + float64(rng.IntN(3)-1)*0.01
	}
	return math.Round(math.Exp(7*rng.Float64())*100) / 100
}

// budgets leaves some of them little.
func (g *cases) budgets(rng *rand.Rand, scope string) map[string]float64 {
	out := map[string]float64{}
	p, _ := g.b.Policy(scope)
	for _, b := range p.Budgets {
		if rng.IntN(6) == 0 {
			out[b.ID] = math.Floor(40 * rng.Float64())
		}
	}
	return out
}

const shoppers = 40

// population gives every second shopper a past.
func (g *cases) population(w *world) {
	company, _ := g.b.Policy("")
	var events []*profile.Event
	for i := 0; i < shoppers; i += 2 {
		for k := range 1 + i%5 {
			e := purchase(fmt.Sprintf("p%d-%d", i, k), shopper(i), start.AddDate(0, 0, -7*(k+1)-i), int64(3000+900*i))
			e.Currency = company.Currency
			events = append(events, e)
		}
	}
	w.record(events...)
}

func shopper(i int) string { return fmt.Sprint("shopper-", i) }

// request is a dry run for a random shopper somewhere.
func (g *cases) request(i int, rng *rand.Rand) *engine.Request {
	r := request(fmt.Sprint("r", i), shopper(rng.IntN(shoppers)))
	r.Scope = g.scopes[rng.IntN(len(g.scopes))]
	p, _ := g.b.Policy(r.Scope)
	r.Currency, r.DryRun = p.Currency, true
	r.AsOf = start.Add(time.Duration(rng.IntN(60*24)) * time.Hour)
	r.Phase = engine.Phase(1 + rng.IntN(4))
	r.Channel = profile.ChannelStore + profile.Channel(rng.IntN(4))
	r.Return.Refund = int64(500 + rng.IntN(30000))
	r.Jurisdiction = []string{"US-NY", "US-TX", "DE", ""}[rng.IntN(4)]
	if rng.IntN(4) == 0 {
		r.Consent = engine.ConsentDenied
	}
	if rng.IntN(2) == 0 {
		basket := int64(2000 + rng.IntN(60000))
		r.Basket = &basket
	}
	return r
}
