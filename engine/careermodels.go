package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/rules"
)

// Artifact is a model file handed over by itself, outside any bundle.
type Artifact struct {
	Outcome string // of the bundle, which the model is to predict
	File    string // its name: the ending says what it is
	Content []byte
}

// hired is a registered model, bound to a bundle.
type hired struct {
	outcome outcomeModel
	ref     ModelRef
	card    *models.Card // nil: the file has none
}

// appoint puts the registered models of a bundle's outcomes into their roles. A
// model whose outcome the bundle does not have waits; one that does not fit is
// an error that says how to let it go.
func (e *Engine) appoint(ctx context.Context, s *snapshot) error {
	s.own = slices.Clone(s.outcomes)
	if err := e.loadCareers(ctx); err != nil {
		return err
	}
	for i := range s.own {
		if !s.own[i].predicted() {
			continue
		}
		if err := e.appointTo(ctx, s, i); err != nil {
			return err
		}
	}
	return nil
}

// predicted reports whether a model of its own predicts the outcome.
func (m *outcomeModel) predicted() bool {
	return m.Model == rules.ModelPrior || m.Model == rules.ModelFile
}

func (e *Engine) appointTo(ctx context.Context, s *snapshot, outcome int) error {
	name := s.own[outcome].Name
	for _, m := range e.careers.state.Models(name) {
		if m.Role == registry.Registered || m.Role == registry.Retired {
			continue
		}
		h, err := e.hire(ctx, s, outcome, e.careers.registration(name, m.Digest))
		if err != nil {
			return fmt.Errorf("outcome %s: the %s %s does not fit: %w (%s)", name, m.Role, short(m.Digest), err, wayOut(m.Role))
		}
		switch m.Role {
		case registry.Champion:
			s.outcomes[outcome] = h.outcome
			s.models = slices.Clone(s.models)
			decides(s.models, h.ref)
		case registry.Challenger:
			s.contests = append(s.contests, contest{outcome: outcome, model: h.outcome, ref: h.ref, width: bucket.Width(m.Share), name: "model " + name, defender: e.careers.incumbent(name)})
		case registry.Shadow:
			s.shadows = append(s.shadows, shadow{h.outcome, m.Digest})
		}
	}
	return nil
}

// incumbent is who decides where no challenger does.
func (c *careers) incumbent(outcome string) string {
	if _, ok := c.state.Champion(outcome); ok {
		return string(registry.Champion)
	}
	return registry.Bundle
}

func wayOut(r registry.Role) string {
	if r == registry.Champion {
		return "roll it back first"
	}
	return "retire it first"
}

// short is enough of a digest for people.
func short(digest string) string { return digest[:min(len(digest), 12)] }

// hire opens the file of a registered model for a bundle.
func (e *Engine) hire(ctx context.Context, s *snapshot, outcome int, c *Career) (*hired, error) {
	content, err := e.readBlob(ctx, c.sum, 0)
	if err != nil {
		return nil, err
	}
	return e.bindArtifact(ctx, s, outcome, &Artifact{Outcome: c.Outcome, File: c.File, Content: content})
}

// bindArtifact opens a model file and ties it to a bundle's outcome. A baseline
// that knows no lift takes the place of the baseline under assumed lifts.
func (e *Engine) bindArtifact(ctx context.Context, s *snapshot, outcome int, a *Artifact) (*hired, error) {
	if e.opts.OpenArtifact == nil {
		return nil, errNoArtifacts
	}
	m, digest, err := e.opts.OpenArtifact(s.bundle, a)
	if err != nil {
		return nil, err
	}
	company, _ := s.bundle.Policy("")
	h := &hired{outcome: s.own[outcome]}
	if models.IsArtifact(a.Content) {
		if h.card, err = models.ReadCard(a.Content); err != nil {
			return nil, err
		}
	}
	h.ref = ModelRef{Outcome: a.Outcome, File: path.Join("registry", a.File), Digest: digest}
	o := &h.outcome
	if unit := m.Schema().Unit; unit != o.Unit {
		return nil, fmt.Errorf("it predicts a %s, the outcome is a %s", unit, o.Unit)
	}
	if knowsNoLift(m) {
		if o.Model != rules.ModelPrior {
			return nil, errors.New("it knows no lift of any offer, and the policies assume none: nothing would ever be offered")
		}
		if m, err = o.priorOver(m); err != nil {
			return nil, err
		}
	}
	if o.model, err = s.bind(m, company); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(o.model.arms, func(arm int) bool { return arm >= 0 }) && len(m.Schema().OfferFeatures) == 0 {
		return nil, fmt.Errorf("it knows %v, none of which the policies offer", m.Schema().Offers)
	}
	o.Model, o.File = rules.ModelFile, h.ref.File
	o.assumed = m.Schema().Assumed
	h.ref.Assumed = o.assumed
	o.segment = s.segmentOf(ctx, o, company)
	return h, nil
}

func knowsNoLift(m models.Model) bool {
	s := m.Schema()
	return len(s.Offers) == 0 && len(s.OfferFeatures) == 0
}
