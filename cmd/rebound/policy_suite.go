package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// suiteRun is what `policy test` is told.
type suiteRun struct {
	app      *app
	coverage bool
	min      float64
	filter   string
	junit    string
	random   int
	seed     uint64
	workers  int
	update   bool
}

func (a *app) policyTestCmd() *cobra.Command {
	r := &suiteRun{app: a}
	cmd := &cobra.Command{
		Use:   "test DIR...",
		Short: "Run the test suites of bundles",
		Long: `Test runs tests/*_test.yaml of each bundle. A case that fails prints the values of
every part of the expressions concerned, and the exit code is 4; policies that do
not compile exit 3.`,
		Example: `  rebound policy test policies
  rebound policy test --coverage --min 95 examples/policies/*`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, dirs []string) error { return r.run(cmd.Context(), bundleDirs(dirs)) },
	}
	f := cmd.Flags()
	f.BoolVar(&r.coverage, "coverage", false, "show which branches of which expressions the cases took")
	f.Float64Var(&r.min, "min", 0, "fail below this branch coverage of any bundle, in percent")
	f.StringVar(&r.filter, "filter", "", "run only cases whose suite/case matches this regular expression")
	f.StringVar(&r.junit, "junit", "", "write the results to this file, as JUnit XML")
	f.IntVar(&r.random, "random", 200, "random inputs per suite to check its invariants on")
	f.Uint64Var(&r.seed, "seed", 1, "of the random inputs")
	f.BoolVarP(&r.update, "update", "u", false, "rewrite what failing cases expect to what was decided; read the difference before you commit it")
	f.IntVar(&r.workers, "workers", 0, "cases at once (default: one per processor)")
	return cmd
}

func (r *suiteRun) options() (rulestest.Options, error) {
	o := rulestest.Options{Workers: r.workers, RandomCases: r.random, Seed: r.seed}
	if r.min < 0 || r.min > 100 {
		return o, usageErrorf("--min %g: give percent, 0 to 100", r.min)
	}
	if r.random < 0 || r.workers < 0 {
		return o, usageErrorf("--random and --workers: give 0 or more")
	}
	if r.filter == "" {
		return o, nil
	}
	var err error
	if o.Filter, err = regexp.Compile(r.filter); err != nil {
		return o, usageErrorf("--filter: %w", err)
	}
	return o, nil
}

func (r *suiteRun) run(ctx context.Context, dirs []string) error {
	opts, err := r.options()
	if err != nil {
		return err
	}
	var reports []*rulestest.Report
	for _, dir := range dirs {
		report, err := r.runBundle(ctx, dir, opts)
		if err != nil {
			return err
		}
		reports = append(reports, report)
	}
	if r.junit != "" {
		if err := r.writeJUnit(reports); err != nil {
			return err
		}
	}
	if err := r.print(dirs, reports); err != nil {
		return err
	}
	return r.verdict(dirs, reports)
}

func (r *suiteRun) runBundle(ctx context.Context, dir string, opts rulestest.Options) (*rulestest.Report, error) {
	d, err := readBundle(dir)
	if err != nil {
		return nil, err
	}
	report, err := r.runFiles(ctx, d, opts)
	if err == nil && r.update && !report.Passed() {
		if err = updateSuites(d, report); err == nil {
			report, err = r.runFiles(ctx, d, opts)
		}
	}
	if err != nil {
		return nil, err
	}
	relocate(report, d)
	return report, nil
}

func (r *suiteRun) runFiles(ctx context.Context, d *directory, opts rulestest.Options) (*rulestest.Report, error) {
	b, err := r.app.compile(d)
	if err != nil {
		return nil, err
	}
	suites, err := r.app.suites(d, b)
	if err != nil {
		return nil, err
	}
	return rulestest.Run(ctx, b, suites, engine.NewWhatIf("policy test"), opts)
}

// updateSuites writes what was decided into the suites, on disk and in d.
func updateSuites(d *directory, report *rulestest.Report) error {
	changed, _ := report.Update(d.files)
	d.files = maps.Clone(d.files)
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		d.files[name] = changed[name]
		path := filepath.Join(d.path, filepath.FromSlash(name))
		if err := replaceFile(path, changed[name], 0o644); err != nil {
			return fmt.Errorf("update suite: %w", err)
		}
	}
	return nil
}

