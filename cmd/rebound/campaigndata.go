package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// readCampaign reads a table of a past campaign: CSV, gzip-compressed or not,
// or Parquet by its name's ending. categories are read as such besides the
// mapping's own.
func readCampaign(file string, m *campaignMapping, categories []string) (*learner.Dataset, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	d, err := parseCampaign(f, m, categories)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", file, err)
	}
	return d, nil
}

func parseCampaign(f *os.File, m *campaignMapping, categories []string) (*learner.Dataset, error) {
	if !strings.HasSuffix(f.Name(), ".parquet") {
		return parseCampaignCSV(f, m, categories)
	}
	if m.Recipe != "" {
		return nil, fmt.Errorf("recipe %s reads CSV", m.Recipe)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	lm := m.learner()
	lm.Categories = append(slices.Clone(lm.Categories), categories...)
	d, err := learner.ReadParquet(f, info.Size(), lm)
	if err != nil {
		return nil, err
	}
	return d, m.complete(d)
}

func parseCampaignCSV(r io.Reader, m *campaignMapping, categories []string) (d *learner.Dataset, err error) {
	switch m.Recipe {
	case recipeHillstrom:
		d, err = learner.ReadHillstrom(r, m.Outcome.Column, m.Outcome.Unit)
	case recipeInsurance:
		d, err = learner.ReadInsuranceMail(r)
	case recipeVoucher:
		d, _, err = learner.ReadVoucher2010(r)
	default:
		lm := m.learner()
		lm.Categories = append(slices.Clone(lm.Categories), categories...)
		d, err = learner.ReadCSV(r, lm)
	}
	if err != nil {
		return nil, err
	}
	return d, m.complete(d)
}

// complete applies what the readers do not know: names and common shares.
func (m *campaignMapping) complete(d *learner.Dataset) error {
	d.Features = slices.Clone(d.Features)
	for j := range d.Features {
		d.Features[j].Name = m.feature(d.Features[j].Name)
		if slices.ContainsFunc(d.Features[:j], func(f models.Feature) bool { return f.Name == d.Features[j].Name }) {
			return fmt.Errorf("two columns give the feature %q", d.Features[j].Name)
		}
	}
	shares := m.Treatment.Shares
	if shares == nil {
		return nil
	}
	if len(shares) != d.Arms() {
		return fmt.Errorf("treatment.shares has %d parts for control and %d offers", len(shares), len(d.Offers))
	}
	total := 0.0
	for _, s := range shares {
		total += s
	}
	for _, s := range shares {
		col := make([]float64, d.Rows())
		for i := range col {
			col[i] = s / total
		}
		d.Logged = append(d.Logged, col)
	}
	return nil
}

// testSplit holds rows out for an honest evaluation.
type testSplit struct {
	share float64 // of rows in the test part; 0: all rows on both sides
	salt  uint64
}

func (s testSplit) check() error {
	if s.share != 0 && !(s.share >= 0.001 && s.share <= 0.999) {
		return usageErrorf("--test-share %v: want a share from 0.001 to 0.999, or 0 for none", s.share)
	}
	return nil
}

// rows deals row i (from 0) to the test part if splitmix64(10 i + salt) is at
// or above (1-share) 2^64; rows of a customer follow the customer's first row.
func (s testSplit) rows(d *learner.Dataset) (train, test []int) {
	if s.share == 0 {
		return allIndexes(d.Rows()), nil
	}
	border := uint64(math.Ldexp(1-s.share, 64))
	for i, first := range firstRows(d) {
		if splitmix.Sum64(10*uint64(first)+s.salt) >= border {
			test = append(test, i)
		} else {
			train = append(train, i)
		}
	}
	return train, test
}

func allIndexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// firstRows is, per row, the first row of the same customer.
func firstRows(d *learner.Dataset) []int {
	out := make([]int, d.Rows())
	seen := map[uint64]int{}
	for i := range out {
		out[i] = i
		if d.Group == nil {
			continue
		}
		if k, ok := seen[d.Group[i]]; ok {
			out[i] = k
		} else {
			seen[d.Group[i]] = i
		}
	}
	return out
}

// align gives a dataset the features of a model: its order, and its numbers
// for levels; a level the model has not seen is missing.
func align(d *learner.Dataset, s *models.Schema) (*learner.Dataset, error) {
	out := *d
	out.Features, out.X = s.Features, make([][]float64, len(s.Features))
	var errs []error
	for j, f := range s.Features {
		k := slices.IndexFunc(d.Features, func(g models.Feature) bool { return g.Name == f.Name })
		if k < 0 {
			errs = append(errs, fmt.Errorf("the model reads %q, which the mapping does not give", f.Name))
			continue
		}
		col, err := alignColumn(d.Features[k], d.X[k], f)
		if err != nil {
			errs = append(errs, err)
		}
		out.X[j] = col
	}
	return &out, errors.Join(errs...)
}

func alignColumn(have models.Feature, col []float64, want models.Feature) ([]float64, error) {
	switch {
	case want.Type == models.Number && have.Type == models.Number:
		return col, nil
	case want.Type == models.Number:
		if len(have.Levels) == 0 {
			return col, nil
		}
		return nil, fmt.Errorf("feature %q is a number to the model, the table holds %q", want.Name, have.Levels[0])
	}
	index := make(map[string]float64, len(want.Levels))
	for k, l := range want.Levels {
		index[l] = float64(k)
	}
	out := make([]float64, len(col))
	for i, v := range col {
		out[i] = math.NaN()
		if math.IsNaN(v) {
			continue
		}
		level := strconv.FormatFloat(v, 'f', -1, 64)
		if have.Type == models.Category {
			level = have.Levels[int(v)]
		}
		if k, ok := index[level]; ok {
			out[i] = k
		}
	}
	return out, nil
}

// categoryColumns are the columns behind a model's categories.
func (m *campaignMapping) categoryColumns(s *models.Schema) []string {
	var out []string
	for _, f := range s.Features {
		if f.Type == models.Category {
			out = append(out, m.column(f.Name))
		}
	}
	return out
}

// openUplift opens a native artifact.
func openUplift(file string) (models.Model, *models.Card, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	m, card, err := models.Open(data)
	if err != nil {
		return nil, nil, fmt.Errorf("model %s: %w", file, err)
	}
	if len(m.Schema().OfferFeatures) > 0 {
		return nil, nil, fmt.Errorf("model %s reads features of offers, which a table of a campaign does not have", file)
	}
	return m, card, nil
}
