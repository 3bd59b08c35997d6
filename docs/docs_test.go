package docs_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the outputs in the tutorial")

var fence = regexp.MustCompile("(?s)```(\\w+)(?: file=(\\S+))?\n(.*?)```\n")

// TestTutorial follows docs/tutorial.md in an empty folder: it writes its files,
// makes its edits, runs its commands and compares what they print.
func TestTutorial(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "rebound")
	build := exec.Command("go", "build", "-o", bin, "../cmd/rebound")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	page, err := os.ReadFile("tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	result := fence.ReplaceAllStringFunc(string(page), func(block string) string {
		m := fence.FindStringSubmatch(block)
		switch kind, file, body := m[1], filepath.Join(dir, filepath.FromSlash(m[2])), m[3]; kind {
		case "yaml":
			write(t, file, body)
		case "edit":
			edit(t, file, body)
		case "console":
			return "```console\n" + console(t, bin, dir, body) + "```\n"
		}
		return block
	})
	if *update {
		if err := os.WriteFile("tutorial.md", []byte(result), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if result != string(page) {
		t.Errorf("the tutorial prints something else now (go test ./docs -update):\n%s", result)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, path, body string) {
	t.Helper()
	before, after, ok := strings.Cut(strings.TrimSuffix(body, "\n"), "\n=>\n")
	data, err := os.ReadFile(path)
	if err != nil || !ok || strings.Count(string(data), before) != 1 {
		t.Fatalf("edit of %s: %q is there %d times, %v", path, before, strings.Count(string(data), before), err)
	}
	write(t, path, strings.Replace(string(data), before, after, 1))
}

// console runs the commands of a block and returns it with what they print. A
// line "…" after a command stands for output that differs each time.
func console(t *testing.T, bin, dir, body string) string {
	t.Helper()
	var out strings.Builder
	for _, part := range strings.Split("\n"+body, "\n$ ")[1:] {
		command, expected, _ := strings.Cut(part, "\n")
		args := shellWords(strings.TrimPrefix(command, "rebound "))
		cmd := exec.Command(bin, args...)
		cmd.Dir = dir
		var printed bytes.Buffer
		cmd.Stdout, cmd.Stderr = &printed, &printed
		err := cmd.Run()
		out.WriteString("$ " + command + "\n")
		if strings.TrimSpace(expected) == "…" {
			if err != nil {
				t.Errorf("%s: %v\n%s", command, err, printed.String())
			}
			out.WriteString("…\n")
			continue
		}
		out.WriteString(printed.String())
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			out.WriteString("exit " + strings.TrimPrefix(exit.Error(), "exit status ") + "\n")
		} else if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	return out.String()
}

// shellWords splits at blanks outside double quotes.
func shellWords(s string) []string {
	var words []string
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}
