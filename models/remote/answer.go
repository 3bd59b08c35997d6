package remote

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/rebound-engine/rebound/internal/descriptor"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/proto/inference"
)

// matrix is an output tensor.
type matrix struct {
	rows, columns int
	at            func(i int) float64
}

func (m matrix) cell(row, column int) float64 { return m.at(row*m.columns + column) }

// maxColumns bounds what an output may claim.
const maxColumns = 1 << 16

// readOutput finds an output and checks that its shape is [rows] or [rows,
// columns], that it holds as many values, and that the wanted columns exist.
func readOutput(r *inference.ModelInferResponse, o *Output, rows int) (matrix, error) {
	for i, t := range r.GetOutputs() {
		if t.GetName() != o.Name {
			continue
		}
		m, err := newMatrix(t, rows)
		if err != nil {
			return matrix{}, fmt.Errorf("output %s: %w", o.Name, err)
		}
		var raw []byte
		isRaw := len(r.GetRawOutputContents()) > 0
		if isRaw {
			if len(r.GetRawOutputContents()) != len(r.GetOutputs()) {
				return matrix{}, fmt.Errorf("%d raw contents for %d outputs", len(r.GetRawOutputContents()), len(r.GetOutputs()))
			}
			raw = r.GetRawOutputContents()[i]
		}
		if err := m.values(t, raw, isRaw); err != nil {
			return matrix{}, fmt.Errorf("output %s: %w", o.Name, err)
		}
		return m, m.has(o)
	}
	var names []string
	for _, t := range r.GetOutputs() {
		names = append(names, t.GetName())
	}
	return matrix{}, fmt.Errorf("there is no output %s, only %q", o.Name, strings.Join(names, ", "))
}

func newMatrix(t *inference.ModelInferResponse_InferOutputTensor, rows int) (matrix, error) {
	shape := t.GetShape()
	m := matrix{rows: rows, columns: 1}
	switch {
	case len(shape) == 1 && shape[0] == int64(rows):
	case len(shape) == 2 && shape[0] == int64(rows) && shape[1] >= 1 && shape[1] <= maxColumns:
		m.columns = int(shape[1])
	default:
		return m, fmt.Errorf("has the shape %v, want %d rows", shape, rows)
	}
	return m, nil
}

// values ties the matrix to the numbers of a tensor, in the form they came in.
func (m *matrix) values(t *inference.ModelInferResponse_InferOutputTensor, raw []byte, isRaw bool) error {
	var n int
	size, c := 8, t.GetContents()
	var whole func(i int) float64 // out of raw
	switch t.GetDatatype() {
	case "FP64":
		n, m.at = len(c.GetFp64Contents()), func(i int) float64 { return c.GetFp64Contents()[i] }
		whole = func(i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])) }
	case "FP32":
		size, n, m.at = 4, len(c.GetFp32Contents()), func(i int) float64 { return float64(c.GetFp32Contents()[i]) }
		whole = func(i int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))) }
	case "INT64":
		n, m.at = len(c.GetInt64Contents()), func(i int) float64 { return float64(c.GetInt64Contents()[i]) }
		whole = func(i int) float64 { return float64(int64(binary.LittleEndian.Uint64(raw[8*i:]))) }
	case "INT32":
		size, n, m.at = 4, len(c.GetIntContents()), func(i int) float64 { return float64(c.GetIntContents()[i]) }
		whole = func(i int) float64 { return float64(int32(binary.LittleEndian.Uint32(raw[4*i:]))) }
	default:
		return fmt.Errorf("has the data type %q; FP64, FP32, INT64 and INT32 are read", t.GetDatatype())
	}
	if isRaw {
		if m.at = whole; len(raw) != size*m.rows*m.columns {
			return fmt.Errorf("has the shape %v and %d bytes of %s", t.GetShape(), len(raw), t.GetDatatype())
		}
		return nil
	}
	if n != m.rows*m.columns {
		return fmt.Errorf("has the shape %v and %d values", t.GetShape(), n)
	}
	return nil
}

// has reports a wanted column that the output lacks.
func (m *matrix) has(o *Output) error {
	last := o.Column
	for _, c := range o.Columns {
		last = max(last, c)
	}
	if last >= m.columns {
		return fmt.Errorf("output %s: has %d columns, column %d is wanted", o.Name, m.columns, last)
	}
	return nil
}

// answer is what a response says of every candidate.
type answer struct {
	prediction, lower, upper matrix
}

func (m *Model) readAnswer(r *inference.ModelInferResponse, rows int) (a answer, err error) {
	c := &m.config
	if v := r.GetModelVersion(); c.Version != "" && v != "" && v != c.Version {
		return a, fmt.Errorf("version %s answered, not %s", v, c.Version)
	}
	if a.prediction, err = readOutput(r, &c.Output, rows); err != nil || c.Lower == nil {
		return a, err
	}
	if a.lower, err = readOutput(r, c.Lower, rows); err != nil {
		return a, err
	}
	a.upper, err = readOutput(r, c.Upper, rows)
	return a, err
}

// scores fills out and refuses what no sound model answers.
func (m *Model) scores(a *answer, cands []models.Candidate, out []models.Score) error {
	for i, c := range cands {
		s := m.score(a, i, c.Arm)
		if err := descriptor.CheckAnswer(m.schema.Unit, s); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
		out[i] = s //nolint:gosec // G602: CheckQuestion has seen that there is room for all candidates
	}
	return nil
}

func (m *Model) score(a *answer, i, arm int) models.Score {
	o := &m.config.Output
	base := o.Column
	if m.plan.perOffer {
		base = o.Columns[none]
	}
	without := a.prediction.cell(0, base)
	row, column, known := m.place(o, i, arm)
	if !known {
		return models.Score{Without: without, With: without}
	}
	s := models.Score{Without: without, With: a.prediction.cell(row, column)}
	m.bound(a, &s, i, arm)
	return s
}

// place is the cell of a candidate in an output; false for an offer the model has learned nothing about.
func (m *Model) place(o *Output, i, arm int) (row, column int, known bool) {
	switch {
	case m.plan.byOffer:
		return i + 1, o.Column, true
	case m.plan.perOffer && arm >= 0:
		column, known = o.Columns[m.schema.Offers[arm]]
		return 0, column, known
	}
	return 0, 0, false
}

// bound sets the interval of the uplift.
func (m *Model) bound(a *answer, s *models.Score, i, arm int) {
	c := &m.config
	switch {
	case c.Lower != nil:
		if row, column, ok := m.place(c.Lower, i, arm); ok {
			s.Lower = a.lower.cell(row, column)
		}
		if row, column, ok := m.place(c.Upper, i, arm); ok {
			s.Upper = a.upper.cell(row, column)
		}
	case c.HalfWidth > 0:
		s.Lower, s.Upper = s.Uplift()-c.HalfWidth, s.Uplift()+c.HalfWidth
	default:
		s.Lower, s.Upper = -s.Without, 1-s.Without
	}
}
