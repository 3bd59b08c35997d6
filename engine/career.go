package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/store"
)

// Names of the registry, for callers that know no models.
type (
	// ModelRole is where a model stands: registered, shadow, challenger, champion or retired.
	ModelRole = registry.Role
	// Evidence is what a promotion stands on.
	Evidence = registry.Evidence
	// RefusedError lists everything a promotion lacks.
	RefusedError = registry.RefusedError
	// Drift is how far one feature or score has moved.
	Drift = registry.Drift
)

// Errors of changes of models.
var (
	// ErrModelUnknown: no such model is registered.
	ErrModelUnknown = registry.ErrUnknown
	// ErrModelStep: a model does not go from its role to that one.
	ErrModelStep = registry.ErrStep
)

// Registration makes a model file known.
type Registration struct {
	Artifact        // an empty outcome is what a native artifact says itself
	Name     string // for people; the file's name if empty
	By       string // who asks, in their own words
	Request  string // id of the request; repeating it changes nothing
}

// ModelChange asks for another role of a registered model, or for the champion before.
type ModelChange struct {
	Outcome, Digest string // see Engine.Model; a rollback names the outcome alone
	To              registry.Role
	Share           float64        // of a challenger
	Expect          store.Position // version of the outcome the caller believes in; 0: any
	By, Reason      string
	Request         string // id of the request; repeating it changes nothing
}

// RegisteredModel is a model with its file and its career.
type RegisteredModel struct {
	registry.Model
	File    string
	Bytes   int
	Version store.Position // of the outcome: where its last change is logged
	Career  []Career       // oldest first
}

// lockSwap waits for the activation or change under way.
func (e *Engine) lockSwap(ctx context.Context) (unlock func(), err error) {
	select {
	case e.swap <- struct{}{}:
		return func() { <-e.swap }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another change: %w", context.Cause(ctx))
	}
}

// lockCareers is lockSwap with the careers read.
func (e *Engine) lockCareers(ctx context.Context) (unlock func(), err error) {
	if unlock, err = e.lockSwap(ctx); err != nil {
		return nil, err
	}
	if err = e.loadCareers(ctx); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// Models lists the registered models of an outcome, all if it is empty, in the order of registration.
func (e *Engine) Models(ctx context.Context, outcome string) ([]RegisteredModel, error) {
	unlock, err := e.lockCareers(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []RegisteredModel
	for _, m := range e.careers.state.Models(outcome) {
		out = append(out, e.careers.describe(m))
	}
	return out, nil
}

// Model finds a registered model with its model card as JSON, empty for a file that has none. The beginning of a digest is
// enough, and the outcome may be empty, where only one model is meant: none is
// registry.ErrUnknown, several a *FieldError.
func (e *Engine) Model(ctx context.Context, outcome, digest string) (found *RegisteredModel, card string, err error) {
	unlock, err := e.lockCareers(ctx)
	if err != nil {
		return nil, "", err
	}
	defer unlock()
	m, err := e.careers.find(outcome, digest)
	if err != nil {
		return nil, "", err
	}
	content, err := e.readBlob(ctx, e.careers.registration(m.Outcome, m.Digest).sum, 0)
	if err != nil {
		return nil, "", err
	}
	d := e.careers.describe(m)
	card, err = cardJSON(content)
	return &d, card, err
}

func cardJSON(content []byte) (string, error) {
	if !models.IsArtifact(content) {
		return "", nil
	}
	card, err := models.ReadCard(content)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(card)
	return string(data), err
}

func (c *careers) find(outcome, digest string) (registry.Model, error) {
	var found []registry.Model
	for _, m := range c.state.Models(outcome) {
		if digest != "" && strings.HasPrefix(m.Digest, digest) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return registry.Model{}, fmt.Errorf("model %q: %w", digest, registry.ErrUnknown)
	case 1:
		return found[0], nil
	}
	return registry.Model{}, &FieldError{Field: "digest", Hint: fmt.Sprintf("%d models begin with %q; give more of the digest, or the outcome", len(found), digest)}
}

func (c *careers) describe(m registry.Model) RegisteredModel {
	out := RegisteredModel{Model: m, Version: c.version(m.Outcome)}
	for _, x := range c.log {
		if x.Outcome != m.Outcome || x.Digest != m.Digest && x.Displaced != m.Digest {
			continue
		}
		out.Career = append(out.Career, x)
		if x.File != "" {
			out.File, out.Bytes = x.File, x.Bytes
		}
	}
	return out
}

// version is where the last change of an outcome is logged; 0 if there is none.
func (c *careers) version(outcome string) (at store.Position) {
	for i := range c.log {
		if c.log[i].Outcome == outcome {
			at = c.log[i].Position
		}
	}
	return at
}

// registration is how a model became known; nil if it did not.
func (c *careers) registration(outcome, digest string) *Career {
	for i := range c.log {
		if x := &c.log[i]; x.sum != "" && x.Outcome == outcome && x.Digest == digest {
			return x
		}
	}
	return nil
}

// answered is what a request came to; nil if it was not seen before.
func (c *careers) answered(request string) *Career {
	if request == "" {
		return nil
	}
	i := slices.IndexFunc(c.log, func(x Career) bool { return x.Request == request })
	if i < 0 {
		return nil
	}
	return &c.log[i]
}

// VersionError says that the models of an outcome have changed. It is an ErrStale.
type VersionError struct {
	Outcome   string
	Want, Got store.Position
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the models of %s are at version %d, not %d; look at what has changed, then try again", e.Outcome, e.Got, e.Want)
}

// Unwrap makes it an ErrStale.
func (e *VersionError) Unwrap() error { return ErrStale }
