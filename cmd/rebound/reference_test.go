package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite generated files")

// docs/reference/cli.md is generated from the commands: go test ./cmd/rebound -run Reference -update.
func TestReferenceIsFresh(t *testing.T) {
	const file = "../../docs/reference/cli.md"
	t.Setenv("REBOUND_ADDR", "")
	t.Setenv("REBOUND_STORE", "")
	a := &app{}
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the commands; `rebound COMMAND --help` says the same.\n")
	writeReference(&b, a.root())
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is stale: go test ./cmd/rebound -run Reference -update", file)
	}
}

func writeReference(b *strings.Builder, c *cobra.Command) {
	if c.Runnable() || c.HasParent() {
		fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(b, "%s\n", text)
		if c.Runnable() {
			fmt.Fprintf(b, "\n```\n%s\n```\n", c.UseLine())
		}
		writeFlags(b, c.LocalNonPersistentFlags())
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			writeReference(b, sub)
		}
	}
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	head := "\n| flag | meaning | default |\n|---|---|---|\n"
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, "%s| `%s` | %s | %s |\n", head, name, strings.ReplaceAll(f.Usage, "|", "\\|"), f.DefValue)
		head = ""
	})
}
