package engine

import (
	"sync"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// OutcomeValue is what a decision came to.
type OutcomeValue uint8

// OutcomeOffer shows an offer, OutcomeNoOffer none (a normal answer),
// OutcomeHoldout shows none because the customer is held out for measurement,
// OutcomeFallback shows none because nothing could be scored in time.
const (
	OutcomeOffer OutcomeValue = iota + 1
	OutcomeNoOffer
	OutcomeHoldout
	OutcomeFallback
)

var outcomeNames = [...]string{"", "OFFER", "NO_OFFER", "HOLDOUT", "FALLBACK"}

// String is the name on the wire, e.g. "NO_OFFER".
func (o OutcomeValue) String() string { return enumName(outcomeNames[:], int(o)) }

// ParseOutcome is the inverse of OutcomeValue.String.
func ParseOutcome(s string) (OutcomeValue, bool) {
	i := enumIndex(outcomeNames[:], s)
	return OutcomeValue(i), i > 0
}

// Stage is how far a candidate came.
type Stage uint8

// Stages in the order of a decision. A rejected candidate stays at the stage that refused it.
const (
	StageCatalogue   Stage = iota + 1 // disabled, phase, channel, category
	StageEligibility                  // eligible and constraints that need no score
	StageScoring                      // model
	StageBounds                       // liability and bounds
	StageRules                        // constraints that read scores or cost
	StageGoals                        // goals and per-decision guardrails
	StageSelection                    // cautious score
	StageLedger                       // caps and budgets
	StageDraw                         // took part in the draw
	StageChosen                       // assigned by the draw
)

var stageNames = [...]string{"", "CATALOGUE", "ELIGIBILITY", "SCORING", "BOUNDS", "RULES", "GOALS", "SELECTION", "LEDGER", "DRAW", "CHOSEN"}

// String is the name on the wire, e.g. "LEDGER".
func (s Stage) String() string { return enumName(stageNames[:], int(s)) }

// Reason says why a candidate was refused: one of the Reason constants or the
// reason a rule of the bundle gives, e.g. "ABUSE_RISK". Empty: not refused.
type Reason string

// Reasons the engine itself gives.
const (
	ReasonOfferDisabled     Reason = "OFFER_DISABLED"
	ReasonPhase             Reason = "PHASE"
	ReasonChannel           Reason = "CHANNEL"
	ReasonCategory          Reason = "CATEGORY"
	ReasonNotEligible       Reason = "NOT_ELIGIBLE"
	ReasonNoConsent         Reason = "NO_CONSENT"
	ReasonEvaluation        Reason = "EVALUATION_ERROR"
	ReasonModelUnavailable  Reason = "MODEL_UNAVAILABLE"
	ReasonMaxPercentOff     Reason = "MAX_PERCENT_OFF"
	ReasonMaxLiability      Reason = "MAX_LIABILITY"
	ReasonCapReached        Reason = "CAP_REACHED"
	ReasonBudgetExhausted   Reason = "BUDGET_EXHAUSTED"
	ReasonLowerBound        Reason = "LOWER_BOUND"
	ReasonExploreLimit      Reason = "EXPLORE_LIMIT"
	ReasonGuardrailBreached Reason = "GUARDRAIL_BREACHED"
	// ReasonNotAvailable is what a store, an associate or a customer is told instead.
	ReasonNotAvailable Reason = "NOT_AVAILABLE"
)

// None is the id of the candidate "no offer". It is always considered and scores exactly 0.
const None = "none"

// Decision is one answer with its whole trace, as it is logged. Money fields
// of type int64 are minor units of Currency; float64 values are policy
// arithmetic in major units and never reach the ledger.
type Decision struct {
	ID         string
	RequestID  string
	Position   store.Position // of the log entry; 0 for a dry run
	Supersedes string         // the decision this one replaced for the same return key
	Time       time.Time      // business time
	Recorded   time.Time      // wall time of the append; zero until read back

	Customer    profile.Identity // the resolved customer; zero if anonymous
	Subject     store.Subject
	ReturnKey   string // hex digest of original order and return day
	Household   string
	AssociateID string
	Scope       string // as asked
	Channel     profile.Channel
	Phase       Phase
	Currency    string
	Exponent    int // minor unit digits of Currency
	Consent     bool
	Personal    bool // personal data took part (decision.used_personal_data)
	DryRun      bool

	Outcome     OutcomeValue
	Assigned    string // what the draw chose: an offer id or None
	Delivered   string // what is shown: Assigned, or None if held out
	HeldOut     bool
	Offer       *Terms // of Delivered; nil if None
	Token       []byte // signed offer token; nil if Delivered is None
	Disclosures []Disclosure
	Propensity  float64 // chance with which Assigned was drawn: its PChoice

	Candidates []Candidate // None first, then in the order of the bundle
	Budgets    []BudgetUse // every budget that applies, company first
	Draw       Draw
	Arms       []Arm
	Provenance Provenance
	Degraded   []Degradation
	Timings    Timings
	MarginRate float64        // of the expected basket; 0 if unknown
	Shadows    []ShadowScores // of the models that only watch

	// Variables are what rules and models read of request, return, store and
	// customer (models by the same names). In an answer they are present for
	// ExplainFull only; the log always has them.
	Variables []Variable

	memory *memory // given back by Release; nil if others look at it, too
	pool   *sync.Pool
}

// Terms are the conditions of an offer as the customer gets it.
type Terms struct {
	OfferID    string
	Kind       string // e.g. "percent_off"
	Params     []Param
	Ceiling    int64 // most a redemption may cost
	ValidFrom  time.Time
	Expires    time.Time
	Channels   []string // empty: all
	Categories []string // empty: all
}

// Param is one offer parameter: a number or a text.
type Param struct {
	Name   string
	Number float64
	Text   string
	IsText bool
}

// Disclosure is a text the customer must be shown.
type Disclosure struct{ ID, Text string }

// Candidate is one offer, or None, as considered. All arithmetic of a score
// can be redone from it: Score = sum of Goals[i].Contribution less the sum of
// Charges[i].Amount, where Contribution = Weight * Value * Amount and
// Amount(charge) = Lambda * ExpectedCost.
type Candidate struct {
	Offer         string
	Kind          string
	Stage         Stage
	Reason        Reason // empty: not refused
	Rule          RuleRef
	Detail        string // a sentence with the figures of the refusal
	Ceiling       int64
	LiabilityCost int64   // Liability rounded up to minor units, as compared with bounds
	Liability     float64 // expected cost if redeemed
	RedeemChance  float64 // with the offer
	ExpectedCost  float64 // RedeemChance * Liability
	Outcomes      []OutcomeScore
	Goals         []GoalValue
	Charges       []Charge
	Scored        bool
	Score         float64
	LowerScore    float64 // with every outcome at the lower end of its uplift; only with selection.requireLower
	Fits          bool    // in A': caps and every budget have room
	PChoice       float64 // chance of being drawn
	PShown        float64 // chance of being shown, holdout folded in
}

// RuleRef names the rule behind a refusal.
type RuleRef struct {
	ID           string
	File         string
	Line, Column int
	Scope        string
}

// OutcomeScore is one outcome's prediction for a candidate. Lower and Upper bound With-Without at 95 %.
type OutcomeScore struct {
	Outcome       string
	Without, With float64
	Lower, Upper  float64
	Assumed       bool // a written-down lift, not learned
	Rung          Rung // where the score came from
}

// GoalValue is what a candidate adds to one goal.
type GoalValue struct {
	Goal         string
	Unit         string
	Amount       float64 // in Unit
	Value        float64 // money per unit
	Weight       float64
	Contribution float64 // Weight * Value * Amount, money
	Skipped      bool    // the goal's condition did not hold
}

// Charge is the shadow price one budget puts on a candidate.
type Charge struct {
	Budget string
	Lambda float64
	Amount float64 // Lambda * ExpectedCost
}

// BudgetUse is a budget as the decision found it, before its own reservation.
type BudgetUse struct {
	Budget    string
	Scope     string
	Guarantee string
	Pacing    string
	Start     time.Time // period the decision is charged to
	End       time.Time
	Limit     int64
	Reserved  int64 // ceilings (hard) or expected cost (expected) of open tokens
	Settled   int64
	Available int64 // what one more offer may take, pacing included
	Lambda    float64
	Reserves  int64 // what this decision reserved; 0 if nothing was delivered
}

// Draw is the random choice, exactly as it was made.
type Draw struct {
	Strategy  string  // "none", "epsilon", "inverse_gap"
	U         uint64  // 64 bits of the hash of salt, profile and return key
	Bucket    uint32  // U by multiply-and-shift onto 2^32 buckets
	Best      string  // best candidate of A'
	Explored  bool    // Assigned is not Best
	Epsilon   float64 // parameters of the strategy
	Gamma     float64
	Scale     float64
	Floor     float64 // as applied: min(floor, 1/K)
	K         int     // candidates that took part
	Holdout   float64 // share held out, exact
	HoldoutID string
}

// Arm is the assignment to one experiment; Bucket is the unit's place in 0..1.
// Chance is the share of units in the arm, exact; 0 for a holdout, whose share
// the draw has.
type Arm struct {
	Experiment, Arm string
	Bucket, Chance  float64
}

// Rung says which step of the ladder a score came from.
type Rung uint8

// Rungs from the best to the last.
const (
	RungModel Rung = iota + 1
	RungDistilled
	RungPrior
	RungNone
	RungStated // of a what-if: the case gives the score
)

var rungNames = [...]string{"", "MODEL", "DISTILLED", "SEGMENT_PRIOR", "NO_OFFER", "STATED"}

// String is the name on the wire, e.g. "SEGMENT_PRIOR".
func (r Rung) String() string { return enumName(rungNames[:], int(r)) }

// Degradation says what was not done as it should have been, and why.
type Degradation struct {
	Subject string // e.g. "outcome purchase", "scope us.ne.9999"
	Rung    Rung   // where scoring landed; 0 if scoring is not concerned
	Cause   string
}

// Provenance pins everything a decision depended on.
type Provenance struct {
	BundleName     string
	BundleVersion  int
	BundleDigest   string
	Scope          string   // whose policy decided: the asked one or its nearest ancestor
	ScopeExact     bool     // false: the asked scope is unknown to the bundle
	Chain          []string // from "" down
	Models         []ModelRef
	ProfileVersion uint64        // log position the profile includes; 0: no profile
	ProfileAge     time.Duration // business time since the profile's last event; negative: no event
	Seed           string        // name of the salt, never the salt
}

// ModelRef names one model.
type ModelRef struct {
	Outcome, File, Digest string
	Assumed               bool
}

// Timings are the wall times of the steps.
type Timings struct {
	Profile, Rules, Scoring, Ledger, Append, Total time.Duration
}

// VariableType is the type of a logged value.
type VariableType uint8

// Types of logged values.
const (
	NumberValue VariableType = iota + 1
	BoolValue
	StringValue
	StringsValue
)

// Variable is one policy variable as rules read it. Absent ones are left out.
type Variable struct {
	Name    string
	Type    VariableType
	Number  float64 // bools as 0 and 1
	Text    string
	List    []string
	Purpose uint8 // rules.Purpose
}

// Candidate returns the candidate of an offer id, or nil.
func (d *Decision) Candidate(offer string) *Candidate {
	for i := range d.Candidates {
		if d.Candidates[i].Offer == offer {
			return &d.Candidates[i]
		}
	}
	return nil
}

// Redacted returns a copy for stores, associates and customers: every refusal
// reads NOT_AVAILABLE, and scores, features and money internals are gone.
func (d *Decision) Redacted() *Decision {
	r := *d
	r.keep()
	r.Candidates = make([]Candidate, len(d.Candidates))
	for i, c := range d.Candidates {
		r.Candidates[i] = Candidate{Offer: c.Offer, Kind: c.Kind, Ceiling: c.Ceiling}
		if c.Reason != "" {
			r.Candidates[i].Reason = ReasonNotAvailable
		}
	}
	if r.HeldOut {
		r.Outcome, r.Assigned, r.HeldOut = OutcomeNoOffer, None, false
	}
	r.Budgets, r.Variables, r.Arms, r.Degraded, r.Shadows = nil, nil, nil, nil, nil
	r.MarginRate = 0
	r.Draw, r.Propensity, r.Supersedes = Draw{}, 0, ""
	return &r
}
