package engine_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// shared opens a folder of the shared data beside the repository, or skips.
func shared(t testing.TB, path string) fs.FS {
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
	full := filepath.Join(dir, "..", "shared", path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("no shared data: %v", err)
	}
	return os.DirFS(full)
}

func sharedBundle(t testing.TB) *rules.Bundle {
	t.Helper()
	b, err := rules.Load(shared(t, "examples/policies"), engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The suite of the example bundle passes on the real pipeline.
func TestSharedSuite(t *testing.T) {
	b := sharedBundle(t)
	suites, _, err := b.Suites()
	if err != nil {
		t.Fatal(err)
	}
	report, err := rulestest.Run(context.Background(), b, suites, engine.NewWhatIf("test"), rulestest.Options{RandomCases: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total() < 9 {
		t.Errorf("%d cases, want at least 9", report.Total())
	}
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			for _, f := range c.Failures {
				t.Errorf("%s/%s: %s: %s %q", s.Name, c.Name, f.At, f.Message, f.Detail)
			}
		}
	}
}
