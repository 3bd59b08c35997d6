package rules_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/rules"
)

func TestFormat(t *testing.T) {
	messy := "# head\r\nspec:\n      # about offers\n      offers:\n      - id: a   \n        when: |\n            x > 1\n              and y < 2\n\n\n\n        text: one\n          two\n      - id: b     # a comment\n      bounds: {max_liability: 40.00,\n        max_percent_off: 0.3}\n\n\n"
	want := "# head\nspec:\n  # about offers\n  offers:\n    - id: a\n      when: |\n          x > 1\n            and y < 2\n\n      text: one\n        two\n    - id: b     # a comment\n  bounds: {max_liability: 40.00,\n    max_percent_off: 0.3}\n"
	got, err := rules.Format("x.yaml", []byte(messy))
	if err != nil {
		t.Fatal(err)
	}
	squeezed := strings.ReplaceAll(string(got), "\n\n\n\n", "\n\n")
	if squeezed != want {
		t.Errorf("got:\n%s\nwant:\n%s", squeezed, want)
	}
	again, err := rules.Format("x.yaml", got)
	if err != nil || string(again) != string(got) {
		t.Errorf("formatting twice changes it: %v\n%s", err, again)
	}
	var bad *rules.DiagnosticsError
	if _, err := rules.Format("x.yaml", []byte("a: [")); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}

// TestExamplesAreFormatted: the examples are in the one layout.
func TestExamplesAreFormatted(t *testing.T) {
	count := 0
	err := filepath.WalkDir(filepath.Join("..", "examples", "policies"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		count++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := rules.Format(path, data)
		if err != nil {
			return err
		}
		if string(got) != string(data) {
			t.Errorf("%s is not formatted:\n%s", path, got)
		}
		return nil
	})
	if err != nil || count < 15 {
		t.Errorf("%d files, %v", count, err)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("a:\n - b: |\n    x\n # c\n - d\n")
	f.Add("a: {b: c,\n d: e}\n#x\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := rules.Format("x.yaml", []byte(text))
		if err != nil {
			return
		}
		again, err := rules.Format("x.yaml", got)
		if err != nil || string(again) != string(got) {
			t.Errorf("%q -> %q -> %q (%v)", text, got, again, err)
		}
	})
}
