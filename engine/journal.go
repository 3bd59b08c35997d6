package engine

import (
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// Query selects decisions of the journal. Zero fields do not restrict.
type Query struct {
	Customer  profile.Identity
	From, To  time.Time // business time, From <= t < To
	Scope     string    // this scope and those below it
	Outcome   OutcomeValue
	Oldest    bool   // oldest first; default newest first
	PageSize  int    // 1..1000; 0 is 100
	PageToken string // of the page before; empty for the first
}

// Page is one page of decisions.
type Page struct {
	Decisions []*Decision
	NextToken string // empty: no more
}

// Budget is the state of one budget in its current period. Money is in minor units.
type Budget struct {
	ID        string
	Scope     string
	Currency  string
	Exponent  int
	Period    string // "day", "week", "month", "fixed"
	Start     time.Time
	End       time.Time
	Guarantee string
	Pacing    string
	Limit     int64
	Reserved  int64 // ceilings of open tokens
	Expected  int64 // expected cost of open tokens
	Settled   int64
	Released  int64
	Held      int64 // debited slices not spent yet (bounded mode)
	Overrun   int64 // settled above the limit, from redemptions after release
	Lambda    float64
	// OverrunChance is, for guarantee "expected", the chance that open tokens
	// cost more than is left (normal approximation); 0 for "hard".
	OverrunChance float64
}

// Activation is one activation of a bundle.
type Activation struct {
	Digest    string
	Name      string
	Version   int
	At        time.Time
	Position  store.Position
	Previous  string // digest of the bundle before; empty for the first
	Rollback  bool
	By        string // who asked, in the caller's words; may be empty
	Request   string // id of the request that asked; may be empty
	Signature string // of the digest, as rules.Sign writes it; may be empty
	// Superseded marks a copy that was logged when retention dropped the original,
	// and another activation had followed that one already.
	Superseded bool
	Bundle     *rules.Bundle // nil when read from the log
	Files      map[string][]byte
	apart      map[string]string // SHA-256 of files logged apart, by path
}
