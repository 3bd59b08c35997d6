package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/rebound-engine/rebound/models/learner"
)

// campaignMapping is the YAML form of a mapping file for tables of past
// campaigns (docs/formats/mapping.md).
type campaignMapping struct {
	APIVersion string `yaml:"apiVersion"` // "rebound/v1"
	Kind       string `yaml:"kind"`       // "CampaignMapping"
	Recipe     string `yaml:"recipe"`     // reads a well-known table the way its publications do; "" reads by the keys below
	Delimiter  string `yaml:"delimiter"`  // one character; default ","

	Outcome struct {
		Column string `yaml:"column"`
		Unit   string `yaml:"unit"`   // probability, count or money
		Window string `yaml:"window"` // after the decision, e.g. 14d
	} `yaml:"outcome"`

	Treatment struct {
		Column       string    `yaml:"column"`       // "": nothing was offered, the model predicts the outcome only
		Control      string    `yaml:"control"`      // cell that means no offer
		Offers       []string  `yaml:"offers"`       // cells in arm order; default: all others, sorted
		Propensities []string  `yaml:"propensities"` // columns with the chance of each arm, control first
		Shares       []float64 `yaml:"shares"`       // or the same chances for all rows, as parts, control first
	} `yaml:"treatment"`

	Weight   string `yaml:"weight"`
	Customer string `yaml:"customer"`
	Time     string `yaml:"time"`

	Features   []string          `yaml:"features"`   // default: every column not named elsewhere
	Categories []string          `yaml:"categories"` // features that look like numbers but are codes
	Ignore     []string          `yaml:"ignore"`
	Missing    []string          `yaml:"missing"`   // cells that mean missing besides the empty one
	MaxLevels  int               `yaml:"maxLevels"` // of a category; default 1,000
	Rename     map[string]string `yaml:"rename"`    // column to feature name, e.g. to that of docs/reference
}

// Recipes of well-known tables; their columns are fixed.
const (
	recipeHillstrom = "hillstrom"
	recipeInsurance = "insurance-mail"
	recipeVoucher   = "dmc2010-voucher"
)

var recipes = []string{recipeHillstrom, recipeInsurance, recipeVoucher}

// readCampaignMapping reads a mapping file; unknown keys and all other problems
// are errors with their place.
func readCampaignMapping(name string) (*campaignMapping, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	m := &campaignMapping{}
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(m); err != nil && !errors.Is(err, io.EOF) {
		return nil, usageErrorf("mapping %s: %s", name, yaml.FormatError(err, false, true))
	}
	if err := m.validate(); err != nil {
		return nil, usageErrorf("mapping %s: %w", name, err)
	}
	return m, nil
}

func (m *campaignMapping) validate() error {
	var errs []error
	if m.APIVersion != "rebound/v1" || m.Kind != "CampaignMapping" {
		errs = append(errs, errors.New(`apiVersion must be "rebound/v1" and kind "CampaignMapping"`))
	}
	if m.Recipe != "" {
		errs = append(errs, m.validateRecipe())
	} else {
		errs = append(errs, m.validateOutcome(), m.validateTreatment())
	}
	errs = append(errs, m.validateShares())
	if utf8.RuneCountInString(m.Delimiter) > 1 || strings.ContainsAny(m.Delimiter, "\"\r\n\ufffd") {
		errs = append(errs, fmt.Errorf("delimiter %q is not one character that can separate cells", m.Delimiter))
	}
	if m.MaxLevels < 0 {
		errs = append(errs, fmt.Errorf("maxLevels is %d", m.MaxLevels))
	}
	named := map[string]string{}
	for _, column := range slices.Sorted(maps.Keys(m.Rename)) {
		name := m.Rename[column]
		if other, ok := named[name]; ok || name == "" {
			errs = append(errs, fmt.Errorf("rename: %s and %s: %q is empty or taken", other, column, name))
		}
		named[name] = column
	}
	for _, c := range m.Categories {
		if m.Features != nil && !slices.Contains(m.Features, c) {
			errs = append(errs, fmt.Errorf("categories: %q is not among features", c))
		}
	}
	return errors.Join(errs...)
}

