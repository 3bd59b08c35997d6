package rules

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// fixturePrefix is the group of variables each kind of fixture sets.
var fixturePrefix = map[string]string{"customers": "customer.", "returns": "ret.", "stores": "store."}

func (r *suiteReader) readFixtures(m *mapping) {
	if !m.has("fixtures") {
		return
	}
	section, ok := r.openMap(m.get("fixtures"), "fixtures", []string{"customers", "returns", "stores", "models"})
	if !ok {
		return
	}
	for _, kind := range section.keys {
		list, ok := r.openMap(section.get(kind), "fixtures."+kind, nil)
		if !ok {
			continue
		}
		r.fixtures[kind] = map[string]fixture{}
		for _, name := range list.keys {
			fx := fixture{at: list.name[name], consent: true}
			if kind == "models" {
				fx.scores = r.stub(list.get(name), name)
			} else {
				fx.values, fx.consent = r.values(list.get(name), kind+"."+name, fixturePrefix[kind])
			}
			r.fixtures[kind][name] = fx
		}
	}
}

// values reads variables of one group, typed by the environment.
func (r *suiteReader) values(n node, what, prefix string) (out map[string]any, consent bool) {
	var known []string
	for _, v := range r.bundle.env.vars {
		if name, ok := strings.CutPrefix(v.Name, prefix); ok {
			known = append(known, name)
		}
	}
	if prefix == "customer." {
		known = append(known, "consent")
	}
	m, ok := r.openMap(n, what, known)
	out, consent = map[string]any{}, true
	if !ok {
		return out, consent
	}
	for _, name := range m.keys {
		if prefix == "customer." && name == "consent" {
			consent = m.flag(name, true)
			continue
		}
		slot := r.bundle.env.Slot(prefix + name)
		if x, ok := r.value(m, name, r.bundle.env.vars[slot]); ok {
			out[name] = x
		}
	}
	return out, consent
}

func (r *suiteReader) value(m *mapping, name string, v Variable) (any, bool) {
	at := m.get(name)
	switch kindOf(v.Type) {
	case kindBool:
		b, ok := r.flag(at, m.what+"."+name)
		return b, ok
	case kindStrings:
		return r.texts(at, m.what+"."+name), true
	case kindString:
		s, ok := r.text(at, m.what+"."+name)
		if ok && len(v.Values) > 0 && !slices.Contains(v.Values, s) {
			r.add("RB2010", at, "%s is never %q", v.Name, s).expected("one of " + strings.Join(v.Values, ", ")).near(nearest(s, v.Values))
			return nil, false
		}
		return s, ok
	}
	x, ok := r.number(at, m.what+"."+name)
	if ok && v.Type == Share && (x < 0 || x > 1) {
		r.add("RB1011", at, "%s is %s", v.Name, at.Value).expected("a share from 0 to 1")
		return nil, false
	}
	return x, ok
}

// stub reads scores per outcome; every outcome that is scored must be listed.
func (r *suiteReader) stub(n node, name string) map[string]SuiteScore {
	root := r.bundle.policies[""]
	var scored, offers []string
	for _, o := range root.Outcomes {
		if o.Model == ModelPrior || o.Model == ModelFile {
			scored = append(scored, o.Name)
		}
	}
	for _, o := range root.Offers {
		offers = append(offers, o.ID)
	}
	m, ok := r.openMap(n, "the stub "+name, append(slices.Clone(scored), aliases(root)...))
	if !ok {
		return nil
	}
	m.require(scored...)
	out := map[string]SuiteScore{}
	for _, outcome := range m.keys {
		o, ok := r.openMap(m.get(outcome), "the stub "+name+"."+outcome, []string{"without", "with"})
		if !ok || !o.require("without") {
			continue
		}
		s := SuiteScore{Without: o.number("without", 0, math.Inf(-1), math.Inf(1)), With: map[string]float64{}}
		if o.has("with") {
			if with, ok := r.openMap(o.get("with"), o.what+".with", offers); ok {
				for _, offer := range with.keys {
					s.With[offer] = with.number(offer, s.Without, math.Inf(-1), math.Inf(1))
				}
			}
		}
		out[outcome] = s
	}
	return out
}

// aliases are the outcomes a stub may list but need not.
func aliases(p *Policy) []string {
	var out []string
	for _, o := range p.Outcomes {
		if o.Model == ModelAlias {
			out = append(out, o.Name)
		}
	}
	return out
}

// test reads one entry: itself, or one case per row of its table.
func (r *suiteReader) test(m *mapping, options SuiteOptions) []SuiteCase {
	if !m.require("name") {
		return nil
	}
	name := m.text("name")
	options = r.options(m, options)
	inputs := []*mapping{r.defaults}
	if m.has("input") {
		if in, ok := r.openMap(m.get("input"), "input", inputKeys); ok {
			inputs = append(inputs, in)
		}
	}
	if !m.has("table") {
		if !m.require("expect") {
			return nil
		}
		return []SuiteCase{r.oneCase(name, m, inputs, options)}
	}
	var out []SuiteCase
	for _, row := range m.items("table", "a row", []string{"name", "input", "expect", "options"}) {
		if !row.require("expect") {
			continue
		}
		rowInputs := slices.Clone(inputs)
		if in, ok := r.openMap(row.get("input"), "input", inputKeys); ok {
			rowInputs = append(rowInputs, in)
		}
		label := name + "/" + formatNumber(float64(len(out)+1))
		if row.has("name") {
			label = name + "/" + row.text("name")
		}
		out = append(out, r.oneCase(label, row, rowInputs, r.options(row, options)))
	}
	return out
}

