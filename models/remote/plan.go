package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/internal/descriptor"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/proto/inference"
)

// plan says which feature goes into which place of which tensor.
type plan struct {
	tensors  []tensor
	perOffer bool // one row holds the answers for all offers
	byOffer  bool // one row per candidate
}

type tensor struct {
	name, datatype string
	columns        []column
}

type column struct {
	name    string
	offer   bool // of the candidate, else of the customer
	index   int
	levels  []string // of a category
	missing float64  // in place of NaN
	noOffer float64
}

func newPlan(c *Config) (*plan, error) {
	p := &plan{perOffer: len(c.Output.Columns) > 0, byOffer: len(c.OfferFeatures) > 0}
	all := c.columns()
	used := map[string]bool{}
	var found []error
	for _, in := range c.Inputs {
		t, err := newTensor(in, all)
		found = append(found, err)
		for _, col := range t.columns {
			used[col.name] = true
		}
		p.tensors = append(p.tensors, t)
	}
	for _, col := range all {
		if !used[col.name] {
			found = append(found, fmt.Errorf("inputs: no tensor has the feature %q", col.name))
		}
	}
	return p, errors.Join(found...)
}

// columns lists what a row can hold.
func (c *Config) columns() []column {
	var all []column
	for i, f := range c.Features {
		all = append(all, newColumn(f, false, i))
	}
	for i, f := range c.OfferFeatures {
		all = append(all, newColumn(f, true, i))
	}
	return all
}

func newColumn(f descriptor.Feature, offer bool, index int) column {
	col := column{name: f.Name, offer: offer, index: index, levels: f.Levels, missing: math.NaN()}
	if f.Missing != nil {
		col.missing = *f.Missing
	}
	switch {
	case f.NoOffer != nil:
		col.noOffer = *f.NoOffer
	case len(f.Levels) > 0:
		col.noOffer = math.NaN()
	}
	return col
}

func newTensor(in Input, all []column) (tensor, error) {
	t := tensor{name: in.Name, datatype: in.Datatype}
	if in.Name == "" {
		return t, errors.New("inputs: a tensor without a name")
	}
	if !slices.Contains([]string{"FP64", "FP32", "INT64", "INT32", "BYTES"}, in.Datatype) {
		return t, fmt.Errorf("input %s: the data type %q is none of FP64, FP32, INT64, INT32 and BYTES", in.Name, in.Datatype)
	}
	if in.Columns == nil {
		t.columns = all
	}
	for _, name := range in.Columns {
		i := slices.IndexFunc(all, func(c column) bool { return c.name == name })
		if i < 0 {
			return t, fmt.Errorf("input %s: %q is no feature", in.Name, name)
		}
		t.columns = append(t.columns, all[i])
	}
	for _, col := range t.columns {
		if in.Datatype == "BYTES" && len(col.levels) == 0 {
			return t, fmt.Errorf("input %s: %q is a number, BYTES holds the levels of categories", in.Name, col.name)
		}
	}
	return t, nil
}

// rows is the number of rows that score so many candidates.
func (p *plan) rows(cands int) int {
	if p.byOffer {
		return cands + 1
	}
	return 1
}

// request builds the question; row 0 is without an offer.
func (p *plan) request(c *Config, x []float64, cands []models.Candidate) (*inference.ModelInferRequest, error) {
	r := &inference.ModelInferRequest{ModelName: c.Model, ModelVersion: c.Version}
	rows := p.rows(len(cands))
	for i := range p.tensors {
		t := &p.tensors[i]
		raw, err := t.fill(x, cands, rows)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", t.name, err)
		}
		r.Inputs = append(r.Inputs, &inference.ModelInferRequest_InferInputTensor{
			Name: t.name, Datatype: t.datatype, Shape: []int64{int64(rows), int64(len(t.columns))},
		})
		r.RawInputContents = append(r.RawInputContents, raw)
	}
	for _, o := range []*Output{&c.Output, c.Lower, c.Upper} {
		if o != nil && !slices.ContainsFunc(r.GetOutputs(), func(have *inference.ModelInferRequest_InferRequestedOutputTensor) bool {
			return have.GetName() == o.Name
		}) {
			r.Outputs = append(r.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: o.Name})
		}
	}
	return r, nil
}

func (t *tensor) fill(x []float64, cands []models.Candidate, rows int) ([]byte, error) {
	raw := make([]byte, 0, rows*len(t.columns)*8)
	for row := range rows {
		for i := range t.columns {
			var err error
			if raw, err = t.put(raw, &t.columns[i], t.columns[i].value(x, cands, row)); err != nil {
				return nil, err
			}
		}
	}
	return raw, nil
}

func (c *column) value(x []float64, cands []models.Candidate, row int) float64 {
	v := c.noOffer
	switch {
	case !c.offer:
		v = x[c.index]
	case row > 0:
		v = cands[row-1].X[c.index]
	}
	if math.IsNaN(v) {
		return c.missing
	}
	return v
}

// put appends one value, little endian. A text has its length before it and is
// empty when missing.
func (t *tensor) put(raw []byte, c *column, v float64) ([]byte, error) {
	switch t.datatype {
	case "FP64":
		return binary.LittleEndian.AppendUint64(raw, math.Float64bits(v)), nil
	case "FP32":
		if f := float32(v); math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
			return nil, fmt.Errorf("%s: %v does not fit FP32", c.name, v)
		}
		return binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v))), nil
	case "BYTES":
		level := ""
		if v >= 0 && v < float64(len(c.levels)) {
			level = c.levels[int(v)]
		}
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(level)))
		return append(raw, level...), nil
	}
	limit := 1 << 31
	if t.datatype == "INT64" {
		limit = 1 << 53
	}
	if v != math.Trunc(v) || math.Abs(v) >= float64(limit) {
		return nil, fmt.Errorf("%s: %v is no whole number that fits %s; give the feature a value for missing, or send FP64", c.name, v, t.datatype)
	}
	if t.datatype == "INT64" {
		return binary.LittleEndian.AppendUint64(raw, uint64(int64(v))), nil
	}
	return binary.LittleEndian.AppendUint32(raw, uint32(int32(v))), nil
}
