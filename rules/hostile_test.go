package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
)

// refused loads a bundle whose only file is hostile and returns the best time.
func refused(t *testing.T, text string, enough time.Duration) time.Duration {
	t.Helper()
	best := time.Hour
	for range 20 {
		start := time.Now()
		_, err := rules.Load(fstest.MapFS{"company.yaml": {Data: []byte(text)}}, testschema.Schema())
		best = min(best, time.Since(start))
		var bad *rules.DiagnosticsError
		if !errors.As(err, &bad) {
			t.Fatalf("%v", err)
		}
		for _, d := range bad.Diagnostics[:min(3, len(bad.Diagnostics))] {
			_ = d.Format()
		}
		if best <= enough {
			break
		}
	}
	return best
}

// TestHostileYAML: aliases that expand, nesting and size are refused at once.
func TestHostileYAML(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [" + strings.Repeat("lol, ", 8) + "lol]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8)+fmt.Sprintf("*a%d", i-1))
	}
	for name, c := range map[string]struct {
		text   string
		enough time.Duration
	}{
		"a billion laughs":     {laughs.String(), time.Millisecond},
		"alias to itself":      {"a: &a [*a]\n", time.Millisecond},
		"merge keys":           {"a: &a {b: c}\nd:\n  <<: *a\n", time.Millisecond},
		"deep flow lists":      {strings.Repeat("[", 20_000), time.Second},
		"deep flow lines":      {strings.Repeat("[\n", 50_000), time.Second},
		"deep block lists":     {strings.Repeat("- ", 20_000), time.Second},
		"deep block keys":      {nestedKeys(2_000), time.Second},
		"complex keys":         {strings.Repeat("? ", 20_000), time.Second},
		"many anchors":         {strings.Repeat("- &a x\n", 50_000), 2 * time.Second},
		"many unknown keys":    {manyKeys(50_000), 2 * time.Second},
		"one endless line":     {"a: " + strings.Repeat("x", 1<<20), time.Second},
		"an open quote":        {"a: '" + strings.Repeat("x\n", 100_000), time.Second},
		"an endless comment":   {"#" + strings.Repeat("x\n#", 100_000), time.Second},
		"many documents":       {strings.Repeat("---\na\n", 50_000), time.Second},
		"an empty file":        {"", time.Second},
		"only a byte order":    {"\xef\xbb\xbf", time.Second},
		"nine megabytes":       {strings.Repeat("a: b\n", 9<<20/5), time.Second},
		"a hundred directives": {strings.Repeat("%YAML 1.2\n", 100), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			enough := rules.Slowdown * c.enough
			if took := refused(t, c.text, enough); took > enough {
				t.Errorf("took %s", took)
			}
		})
	}
}

func nestedKeys(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString("apiVersion: rebound/v1\nkind: GoalPolicy\n")
	for i := range n {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	return b.String()
}
