package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/rules"
)

func (a *app) policyCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR...",
		Short: "Compile bundles and report every problem",
		Long: `Check compiles bundles with their test suites and models. It says nothing and
exits 0 when they are good, and prints all their problems and exits 3 when one is
not. Warnings are printed; they do not change the exit code.`,
		Example: `  rebound policy check examples/policies/*
  rebound policy check -o sarif policies > policies.sarif`,
		Args:        args(cobra.MinimumNArgs(1)),
		Annotations: map[string]string{formatsKey: "table json sarif github"},
		RunE: func(cmd *cobra.Command, dirs []string) error {
			var found []rules.Diagnostic
			for _, dir := range bundleDirs(dirs) {
				d, err := readBundle(dir)
				if err != nil {
					return err
				}
				_, list, err := live.Check(cmd.Context(), d.files)
				if err != nil {
					return fmt.Errorf("check %s: %w", dir, err)
				}
				found = append(found, d.located(list)...)
			}
			if err := a.printDiagnostics(found); err != nil {
				return err
			}
			if slices.ContainsFunc(found, func(d rules.Diagnostic) bool { return d.Severity == rules.SeverityError }) {
				return &exitError{exitCompile, errors.New("policies do not compile")}
			}
			return nil
		},
	}
}

// printDiagnostics writes problems in the chosen format.
func (a *app) printDiagnostics(found []rules.Diagnostic) (err error) {
	var out []byte
	switch a.format {
	case "json":
		out, err = rules.FormatJSON(found)
	case "sarif":
		out, err = rules.FormatSARIF(found, "")
	case "github":
		out = []byte(rules.FormatGitHub(found, ""))
	default:
		out = []byte(rules.FormatText(found))
	}
	if err != nil {
		return err
	}
	_, err = a.out.Write(out)
	return err
}
