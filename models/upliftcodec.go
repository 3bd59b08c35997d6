package models

import "fmt"

// Predictor kinds in the payload of an uplift artifact.
const (
	predictorLinear = 1
	predictorTrees  = 2
	predictorForest = 3
)

func (u *Uplift) encodePayload(e *encoder) error {
	e.u32(uint32(len(u.predictors)))
	for _, p := range u.predictors {
		switch {
		case p.Linear != nil:
			e.u8(predictorLinear)
			p.Linear.encode(e)
		case p.Trees != nil:
			e.u8(predictorTrees)
			encodeEnsemble(e, p.Trees)
		default:
			e.u8(predictorForest)
			p.Forest.encode(e)
		}
	}
	encodeSum(e, &u.without)
	e.f64s(u.levels.X)
	e.f64s(u.levels.Y)
	e.u32(uint32(len(u.arms)))
	for i := range u.arms {
		encodeSum(e, &u.arms[i].Effect)
		e.f64(u.arms[i].Shift)
		e.f64(u.arms[i].Scale)
		encodeSum(e, &u.arms[i].Variance)
	}
	return nil
}

func encodeSum(e *encoder, s *Sum) {
	e.f64(s.Offset)
	e.u32(uint32(len(s.Parts)))
	for _, p := range s.Parts {
		e.u32(uint32(p.Output))
		e.f64(p.Weight)
	}
}

func decodeSum(d *decoder) Sum {
	s := Sum{Offset: d.finite("offset")}
	n := d.count(12, "parts of a sum")
	if n == 0 {
		return s
	}
	s.Parts = make([]Part, n)
	for i := range s.Parts {
		s.Parts[i] = Part{Output: int(d.u32()), Weight: d.finite("weight")}
	}
	return s
}

func decodeUplift(schema *Schema, d *decoder) (*Uplift, error) {
	spec := UpliftSpec{Schema: *schema}
	n := d.count(5, "predictors")
	if n > MaxUpliftOutputs {
		d.fail("%d predictors, at most %d", n, MaxUpliftOutputs)
	}
	for range n {
		if d.err != nil {
			break
		}
		spec.Predictors = append(spec.Predictors, decodePredictor(schema, d))
	}
	spec.Without = decodeSum(d)
	spec.Levels = Calibration{X: d.finites("calibration points"), Y: d.finites("calibration values")}
	arms := d.count(40, "arms")
	for range arms {
		if d.err != nil {
			break
		}
		spec.Arms = append(spec.Arms, ArmEffect{
			Effect: decodeSum(d), Shift: d.finite("shift"), Scale: d.finite("scale"), Variance: decodeSum(d),
		})
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	u, err := NewUplift(spec)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return u, nil
}

func decodePredictor(schema *Schema, d *decoder) Predictor {
	switch k := d.u8(); k {
	case predictorLinear:
		return Predictor{Linear: decodeLinear(schema.Features, d)}
	case predictorTrees:
		return Predictor{Trees: decodeEnsemble(schema.Features, d)}
	case predictorForest:
		return Predictor{Forest: decodeForest(d)}
	default:
		d.fail("predictor of kind %d", k)
		return Predictor{}
	}
}

func encodeEnsemble(e *encoder, m *Ensemble) {
	e.u32(uint32(m.Outputs))
	e.f64s(m.Base)
	e.f64(m.Average)
	e.u8(uint8(m.Link))
	e.f64(m.Scale)
	e.u32(uint32(len(m.Trees)))
	for i := range m.Trees {
		encodeTree(e, &m.Trees[i])
	}
}

func decodeEnsemble(features []Feature, d *decoder) *Ensemble {
	m := &Ensemble{Features: features, Outputs: int(d.u32()), Base: d.finites("bases"), Average: d.finite("average"), Link: Link(d.u8()), Scale: d.finite("scale")}
	if d.err == nil && (m.Outputs < 1 || m.Outputs > MaxUpliftOutputs || len(m.Base) != m.Outputs) {
		d.fail("%d outputs with %d bases", m.Outputs, len(m.Base))
	}
	if m.Link > LinkExp {
		d.fail("link %d of an ensemble", m.Link)
	}
	m.Trees = decodeTrees(d, true)
	return m
}

func encodeTree(e *encoder, t *Tree) {
	e.i32s(t.Feature)
	for i := range t.Feature {
		e.f64(t.Threshold[i])
		e.u32(uint32(t.Left[i]))
		e.u32(uint32(t.Right[i]))
		e.u8(t.Flags[i])
	}
	e.i32s(t.CatOffset)
	e.i32s(t.CatWords)
	e.u32s(t.CatBits)
	e.f64s(t.Leaf)
	e.f64s(t.Cover)
}

func decodeTrees(d *decoder, leaves bool) []Tree {
	n := d.count(24, "trees")
	if n == 0 {
		return nil
	}
	trees := make([]Tree, 0, min(n, 1024))
	for range n {
		if d.err != nil {
			return nil
		}
		trees = append(trees, decodeTree(d, leaves))
	}
	return trees
}

func decodeTree(d *decoder, leaves bool) Tree {
	t := Tree{Feature: d.i32s("nodes")}
	n := len(t.Feature)
	if n > 0 && n <= (len(d.b)-d.at)/17 {
		t.Threshold, t.Left, t.Right, t.Flags = make([]float64, n), make([]int32, n), make([]int32, n), make([]uint8, n)
	} else if n > 0 {
		d.fail("%d nodes do not fit", n)
		return t
	}
	for i := range t.Feature {
		t.Threshold[i] = d.f64() // checked with the tree
		t.Left[i], t.Right[i], t.Flags[i] = int32(d.u32()), int32(d.u32()), d.u8()
	}
	t.CatOffset, t.CatWords, t.CatBits = d.i32s("category offsets"), d.i32s("category widths"), d.u32s("category bits")
	t.Leaf, t.Cover = d.finites("leaves"), d.finites("covers")
	if d.err != nil {
		return t
	}
	if leaves && len(t.Leaf) != n+1 {
		d.fail("%d leaves for %d nodes", len(t.Leaf), n)
	}
	if len(t.Cover) != 0 && len(t.Cover) != 2*n+1 {
		d.fail("%d covers for %d nodes", len(t.Cover), n)
	}
	return t
}
