package models

import (
	"errors"
	"fmt"
)

// ErrNotPortable is wrapped when a model cannot be written as an artifact.
var ErrNotPortable = errors.New("model has no artifact form")

// maxAdaptedOffers bounds what preparing the offers of a hostile artifact costs.
const maxAdaptedOffers = 128

func (a *Adapter) kind() string { return KindAdapted }

// portable reports what of the adapter is no ensemble.
func (a *Adapter) portable() error {
	if len(a.schema.Offers) > maxAdaptedOffers {
		return fmt.Errorf("%d offers, at most %d: %w", len(a.schema.Offers), maxAdaptedOffers, ErrNotPortable)
	}
	for _, h := range a.heads {
		if h.f.Ensemble == nil {
			return fmt.Errorf("a function is no sum of trees: %w", ErrNotPortable)
		}
	}
	return nil
}

// encodePayload writes the functions and what they are given.
func (a *Adapter) encodePayload(e *encoder) error {
	if err := a.portable(); err != nil {
		return err
	}
	e.f64(a.halfWidth)
	e.u8(flag(a.sLearner))
	heads := a.heads
	if !a.sLearner && len(heads) > 1 {
		heads = a.perOffer()
	}
	e.u32(uint32(len(heads)))
	for _, h := range heads {
		e.u8(flag(h != nil))
		if h != nil {
			encodeFunction(e, h)
		}
	}
	return nil
}

// perOffer is the head without an offer, then one per offer; nil for no lift.
func (a *Adapter) perOffer() []*head {
	out := []*head{a.heads[0]}
	for _, h := range a.armHead {
		if h < 0 {
			out = append(out, nil)
		} else {
			out = append(out, a.heads[h])
		}
	}
	return out
}

func encodeFunction(e *encoder, h *head) {
	m := h.f.Ensemble
	e.u32(uint32(h.f.Output))
	e.u32(uint32(len(h.inputs)))
	for i := range h.inputs {
		in := &h.inputs[i]
		e.u8(uint8(in.Kind))
		e.u32(uint32(in.Index))
		e.f64(in.On)
		e.f64(in.Off)
		e.f64s(in.Codes)
	}
	e.u32(uint32(m.Outputs))
	e.f64s(m.Base)
	e.f64(m.Average)
	e.u8(uint8(m.Link))
	e.f64(m.Scale)
	e.u8(flag(m.VectorLeaves))
	e.u8(flag(m.Float32))
	e.u8(flag(m.Float32Sum))
	e.i32s(m.TreeOutput)
	e.u32(uint32(len(m.Trees)))
	for i := range m.Trees {
		encodeTree(e, &m.Trees[i])
		e.u32(uint32(len(m.Trees[i].Linear)))
		for _, l := range m.Trees[i].Linear {
			e.f64(l.Const)
			e.i32s(l.Features)
			e.f64s(l.Coeffs)
		}
	}
}

func decodeAdapter(schema *Schema, d *decoder) (*Adapter, error) {
	c := AdapterConfig{Schema: *schema, HalfWidth: d.finite("half width"), SLearner: d.u8() == 1}
	n := d.count(1, "functions")
	if d.err == nil && (n < 1 || n > 1 && n != len(schema.Offers)+1 || len(schema.Offers) > maxAdaptedOffers) {
		d.fail("%d functions for %d offers", n, len(schema.Offers))
	}
	for k := range n {
		if d.err != nil {
			break
		}
		var f Function
		var inputs []Input
		if d.u8() == 1 {
			f, inputs = decodeFunction(d)
		}
		if k == 0 {
			c.Without, c.Inputs = f, inputs
		} else {
			c.With, c.WithInputs = append(c.With, f), append(c.WithInputs, inputs)
		}
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	a, err := NewAdapter(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return a, nil
}

func decodeFunction(d *decoder) (Function, []Input) {
	f := Function{Output: int(d.u32())}
	inputs := make([]Input, d.count(25, "inputs"))
	for i := range inputs {
		inputs[i] = Input{Kind: InputKind(d.u8()), Index: int(int32(d.u32())), On: d.f64(), Off: d.f64(), Codes: d.finites("codes")}
	}
	m := &Ensemble{Features: make([]Feature, len(inputs)), Outputs: int(d.u32()), Base: d.finites("bases"), Average: d.finite("average"), Link: Link(d.u8()), Scale: d.finite("scale")}
	m.VectorLeaves, m.Float32, m.Float32Sum = d.u8() == 1, d.u8() == 1, d.u8() == 1
	m.TreeOutput = d.i32s("outputs of trees")
	if d.err == nil && (m.Outputs < 1 || m.Outputs > MaxUpliftOutputs || m.Link > LinkSoftplus) {
		d.fail("%d outputs with link %d", m.Outputs, m.Link)
	}
	n := d.count(28, "trees")
	for range n {
		if d.err != nil {
			break
		}
		t := decodeTree(d, false)
		for range d.count(16, "linear leaves") {
			t.Linear = append(t.Linear, LinearLeaf{Const: d.finite("constant"), Features: d.i32s("linear features"), Coeffs: d.finites("coefficients")})
		}
		m.Trees = append(m.Trees, t)
	}
	f.Ensemble = m
	return f, inputs
}
