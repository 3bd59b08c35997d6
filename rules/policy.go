// Package rules owns the policy language: the YAML form of a bundle, its typed
// environment, the compiler from expr expressions to Go closures, inheritance
// down the scopes and the diagnostics. It answers questions about one frame of
// variables and nothing else.
//
// It refuses to know where profiles, scores and budgets come from, and what is done
// with an answer: the engine fills the frame and decides.
package rules

import (
	"time"
)

// Origin says where a variable's value comes from, and so when an expression
// that reads it can run.
type Origin uint8

const (
	OriginRequest   Origin = 1 << iota // request.*, ret.*, now.*: known at once
	OriginReference                    // store.*: facts of the bundle
	OriginProfile                      // customer.*
	OriginOffer                        // offer.*: differs by candidate, known before scoring
	OriginScore                        // outcomes, basket, cost, candidate, goal: known after scoring
	OriginDecision                     // decision, chosen: known after the draw
)

// Purpose says why a profile variable may be used.
type Purpose uint8

const (
	PurposeNone     Purpose = iota // not about a person
	PurposePersonal                // does not exist without consent
	PurposeSecurity                // stays without consent
)

// Type is the type of a variable or expression.
type Type uint8

const (
	Bool Type = iota + 1
	Number
	Money // major units of the scope's currency, as float64
	Share // 0..1
	String
	Strings
)

// Variable declares one name of the environment, e.g. "customer.abuse_score".
type Variable struct {
	Name    string
	Type    Type
	Origin  Origin
	Purpose Purpose
	Unit    string // for documentation and goals, e.g. "days", "visit"
	Doc     string
	Values  []string // of an enum string; nil if free
}

// Schema is the part of the environment the caller declares: request.*, ret.*,
// customer.* and now.*. The bundle adds store.*, offer.*, outcomes and goals itself.
type Schema struct{ Variables []Variable }

// Slot addresses a variable in a Frame. Negative: the policy has no such variable.
type Slot int32

// Position is a place in a bundle's files.
type Position struct {
	File         string
	Line, Column int // from 1
}

// Source says where a rule was written, and for which scope.
type Source struct {
	Position
	Scope string // "", "us.ne", "us.ne.0412"
}

// Policy is the effective policy of one scope: everything inherited, merged and
// proved. Immutable, shared by all scopes that do not change it.
type Policy struct {
	Scope    string
	Chain    []string // from "" down to Scope
	Currency string   // ISO 4217
	Exponent int      // minor units digits of Currency
	Location *time.Location
	Env      *Env // slots of this bundle's variables
	Outcomes []Outcome
	Goals    []Goal // margin first
	Offers   []Offer
	// Constraints of the whole chain, company first.
	Constraints []Rule
	Guardrails  []Rule               // per decision
	Aggregates  []AggregateGuardrail // over the programme
	Bounds      Bounds
	Budgets     []Budget // of every level of the chain, company first
	Caps        []Cap
	Holdout     *Holdout
	Explore     Explore
	Selection   Selection
	Disclosures []Disclosure
	// Denied are the variables no expression of this scope reads and no model of it
	// may be given: protected attributes and their proxies.
	Denied []Denial
	// CurrencyRate is how many units of Currency inherited amounts took one unit of
	// the company's currency for; 1 unless a scope has a currency of its own.
	CurrencyRate float64
	// Where currency and time zone were written.
	CurrencySource, LocationSource Source
}

// ModelKind says where an outcome's scores come from.
type ModelKind uint8

const (
	ModelPrior   ModelKind = iota + 1 // without + assumed lifts
	ModelFile                         // a trained artifact scores with and without
	ModelAlias                        // {of: other}: the same scores as another outcome
	ModelProfile                      // {from: profile}: the expected basket
)

// Outcome is what a model predicts, declared with its model.
type Outcome struct {
	Name                                    string // "purchase"; "basket" has ModelProfile
	Event                                   string
	Channel                                 string        // empty: any
	From, To                                time.Duration // the window from the decision on; To = -1: the offer's validity
	Unit                                    string        // "probability" or "money"
	Model                                   ModelKind
	File                                    string          // ModelFile: path inside the bundle; ModelPrior: optional baseline file of `without`
	Without                                 float64         // ModelPrior without File
	Prior                                   map[string]Lift // ModelPrior, by offer id
	Of                                      string          // ModelAlias
	With, WithoutSlot, Uplift, Lower, Upper Slot            // <name>.with, .without, .uplift, .lower, .upper
	Source                                  Source
}