func (m *campaignMapping) validateOutcome() error {
	var errs []error
	if m.Outcome.Column == "" {
		errs = append(errs, errors.New("outcome.column is missing"))
	}
	if !slices.Contains([]string{"probability", "count", "money"}, m.Outcome.Unit) {
		errs = append(errs, fmt.Errorf("outcome.unit %q is not probability, count or money", m.Outcome.Unit))
	}
	if m.Outcome.Window != "" {
		if _, err := parseDays(m.Outcome.Window); err != nil {
			errs = append(errs, fmt.Errorf("outcome.window: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (m *campaignMapping) validateTreatment() error {
	t := m.Treatment
	if t.Column == "" && (t.Control != "" || t.Offers != nil || t.Propensities != nil || t.Shares != nil) {
		return errors.New("treatment.column is missing")
	}
	if t.Propensities != nil && t.Shares != nil {
		return errors.New("give treatment.propensities or treatment.shares, not both")
	}
	if t.Propensities != nil && t.Offers == nil {
		return errors.New("treatment.offers is missing: propensities are in the order control, then offers")
	}
	if t.Offers != nil && t.Propensities != nil && len(t.Propensities) != len(t.Offers)+1 {
		return fmt.Errorf("treatment.propensities names %d columns for control and %d offers", len(t.Propensities), len(t.Offers))
	}
	return nil
}

func (m *campaignMapping) validateShares() error {
	for _, s := range m.Treatment.Shares {
		if !(s > 0) || s > 1e9 {
			return fmt.Errorf("treatment.shares: %v is not a positive part", s)
		}
	}
	if m.Treatment.Shares != nil && m.Recipe == "" && m.Treatment.Offers == nil {
		return errors.New("treatment.offers is missing: shares are in the order control, then offers")
	}
	return nil
}

// validateRecipe refuses keys a recipe would not read.
func (m *campaignMapping) validateRecipe() error {
	if !slices.Contains(recipes, m.Recipe) {
		return fmt.Errorf("recipe %q is none of %s", m.Recipe, strings.Join(recipes, ", "))
	}
	fixed := m.Treatment.Column != "" || m.Treatment.Control != "" || m.Treatment.Offers != nil || m.Treatment.Propensities != nil ||
		m.Weight != "" || m.Customer != "" || m.Time != "" || m.Features != nil || m.Categories != nil ||
		m.Ignore != nil || m.Missing != nil || m.MaxLevels != 0 || m.Delimiter != "" || m.Outcome.Window != ""
	if fixed {
		return fmt.Errorf("recipe %s knows its columns: of the other keys only treatment.shares and rename are read, and outcome.column and outcome.unit of %s", m.Recipe, recipeHillstrom)
	}
	if m.Recipe == recipeHillstrom {
		return m.validateOutcome()
	}
	if m.Outcome.Column != "" || m.Outcome.Unit != "" {
		return fmt.Errorf("recipe %s knows its outcome", m.Recipe)
	}
	return nil
}

// learner is the mapping as the readers take it.
func (m *campaignMapping) learner() learner.Mapping {
	out := learner.Mapping{
		Outcome: m.Outcome.Column, Unit: m.Outcome.Unit,
		Treatment: m.Treatment.Column, Control: m.Treatment.Control, Offers: m.Treatment.Offers, Logged: m.Treatment.Propensities,
		Weight: m.Weight, Group: m.Customer, Time: m.Time,
		Features: m.Features, Categories: m.Categories, Ignore: m.Ignore, Missing: m.Missing, MaxLevels: m.MaxLevels,
	}
	out.Window, _ = parseDays(m.Outcome.Window) // validated; 0 where it is not given
	out.Comma = m.comma()
	return out
}

// comma is the table's delimiter.
func (m *campaignMapping) comma() rune {
	switch {
	case m.Recipe == recipeVoucher:
		return ';'
	case m.Delimiter == "":
		return ','
	}
	r, _ := utf8.DecodeRuneInString(m.Delimiter)
	return r
}

// feature is the name a column's feature gets.
func (m *campaignMapping) feature(column string) string {
	if name, ok := m.Rename[column]; ok {
		return name
	}
	return column
}

// column is the column a feature is read from.
func (m *campaignMapping) column(feature string) string {
	for column, name := range m.Rename {
		if name == feature {
			return column
		}
	}
	return feature
}
