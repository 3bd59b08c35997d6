package rules_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rebound-engine/rebound/rules"
)

// conforms checks the part of JSON Schema that ours uses and returns what is wrong.
func conforms(schema map[string]any, v any, at string) []string {
	if options, ok := schema["anyOf"].([]any); ok {
		var problems []string
		for _, option := range options {
			p := conforms(option.(map[string]any), v, at)
			if len(p) == 0 {
				return nil
			}
			problems = append(problems, p...)
		}
		return problems
	}
	if values, ok := schema["enum"].([]any); ok && !slices.ContainsFunc(values, func(x any) bool { return reflect.DeepEqual(x, v) }) {
		return []string{fmt.Sprintf("%s: %v is none of %v", at, v, values)}
	}
	if want, ok := schema["type"]; ok && !hasType(want, v) {
		return []string{fmt.Sprintf("%s: %T is not %v", at, v, want)}
	}
	var problems []string
	if s, ok := v.(string); ok && schema["pattern"] != nil && !regexp.MustCompile(schema["pattern"].(string)).MatchString(s) {
		problems = append(problems, fmt.Sprintf("%s: %q does not match", at, s))
	}
	if list, ok := v.([]any); ok && schema["items"] != nil {
		for i, x := range list {
			problems = append(problems, conforms(schema["items"].(map[string]any), x, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	if m, ok := v.(map[string]any); ok {
		problems = append(problems, conformsObject(schema, m, at)...)
	}
	return problems
}

func conformsObject(schema, m map[string]any, at string) []string {
	var problems []string
	required, _ := schema["required"].([]any)
	for _, key := range required {
		if _, ok := m[key.(string)]; !ok {
			problems = append(problems, at+" lacks "+key.(string))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for key, x := range m {
		if p, ok := properties[key]; ok {
			problems = append(problems, conforms(p.(map[string]any), x, at+"."+key)...)
			continue
		}
		switch extra := schema["additionalProperties"].(type) {
		case bool:
			if !extra {
				problems = append(problems, at+" has no key "+key)
			}
		case map[string]any:
			problems = append(problems, conforms(extra, x, at+"."+key)...)
		}
	}
	return problems
}

func hasType(want, v any) bool {
	names, ok := want.([]any)
	if !ok {
		names = []any{want}
	}
	kind := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Float64: "number", reflect.Slice: "array", reflect.Map: "object", reflect.Invalid: "null"}[reflect.ValueOf(v).Kind()]
	if x, isNumber := v.(float64); isNumber && x == float64(int(x)) && slices.Contains(names, any("integer")) {
		return true
	}
	return slices.Contains(names, any(kind))
}

// asJSON turns YAML into what JSON would have given.
func asJSON(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestJSONSchema: every example conforms, a misspelt key does not.
func TestJSONSchema(t *testing.T) {
	schemas := map[string]map[string]any{}
	for _, kind := range []string{"policy", "reference", "suite"} {
		data, err := rules.JSONSchema(kind)
		if err != nil {
			t.Fatal(err)
		}
		var s map[string]any
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		schemas[kind] = s
	}
	count := 0
	err := filepath.WalkDir(filepath.Join("..", "examples", "policies"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kind := "policy"
		if strings.Contains(path, "/tests/") {
			kind = "suite"
		} else if strings.Contains(path, "/reference/") {
			kind = "reference"
		}
		for _, problem := range conforms(schemas[kind], asJSON(t, data), path) {
			t.Error(problem)
		}
		count++
		return nil
	})
	if err != nil || count < 15 {
		t.Errorf("%d files, %v", count, err)
	}
	if problems := conforms(schemas["policy"], asJSON(t, []byte("apiVersion: rebound/v1\nkind: GoalPolicy\nmetadata: {name: a, scope: b, version: 1}\nspec: {bound: {}}\n")), "x"); len(problems) == 0 {
		t.Error("a misspelt key conforms")
	}
	if _, err := rules.JSONSchema("offer"); err == nil {
		t.Error("there is a schema nobody wrote")
	}
}
