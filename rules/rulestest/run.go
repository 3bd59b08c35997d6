package rulestest

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rebound-engine/rebound/rules"
)

// Options of a run.
type Options struct {
	Filter  *regexp.Regexp // of "suite/case"; nil: all
	Workers int            // 0: one per processor
	// RandomCases is the number of random inputs per suite that its invariants
	// are checked on, besides its own cases.
	RandomCases int
	Seed        uint64
}

// Report is the result of a run, in the order of the files.
type Report struct {
	Bundle   string // name of the bundle
	Suites   []SuiteResult
	Coverage CoverageReport
	Warnings []rules.Diagnostic
}

// SuiteResult is the result of one file.
type SuiteResult struct {
	Path, Name string
	Cases      []CaseResult
}

// CaseResult is the result of one case.
type CaseResult struct {
	Name     string
	At       rules.Position
	Failures []Failure // empty: passed
	Took     time.Duration
}

// Failure is one expectation that was not met.
type Failure struct {
	At      rules.Position
	Message string
	Detail  []string // the values of every part of the expressions concerned
	Got     string   // what the suite would have to say, as YAML; "" when it cannot say it
}

// Passed tells whether every case passed.
func (r *Report) Passed() bool { return r.Failed() == 0 }

// Failed counts the cases with failures.
func (r *Report) Failed() int {
	n := 0
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			if len(c.Failures) > 0 {
				n++
			}
		}
	}
	return n
}

// Total counts the cases.
func (r *Report) Total() int {
	n := 0
	for _, s := range r.Suites {
		n += len(s.Cases)
	}
	return n
}

// Run runs the suites with a Decider. A failing case is part of the report; the
// error is the context's.
func Run(ctx context.Context, b *rules.Bundle, suites []rules.Suite, d Decider, opts Options) (*Report, error) {
	r := &runner{bundle: b, decider: d, opts: opts, coverage: rules.NewCoverage()}
	report := &Report{Bundle: b.Name()}
	for _, s := range suites {
		result, err := r.suite(ctx, s)
		if err != nil {
			return nil, err
		}
		report.Suites = append(report.Suites, result)
	}
	report.Coverage = newCoverageReport(b, r.coverage)
	return report, nil
}

type runner struct {
	bundle   *rules.Bundle
	decider  Decider
	opts     Options
	mu       sync.Mutex
	coverage *rules.Coverage
}

// suite runs the cases of one file in parallel and keeps their order.
func (r *runner) suite(ctx context.Context, s rules.Suite) (SuiteResult, error) {
	var selected []rules.SuiteCase
	for _, c := range s.Cases {
		if r.opts.Filter == nil || r.opts.Filter.MatchString(s.Name+"/"+c.Name) {
			selected = append(selected, c)
		}
	}
	out := SuiteResult{Path: s.Path, Name: s.Name, Cases: make([]CaseResult, len(selected))}
	r.parallel(ctx, len(selected), func(i int) {
		out.Cases[i] = r.runCase(ctx, s, selected[i])
	})
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("test suite %q: %w", s.Name, err)
	}
	if r.opts.RandomCases > 0 && len(s.Invariants) > 0 && len(selected) > 0 {
		out.Cases = append(out.Cases, r.random(ctx, s)...)
	}
	return out, nil
}

// parallel calls work for 0..n-1 from several goroutines and waits for all.
func (r *runner) parallel(ctx context.Context, n int, work func(i int)) {
	workers := r.opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, max(n, 1)) {
		wg.Go(func() {
			for i := range next {
				work(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
}

func (r *runner) runCase(ctx context.Context, s rules.Suite, c rules.SuiteCase) CaseResult {
	start := time.Now()
	result := CaseResult{Name: c.Name, At: c.At}
	outcome, err := r.decider.DecideCase(ctx, r.bundle, NewCase(r.bundle, c))
	if err != nil {
		result.Failures = []Failure{{At: c.At, Message: "the decision failed: " + err.Error()}}
		return result
	}
	policy, _ := r.bundle.Policy(c.Scope)
	cmp := comparison{policy: policy, outcome: outcome, tolerance: c.Options.Tolerance}
	cmp.expectation(c.Expect)
	result.Failures = slices.Concat(cmp.failures, invariantFailures(s.Invariants, outcome))
	result.Took = time.Since(start)
	r.observe(policy, outcome)
	return result
}

// observe counts the branches a decision took.
func (r *runner) observe(p *rules.Policy, o *Outcome) {
	mine := rules.NewCoverage()
	observe(mine, p, o)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coverage.Merge(mine)
}

// invariantFailures checks what must hold after every decision.
func invariantFailures(invariants []rules.Invariant, o *Outcome) []Failure {
	var out []Failure
	for _, inv := range invariants {
		ok, err := inv.When.Bool(o.Frame)
		switch {
		case err != nil:
			out = append(out, Failure{At: inv.Source.Position, Message: fmt.Sprintf("invariant %s: %v", inv.ID, err)})
		case !ok:
			out = append(out, Failure{At: inv.Source.Position, Message: fmt.Sprintf("invariant %s does not hold", inv.ID), Detail: details(inv.When, o.Frame)})
		}
	}
	return out
}

// NewCase turns a checked case of a suite into what a Decider gets. The facts of
// the case's scope come first; the store its fixtures name goes over them.
func NewCase(b *rules.Bundle, c rules.SuiteCase) Case {
	out := Case{
		Name: c.Name, Now: c.Options.Now, Scope: c.Scope, Phase: c.Phase, Channel: c.Channel, Jurisdiction: c.Jurisdiction,
		Consent: c.Consent, Customer: c.Customer, Return: c.Return, Store: storeFacts(b, c),
		Scores: make(map[string]StubScore, len(c.Scores)), Basket: c.Basket, MarginRate: c.MarginRate,
		Budgets: c.Options.Budgets, Lambda: c.Options.Lambda, DefaultLambda: c.Options.DefaultLambda,
		Holdout: c.Options.Holdout, Explore: c.Options.Explore,
	}
	for outcome, s := range c.Scores {
		out.Scores[outcome] = StubScore{Without: s.Without, With: s.With}
	}
	return out
}

func storeFacts(b *rules.Bundle, c rules.SuiteCase) map[string]any {
	out := map[string]any{}
	for _, fact := range b.StoreFacts(c.Scope) {
		out[strings.TrimPrefix(b.Env().Variables()[fact.Slot].Name, "store.")] = fact.Value()
	}
	maps.Copy(out, c.Store)
	return out
}