// oneCase resolves the inputs, later ones first.
func (r *suiteReader) oneCase(name string, m *mapping, inputs []*mapping, options SuiteOptions) SuiteCase {
	c := SuiteCase{Name: name, At: m.at.position(), Options: options, Consent: true}
	pick := func(key string) *mapping {
		for _, in := range slices.Backward(inputs) {
			if in.has(key) {
				return in
			}
		}
		return r.defaults
	}
	c.Scope, c.Jurisdiction = pick("scope").text("scope"), pick("jurisdiction").text("jurisdiction")
	c.Phase = pick("phase").enum("phase", "REFUNDED", phaseNames...)
	c.Channel = pick("channel").enum("channel", "STORE", channelNames...)
	c.Basket = pick("basket").number("basket", math.NaN(), 0, math.Inf(1))
	c.MarginRate = pick("margin_rate").number("margin_rate", math.NaN(), 0, 1)
	if customer, ok := r.fixture(pick("customer"), "customer", "customers"); ok {
		c.Customer, c.Consent = customer.values, customer.consent
	}
	if ret, ok := r.fixture(pick("return"), "return", "returns"); ok {
		c.Return = ret.values
	}
	if store, ok := r.fixture(pick("store"), "store", "stores"); ok {
		c.Store = store.values
	}
	if model, ok := r.fixture(pick("model"), "model", "models"); ok {
		c.Model, c.Scores = pick("model").get("model").Value, model.scores
	} else if !pick("model").has("model") {
		r.add("RB5001", m.at, "the test %q names no model", name).expected("input: {model: <a stub of fixtures.models>}")
	}
	r.requireNumber(m, name, "basket", c.Basket)
	r.requireNumber(m, name, "margin_rate", c.MarginRate)
	c.Expect = r.expectation(m.get("expect"))
	return c
}

func (r *suiteReader) requireNumber(m *mapping, test, key string, x float64) {
	if math.IsNaN(x) {
		r.add("RB5001", m.at, "the test %q has no %s", test, key).expected(key + " in its input or in defaults")
	}
}

// fixture looks up the fixture an input names.
func (r *suiteReader) fixture(in *mapping, key, kind string) (fixture, bool) {
	if !in.has(key) {
		return fixture{}, false
	}
	name := in.text(key)
	fx, ok := r.fixtures[kind][name]
	if !ok {
		known := slices.Sorted(maps.Keys(r.fixtures[kind]))
		r.add("RB5001", in.get(key), "there is no fixture %q in %s", name, kind).expected("one of " + strings.Join(known, ", ")).near(nearest(name, known))
		return fixture{}, false
	}
	r.used[kind+"/"+name] = true
	return fx, true
}

func (r *suiteReader) expectation(n node) Expectation {
	e := Expectation{At: n.position()}
	m, ok := r.openMap(n, "expect", []string{"offer", "scores", "rejected", "disclosures", "goals", "liability", "journal"})
	if !ok {
		return e
	}
	var offers []string
	for _, o := range r.bundle.policies[""].Offers {
		offers = append(offers, o.ID)
	}
	if m.has("offer") {
		text := m.enum("offer", "none", append([]string{"none"}, offers...)...)
		e.Offer = &ExpectedText{At: m.get("offer").position(), Text: text}
	}
	if m.has("disclosures") {
		e.Disclosures = &ExpectedTexts{At: m.get("disclosures").position(), Texts: m.texts("disclosures")}
	}
	e.Scores, e.Liability = r.numbers(m, "scores", offers), r.numbers(m, "liability", offers)
	if rejected, ok := r.section(m, "rejected", offers); ok {
		for _, offer := range rejected.keys {
			e.Rejected = append(e.Rejected, ExpectedText{At: rejected.get(offer).position(), Key: offer, Text: rejected.text(offer)})
		}
	}
	if goals, ok := r.section(m, "goals", offers); ok {
		for _, offer := range goals.keys {
			for _, x := range r.numbers(goals, offer, r.goalNames()) {
				x.Key, x.Member = offer, x.Key
				e.Goals = append(e.Goals, x)
			}
		}
	}
	e.Journal = r.journal(m)
	return e
}

func (r *suiteReader) goalNames() []string {
	var out []string
	for _, g := range r.bundle.policies[""].Goals {
		out = append(out, g.Name)
	}
	return out
}

func (r *suiteReader) section(m *mapping, key string, known []string) (*mapping, bool) {
	if !m.has(key) {
		return nil, false
	}
	return r.openMap(m.get(key), m.what+"."+key, known)
}

func (r *suiteReader) numbers(m *mapping, key string, known []string) []ExpectedNumber {
	section, ok := r.section(m, key, known)
	if !ok {
		return nil
	}
	var out []ExpectedNumber
	for _, k := range section.keys {
		if x, ok := r.number(section.get(k), section.what+"."+k); ok {
			out = append(out, ExpectedNumber{At: section.get(k).position(), Key: k, Value: x})
		}
	}
	return out
}

func (r *suiteReader) journal(m *mapping) []ExpectedValue {
	section, ok := r.section(m, "journal", nil)
	if !ok {
		return nil
	}
	var out []ExpectedValue
	for _, k := range section.keys {
		if fact, ok := r.factValue(section.get(k), "journal."+k); ok {
			out = append(out, ExpectedValue{At: section.get(k).position(), Key: k, Value: fact.Value()})
		}
	}
	return out
}

// Value returns the fact as float64, bool, string or []string.
func (x Fact) Value() any {
	switch kindOf(x.Type) {
	case kindBool:
		return x.Bool
	case kindString:
		return x.Text
	case kindStrings:
		return x.List
	}
	return x.Number
}
