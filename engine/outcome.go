package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
)

// outcomeModel is an outcome with the ladder of models that predict it. An
// alias shares the scores of another outcome; the basket comes from the profile.
type outcomeModel struct {
	rules.Outcome
	of      int      // index of the outcome an alias stands for; -1
	model   *bound   // nil for alias and basket
	distill *bound   // last good distilled model; nil if the bundle has none
	segment *segment // what is known without a person; nil if the model cannot say
	assumed bool
}

// bound is a model tied to the variables of a bundle.
type bound struct {
	models.Model
	local  bool         // answers at once and without allocation
	inputs []modelInput // in vector order
	arms   []int        // by offer index
	offers [][]float64  // offer features, by offer index
}

type modelInput struct {
	slot     rules.Slot
	personal bool
	levels   []string // of a category
}

// segment holds a model's answer when everything personal is missing.
type segment struct{ scores []models.Score } // by offer index

// openModels opens and binds the model of every outcome.
func (s *snapshot) openModels(ctx context.Context, b *rules.Bundle, p *rules.Policy, open modelFor) error {
	for i := range s.outcomes {
		if err := s.openOutcome(ctx, b, p, &s.outcomes[i], open); err != nil {
			return fmt.Errorf("outcome %s: %w", s.outcomes[i].Name, err)
		}
	}
	return nil
}

func (s *snapshot) openOutcome(ctx context.Context, b *rules.Bundle, p *rules.Policy, m *outcomeModel, open modelFor) (err error) {
	switch m.Model {
	case rules.ModelAlias:
		if m.of < 0 || s.outcomes[m.of].Model == rules.ModelAlias {
			return fmt.Errorf("is an alias of %q, which has no model of its own", m.Of)
		}
		return nil
	case rules.ModelPrior:
		err = s.openPrior(b, p, m, open)
	case rules.ModelFile:
		err = s.openFile(b, p, m, open)
	default:
		return nil
	}
	if err == nil {
		m.assumed = m.model.Schema().Assumed
		m.segment = s.segmentOf(ctx, m, p)
	}
	return err
}

func (s *snapshot) openPrior(b *rules.Bundle, p *rules.Policy, m *outcomeModel, open modelFor) error {
	var base models.Model
	if m.File != "" {
		var digest string
		var err error
		if base, digest, err = openModel(b, m.File, open); err != nil {
			return err
		}
		s.models = append(s.models, ModelRef{Outcome: m.Name, File: m.File, Digest: digest, Assumed: true})
	} else {
		s.models = append(s.models, ModelRef{Outcome: m.Name, Assumed: true})
	}
	prior, err := m.priorOver(base)
	if err != nil {
		return err
	}
	m.model, err = s.bind(prior, p)
	return err
}

// priorOver is the assumed lifts over a baseline; nil: over the constant of the policies.
func (m *outcomeModel) priorOver(base models.Model) (*models.Prior, error) {
	var lifts []models.AssumedLift
	for _, offer := range slices.Sorted(maps.Keys(m.Prior)) {
		lifts = append(lifts, models.AssumedLift{Offer: offer, Lift: m.Prior[offer].Mean, SD: m.Prior[offer].SD})
	}
	return models.NewPrior(models.Schema{Outcome: m.Name, Unit: m.Unit}, m.Without, base, lifts)
}

// distilledSuffix names the last good distilled model beside a model file.
const distilledSuffix = ".distilled"

func (s *snapshot) openFile(b *rules.Bundle, p *rules.Policy, m *outcomeModel, open modelFor) error {
	full, digest, err := openModel(b, m.File, open)
	if err != nil {
		return err
	}
	s.models = append(s.models, ModelRef{Outcome: m.Name, File: m.File, Digest: digest, Assumed: full.Schema().Assumed})
	if m.model, err = s.bind(full, p); err != nil {
		return fmt.Errorf("model %s: %w", m.File, err)
	}
	if _, has := b.Files()[m.File+distilledSuffix]; !has {
		return nil
	}
	small, digest, err := openModel(b, m.File+distilledSuffix, open)
	if err != nil {
		return err
	}
	s.models = append(s.models, ModelRef{Outcome: m.Name, File: m.File + distilledSuffix, Digest: digest, Assumed: small.Schema().Assumed})
	if m.distill, err = s.bind(small, p); err != nil {
		return fmt.Errorf("model %s: %w", m.File+distilledSuffix, err)
	}
	return nil
}

func openModel(b *rules.Bundle, path string, open modelFor) (models.Model, string, error) {
	if open == nil {
		return nil, "", fmt.Errorf("model file %s: no opener was configured", path)
	}
	m, digest, err := open(b, path)
	if err != nil {
		return nil, "", fmt.Errorf("model file %s: %w", path, err)
	}
	return m, digest, nil
}

// bind resolves a model's inputs to variables and its arms to offers. An input
// the policies do not know is an error that names it.
func (s *snapshot) bind(m models.Model, p *rules.Policy) (*bound, error) {
	schema := m.Schema()
	b := &bound{Model: m, local: isLocal(m), arms: make([]int, len(p.Offers))}
	for _, f := range schema.Features {
		in, err := s.bindInput(f)
		if err != nil {
			return nil, err
		}
		b.inputs = append(b.inputs, in)
	}
	for i := range p.Offers {
		b.arms[i] = slices.Index(schema.Offers, p.Offers[i].ID)
		x, err := offerVector(schema.OfferFeatures, &p.Offers[i], p)
		if err != nil {
			return nil, err
		}
		b.offers = append(b.offers, x)
	}
	return b, nil
}

