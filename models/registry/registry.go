// Package registry owns the careers of models: registered, shadow (its scores
// are logged and not used), challenger (it decides a share of the traffic),
// champion, retired. What may happen to a model is decided here, by evidence
// where money is at stake, and every decision is a value that can be logged and
// replayed.
//
// It refuses to know where models and evidence are stored, how traffic is
// split, and how a model scores. It computes evidence from columns (models/eval)
// and keeps no clock: times come in with the requests.
package registry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Role is where a model stands.
type Role string

// The roles, in the order of a career.
const (
	Registered Role = "registered" // known, not asked
	Shadow     Role = "shadow"     // scores every decision; the scores are logged and not used
	Challenger Role = "challenger" // decides its share of the traffic
	Champion   Role = "champion"   // decides the rest
	Retired    Role = "retired"    // not asked any more
)

// Model is one model of an outcome.
type Model struct {
	Outcome string  `json:"outcome"`
	Digest  string  `json:"digest"` // of the model file
	Name    string  `json:"name,omitempty"`
	Role    Role    `json:"role"`
	Share   float64 `json:"share,omitempty"` // of the traffic; a challenger's
	// Since is when it came into its role.
	Since time.Time `json:"since"`
}

// Change is something that happened to a model. A log of changes is the
// registry: Replay makes it again.
type Change struct {
	Outcome string    `json:"outcome"`
	Digest  string    `json:"digest"`
	Name    string    `json:"name,omitempty"` // when it is registered
	From    Role      `json:"from,omitempty"` // empty when it is registered
	To      Role      `json:"to"`
	Share   float64   `json:"share,omitempty"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Reason  string    `json:"reason,omitempty"`
	// Displaced is the model of the same role that had to go, if any: it retires.
	Displaced string `json:"displaced,omitempty"`
	// Evidence is what a promotion to challenger or champion stands on.
	Evidence *Evidence `json:"evidence,omitempty"`
	// Rollback marks the return of the champion before; with To Retired, the end
	// of the first one: the policies decide by themselves again.
	Rollback bool `json:"rollback,omitempty"`
}

// Errors of changes; callers branch on them.
var (
	ErrUnknown = errors.New("no such model is registered")
	ErrStep    = errors.New("a model does not go from its role to that one")
	ErrStale   = errors.New("the registry has changed since this was decided")
)

// Registry is the state after some changes. It is immutable.
type Registry struct {
	models map[key]Model
	order  []key            // of registration
	reigns map[string][]key // by outcome: champions, the present one last
}

type key struct{ outcome, digest string }

// New is the registry before any change.
func New() *Registry { return &Registry{} }

// Replay makes a registry from its log.
func Replay(changes []Change) (*Registry, error) {
	r := New()
	for i, c := range changes {
		next, err := r.Apply(c)
		if err != nil {
			return nil, fmt.Errorf("replay change %d: %w", i, err)
		}
		r = next
	}
	return r, nil
}

// Models lists the models of an outcome in the order of registration; of all outcomes if it is empty.
func (r *Registry) Models(outcome string) []Model {
	var out []Model
	for _, k := range r.order {
		if outcome == "" || k.outcome == outcome {
			out = append(out, r.models[k])
		}
	}
	return out
}

// Get finds a model.
func (r *Registry) Get(outcome, digest string) (Model, bool) {
	m, ok := r.models[key{outcome, digest}]
	return m, ok
}

// In lists the models of an outcome in one role, in the order of registration.
func (r *Registry) In(outcome string, role Role) []Model {
	return slices.DeleteFunc(r.Models(outcome), func(m Model) bool { return m.Role != role })
}

// Champion is the model that decides for an outcome.
func (r *Registry) Champion(outcome string) (Model, bool) { return r.only(outcome, Champion) }

// Challenger is the model that decides a share of the traffic.
func (r *Registry) Challenger(outcome string) (Model, bool) { return r.only(outcome, Challenger) }

func (r *Registry) only(outcome string, role Role) (Model, bool) {
	if in := r.In(outcome, role); len(in) > 0 {
		return in[0], true
	}
	return Model{}, false
}

// Apply returns the registry after a change. It checks that the change fits the
// state, not whether it was wise: that was decided when the change was made.
func (r *Registry) Apply(c Change) (*Registry, error) {
	if err := r.fits(c); err != nil {
		return nil, fmt.Errorf("%s to %s of %s: %w", c.Digest, c.To, c.Outcome, err)
	}
	k := key{c.Outcome, c.Digest}
	next := &Registry{models: maps.Clone(r.models), order: r.order, reigns: r.reigns}
	if next.models == nil {
		next.models = map[key]Model{}
	}
	m := next.models[k]
	if c.From == "" {
		m = Model{Outcome: c.Outcome, Digest: c.Digest, Name: c.Name}
		next.order = append(slices.Clip(r.order), k)
	}
	if c.Displaced != "" {
		old := next.models[key{c.Outcome, c.Displaced}]
		old.Role, old.Share, old.Since = Retired, 0, c.At
		next.models[key{c.Outcome, c.Displaced}] = old
	}
	m.Role, m.Share, m.Since = c.To, c.Share, c.At
	next.models[k] = m
	next.reigns = r.crowned(c, k)
	return next, nil
}

// crowned keeps the line of champions: a new one is added, a roll back takes the last away.
func (r *Registry) crowned(c Change, k key) map[string][]key {
	if c.To != Champion && !c.Rollback {
		return r.reigns
	}
	reigns := maps.Clone(r.reigns)
	if reigns == nil {
		reigns = map[string][]key{}
	}
	line := reigns[c.Outcome]
	if c.Rollback {
		reigns[c.Outcome] = line[:len(line)-1]
	} else {
		reigns[c.Outcome] = append(slices.Clip(line), k)
	}
	return reigns
}

// fits reports why a change cannot have happened in this state.
func (r *Registry) fits(c Change) error {
	m, known := r.models[key{c.Outcome, c.Digest}]
	switch {
	case c.Outcome == "" || c.Digest == "" || c.By == "" || c.At.IsZero():
		return errors.New("a change names outcome, digest, who and when")
	case c.From == "" && known:
		return fmt.Errorf("it is registered already: %w", ErrStep)
	case c.From != "" && !known:
		return ErrUnknown
	case c.From != m.Role:
		return fmt.Errorf("it is %s, not %s: %w", m.Role, c.From, ErrStale)
	case !c.Rollback && !follows(c.From, c.To):
		return fmt.Errorf("from %q: %w", c.From, ErrStep)
	case c.To == Challenger && !(c.Share > 0 && c.Share < 1) || c.To != Challenger && c.Share != 0:
		return fmt.Errorf("a share of %v; a challenger has one between 0 and 1, nobody else has", c.Share)
	case c.Displaced != r.displacedBy(c):
		return fmt.Errorf("%q would have to go, not %q: %w", r.displacedBy(c), c.Displaced, ErrStale)
	case c.Rollback:
		return r.returns(c)
	}
	return nil
}

// displacedBy is who holds the role a change gives away.
func (r *Registry) displacedBy(c Change) string {
	if c.To != Champion && c.To != Challenger {
		return ""
	}
	m, _ := r.only(c.Outcome, c.To)
	return m.Digest
}

// returns reports why a roll back is none: it goes to the champion before.
func (r *Registry) returns(c Change) error {
	line := r.reigns[c.Outcome]
	switch {
	case c.To == Retired && len(line) == 1 && line[0].digest == c.Digest:
	case c.To == Champion && len(line) > 1 && line[len(line)-2].digest == c.Digest:
	default:
		return fmt.Errorf("it was not the champion before: %w", ErrStep)
	}
	return nil
}

// follows are the steps of a career.
func follows(from, to Role) bool {
	switch from {
	case "":
		return to == Registered
	case Registered, Retired:
		return to == Shadow || from == Registered && to == Retired
	case Shadow:
		return to == Challenger || to == Champion || to == Retired
	case Challenger:
		return to == Champion || to == Shadow || to == Retired
	}
	return false // a champion goes when another comes
}
