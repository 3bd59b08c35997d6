package rules_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// archive splits a text of "-- name --" sections, in order.
func archive(t testing.TB, path string) (names []string, files map[string]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	name := ""
	for line := range strings.Lines(string(data)) {
		trimmed := strings.TrimSpace(line)
		if inner, ok := strings.CutPrefix(trimmed, "-- "); ok && strings.HasSuffix(inner, " --") {
			name = strings.TrimSuffix(inner, " --")
			names = append(names, name)
			files[name] = ""
			continue
		}
		files[name] += line
	}
	return names, files
}

// base returns the valid bundle that the tests break.
func base(t testing.TB) fstest.MapFS {
	t.Helper()
	_, files := archive(t, "testdata/base.txt")
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// edit replaces a text in a file, which must be there once.
func edit(t testing.TB, fsys fstest.MapFS, name, before, after string) {
	t.Helper()
	data := fsys[name].Data
	if bytes.Count(data, []byte(before)) != 1 {
		t.Fatalf("%s holds %d times %q", name, bytes.Count(data, []byte(before)), before)
	}
	fsys[name] = &fstest.MapFile{Data: bytes.Replace(data, []byte(before), []byte(after), 1)}
}

// diagnose loads a bundle and its suites and returns everything found.
func diagnose(t testing.TB, fsys fstest.MapFS) []rules.Diagnostic {
	t.Helper()
	b, err := rules.Load(fsys, testschema.Schema())
	var bad *rules.DiagnosticsError
	if errors.As(err, &bad) {
		return bad.Diagnostics
	}
	if err != nil {
		t.Fatal(err)
	}
	_, warnings, err := b.Suites()
	if errors.As(err, &bad) {
		return bad.Diagnostics
	}
	return append(b.Warnings(), warnings...)
}

func TestBaseIsClean(t *testing.T) {
	for _, d := range diagnose(t, base(t)) {
		t.Errorf("\n%s", d.Format())
	}
}

// TestDiagnosticGoldens: a file per code, with edits ("edit path", the text before
// and after a line "=>"), whole files, or many empty ones, and the diagnostics wanted.
func TestDiagnosticGoldens(t *testing.T) {
	for _, c := range rules.Codes() {
		if c.Code == "RB6001" { // needs models: cmd/rebound
			continue
		}
		t.Run(c.Code, func(t *testing.T) {
			path := filepath.Join("testdata/diagnostics", c.Code+".txt")
			names, sections := archive(t, path)
			fsys := base(t)
			for _, name := range names {
				text := sections[name]
				switch file, isEdit := strings.CutPrefix(name, "edit "); {
				case name == "want":
				case strings.HasPrefix(name, "many "):
					addMany(t, fsys, name)
				case name == "remove":
					delete(fsys, strings.TrimSpace(text))
				case isEdit:
					before, after, _ := strings.Cut(text, "\n=>\n")
					edit(t, fsys, strings.TrimRight(file, "0123456789 "), before, strings.TrimSuffix(after, "\n"))
				default:
					fsys[name] = &fstest.MapFile{Data: []byte(unescape(text))}
				}
			}
			var got strings.Builder
			found := false
			for _, d := range diagnose(t, fsys) {
				got.WriteString(d.Format())
				found = found || d.Code == c.Code && d.Severity == c.Severity
			}
			if !found {
				t.Errorf("no diagnostic %s of severity %s:\n%s", c.Code, c.Severity, got.String())
			}
			checkGolden(t, path, sections["want"], got.String())
		})
	}
}

// addMany adds empty files by a section name such as "many 3 data/%d.txt".
func addMany(t *testing.T, fsys fstest.MapFS, name string) {
	t.Helper()
	var n int
	var pattern string
	if _, err := fmt.Sscanf(name, "many %d %s", &n, &pattern); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		fsys[fmt.Sprintf(pattern, i)] = &fstest.MapFile{}
	}
}

// unescape lets golden files hold bytes and characters that editors mangle.
func unescape(s string) string {
	s = strings.NewReplacer(`\xff`, "\xff", `\u2028`, "\u2028", `\t`, "\t").Replace(s)
	if before, after, ok := strings.Cut(s, `\repeat[`); ok {
		return before + strings.Repeat("[", 40) + strings.Repeat("]", 40) + after
	}
	return s
}

func checkGolden(t *testing.T, path, want, got string) {
	t.Helper()
	if *update {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(data), "-- want --\n")
		if err := os.WriteFile(path, []byte(head+"-- want --\n"+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != got {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
