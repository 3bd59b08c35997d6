package policies_test

import (
	"errors"
	"os"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// TestExamples: every example loads without a warning, its suite passes on the
// real pipeline, and at least 95 % of its branches are taken.
func TestExamples(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			t.Run(entry.Name(), func(t *testing.T) { checkExample(t, entry.Name()) })
		}
	}
}

func checkExample(t *testing.T, dir string) {
	b, err := rules.Load(os.DirFS(dir), engine.Schema())
	fatalDiagnostics(t, err)
	suites, warnings, err := b.Suites()
	fatalDiagnostics(t, err)
	for _, d := range append(b.Warnings(), warnings...) {
		t.Errorf("\n%s", d.Format())
	}
	report, err := rulestest.Run(t.Context(), b, suites, engine.NewWhatIf(dir), rulestest.Options{RandomCases: 500, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Passed() {
		t.Errorf("\n%s", report.Text())
	}
	if report.Coverage.Percent() < 95 {
		t.Errorf("\n%s", report.Coverage.Text())
	}
}

func fatalDiagnostics(t *testing.T, err error) {
	t.Helper()
	if bad, ok := errors.AsType[*rules.DiagnosticsError](err); ok {
		t.Fatalf("\n%s", rules.FormatText(bad.Diagnostics))
	}
	if err != nil {
		t.Fatal(err)
	}
}
