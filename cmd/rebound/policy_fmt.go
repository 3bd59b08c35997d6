package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/rules"
)

func (a *app) policyFmtCmd() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt DIR|FILE...",
		Short: "Bring policy files into the one layout, keeping comments and values",
		Long: `Fmt rewrites YAML files in place and prints the names of those it changed. A file
that is not YAML is reported and left alone, and the exit code is 3.`,
		Example: `  rebound policy fmt policies
  rebound policy fmt --check policies`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, paths []string) error { return a.formatAll(paths, check) },
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; exit 1 if a file is not in the layout")
	return cmd
}

func (a *app) formatAll(paths []string, check bool) error {
	files, err := policyFiles(paths)
	if err != nil {
		return err
	}
	var found []rules.Diagnostic
	changed := 0
	for _, name := range files {
		differs, err := formatFile(name, check)
		var bad *rules.DiagnosticsError
		switch {
		case errors.As(err, &bad):
			found = append(found, bad.Diagnostics...)
		case err != nil:
			return err
		case differs:
			changed++
			fmt.Fprintln(a.out, name)
		}
	}
	switch {
	case len(found) > 0:
		fmt.Fprint(a.errOut, rules.FormatText(found))
		return &exitError{exitCompile, errors.New("some files are not YAML")}
	case check && changed > 0:
		return fmt.Errorf("%d files are not in the layout; run rebound policy fmt on them", changed)
	}
	return nil
}

// formatFile tells whether a file is not in the layout, and unless it only checks, rewrites it.
func formatFile(name string, check bool) (differs bool, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	out, err := rules.Format(name, data)
	if err != nil || bytes.Equal(data, out) || check {
		return err == nil && !bytes.Equal(data, out), err
	}
	info, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	return true, replaceFile(name, out, info.Mode().Perm())
}

// policyFiles lists the files named and the YAML files of the bundles named, sorted.
func policyFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, usageErrorf("%w", err)
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		d, err := readBundle(p)
		if err != nil {
			return nil, err
		}
		for name := range d.files {
			if ext := path.Ext(name); (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(name, "models/") {
				out = append(out, filepath.Join(p, filepath.FromSlash(name)))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (a *app) policySchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:       "schema policy|reference|suite",
		Short:     "Print the JSON Schema of policy files, reference files or test suites, for editors",
		Example:   "  rebound policy schema policy > .vscode/rebound-policy.json",
		ValidArgs: []string{"policy", "reference", "suite"},
		Args:      args(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		RunE: func(_ *cobra.Command, given []string) error {
			data, err := rules.JSONSchema(given[0])
			if err != nil {
				return err
			}
			_, err = a.out.Write(data)
			return err
		},
	}
}
