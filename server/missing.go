package server

import (
	"context"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// missing stands in for a service the server was built without.
type missing struct{ service string }

func (m missing) err() error { return &notOfferedError{m.service} }

func (m missing) Decide(context.Context, *engine.Request) (*engine.Decision, error) {
	return nil, m.err()
}

func (m missing) Decision(context.Context, string) (*engine.Decision, error) { return nil, m.err() }

func (m missing) Record(context.Context, []*profile.Event) ([]engine.EventResult, error) {
	return nil, m.err()
}

func (m missing) Profile(context.Context, profile.Identity, time.Time) (*engine.ProfileView, error) {
	return nil, m.err()
}

func (m missing) Declare(context.Context, []engine.Attributes) ([]engine.EventResult, error) {
	return nil, m.err()
}

func (m missing) Export(context.Context, profile.Identity, func(*profile.Event, *engine.Decision) error) error {
	return m.err()
}

func (m missing) Erase(context.Context, profile.Identity, string) (store.Position, error) {
	return 0, m.err()
}

func (m missing) Query(context.Context, *engine.Query) (*engine.Page, error) { return nil, m.err() }

func (m missing) Tail(context.Context, *engine.Query, store.Position, func(*engine.Decision) error) error {
	return m.err()
}

func (m missing) Budgets(context.Context, string) ([]engine.Budget, error) { return nil, m.err() }

func (m missing) Validate(context.Context, map[string][]byte) (string, []rules.Diagnostic, error) {
	return "", nil, m.err()
}

func (m missing) Activate(context.Context, *Change) (BundleStatus, []rules.Diagnostic, error) {
	return BundleStatus{}, nil, m.err()
}

func (m missing) Rollback(context.Context, *Change) (BundleStatus, error) {
	return BundleStatus{}, m.err()
}

func (m missing) Effective(context.Context, string) (*Effective, error) { return nil, m.err() }

func (m missing) RegisterModel(context.Context, *engine.Registration) (*engine.Career, error) {
	return nil, m.err()
}

func (m missing) Models(context.Context, string) ([]engine.RegisteredModel, error) {
	return nil, m.err()
}

func (m missing) Model(context.Context, string, string) (*engine.RegisteredModel, string, error) {
	return nil, "", m.err()
}

func (m missing) ModelEvidence(context.Context, string, string, func(int)) (*engine.Evidence, error) {
	return nil, m.err()
}

func (m missing) PromoteModel(context.Context, *engine.ModelChange, func(int)) (*engine.Career, error) {
	return nil, m.err()
}

func (m missing) RollbackModel(context.Context, *engine.ModelChange) (*engine.Career, error) {
	return nil, m.err()
}

func (m missing) ModelDrift(context.Context, string, string) (*engine.ModelDrift, error) {
	return nil, m.err()
}
