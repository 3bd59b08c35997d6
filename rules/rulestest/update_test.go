package rulestest_test

import (
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules/rulestest"
)

// TestUpdate: an updated suite passes, and nothing but the values changed.
func TestUpdate(t *testing.T) {
	wrong := suiteHead + `tests:
  - name: wrong    # a comment that stays
    input: {customer: abuser}
    expect: {offer: pct-10, rejected: {pct-10: "NOT_ELIGIBLE"}, disclosures: [ny]}
  - name: scores
    input: {}
    expect:
      scores: {pct-10: 5}   # wrong too
      offer: none
`
	right := suiteHead + `tests:
  - name: wrong    # a comment that stays
    input: {customer: abuser}
    expect: {offer: none, rejected: {pct-10: ABUSE_RISK}, disclosures: []}
  - name: scores
    input: {}
    expect:
      scores: {pct-10: 10.220}   # wrong too
      offer: pct-10
`
	b, suites, _ := load(t, baseBundle(t, wrong))
	report, err := rulestest.Run(t.Context(), b, suites, simpleDecider{}, rulestest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	changed, left := report.Update(b.Files())
	got := string(changed["tests/a_test.yaml"])
	if got != right || left != 0 || len(changed) != 1 {
		t.Fatalf("%d left, got:\n%s", left, got)
	}
	fsys := baseBundle(t, got)
	fsys["tests/a_test.yaml"] = &fstest.MapFile{Data: []byte(got)}
	b, suites, _ = load(t, fsys)
	if report, err = rulestest.Run(t.Context(), b, suites, simpleDecider{}, rulestest.Options{}); err != nil || !report.Passed() {
		t.Errorf("%v\n%s", err, report.Text())
	}
}
