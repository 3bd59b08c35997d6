package models

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// z95 is the two-sided 95 % quantile of the normal distribution.
const z95 = 1.959963984540054

// AssumedLift is a lift somebody wrote down for one offer.
type AssumedLift struct {
	Offer string
	Lift  float64 // in the schema's unit
	SD    float64 // how sure one is of it; >= 0
}

// Prior answers assumed lifts over a constant or over another model's
// prediction without an offer. Its schema says Assumed.
type Prior struct {
	schema  Schema
	without float64
	base    Model // nil: the constant without
	lifts   []AssumedLift
}

// NewPrior makes a prior. base is nil for the constant without; otherwise
// features and unit are the base's. schema.Offers and Assumed are set here.
func NewPrior(schema Schema, without float64, base Model, lifts []AssumedLift) (*Prior, error) {
	p := &Prior{schema: schema, without: without, base: base, lifts: slices.Clone(lifts)}
	p.schema.Assumed, p.schema.Offers = true, nil
	for _, l := range lifts {
		p.schema.Offers = append(p.schema.Offers, l.Offer)
	}
	if base != nil {
		p.schema.Unit, p.schema.Features, p.schema.OfferFeatures = base.Schema().Unit, base.Schema().Features, nil
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("prior for %s: %w", schema.Outcome, err)
	}
	return p, nil
}

func (p *Prior) check() error {
	for i, l := range p.lifts {
		if !isFinite(l.Lift) || !isFinite(l.SD) || l.SD < 0 {
			return fmt.Errorf("offer %q: lift %v with sd %v, want finite numbers and sd >= 0", l.Offer, l.Lift, l.SD)
		}
		if slices.IndexFunc(p.lifts[:i], func(o AssumedLift) bool { return o.Offer == l.Offer }) >= 0 {
			return fmt.Errorf("offer %q is listed twice", l.Offer)
		}
	}
	if p.base == nil && (!isFinite(p.without) || clampUnit(p.schema.Unit, p.without) != p.without) {
		return fmt.Errorf("without an offer %v is not a %s", p.without, p.schema.Unit)
	}
	return nil
}

// Schema implements Model.
func (p *Prior) Schema() *Schema { return &p.schema }

// Score implements Model.
func (p *Prior) Score(ctx context.Context, x []float64, cands []Candidate, out []Score) error {
	if len(out) < len(cands) {
		return fmt.Errorf("%w: %d scores for %d candidates", ErrUnscorable, len(out), len(cands))
	}
	out = out[:len(cands)]
	if p.base != nil {
		if err := p.base.Score(ctx, x, cands, out); err != nil {
			return fmt.Errorf("baseline of the prior: %w", err)
		}
	}
	for i, c := range cands {
		without := p.without
		if p.base != nil {
			without = out[i].Without
		}
		if c.Arm < 0 || c.Arm >= len(p.lifts) {
			out[i] = Score{Without: without, With: without}
			continue
		}
		l := p.lifts[c.Arm]
		out[i] = clampedScore(p.schema.Unit, without, l.Lift, z95*l.SD)
	}
	return nil
}

// clampedScore adds a lift and its half width to a baseline inside the unit's
// range, so that Lower <= Uplift() <= Upper still holds at its ends.
func clampedScore(unit string, without, lift, half float64) Score {
	return Score{
		Without: without,
		With:    clampUnit(unit, without+lift),
		Lower:   clampUnit(unit, without+lift-half) - without,
		Upper:   clampUnit(unit, without+lift+half) - without,
	}
}

// clampUnit bounds a probability to [0,1] and a count to >= 0.
func clampUnit(unit string, v float64) float64 {
	switch unit {
	case "probability":
		return min(max(v, 0), 1)
	case "count":
		return max(v, 0)
	}
	return v
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (p *Prior) kind() string { return KindPrior }

func (p *Prior) encodePayload(e *encoder) error {
	e.f64(p.without)
	e.u32(uint32(len(p.lifts)))
	for _, l := range p.lifts {
		e.f64(l.Lift)
		e.f64(l.SD)
	}
	var base encoder
	if p.base != nil {
		u, ok := p.base.(*Uplift)
		if !ok {
			return fmt.Errorf("a prior over a %T cannot be written to a file", p.base)
		}
		if err := u.baseline().encodePayload(&base); err != nil {
			return err
		}
	}
	e.bytes(base.b)
	return nil
}

// decodePrior reads a prior; a base model shares the prior's schema but for
// the offers, whose effects it does not know.
func decodePrior(schema *Schema, d *decoder) (Model, error) {
	without := d.f64()
	n := d.count(16, "lifts")
	if d.err == nil && n != len(schema.Offers) {
		d.fail("%d lifts for %d offers", n, len(schema.Offers))
	}
	var lifts []AssumedLift
	if d.err == nil {
		lifts = make([]AssumedLift, n)
	}
	for i := range lifts {
		lifts[i] = AssumedLift{Offer: schema.Offers[i], Lift: d.f64(), SD: d.f64()}
	}
	payload := d.bytes("bytes of the baseline")
	if err := d.done(); err != nil {
		return nil, err
	}
	var base Model
	if len(payload) > 0 {
		s := *schema
		s.Assumed, s.Offers = false, nil
		u, err := decodeUplift(&s, &decoder{b: payload})
		if err != nil {
			return nil, fmt.Errorf("baseline: %w", err)
		}
		base = u
	}
	p, err := NewPrior(*schema, without, base, lifts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return p, nil
}
