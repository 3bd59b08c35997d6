package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestUsageErrors: what a verb does not understand exits with 2 and does nothing.
func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"dcide"}, {"--colour"}, {"journal", "qery"}, {"policy", "chek"}, {"profile", "gt", "a:b"}, {"model", "open"}, {"store", "chek"},
		{"ingest"}, {"ingest", "a.csv"}, {"ingest", "a.csv", "b.csv", "--mapping", "m"}, {"version", "now"}, {"budget", "-o", "xml"}, {"demo", "--customers", "many"},
		{"train", "--currency", "USD"}, {"profile", "get", "anna"}, {"profile", "get", "shop:"},
		{"replay", "t.csv", "--mapping", "m", "--policies", "p", "--from", "noon", "--until", "2026-01-01"}, {"model", "check", "m"},
		{"train", "--store", "s", "--currency", "USD", "--out", "m", "--horizon", "soon"}, {"train", "--store", "s", "--currency", "USD", "--out", "m", "--timezone", "Mars"},
		{"sim", "--customers", "-1"}, {"budget", "--addr", "a", "--store", "b"},
	} {
		out, errOut, code := cli(t, args...)
		if code != exitUsage || !strings.HasPrefix(errOut, "rebound: ") || out != "" {
			t.Errorf("%q: exit %d\n%s%s", args, code, out, errOut)
		}
	}
	for _, args := range [][]string{{}, {"--help"}, {"journal"}, {"policy"}, {"ingest", "--help"}} {
		if out, errOut, code := cli(t, args...); code != exitOK || !strings.Contains(out, "Usage:") || errOut != "" {
			t.Errorf("%q: exit %d\n%s%s", args, code, out, errOut)
		}
	}
}

// TestEveryVerbIsDescribed: help is all a user has at a terminal.
func TestEveryVerbIsDescribed(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || c.RunE == nil && c.Run == nil && !c.HasSubCommands() {
			t.Errorf("%s: %q", c.CommandPath(), c.Short)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	a := &app{}
	walk(a.root())
}

func TestVersion(t *testing.T) {
	if out := must(t, "version"); !strings.HasPrefix(out, "rebound  ") || !strings.Contains(out, "go1.") {
		t.Errorf("%q", out)
	}
	if got := decoded[buildInfo](t, "version"); got.Version == "" || !strings.HasPrefix(got.Go, "go1.") {
		t.Errorf("%+v", got)
	}
}

func TestCompletion(t *testing.T) {
	for shell, want := range map[string]string{"bash": "__start_rebound", "zsh": "#compdef rebound", "fish": "complete -c rebound", "powershell": "Register-ArgumentCompleter"} {
		if out := must(t, "completion", shell); !strings.Contains(out, want) {
			t.Errorf("%s: %.200s", shell, out)
		}
	}
	if out := must(t, "__complete", "journal", ""); !strings.Contains(out, "query\t") || !strings.Contains(out, "tail\t") {
		t.Errorf("journal completes to\n%s", out)
	}
}

func TestModelShowAndCheck(t *testing.T) {
	models := func(name string) string { return sample(t, "testdata", "models", name) }
	for _, c := range []struct{ model, expect, format string }{
		{"lgb_binary_nan.txt", "lgb_binary_nan.csv", "lightgbm"},
		{"xgb_binary.ubj", "xgb_binary.csv", "xgboost"},
		{"cat_ctr.json", "cat_ctr.csv", "catboost"},
		{"onnx_sk_rf.onnx", "onnx_sk_rf.csv", "onnx"},
	} {
		if out := must(t, "model", "show", models(c.model)); !strings.Contains(strings.ToLower(out), c.format) || !strings.Contains(out, "feature") {
			t.Errorf("show %s:\n%s", c.model, out)
		}
		if out := must(t, "model", "show", models(c.model), "-o", "json"); !json.Valid([]byte(out)) {
			t.Errorf("show %s:\n%s", c.model, out)
		}
		if out := must(t, "model", "check", models(c.model), "--expect", models(c.expect)); !strings.Contains(out, "columns equal") || strings.Contains(out, "DIFFERS") {
			t.Errorf("check %s:\n%s", c.model, out)
		}
	}
	model, expect := models("lgb_binary_nan.txt"), models("lgb_binary_nan.csv")
	rows := strings.SplitAfter(fileText(t, expect), "\n")
	cells := strings.Split(rows[1], ",")
	cells[slices.Index(strings.Split(strings.TrimSpace(rows[0]), ","), "pred")] = "0.123456789"
	rows[1] = strings.Join(cells, ",")
	wrong := writeFile(t, "wrong.csv", strings.Join(rows, ""))
	out, errOut, code := cli(t, "model", "check", model, "--expect", wrong)
	if code != exitTests || !strings.Contains(out, "DIFFERS") || !strings.Contains(errOut, "differs from "+wrong) {
		t.Errorf("a wrong prediction: exit %d\n%s%s", code, out, errOut)
	}
	for _, bad := range []string{writeFile(t, "empty", ""), models("cat_ctr.cbm"), expect, "absent.txt"} {
		refused(t, exitFailed, []string{filepath.Base(bad)}, "model", "show", bad)
	}
}

// TestSim: the same seed gives the same events, and they are what the API takes.
func TestSim(t *testing.T) {
	args := []string{"sim", "--customers", "200", "--days", "60", "--stores", "2"}
	first := must(t, args...)
	if second := must(t, args...); first != second {
		t.Error("two runs differ")
	}
	if other := must(t, append(args, "--seed", "99")...); first == other {
		t.Error("another seed gives the same events")
	}
	for _, line := range lines(first) {
		var m struct {
			EventID   string `json:"event_id"`
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.EventID+m.RequestID == "" {
			t.Fatalf("%v: %s", err, line)
		}
	}
}