// Lift is an assumed effect with its standard deviation.
type Lift struct{ Mean, SD float64 }

// Rule is a constraint or per-decision guardrail: a candidate for which When is
// false (or fails) is rejected with Reason.
type Rule struct {
	ID     string
	When   *Program // bool
	Reason string
	Source Source
}

// AggregateGuardrail limits the programme by a measured metric.
type AggregateGuardrail struct {
	ID, Metric string
	LowerBound float64 // of the 95 % interval
	Window     time.Duration
	OnBreach   string // "none_only"
	Source     Source
}

// Goal is what an offer adds over no offer, in Value money per unit.
type Goal struct {
	Name   string
	When   *Program // bool; nil: always
	Expr   *Program // number
	Unit   string   // "money", "visit", ...
	Value  float64  // money per unit; 1 for margin
	Weight float64  // effective in this scope; 1 for margin
	Slot   Slot     // goal.<name>, in the goal's unit
	Source Source
	// The company's range of the weight, and the scope that set it last.
	WeightMin, WeightMax float64
	WeightSource         Source
}

// OfferKind is the kind of an incentive.
type OfferKind string

const (
	PercentOff       OfferKind = "percent_off"
	AmountOff        OfferKind = "amount_off"
	BOGO             OfferKind = "bogo"
	PointsMultiplier OfferKind = "points_multiplier"
	FreeShipping     OfferKind = "free_shipping"
	BonusCredit      OfferKind = "bonus_credit"
	Message          OfferKind = "message"
)

// Offer is an incentive the retailer wrote down.
type Offer struct {
	ID         string
	Index      int // position in Policy.Offers, the same in every scope of a bundle
	Kind       OfferKind
	Params     []Param // sorted by name; read as offer.<name>
	Validity   time.Duration
	Phases     []string // empty: all
	Channels   []string // empty: all
	Categories *Program // strings; nil: no appliesTo
	Eligible   *Program // bool; nil: always
	Liability  *Program // money, expected cost if redeemed
	Ceiling    int64    // maxLiability, minor units, rounded up
	Disabled   *Source  // the scope that disabled it; nil: enabled
	Source     Source
}

// Param is one offer parameter: a number or a string.
type Param struct {
	Name   string
	Number float64
	Text   string
	IsText bool
	Slot   Slot // offer.<name>
}

// Bounds a child may only lower. Negative: none.
type Bounds struct {
	MaxPercentOff                  float64 // liability / basket of percent_off and amount_off
	MaxLiability                   int64   // ceiling of every kind, minor units, rounded down
	PercentSource, LiabilitySource Source
}

// Budget limits what a scope may spend in a period.
type Budget struct {
	ID        string // unique in the bundle
	Scope     string // the level that declares it
	Limit     int64  // minor units, rounded down
	Currency  string
	Period    Period
	Location  *time.Location // of the period's borders
	Guarantee string         // "hard" or "expected"
	Buffer    int64          // of expected, minor units held back
	Pacing    string         // "none", "even", "dual"
	Source    Source
}

// Period is "day", "week" (from Monday), "month", or "fixed" with From and To.
type Period struct {
	Kind     string
	From, To time.Time
}

// Cap limits how often something may be counted per unit within a sliding window.
type Cap struct {
	ID     string
	Counts string // "offered" or "redeemed"
	Limit  int
	Window time.Duration
	Per    string // "profile", "household", "associate"
	Source Source
}

// Holdout is the share of units that never get an offer, for measurement.
type Holdout struct {
	ID      string
	Percent float64
	Salt    string
	Unit    string // "profile" (default) or "household"
	Source  Source
}

// Explore says how the draw departs from the best candidate.
type Explore struct {
	Strategy     string // "none", "epsilon", "inverse_gap"
	Epsilon      float64
	Gamma        float64
	Scale        float64 // money
	Floor        float64
	MaxLiability int64 // minor units: dearer candidates are not explored; negative: no limit
	Source       Source
}

// Selection orders ties and may ask for caution.
type Selection struct {
	TieBreak     []string // "none", "lowest_ceiling", "offer_id"
	RequireLower bool     // the cautious score (lower bounds) must beat none
}

// Disclosure is a text the customer must be shown with an offer.
type Disclosure struct {
	ID     string
	When   *Program // bool
	Text   string
	Source Source
}

// Denial is an entry of a deny list.
type Denial struct {
	Variable string
	Slot     Slot
	Source   Source
}