// relocate puts the directory before the files of a report.
func relocate(r *rulestest.Report, d *directory) {
	for i := range r.Suites {
		s := &r.Suites[i]
		s.Path = d.file(s.Path)
		for k := range s.Cases {
			c := &s.Cases[k]
			c.At.File = d.file(c.At.File)
			for n := range c.Failures {
				c.Failures[n].At.File = d.file(c.Failures[n].At.File)
			}
		}
	}
	for i := range r.Coverage.Rules {
		r.Coverage.Rules[i].At.File = d.file(r.Coverage.Rules[i].At.File)
	}
}

// writeJUnit writes the suites of all bundles as one file.
func (r *suiteRun) writeJUnit(reports []*rulestest.Report) error {
	all := &rulestest.Report{Bundle: "policies"}
	if len(reports) == 1 {
		all.Bundle = reports[0].Bundle
	}
	for _, x := range reports {
		all.Suites = append(all.Suites, x.Suites...)
	}
	data, err := all.JUnit()
	if err != nil {
		return err
	}
	return os.WriteFile(r.junit, data, 0o644)
}

func (r *suiteRun) print(dirs []string, reports []*rulestest.Report) error {
	data := make([]suiteResults, len(reports))
	for i, x := range reports {
		data[i] = newSuiteResults(dirs[i], x)
	}
	return r.app.print(data, func(w io.Writer) {
		for _, x := range reports {
			io.WriteString(w, x.Text()) //nolint:errcheck // tabwriter keeps the first error for Flush
			if r.coverage || r.min > 0 {
				io.WriteString(w, x.Coverage.Text()) //nolint:errcheck // tabwriter keeps the first error for Flush
			}
		}
	})
}

// verdict is the error of what did not pass.
func (r *suiteRun) verdict(dirs []string, reports []*rulestest.Report) error {
	var errs []error
	for i, x := range reports {
		switch {
		case x.Total() == 0 && r.filter != "":
			errs = append(errs, fmt.Errorf("%s: no case matches --filter %s", dirs[i], r.filter))
		case x.Total() == 0:
			errs = append(errs, fmt.Errorf("%s: there are no tests; write tests/company_test.yaml", dirs[i]))
		case !x.Passed():
			errs = append(errs, fmt.Errorf("%s: %d of %d cases failed", dirs[i], x.Failed(), x.Total()))
		}
		if covered := x.Coverage.Percent(); covered < r.min {
			errs = append(errs, fmt.Errorf("%s: coverage of %.1f %% is below %g %%", dirs[i], covered, r.min))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &exitError{exitTests, errors.Join(errs...)}
}

// suiteResults is a report as data.
type suiteResults struct {
	Directory string        `json:"directory"`
	Bundle    string        `json:"bundle"`
	Total     int           `json:"total"`
	Failed    int           `json:"failed"`
	Covered   float64       `json:"coverage_percent"`
	Cases     []caseResult  `json:"cases"`
	Rules     []ruleCovered `json:"rules"`
}

type caseResult struct {
	Suite    string        `json:"suite"`
	Case     string        `json:"case"`
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Failures []caseFailure `json:"failures,omitempty"`
}

type caseFailure struct {
	File    string   `json:"file"`
	Line    int      `json:"line"`
	Message string   `json:"message"`
	Detail  []string `json:"detail,omitempty"`
}

type ruleCovered struct {
	Rule   string   `json:"rule"`
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Taken  int      `json:"taken"`
	Total  int      `json:"total"`
	Missed []string `json:"missed,omitempty"`
}

func newSuiteResults(dir string, r *rulestest.Report) suiteResults {
	out := suiteResults{Directory: dir, Bundle: r.Bundle, Total: r.Total(), Failed: r.Failed(), Covered: r.Coverage.Percent()}
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			x := caseResult{Suite: s.Name, Case: c.Name, File: c.At.File, Line: c.At.Line}
			for _, f := range c.Failures {
				x.Failures = append(x.Failures, caseFailure{f.At.File, f.At.Line, f.Message, f.Detail})
			}
			out.Cases = append(out.Cases, x)
		}
	}
	for _, x := range r.Coverage.Rules {
		rule := ruleCovered{Rule: x.Name, File: x.At.File, Line: x.At.Line, Taken: x.Taken, Total: x.Total}
		for _, m := range x.Missed {
			rule.Missed = append(rule.Missed, fmt.Sprintf("never %s: %s", m.Want, m.Text))
		}
		out.Rules = append(out.Rules, rule)
	}
	return out
}
