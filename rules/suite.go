package rules

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Suite is one file of tests/, checked against its bundle. Package rulestest runs it.
type Suite struct {
	Path, Name string
	Cases      []SuiteCase
	Invariants []Invariant
}

// SuiteCase is one test with everything its fixtures, defaults and options say.
type SuiteCase struct {
	Name                                string
	At                                  Position
	Scope, Phase, Channel, Jurisdiction string
	Consent                             bool
	Customer, Return, Store             map[string]any // float64, bool, string or []string, without prefix
	Model                               string         // name of the stub
	Scores                              map[string]SuiteScore
	Basket, MarginRate                  float64
	Options                             SuiteOptions
	Expect                              Expectation
}

// SuiteScore is a stub's score for one outcome.
type SuiteScore struct {
	Without float64
	With    map[string]float64
}

// SuiteOptions are the conditions of a case.
type SuiteOptions struct {
	Now              time.Time
	Budgets          map[string]float64 // remaining major units; not listed: open
	Lambda           map[string]float64
	DefaultLambda    float64
	Holdout, Explore bool
	Tolerance        float64
}

// Expectation is what a case expects; what it does not mention is not compared.
type Expectation struct {
	At          Position
	Offer       *ExpectedText
	Disclosures *ExpectedTexts
	Scores      []ExpectedNumber
	Liability   []ExpectedNumber
	Goals       []ExpectedNumber // Member: the goal
	Rejected    []ExpectedText   // Key: the offer
	Journal     []ExpectedValue
}

// ExpectedText expects a text; Key names what of.
type ExpectedText struct {
	At        Position
	Key, Text string
}

// ExpectedTexts expects a list.
type ExpectedTexts struct {
	At    Position
	Texts []string
}

// ExpectedNumber expects a number for an offer within the tolerance.
type ExpectedNumber struct {
	At          Position
	Key, Member string
	Value       float64
}

// ExpectedValue expects a field of the journal entry.
type ExpectedValue struct {
	At    Position
	Key   string
	Value any // float64, bool, string or []string
}

// Invariant must hold after every decision.
type Invariant struct {
	ID     string
	When   *Program
	Source Source
}

// suiteReader reads one suite.
type suiteReader struct {
	*loader
	bundle   *Bundle
	f        *source
	fixtures map[string]map[string]fixture // kind -> name
	used     map[string]bool               // kind/name
	defaults *mapping
}

type fixture struct {
	at      node
	values  map[string]any
	consent bool
	scores  map[string]SuiteScore
}

// Suites parses and checks the files of tests/, by path. A bad suite gives a
// *DiagnosticsError; fixtures nobody uses are among the warnings.
func (b *Bundle) Suites() (suites []Suite, warnings []Diagnostic, err error) {
	l := &loader{report: &report{}, files: b.files, lang: b.lang}
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if !strings.HasPrefix(name, "tests/") || !strings.HasSuffix(name, "_test.yaml") {
			continue
		}
		r := &suiteReader{loader: l, bundle: b, f: newSource(name, b.files[name]), fixtures: map[string]map[string]fixture{}, used: map[string]bool{}}
		if s, ok := r.suite(); ok {
			suites = append(suites, s)
		}
	}
	l.list = SortDiagnostics(l.list)
	if l.errors() {
		return nil, nil, &DiagnosticsError{Diagnostics: l.list}
	}
	return suites, l.list, nil
}

func (r *suiteReader) suite() (Suite, bool) {
	s := Suite{Path: r.f.path}
	root, ok := r.parseYAML(r.f)
	if !ok {
		return s, false
	}
	m, ok := r.openMap(root, "a test suite", []string{"name", "options", "fixtures", "defaults", "tests", "invariants"})
	if !ok || !m.require("name", "tests") {
		return s, false
	}
	s.Name = m.text("name")
	options := r.options(m, SuiteOptions{Tolerance: 0.001})
	r.readFixtures(m)
	r.defaults = &mapping{r: r.report, at: m.at, what: "defaults"}
	if m.has("defaults") {
		if r.defaults, ok = r.openMap(m.get("defaults"), "defaults", inputKeys); !ok {
			return s, false
		}
	}
	for _, t := range m.items("tests", "a test", []string{"name", "options", "input", "expect", "table"}) {
		s.Cases = append(s.Cases, r.test(t, options)...)
	}
	s.Invariants = r.invariants(m)
	r.unusedFixtures()
	return s, true
}

var inputKeys = []string{"scope", "phase", "channel", "jurisdiction", "customer", "return", "store", "model", "basket", "margin_rate"}

func (r *suiteReader) options(m *mapping, out SuiteOptions) SuiteOptions {
	if !m.has("options") {
		return out
	}
	o, ok := r.openMap(m.get("options"), "options", []string{"now", "budgets", "holdout", "explore", "lambda", "tolerance"})
	if !ok {
		return out
	}
	if o.has("now") {
		now, err := time.Parse(time.RFC3339, o.get("now").Value)
		if err != nil {
			r.add("RB1011", o.get("now"), "options.now is %s", o.get("now").describe()).expected(`a time such as "2026-10-05T15:00:00Z"`)
		}
		out.Now = now
	}
	out.Holdout, out.Explore = r.onOff(o, "holdout", out.Holdout), r.onOff(o, "explore", out.Explore)
	out.Tolerance = o.number("tolerance", out.Tolerance, 0, math.Inf(1))
	if v := o.get("budgets"); v.isMap() {
		out.Budgets = r.budgetNumbers(v, "options.budgets")
	} else if o.has("budgets") {
		o.enum("budgets", "open", "open")
		out.Budgets = nil
	}
	if v := o.get("lambda"); v.isMap() {
		out.Lambda = r.budgetNumbers(v, "options.lambda")
	} else if o.has("lambda") {
		out.Lambda, out.DefaultLambda = nil, o.number("lambda", 0, 0, math.Inf(1))
	}
	return out
}

// onOff reads true, false, on or off.
func (r *suiteReader) onOff(o *mapping, key string, fallback bool) bool {
	v := o.get(key)
	if v.isPlain() && (v.Value == "on" || v.Value == "off") {
		return v.Value == "on"
	}
	return o.flag(key, fallback)
}

func (r *suiteReader) budgetNumbers(v node, what string) map[string]float64 {
	m, ok := r.openMap(v, what, r.budgetIDs())
	if !ok {
		return nil
	}
	out := map[string]float64{}
	for _, id := range m.keys {
		out[id] = m.number(id, 0, 0, math.Inf(1))
	}
	return out
}

func (r *suiteReader) budgetIDs() []string {
	var ids []string
	for _, scope := range r.bundle.scopes {
		for _, b := range r.bundle.policies[scope].Budgets {
			if !slices.Contains(ids, b.ID) {
				ids = append(ids, b.ID)
			}
		}
	}
	return ids
}

func (r *suiteReader) invariants(m *mapping) []Invariant {
	var out []Invariant
	for _, item := range m.items("invariants", "an invariant", []string{"id", "when"}) {
		if !item.require("id", "when") {
			continue
		}
		at := Source{Position: item.get("id").position()}
		out = append(out, Invariant{ID: item.id("id"), When: r.expression(item.get("when"), roleInvariant(), ""), Source: at})
	}
	return out
}

func (r *suiteReader) unusedFixtures() {
	for _, kind := range slices.Sorted(maps.Keys(r.fixtures)) {
		for _, name := range slices.Sorted(maps.Keys(r.fixtures[kind])) {
			if !r.used[kind+"/"+name] {
				r.add("RB5002", r.fixtures[kind][name].at, "no test uses the fixture %s of %s", name, kind)
			}
		}
	}
}
