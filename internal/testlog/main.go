// Command testlog reads `go test -json` on standard input and prints what a
// person wants of it: the closing line of every package, the output of failed
// tests, and the tests that were skipped. It owns that report and refuses to
// know what is tested.
//
//	go test -json ./... | go run ./internal/testlog -shared ../shared
//
// Tests skip when their data are absent. Where the data folder exists a skip is a failure.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	shared := flag.String("shared", "", "data folder; where it exists a skipped test is a failure")
	flag.Parse()
	r := newReport(exists(*shared))
	if err := r.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(2)
	}
	if !r.summary(os.Stdout) {
		os.Exit(1)
	}
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return dir != "" && err == nil
}

// event is one line of test2json.
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
}

// report gathers what happened.
type report struct {
	strict           bool // a skip is a failure
	output           map[string]*strings.Builder
	failed, skipped  []string
	packages, passed int
}

func newReport(strict bool) *report {
	return &report{strict: strict, output: make(map[string]*strings.Builder)}
}

// read takes the whole stream. Lines that are no events, such as build errors, are printed as they are.
func (r *report) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line, out)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (r *report) line(line string, out io.Writer) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprint(out, line)
		return
	}
	switch {
	case e.Action == "output" || e.Action == "build-output":
		r.print(&e, out)
	case e.Test != "":
		r.test(&e, out)
	case e.Action == "pass" || e.Action == "fail":
		r.packages++
		if e.Action == "fail" {
			r.failed = append(r.failed, e.Package)
			fmt.Fprint(out, r.take(&e))
		}
	}
}

// print shows closing lines and build errors at once and keeps the rest for when it is needed.
func (r *report) print(e *event, out io.Writer) {
	closing := e.Test == "" && (strings.HasPrefix(e.Output, "ok ") || strings.HasPrefix(e.Output, "FAIL\t"))
	if closing || e.Action == "build-output" {
		fmt.Fprint(out, e.Output)
		return
	}
	key := e.Package + " " + e.Test
	if r.output[key] == nil {
		r.output[key] = new(strings.Builder)
	}
	r.output[key].WriteString(e.Output)
}

func (r *report) test(e *event, out io.Writer) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, name+": "+because(r.take(e)))
	case "fail":
		r.failed = append(r.failed, name)
		fmt.Fprint(out, r.take(e))
	default:
		return
	}
	delete(r.output, name)
}

// take returns what a test or package has written so far.
func (r *report) take(e *event) string {
	key := e.Package + " " + e.Test
	b := r.output[key]
	if b == nil {
		return ""
	}
	delete(r.output, key)
	return b.String()
}

// because finds the reason in the output of a skipped test.
func because(output string) string {
	for line := range strings.Lines(output) {
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			return text
		}
	}
	return "it does not say why"
}

// summary prints the end of the report and tells whether all is well.
func (r *report) summary(out io.Writer) bool {
	for _, s := range r.skipped {
		fmt.Fprintln(out, "SKIP", s)
	}
	for _, f := range r.failed {
		fmt.Fprintln(out, "FAIL", f)
	}
	fmt.Fprintf(out, "packages: %d\ntests: %d passed, %d failed, %d skipped\n", r.packages, r.passed, len(r.failed), len(r.skipped))
	if r.strict && len(r.skipped) > 0 {
		fmt.Fprintln(out, "FAIL: the data folder is there, so nothing may skip")
		return false
	}
	return len(r.failed) == 0
}
