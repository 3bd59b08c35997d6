package rulestest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// load loads a bundle with its suites or fails with the diagnostics in full.
func load(t testing.TB, fsys fs.FS) (*rules.Bundle, []rules.Suite, []rules.Diagnostic) {
	t.Helper()
	b, err := rules.Load(fsys, testschema.Schema())
	show(t, err)
	suites, warnings, err := b.Suites()
	show(t, err)
	return b, suites, warnings
}

func show(t testing.TB, err error) {
	t.Helper()
	if bad, ok := errors.AsType[*rules.DiagnosticsError](err); ok {
		for _, d := range bad.Diagnostics {
			t.Log("\n" + d.Format())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sharedPolicies is the example bundle beside the repository.
func sharedPolicies(t testing.TB) fs.FS {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, "..", "shared", "examples", "policies")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no ../shared/examples/policies")
	}
	return os.DirFS(path)
}

func TestSharedSuite(t *testing.T) {
	b, suites, warnings := load(t, sharedPolicies(t))
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	report, err := rulestest.Run(t.Context(), b, suites, simpleDecider{}, rulestest.Options{RandomCases: 300, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Passed() || report.Total() != 10 {
		t.Errorf("%d of %d failed\n%s", report.Failed(), report.Total(), report.Text())
	}
	if report.Coverage.Total != 42 || report.Coverage.Taken != 35 {
		t.Errorf("coverage\n%s", report.Coverage.Text())
	}
	junit, err := report.JUnit()
	if err != nil || !strings.Contains(string(junit), `<testcase name="abuse risk leaves none"`) {
		t.Errorf("junit %v\n%s", err, junit)
	}
}