func (s *snapshot) bindInput(f models.Feature) (modelInput, error) {
	slot := s.env.Slot(f.Name)
	if slot < 0 {
		return modelInput{}, fmt.Errorf("reads %q, which is no variable of this build", f.Name)
	}
	for _, scope := range s.bundle.Scopes() {
		p, _ := s.bundle.Policy(scope)
		if slices.ContainsFunc(p.Denied, func(x rules.Denial) bool { return x.Slot == slot }) {
			return modelInput{}, fmt.Errorf("reads %q, which is on the deny list of scope %q", f.Name, scope)
		}
	}
	v := s.env.Variables()[slot]
	isText := v.Type == rules.String
	if isText != (f.Type == models.Category) || v.Type == rules.Strings {
		return modelInput{}, fmt.Errorf("reads %q as another type than it has", f.Name)
	}
	if v.Origin&(rules.OriginOffer|rules.OriginScore|rules.OriginDecision) != 0 {
		return modelInput{}, fmt.Errorf("reads %q, which is not known before scoring", f.Name)
	}
	return modelInput{slot: slot, personal: v.Purpose == rules.PurposePersonal, levels: f.Levels}, nil
}

// offerVector fills the offer features of one offer; what it lacks is missing.
func offerVector(features []models.Feature, o *rules.Offer, p *rules.Policy) ([]float64, error) {
	if len(features) == 0 {
		return nil, nil
	}
	x := make([]float64, len(features))
	for i, f := range features {
		name, ok := strings.CutPrefix(f.Name, "offer.")
		if !ok {
			return nil, fmt.Errorf("offer feature %q does not begin with offer", f.Name)
		}
		x[i] = offerFeature(f, name, o, p)
	}
	return x, nil
}

func offerFeature(f models.Feature, name string, o *rules.Offer, p *rules.Policy) float64 {
	level := func(v string) float64 {
		if i := slices.Index(f.Levels, v); i >= 0 {
			return float64(i)
		}
		return math.NaN()
	}
	switch name {
	case "id":
		return level(o.ID)
	case "kind":
		return level(string(o.Kind))
	case "max_liability":
		return float64(o.Ceiling) / math.Pow10(p.Exponent)
	case "validity_hours":
		return o.Validity.Hours()
	}
	for _, param := range o.Params {
		switch {
		case param.Name != name:
		case param.IsText:
			return level(param.Text)
		default:
			return param.Number
		}
	}
	return math.NaN()
}

// isLocal reports whether a model runs in this process on memory alone.
func isLocal(m models.Model) bool {
	switch m.(type) {
	case *models.Prior, *models.Uplift, *models.Adapter:
		return true
	}
	return false
}

// segmentOf asks the model once what it says when nothing is known; a model
// that cannot answer has no segment prior.
func (s *snapshot) segmentOf(ctx context.Context, m *outcomeModel, p *rules.Policy) *segment {
	x := make([]float64, len(m.model.inputs))
	for i := range x {
		x[i] = math.NaN()
	}
	cands := make([]models.Candidate, len(p.Offers))
	for i := range cands {
		cands[i] = models.Candidate{Arm: m.model.arms[i], X: m.model.offers[i]}
	}
	g := &segment{scores: make([]models.Score, len(cands))}
	if err := m.model.Score(ctx, x, cands, g.scores); err != nil {
		return nil
	}
	return g
}

// vector fills the model's inputs from a frame. Without consent what is
// personal was never set, and so is missing.
func (b *bound) vector(f *rules.Frame, x []float64) []float64 {
	x = x[:0]
	for i := range b.inputs {
		x = append(x, b.inputs[i].value(f))
	}
	return x
}

func (in *modelInput) value(f *rules.Frame) float64 {
	if in.levels == nil {
		if v, ok := f.Number(in.slot); ok {
			return v
		}
		return math.NaN()
	}
	if v, ok := f.Text(in.slot); ok {
		if i := slices.Index(in.levels, v); i >= 0 {
			return float64(i)
		}
	}
	return math.NaN()
}

// errTooLate: so little time is left that asking the model would miss the deadline.
var errTooLate = errors.New("too close to the deadline")

// askModel scores with one rung, leaving time to record the decision.
func askModel(ctx context.Context, b *bound, x []float64, cands []models.Candidate, out []models.Score, limit time.Duration) error {
	if b.local {
		return b.Score(ctx, x, cands, out)
	}
	if until, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(until)-deadlineReserve)
	}
	if limit <= 0 {
		return errTooLate
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return b.Score(ctx, x, cands, out)
}

// deadlineReserve is kept for ledger and log when a remote model is asked.
const deadlineReserve = 2 * time.Millisecond

// soundScores reports a score that is no number or out of its unit's range.
func soundScores(unit string, scores []models.Score) error {
	for i := range scores {
		s := &scores[i]
		if !finite(s.With) || !finite(s.Without) || math.IsNaN(s.Lower) || math.IsNaN(s.Upper) { // an infinite bound says that nothing bounds it
			return fmt.Errorf("%w: the model answered what is no number", models.ErrUnscorable)
		}
		if unit == "probability" && (s.With < 0 || s.With > 1 || s.Without < 0 || s.Without > 1) {
			return fmt.Errorf("%w: the model answered a chance outside 0 to 1", models.ErrUnscorable)
		}
	}
	return nil
}

func finite(v float64) bool { return v-v == 0 }
