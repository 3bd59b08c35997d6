package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
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

// Models lists the registered models of an outcome, all if it is empty, in the order of registration.
func (e *Engine) Models(ctx context.Context, outcome string) ([]RegisteredModel, error) {
	unlock, err := e.lockSwap(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.loadCareers(ctx); err != nil {
		return nil, err
	}
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
	unlock, err := e.lockSwap(ctx)
	if err != nil {
		return nil, "", err
	}
	defer unlock()
	if err := e.loadCareers(ctx); err != nil {
		return nil, "", err
	}
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

// RegisterModel keeps a model file in the log and makes the model known, once it
// has been opened and bound to the bundle in force. Registering the same file
// again is registry.ErrStep; without a bundle it is ErrNoBundle.
func (e *Engine) RegisterModel(ctx context.Context, r *Registration) (*Career, error) {
	unlock, err := e.lockSwap(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s := e.active.Load()
	if s == nil {
		return nil, ErrNoBundle
	}
	a := r.Artifact
	if card, err := models.ReadCard(a.Content); err == nil && a.Outcome == "" {
		a.Outcome = card.Schema.Outcome
	}
	i, err := s.predictedOutcome(a.Outcome)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(r.Content)
	if before := e.careers.answered(r.Request); before != nil {
		if before.sum != string(sum[:]) || before.Outcome != a.Outcome {
			return nil, ErrRequestIDReused
		}
		return before, nil
	}
	h, err := e.bindArtifact(ctx, s, i, &a)
	if err != nil {
		return nil, &FieldError{Field: "model", Hint: err.Error()}
	}
	name := r.Name
	if name == "" {
		name = r.File
	}
	change, err := e.careers.state.Register(a.Outcome, h.ref.Digest, name, actor(r.By), e.businessNow(e.opts.Clock()).UTC())
	if err != nil {
		return nil, fmt.Errorf("register model %s: %w", r.File, err)
	}
	return e.enact(ctx, Career{Change: change, Request: r.Request, File: r.File, Bytes: len(r.Content), sum: string(sum[:])}, r.Content)
}

// predictedOutcome finds an outcome that a model may predict.
func (s *snapshot) predictedOutcome(name string) (int, error) {
	var names []string
	for i := range s.own {
		switch o := &s.own[i]; {
		case !o.predicted():
		case o.Name == name:
			return i, nil
		default:
			names = append(names, o.Name)
		}
	}
	return 0, &FieldError{Field: "outcome", Hint: fmt.Sprintf("%q is none that a model predicts; the policies have %s", name, strings.Join(names, ", "))}
}

// actor stands in for whoever does not say who they are: a change has an author.
func actor(by string) string {
	if by == "" {
		return "api"
	}
	return by
}

// PromoteModel gives a model another role, from the next decision on. A
// challenger or champion needs proof, which is gathered from the journal first
// (ModelEvidence); what is missing comes back as *registry.RefusedError. Errors
// also wrap registry.ErrUnknown, registry.ErrStep and ErrStale. progress is told
// how many decisions have been read; it may be nil.
func (e *Engine) PromoteModel(ctx context.Context, c *ModelChange, progress func(read int)) (*Career, error) {
	for {
		done, needed, err := e.promote(ctx, c, nil)
		if done != nil || err != nil {
			return done, err
		}
		if needed.evidence, err = e.evidence(ctx, needed, progress); err != nil {
			return nil, err
		}
		if done, _, err = e.promote(ctx, c, needed); done != nil || err != nil {
			return done, err
		} // else the models of the outcome have changed meanwhile: the proof was against another one
	}
}

// proof is what a promotion has to show: evidence for a model in one state of the registry.
type proof struct {
	snap         *snapshot
	model        registry.Model
	registration *Career
	described    RegisteredModel
	reigned      bool // the outcome has a champion
	version      store.Position
	evidence     *registry.Evidence
}

func (c *careers) proof(s *snapshot, m registry.Model) *proof {
	_, reigned := c.state.Champion(m.Outcome)
	return &proof{snap: s, model: m, registration: c.registration(m.Outcome, m.Digest), described: c.describe(m), reigned: reigned, version: c.version(m.Outcome)}
}

// promote makes the change, or says what has to be proved first.
func (e *Engine) promote(ctx context.Context, c *ModelChange, have *proof) (*Career, *proof, error) {
	unlock, err := e.lockSwap(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if err := e.loadCareers(ctx); err != nil {
		return nil, nil, err
	}
	m, err := e.careers.find(c.Outcome, c.Digest)
	if err != nil {
		return nil, nil, err
	}
	if before := e.careers.answered(c.Request); before != nil {
		if before.Digest != m.Digest || before.To != c.To || before.Share != c.Share {
			return nil, nil, ErrRequestIDReused
		}
		return before, nil, nil
	}
	version := e.careers.version(m.Outcome)
	if c.Expect != 0 && c.Expect != version {
		return nil, nil, &VersionError{Outcome: m.Outcome, Want: c.Expect, Got: version}
	}
	q := registry.Request{Outcome: m.Outcome, Digest: m.Digest, To: c.To, Share: c.Share, At: e.businessNow(e.opts.Clock()).UTC(), By: actor(c.By), Reason: c.Reason}
	if have != nil && have.version == version && have.snap == e.active.Load() {
		q.Evidence = have.evidence
	}
	change, err := e.careers.state.Promote(q, e.opts.Gate)
	if refused, lacks := errors.AsType[*registry.RefusedError](err); lacks && q.Evidence == nil {
		s := e.active.Load()
		if s == nil {
			return nil, nil, ErrNoBundle
		}
		if q.Share > e.opts.Gate.MaxShare {
			return nil, nil, refused
		}
		return nil, e.careers.proof(s, m), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("promote model %s: %w", short(m.Digest), err)
	}
	done, err := e.enact(ctx, Career{Change: change, Request: c.Request}, nil)
	return done, nil, err
}

// RollbackModel lets the champion before decide again; after the first one the
// policies themselves. It needs no proof. Errors wrap registry.ErrStep and ErrStale.
func (e *Engine) RollbackModel(ctx context.Context, c *ModelChange) (*Career, error) {
	unlock, err := e.lockSwap(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.loadCareers(ctx); err != nil {
		return nil, err
	}
	if before := e.careers.answered(c.Request); before != nil {
		if !before.Rollback || before.Outcome != c.Outcome {
			return nil, ErrRequestIDReused
		}
		return before, nil
	}
	if version := e.careers.version(c.Outcome); c.Expect != 0 && c.Expect != version {
		return nil, &VersionError{Outcome: c.Outcome, Want: c.Expect, Got: version}
	}
	change, err := e.careers.state.Rollback(c.Outcome, actor(c.By), c.Reason, e.businessNow(e.opts.Clock()).UTC())
	if err != nil {
		return nil, err
	}
	return e.enact(ctx, Career{Change: change, Request: c.Request}, nil)
}

// enact logs a change and puts it into force. It compiles the bundle in force
// with the models as they will be first: what does not fit is not logged.
func (e *Engine) enact(ctx context.Context, c Career, content []byte) (*Career, error) {
	state, err := e.careers.state.Apply(c.Change)
	if err != nil {
		return nil, err
	}
	before := e.careers
	if content != nil { // a model that is only registered is asked nothing
		if err := e.logCareer(ctx, &c, content); err != nil {
			return nil, unavailable("log the change of a model", err)
		}
		e.careers.add(state, c)
		return &c, nil
	}
	e.careers.state = state
	s, err := e.recompiled(ctx)
	if err == nil {
		if err = e.logCareer(ctx, &c, nil); err != nil {
			err = unavailable("log the change of a model", err)
		}
	}
	if err != nil {
		e.careers = before
		return nil, err
	}
	e.careers.add(state, c)
	if s != nil {
		e.active.Store(s)
	}
	return &c, nil
}

// recompiled is the bundle in force with the models as they stand now; nil without a bundle.
func (e *Engine) recompiled(ctx context.Context) (*snapshot, error) {
	s := e.active.Load()
	if s == nil {
		return nil, nil
	}
	return e.compile(ctx, s.bundle)
}

func (c *careers) add(state *registry.Registry, x Career) {
	c.state = state
	c.log = append(slices.Clip(c.log), x)
	if c.from == 0 {
		c.from = x.Position
	}
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
