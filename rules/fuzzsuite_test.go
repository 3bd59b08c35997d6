package rules_test

import (
	"errors"
	"testing"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
)

// FuzzSuites: no suite or reference file crashes the loader, and what loads can be
// printed and compared.
func FuzzSuites(f *testing.F) {
	f.Add("name: a\nfixtures: {models: {m: {purchase: {without: 1}, visit: {without: 0}}}}\ntests: [{name: b, input: {model: m, basket: 1, margin_rate: 0}, expect: {}}]\n", "stores: {a: {b: 1}}\n")
	f.Add("tests: [{name: x, table: [{expect: {}}]}]", "facts: {a: {type: money}}\ncategories: {c: {margin_rate: 2}}\n")
	fsys := base(f)
	f.Fuzz(func(t *testing.T, suite, reference string) {
		files := map[string][]byte{"tests/a_test.yaml": []byte(suite), "reference/b.yaml": []byte(reference)}
		for name, file := range fsys {
			files[name] = file.Data
		}
		b, err := rules.LoadFiles(files, rules.Schema{Variables: schemaVariables})
		if bad, ok := errors.AsType[*rules.DiagnosticsError](err); ok {
			_ = rules.FormatText(bad.Diagnostics)
			return
		}
		if _, _, err := b.Suites(); err != nil {
			_ = err.Error()
		}
		lines, _ := b.Effective("us.ne.0412")
		_ = rules.FormatEffective(lines)
		if changes := rules.Diff(b, b); len(changes) != 0 {
			t.Errorf("a bundle differs from itself: %v", changes)
		}
	})
}

var schemaVariables = testschema.Schema().Variables
