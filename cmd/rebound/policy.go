package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/client"
	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/rules"
)

func (a *app) policyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, test, explain and activate policies",
		Long: `A bundle is a directory of policies: company.yaml, regions/, stores/, reference/,
tests/ and model files. These verbs work on directories; effective, explain,
activate, rollback and status also talk to a server.`,
	}
	cmd.AddCommand(
		a.policyCheckCmd(), a.policyTestCmd(), a.policyExplainCmd(), a.policyEffectiveCmd(), a.policyDiffCmd(),
		a.policyFmtCmd(), a.policySchemaCmd(),
		a.policyActivateCmd(), a.policyRollbackCmd(), a.policyStatusCmd(),
		a.policyKeygenCmd(), a.policySignCmd(), a.policyVerifyCmd(),
	)
	return cmd
}

// directory is a bundle as read from disk.
type directory struct {
	path      string
	files     map[string][]byte
	signature string
}

// readBundle reads a bundle directory; what is none is the caller's mistake.
func readBundle(dir string) (*directory, error) {
	d := &directory{path: dir}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, usageErrorf("%w; give a bundle directory", err)
	case !info.IsDir():
		return nil, usageErrorf("%s is a file; give the bundle directory that holds company.yaml", dir)
	}
	if d.files, d.signature, err = live.ReadDirectory(dir); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return d, nil
}

// bundleDirs drops what a pattern such as examples/* picks up beside bundles:
// of several arguments, files that are not YAML.
func bundleDirs(given []string) []string {
	if len(given) == 1 {
		return given
	}
	return slices.DeleteFunc(slices.Clone(given), func(name string) bool {
		info, err := os.Stat(name)
		ext := filepath.Ext(name)
		return err == nil && !info.IsDir() && ext != ".yaml" && ext != ".yml"
	})
}

// compile loads the policies; the diagnostics of bad ones go to standard error.
func (a *app) compile(d *directory) (*rules.Bundle, error) {
	b, err := rules.LoadFiles(d.files, engine.Schema())
	if err != nil {
		return nil, a.notCompiled(d, err)
	}
	return b, nil
}

// suites loads the tests of a bundle.
func (a *app) suites(d *directory, b *rules.Bundle) ([]rules.Suite, error) {
	suites, _, err := b.Suites()
	if err != nil {
		return nil, a.notCompiled(d, err)
	}
	return suites, nil
}

// notCompiled prints the diagnostics of err, if it has any, and asks for the exit code.
func (a *app) notCompiled(d *directory, err error) error {
	var found *rules.DiagnosticsError
	if !errors.As(err, &found) {
		return &exitError{exitCompile, fmt.Errorf("%s: %w", d.path, err)}
	}
	fmt.Fprint(a.errOut, rules.FormatText(d.located(found.Diagnostics)))
	return &exitError{exitCompile, fmt.Errorf("%s does not compile", d.path)}
}

// located puts the directory before the files of diagnostics.
func (d *directory) located(found []rules.Diagnostic) []rules.Diagnostic {
	out := slices.Clone(found)
	for i := range out {
		out[i].File = d.file(out[i].File)
		out[i].Related = slices.Clone(out[i].Related)
		for k := range out[i].Related {
			out[i].Related[k].File = d.file(out[i].Related[k].File)
		}
	}
	return out
}

func (d *directory) file(name string) string {
	return filepath.ToSlash(filepath.Join(d.path, filepath.FromSlash(name)))
}

// withServer runs fn on a connection to the server, or the folder, of the flags.
func (a *app) withServer(ctx context.Context, fn func(*session) error) (err error) {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return refusedCode(fn(s))
}

// refusedCode gives a bundle the server refused the exit code of one that does not compile.
func refusedCode(err error) error {
	if errors.Is(err, client.ErrBundleRefused) {
		return &exitError{exitCompile, err}
	}
	return err
}
