// Package descriptor reads the small files that describe a model which runs
// outside the engine: what it reads, what it answers and how long one waits.
//
// It owns what the kinds of such models have in common and refuses to know how
// any of them is asked; see models/remote and models/process.
package descriptor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rebound-engine/rebound/models"
)

// maxBytes bounds a descriptor file.
const maxBytes = 256 << 10 // 256 KiB

// Decode reads one YAML or JSON document strictly: unknown keys, a second
// document and anchors are errors.
func Decode(data []byte, into any) error {
	if len(data) > maxBytes {
		return fmt.Errorf("read descriptor: %d bytes, at most %d are read", len(data), maxBytes)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return fmt.Errorf("read descriptor: %w", err)
	}
	if err := refuseAliases(&root); err != nil {
		return fmt.Errorf("read descriptor: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("read descriptor: it is empty")
		}
		return fmt.Errorf("read descriptor: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("read descriptor: it holds more than one document")
	}
	return nil
}

func refuseAliases(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("line %d: anchors and aliases are not read; write the value out", n.Line)
	}
	for _, c := range n.Content {
		if err := refuseAliases(c); err != nil {
			return err
		}
	}
	return nil
}

// Duration is written as text with a unit, like 4ms or 720h.
type Duration time.Duration

// UnmarshalYAML reads a positive duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v <= 0 {
		return fmt.Errorf("line %d: %q is no duration above 0; write it like 4ms, 2s or 720h", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// Or is the duration, or another if none was written.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// Feature is one input of the model. A plain text is the name of a number.
type Feature struct {
	Name string `yaml:"name"`
	// Levels make it a category: its value is an index into them.
	Levels []string `yaml:"levels"`
	// Missing is sent in place of a missing value; without it NaN is.
	Missing *float64 `yaml:"missing"`
	// NoOffer is what an offer feature is without an offer: 0 by default, for a
	// category missing.
	NoOffer *float64 `yaml:"no_offer"`
}

// UnmarshalYAML reads a name or a mapping.
func (f *Feature) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		f.Name = n.Value
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains([]string{"name", "levels", "missing", "no_offer"}, key.Value) {
			return fmt.Errorf("line %d: a feature has no %q; it has name, levels, missing and no_offer", key.Line, key.Value)
		}
	}
	type plain Feature
	return n.Decode((*plain)(f))
}

func (f Feature) model() models.Feature {
	m := models.Feature{Name: f.Name, Levels: f.Levels}
	if len(f.Levels) > 0 {
		m.Type = models.Category
	}
	return m
}

// Schema is the part of a descriptor that says what a model reads and answers.
type Schema struct {
	Outcome       string    `yaml:"outcome"`
	Unit          string    `yaml:"unit"`
	Window        Duration  `yaml:"window"`
	Features      []Feature `yaml:"features"`
	OfferFeatures []Feature `yaml:"offer_features"`
	Offers        []string  `yaml:"offers"`
}

// Complete fills what the descriptor leaves to the bundle. Where both speak they must agree.
func (s *Schema) Complete(b models.Schema) error {
	if s.Outcome != "" && b.Outcome != "" && s.Outcome != b.Outcome {
		return fmt.Errorf("predicts the outcome %q, the policies use it for %q", s.Outcome, b.Outcome)
	}
	if s.Unit != "" && b.Unit != "" && s.Unit != b.Unit {
		return fmt.Errorf("answers in the unit %q, the policies declare %q", s.Unit, b.Unit)
	}
	if s.Outcome == "" {
		s.Outcome = b.Outcome
	}
	if s.Unit == "" {
		s.Unit = b.Unit
	}
	if s.Window == 0 {
		s.Window = Duration(b.Window)
	}
	if s.Offers == nil {
		s.Offers = slices.Clone(b.Offers)
	}
	return nil
}

// Check reports every problem of the schema.
func (s *Schema) Check() error {
	var found []error
	if s.Outcome == "" {
		found = append(found, errors.New("outcome: say which outcome the model predicts"))
	}
	if !slices.Contains([]string{"probability", "count", "money"}, s.Unit) {
		found = append(found, fmt.Errorf("unit: %q is none of probability, count and money", s.Unit))
	}
	if len(s.Features)+len(s.OfferFeatures) == 0 {
		found = append(found, errors.New("features: the model reads nothing"))
	}
	names := map[string]bool{}
	for _, f := range slices.Concat(s.Features, s.OfferFeatures) {
		if f.Name == "" || names[f.Name] {
			found = append(found, fmt.Errorf("features: %q is empty or there twice", f.Name))
		}
		names[f.Name] = true
		if slices.Contains(f.Levels, "") {
			found = append(found, fmt.Errorf("features: %q has an empty level", f.Name))
		}
	}
	for _, f := range s.Features {
		if f.NoOffer != nil {
			found = append(found, fmt.Errorf("features: %q describes no offer and has no value without one", f.Name))
		}
	}
	for i, o := range s.Offers {
		if o == "" || slices.Contains(s.Offers[:i], o) {
			found = append(found, fmt.Errorf("offers: %q is empty or there twice", o))
		}
	}
	return errors.Join(found...)
}

// Model is the schema as the engine reads it.
func (s *Schema) Model() models.Schema {
	m := models.Schema{Outcome: s.Outcome, Unit: s.Unit, Window: time.Duration(s.Window), Offers: slices.Clone(s.Offers)}
	for _, f := range s.Features {
		m.Features = append(m.Features, f.model())
	}
	for _, f := range s.OfferFeatures {
		m.OfferFeatures = append(m.OfferFeatures, f.model())
	}
	return m
}
