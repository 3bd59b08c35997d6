package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/store"
)

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
	unlock, err := e.lockCareers(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
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
	unlock, err := e.lockCareers(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
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
