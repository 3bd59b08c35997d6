package models

import (
	"fmt"
	"slices"
)

// Binding says how the inputs of a function are filled, beyond those that have
// the name of a feature of the schema.
type Binding struct {
	// Arms maps an input to the offer id it indicates: 1 for that offer, 0 else.
	Arms map[string]string
	// Codes maps an input to the code of each offer id, for one categorical
	// input that names the offer; NoOffer is its code without one.
	Codes   map[string]map[string]float64
	NoOffer map[string]float64 // values without an offer, of Codes and of offer features; else 0
	// Constants fixes inputs.
	Constants map[string]float64
}

// Bind finds a source for every input of a function: its binding, else the
// feature of that name in schema.Features or schema.OfferFeatures. Levels of
// categories must agree with those of the schema where both are known.
func Bind(inputs []Feature, schema *Schema, b Binding) ([]Input, error) {
	out := make([]Input, len(inputs))
	for i, f := range inputs {
		in, err := bindInput(f, schema, &b)
		if err != nil {
			return nil, fmt.Errorf("bind input %q: %w", f.Name, err)
		}
		out[i] = in
	}
	return out, nil
}

func bindInput(f Feature, schema *Schema, b *Binding) (Input, error) {
	if v, ok := b.Constants[f.Name]; ok {
		return Input{Kind: InputConstant, On: v}, nil
	}
	if id, ok := b.Arms[f.Name]; ok {
		arm := slices.Index(schema.Offers, id)
		if arm < 0 {
			return Input{}, fmt.Errorf("offer %q is not in the schema", id)
		}
		return Input{Kind: InputArm, Index: arm, On: 1}, nil
	}
	if codes, ok := b.Codes[f.Name]; ok {
		in := Input{Kind: InputArmCode, Off: b.NoOffer[f.Name], Codes: make([]float64, len(schema.Offers))}
		for i, id := range schema.Offers {
			code, ok := codes[id]
			if !ok {
				return Input{}, fmt.Errorf("offer %q has no code", id)
			}
			in.Codes[i] = code
		}
		return in, nil
	}
	byName := func(s Feature) bool { return s.Name == f.Name }
	if i := slices.IndexFunc(schema.Features, byName); i >= 0 {
		return Input{Kind: InputCustomer, Index: i}, sameLevels(f, schema.Features[i])
	}
	if i := slices.IndexFunc(schema.OfferFeatures, byName); i >= 0 {
		return Input{Kind: InputOffer, Index: i, Off: b.NoOffer[f.Name]}, sameLevels(f, schema.OfferFeatures[i])
	}
	return Input{}, fmt.Errorf("neither bound nor a feature of the schema")
}

func sameLevels(model, schema Feature) error {
	if len(model.Levels) > 0 && len(schema.Levels) > 0 && !slices.Equal(model.Levels, schema.Levels) {
		return fmt.Errorf("the model's %d levels are not the schema's %d", len(model.Levels), len(schema.Levels))
	}
	return nil
}
