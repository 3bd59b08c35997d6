// Package models owns the prediction contract: given one customer at one
// return, how likely (or how large) is an outcome without an incentive and with
// each of several offers. It owns the model kinds that need nothing but the
// standard library, their artifact format and the evaluator of tree ensembles.
//
// It refuses to know policies, money, storage and transport. Models trained
// elsewhere are read by models/foreign, called by models/remote and
// models/process, trained by models/learner and judged by models/eval.
package models

import (
	"context"
	"errors"
	"time"
)

// FeatureType is the type of one model input.
type FeatureType uint8

const (
	// Number is a float64; NaN means missing.
	Number FeatureType = iota
	// Category is an index into Feature.Levels, stored as a float64; NaN means
	// missing or a level not seen in training.
	Category
)

// Feature names one model input.
type Feature struct {
	Name   string      // e.g. "customer.recency_days", "ret.refund_value", "offer.percent"
	Type   FeatureType // Number or Category
	Levels []string    // of a Category, in index order
}

// Schema says what a model reads and what it answers. It is immutable.
type Schema struct {
	Outcome string        // e.g. "purchase"
	Unit    string        // "probability", "count" or "money" (major units of the training currency)
	Window  time.Duration // the outcome's window from the decision on; 0 if the artifact does not say
	// Features are the inputs that describe customer and return, in vector order.
	Features []Feature
	// OfferFeatures are the inputs that describe an offer, in vector order.
	OfferFeatures []Feature
	// Offers are the offer ids the model learned effects for. A model that
	// reads OfferFeatures may score offers not listed here.
	Offers []string
	// Assumed marks lifts that were written down, not learned from outcomes.
	Assumed bool
}

// Candidate is one offer to be scored.
type Candidate struct {
	Arm int       // index into Schema.Offers; -1 if the model does not list the offer
	X   []float64 // offer features in the order of Schema.OfferFeatures; nil if the model reads none
}

// Score is the prediction for one candidate, in Schema.Unit.
// Lower and Upper bound the uplift With-Without at 95 %.
type Score struct {
	Without, With float64
	Lower, Upper  float64
}

// Uplift is what the offer adds: With less Without.
func (s Score) Uplift() float64 { return s.With - s.Without }

// ErrUnscorable is wrapped by every error of Score. A model that cannot score
// returns it; it never answers 0 instead.
var ErrUnscorable = errors.New("model cannot score")

// Model predicts one outcome for all candidates of a decision in one batch.
// Implementations are immutable after loading and safe for concurrent use.
type Model interface {
	// Schema describes inputs and outputs. The result must not be changed.
	Schema() *Schema
	// Score fills out[i] for cands[i]. x is in the order of Schema().Features.
	// An offer the model has learned nothing about has no lift: With = Without.
	// It does not keep x, cands or out. Local kinds do not allocate.
	Score(ctx context.Context, x []float64, cands []Candidate, out []Score) error
}

// Explainer is implemented by models that can attribute a prediction to its
// inputs (TreeSHAP for ensembles, coefficient times deviation for linear ones).
type Explainer interface {
	// Explain fills contrib with one value per feature of Schema().Features and
	// a last one for the expected value; they add up to the raw score (before the link)
	// of the outcome without an offer if c is nil, with it otherwise.
	Explain(x []float64, c *Candidate, contrib []float64) error
}
