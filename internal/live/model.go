package live

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/foreign"
	"github.com/rebound-engine/rebound/rules"
)

// OpenModel opens a model file of a bundle and returns its digest: a native
// artifact, or a file of another library (LightGBM, XGBoost, CatBoost, ONNX).
//
// The inputs of a foreign file are named as the policies name them. With
// inputs offer.* it is an S-learner: without an offer they are 0, categories
// missing. Without any it is a baseline that knows no lift.
//
// A model outside this process (*.remote.yaml, *.process.yaml, or .json) is
// checked as far as its descriptor goes and cannot score; see Models.
func OpenModel(b *rules.Bundle, path string) (models.Model, string, error) {
	data, err := b.File(path)
	if err != nil {
		return nil, "", err
	}
	if kind := outsideKind(path); kind != "" {
		m, err := describe(b, path, kind, data)
		sum := sha256.Sum256(data)
		return m, hex.EncodeToString(sum[:]), err
	}
	if models.IsArtifact(data) {
		m, _, err := models.Open(data)
		return m, models.Digest(data), err
	}
	m, err := openForeign(path, data, foreignSchema(b, path))
	sum := sha256.Sum256(data)
	return m, hex.EncodeToString(sum[:]), err
}

func openForeign(path string, data []byte, schema models.Schema) (models.Model, error) {
	m, err := foreign.Open(path, data)
	if err != nil {
		return nil, err
	}
	output, err := PredictedOutput(m.Outputs())
	if err != nil {
		return nil, err
	}
	return AdaptForeign(m, output, schema)
}

// AdaptForeign makes an output of a foreign file a model of the schema's outcome
// and offers; the schema's features are those of the file. See OpenModel.
func AdaptForeign(m *foreign.Model, output string, schema models.Schema) (*models.Adapter, error) {
	f, err := m.Function(output)
	if err != nil {
		return nil, err
	}
	c := models.AdapterConfig{Schema: schema, Without: f}
	binding := models.Binding{NoOffer: map[string]float64{}}
	for _, x := range m.Features() {
		if x.Type == models.Category && len(x.Levels) == 0 {
			return nil, fmt.Errorf("input %q is a category whose levels the file does not name", x.Name)
		}
		if !strings.HasPrefix(x.Name, "offer.") {
			c.Schema.Features = append(c.Schema.Features, x)
			continue
		}
		c.Schema.OfferFeatures = append(c.Schema.OfferFeatures, x)
		if x.Type == models.Category {
			binding.NoOffer[x.Name] = math.NaN()
		}
	}
	c.SLearner = len(c.Schema.OfferFeatures) > 0
	if c.Inputs, err = models.Bind(m.Features(), &c.Schema, binding); err != nil {
		return nil, err
	}
	return models.NewAdapter(c)
}

// foreignSchema is what the bundle says of the outcome a file predicts.
func foreignSchema(b *rules.Bundle, path string) models.Schema {
	s := models.Schema{Unit: "probability"}
	company, _ := b.Policy("")
	for _, o := range company.Outcomes {
		if o.File != "" && strings.HasPrefix(path, o.File) {
			s.Outcome, s.Unit, s.Window = o.Name, o.Unit, max(o.To, 0)
			break
		}
	}
	for _, o := range company.Offers {
		s.Offers = append(s.Offers, o.ID)
	}
	return s
}

// PredictedOutput picks the chance of the second of two classes, or the only number there is.
func PredictedOutput(outputs []string) (string, error) {
	numbers := slices.DeleteFunc(slices.Clone(outputs), func(o string) bool { return o == "label" || o == "output_label" })
	switch {
	case len(numbers) == 1:
		return numbers[0], nil
	case len(numbers) == 2 && strings.HasSuffix(numbers[1], "_1"):
		return numbers[1], nil
	}
	return "", fmt.Errorf("has the outputs %s; one number, or the chances of two classes, are needed", strings.Join(outputs, ", "))
}
