package server

import (
	"context"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// Services are what a server calls; *engine.Engine is all but Policies. A nil one answers UNIMPLEMENTED.
type Services struct {
	Decisions Decisions
	Events    Events
	Profiles  Profiles
	Journal   Journal
	Budgets   Budgets
	Policies  Policies
	Models    Models
}

// Decisions makes and finds decisions.
type Decisions interface {
	// Decide does not keep the request. The decision belongs to the caller, who does not change it.
	Decide(ctx context.Context, r *engine.Request) (*engine.Decision, error)
	// Decision finds a logged decision with its full trace; engine.ErrNotFound, engine.ErrErased.
	Decision(ctx context.Context, id string) (*engine.Decision, error)
}

// Events records what happened.
type Events interface {
	// Record returns one result per event, in order, once everything accepted is acknowledged.
	Record(ctx context.Context, events []*profile.Event) ([]engine.EventResult, error)
}

// Profiles shows, completes and erases what is known of a customer.
type Profiles interface {
	// Profile computes the features at a business time; the zero time is now. engine.ErrNotFound, engine.ErrErased.
	Profile(ctx context.Context, id profile.Identity, asOf time.Time) (*engine.ProfileView, error)
	// Declare records attributes as events.
	Declare(ctx context.Context, attributes []engine.Attributes) ([]engine.EventResult, error)
	// Export calls fn with every logged event and decision of a customer, oldest first; one of the two is nil.
	Export(ctx context.Context, id profile.Identity, fn func(*profile.Event, *engine.Decision) error) error
	// Erase removes a customer. A repeated request changes nothing.
	Erase(ctx context.Context, id profile.Identity, requestID string) (store.Position, error)
}

// Journal reads logged decisions.
type Journal interface {
	// Query returns one page.
	Query(ctx context.Context, q *engine.Query) (*engine.Page, error)
	// Tail calls fn with the decisions after a position that match, then with new ones as
	// they are acknowledged, until fn fails or ctx is done. Position 0 begins with the next decision.
	Tail(ctx context.Context, q *engine.Query, after store.Position, fn func(*engine.Decision) error) error
}

// Budgets shows what may be spent and what has been.
type Budgets interface {
	// Budgets returns the budgets of a scope and below, sorted by scope and id.
	Budgets(ctx context.Context, scope string) ([]engine.Budget, error)
}

// Models keeps registered models and their careers.
type Models interface {
	// RegisterModel makes a model known.
	RegisterModel(ctx context.Context, r *engine.Registration) (*engine.Career, error)
	// Models lists the models of an outcome, all if it is empty, in the order of registration.
	Models(ctx context.Context, outcome string) ([]engine.RegisteredModel, error)
	// Model finds one with its model card as JSON, empty if it has none; engine.ErrModelUnknown.
	Model(ctx context.Context, outcome, digest string) (m *engine.RegisteredModel, card string, err error)
	// ModelEvidence judges a model by the journal; a journal without decisions to judge by is a *engine.RefusedError.
	ModelEvidence(ctx context.Context, outcome, digest string, progress func(read int)) (*engine.Evidence, error)
	// PromoteModel gives a model another role; *engine.RefusedError, *engine.VersionError, engine.ErrModelStep.
	PromoteModel(ctx context.Context, c *engine.ModelChange, progress func(read int)) (*engine.Career, error)
	// RollbackModel lets the champion before decide; *engine.VersionError, engine.ErrModelStep.
	RollbackModel(ctx context.Context, c *engine.ModelChange) (*engine.Career, error)
	// ModelDrift compares the newest decisions with a model's training.
	ModelDrift(ctx context.Context, outcome, digest string) (*engine.ModelDrift, error)
}

// Source says where the active bundle came from.
type Source uint8

// Sources of a bundle.
const (
	SourceDirectory Source = iota + 1 // read at the start
	SourceWatch                       // the watched directory changed
	SourceAPI                         // ActivateBundle
	SourceRollback                    // RollbackBundle
	SourceLog                         // the last activation in the log
)

// BundleStatus is the bundle in use.
type BundleStatus struct {
	engine.Activation
	Source Source
}

// Change asks for another bundle.
type Change struct {
	RequestID string
	Expected  string            // digest the caller believes active; empty: any
	Files     map[string][]byte // of an activation, by path
	Digest    string            // of a rollback; empty: the one before
}

// Effective is the merged policy of a scope.
type Effective struct {
	Status BundleStatus
	Chain  []string // from "" down
	Exact  bool     // false: the scope is unknown, its nearest ancestor is shown
	Values []EffectiveValue
}

// EffectiveValue is one value in force and where it was written.
type EffectiveValue struct {
	Path, Value string
	Scope       string
	rules.Position
}

// Policies checks and changes the bundle in use.
type Policies interface {
	// Validate compiles without using. A bundle that does not compile is a result, not an error.
	Validate(ctx context.Context, files map[string][]byte) (digest string, found []rules.Diagnostic, err error)
	// Activate returns warnings; a bundle that does not compile is a *rules.DiagnosticsError, another
	// active digest than the expected a *StaleError.
	Activate(ctx context.Context, c *Change) (BundleStatus, []rules.Diagnostic, error)
	// Rollback returns ErrNoEarlierBundle, ErrBundleNotFound or a *StaleError.
	Rollback(ctx context.Context, c *Change) (BundleStatus, error)
	// Effective returns engine.ErrNoBundle while there is none.
	Effective(ctx context.Context, scope string) (*Effective, error)
}

// orMissing fills what is nil with a service that refuses every call.
func (s Services) orMissing() Services {
	if s.Decisions == nil {
		s.Decisions = missing{"DecisionService"}
	}
	if s.Events == nil {
		s.Events = missing{"EventService"}
	}
	if s.Profiles == nil {
		s.Profiles = missing{"ProfileService"}
	}
	if s.Journal == nil {
		s.Journal = missing{"JournalService"}
	}
	if s.Policies == nil {
		s.Policies = missing{"PolicyService"}
	}
	if s.Budgets == nil {
		s.Budgets = missing{"BudgetService"}
	}
	if s.Models == nil {
		s.Models = missing{"ModelService"}
	}
	return s
}
