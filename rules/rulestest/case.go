// Package rulestest owns the test suites of policy bundles: their YAML form, the
// comparison of what a case expects with what was decided, coverage, invariants on
// random inputs and the report.
//
// It refuses to know how a decision is made: a Decider makes it.
package rulestest

import (
	"context"
	"time"

	"github.com/rebound-engine/rebound/rules"
)

// Case is one decision to make from fixtures, with nothing read from a store.
type Case struct {
	Name                                string
	Now                                 time.Time // business time
	Scope, Phase, Channel, Jurisdiction string
	Consent                             bool // without it personal variables do not exist
	// Variables without their prefix (customer., ret., store.): float64, bool,
	// string or []string.
	Customer, Return, Store map[string]any
	Scores                  map[string]StubScore // by outcome
	Basket                  float64              // basket.with and basket.without, major units
	MarginRate              float64              // basket.margin_rate
	// Budgets holds what is left, in major units, by budget id. One that is not
	// listed is open: never the reason for a refusal.
	Budgets map[string]float64
	// Lambda holds shadow prices by budget id; DefaultLambda is that of the others.
	Lambda           map[string]float64
	DefaultLambda    float64
	Holdout, Explore bool // off in a case unless it asks for them
}

// StubScore stands in for a model. An offer that With does not list has no lift:
// its score is Without.
type StubScore struct {
	Without float64
	With    map[string]float64
}

// Outcome is what a Decider answers.
type Outcome struct {
	Offer       string             // "none" when no offer is made
	Candidates  []CandidateOutcome // none excluded
	Disclosures []string           // ids, in the policy's order
	// Frame holds the variables after the draw: request, profile, decision, chosen.
	Frame *rules.Frame
	// Journal holds fields of the entry a real decision would have written, by
	// dotted name; nil when the Decider writes none.
	Journal map[string]any
}

// CandidateOutcome is the verdict on one offer.
type CandidateOutcome struct {
	Offer     string
	Score     *float64           // nil: not scored
	Rejected  string             // reason; "" when admitted
	Source    rules.Source       // of the rule that rejected
	Goals     map[string]float64 // in each goal's unit
	Liability float64            // expected cost if redeemed, major units
	// Frame holds the variables as the last rule of this candidate saw them; it
	// must stay as it is until the outcome is done with.
	Frame *rules.Frame
}

// Decider makes the decision of a case. It is called from several goroutines.
type Decider interface {
	DecideCase(ctx context.Context, b *rules.Bundle, c Case) (*Outcome, error)
}
