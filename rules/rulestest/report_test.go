package rulestest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules/rulestest"
)

// baseBundle is the small valid bundle of the parent package's tests with a suite.
func baseBundle(t testing.TB, suite string) fstest.MapFS {
	t.Helper()
	data, err := os.ReadFile("../testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := fstest.MapFS{"tests/a_test.yaml": {Data: []byte(suite)}}
	for _, section := range strings.Split("\n"+string(data), "\n-- ")[1:] {
		name, text, _ := strings.Cut(section, " --\n")
		out[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return out
}

const suiteHead = `name: small
options: {now: "2026-10-05T15:00:00Z"}
fixtures:
  customers: {loyal: {abuse_score: 0.05}, abuser: {abuse_score: 0.93}}
  returns: {shoes: {refund_value: 80}}
  models:
    m: {purchase: {without: 0.1, with: {pct-10: 0.4}}, visit: {without: 0.1, with: {pct-10: 0.2}}}
defaults: {customer: loyal, return: shoes, model: m, basket: 90, margin_rate: 0.5}
`

func run(t *testing.T, suite string, opts rulestest.Options) *rulestest.Report {
	t.Helper()
	b, suites, _ := load(t, baseBundle(t, suiteHead+suite))
	report, err := rulestest.Run(t.Context(), b, suites, simpleDecider{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestFailuresShowTheirValues: a failing case prints the value of every part.
func TestFailuresShowTheirValues(t *testing.T) {
	report := run(t, `tests:
  - name: wrong
    input: {customer: abuser}
    expect: {offer: pct-10, scores: {pct-10: 5}, rejected: {pct-10: NOT_ELIGIBLE}, disclosures: [ny]}
  - name: right
    input: {}
    expect: {offer: pct-10, goals: {pct-10: {margin: 9.9, traffic: 0.1}}, liability: {pct-10: 9.0}}
`, rulestest.Options{})
	text := report.Text()
	for _, want := range []string{
		"FAIL wrong", "ok   right", "tests/a_test.yaml:12:21: offer: expected pct-10, got none",
		"pct-10: rejected, ABUSE_RISK from company.yaml:33:12", "customer.abuse_score < 0.85 = false", "  customer.abuse_score = 0.93",
		"rejected: expected NOT_ELIGIBLE for pct-10, got ABUSE_RISK", "it was rejected unscored", "disclosures: expected [ny], got []",
		"request.jurisdiction == \"US-NY\" = false", "2 cases, 1 failed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if report.Passed() || report.Failed() != 1 || report.Total() != 2 {
		t.Errorf("%d of %d", report.Failed(), report.Total())
	}
	xml, err := report.JUnit()
	if err != nil || !strings.Contains(string(xml), `<testsuite name="small" tests="2" failures="1"`) {
		t.Errorf("%s %v", xml, err)
	}
}

func TestTables(t *testing.T) {
	report := run(t, `tests:
  - name: baskets
    table:
      - {name: small, input: {basket: 10}, expect: {liability: {pct-10: 1.0}}}
      - {input: {basket: 20}, expect: {liability: {pct-10: 2.0}}}
`, rulestest.Options{Filter: regexp.MustCompile("baskets/2")})
	if report.Total() != 1 || !report.Passed() || report.Suites[0].Cases[0].Name != "baskets/2" {
		t.Errorf("%s", report.Text())
	}
}

// TestInvariantsShrink: a violated invariant is reported with the fewest and
// simplest changes of input that violate it.
func TestInvariantsShrink(t *testing.T) {
	report := run(t, `tests:
  - {name: plain, input: {}, expect: {offer: pct-10}}
invariants:
  - {id: only-small, when: "chosen.id == 'none' or ret.refund_value < 200"}
`, rulestest.Options{RandomCases: 500, Seed: 3})
	if report.Failed() != 1 {
		t.Fatalf("%s", report.Text())
	}
	failure := report.Suites[0].Cases[1].Failures[0]
	var changes []string
	for _, line := range failure.Detail {
		if strings.HasPrefix(line, "  but ") {
			changes = append(changes, line)
		}
	}
	if len(changes) != 1 || !strings.HasPrefix(changes[0], "  but ret.refund_value = ") {
		t.Errorf("not shrunk: %v", failure.Detail)
	}
	again := run(t, `tests:
  - {name: plain, input: {}, expect: {offer: pct-10}}
invariants:
  - {id: ceiling, when: chosen.max_liability <= 20.0}
`, rulestest.Options{RandomCases: 500, Seed: 3})
	if !again.Passed() {
		t.Errorf("%s", again.Text())
	}
}

func TestCoverageNamesWhatWasMissed(t *testing.T) {
	report := run(t, "tests:\n  - {name: plain, input: {}, expect: {offer: pct-10}}\n", rulestest.Options{})
	text := report.Coverage.Text()
	for _, want := range []string{"1/2   constraint abuse-risk (company.yaml:33:30)", "never false: customer.abuse_score < 0.85", "1/1   goal margin"} {
		if !strings.Contains(text, want) {
			t.Errorf("coverage lacks %q:\n%s", want, text)
		}
	}
	if p := report.Coverage.Percent(); p < 50 || p > 90 {
		t.Errorf("%.1f %%", p)
	}
}
