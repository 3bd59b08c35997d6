package foreign

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Tolerance is how far a value may lie from its reference: Abs + Rel*|reference|.
type Tolerance struct{ Abs, Rel float64 }

func (t Tolerance) allows(got, want float64) bool {
	if got == want || (got != got && want != want) {
		return true
	}
	return math.Abs(got-want) <= t.Abs+t.Rel*math.Abs(want)
}

// ToleranceOf is what Check grants a format: LightGBM computes in double,
// XGBoost and ONNX in 32 bits, CatBoost in double on inputs of 32 bits.
func ToleranceOf(f Format) Tolerance {
	switch f {
	case LightGBMText, LightGBMJSON:
		return Tolerance{Abs: 1e-14, Rel: 1e-12}
	case CatBoostJSON:
		return Tolerance{Abs: 1e-9}
	case ONNX:
		return Tolerance{Abs: 5e-7, Rel: 1e-5} // Abs: 1-p of a p near 1
	default:
		return Tolerance{Abs: 1e-5, Rel: 1e-6}
	}
}

// Column is the comparison of one reference column.
type Column struct {
	Name    string
	Bad     int     // rows outside the tolerance
	MaxDiff float64 // largest absolute difference; +Inf where only one side is NaN
	Row     int     // data row, from 0, of MaxDiff
}

// Report is the outcome of Check.
type Report struct {
	Format    Format
	Tolerance Tolerance
	Rows      int
	Columns   []Column
	Ignored   []string // columns that are no output of this format
}

// OK reports whether every value lies within the tolerance.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Columns, func(c Column) bool { return c.Bad > 0 })
}

// Check compares the model with reference predictions: a CSV with one header
// line, first the inputs in the order of the model's features (or under their
// names), then any of raw, raw_K, pred, pred_K, leaf_T, contrib_F, raw_firstN and
// raw_fromS_N (N rounds from round S), or the outputs of an ONNX graph by name
// (onnx_K is the K-th value of its last output). An error means that nothing
// could be compared; differences are in the report.
func Check(m *Model, reference io.Reader) (*Report, error) {
	rows := csv.NewReader(reference)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("check model: header of the reference: %w", err)
	}
	c, err := newChecker(m, slices.Clone(header))
	if err != nil {
		return nil, fmt.Errorf("check model: %w", err)
	}
	for {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.row(record)
		}
		if err != nil {
			return nil, fmt.Errorf("check model: data row %d: %w", c.report.Rows, err)
		}
	}
	if c.report.Rows == 0 {
		return nil, errors.New("check model: the reference has no rows")
	}
	return c.report, nil
}

// checker holds one comparison.
type checker struct {
	model  *Model
	report *Report
	inputs []int    // per feature: its column
	fields []string // one row of inputs
	x      []float64
	series []series
	at     []int // per report column: its CSV column
	pick   [][2]int
}

// series is one kind of answer and the room for it.
type series struct {
	name   string
	values []float64
	fill   func(x, out []float64) error
}

func newChecker(m *Model, header []string) (*checker, error) {
	n := len(m.features)
	if len(header) <= n {
		return nil, fmt.Errorf("the reference has %d columns, the model reads %d inputs", len(header), n)
	}
	c := &checker{
		model: m, report: &Report{Format: m.format, Tolerance: ToleranceOf(m.format)},
		inputs: inputColumns(m, header), fields: make([]string, n), x: make([]float64, n),
	}
	for i, name := range header {
		if slices.Contains(c.inputs, i) {
			continue
		}
		s, k, ok := c.answer(name, header)
		if !ok {
			c.report.Ignored = append(c.report.Ignored, name)
			continue
		}
		c.report.Columns = append(c.report.Columns, Column{Name: name})
		c.at = append(c.at, i)
		c.pick = append(c.pick, [2]int{s, k})
	}
	if len(c.at) == 0 {
		return nil, fmt.Errorf("no column of the reference is an output of a %s model: %s", m.format, strings.Join(c.report.Ignored, ", "))
	}
	return c, nil
}

// inputColumns goes by name if the header names every feature, else by position.
func inputColumns(m *Model, header []string) []int {
	columns := make([]int, len(m.features))
	for i, f := range m.features {
		if columns[i] = slices.Index(header, f.Name); columns[i] < 0 {
			for j := range columns {
				columns[j] = j
			}
			return columns
		}
	}
	return columns
}

// answer finds the series and the position in it that a column name asks for.
func (c *checker) answer(name string, header []string) (int, int, bool) {
	m := c.model
	if m.format == ONNX {
		return c.onnxAnswer(name, header)
	}
	prefix, k := splitIndex(name)
	switch {
	case prefix == "raw" && k < m.RawOutputs():
		return c.use("raw", m.RawOutputs(), m.Raw), k, true
	case prefix == "pred" && k < len(m.outputs):
		return c.use("pred", len(m.outputs), m.Predict), k, true
	case prefix == "leaf" && k < m.Trees():
		return c.use("leaf", m.Trees(), c.leaves), k, true
	case prefix == "contrib" && k <= len(m.features):
		return c.use("contrib", (len(m.features)+1)*m.RawOutputs(), m.Contrib), k, true
	}
	var from, rounds int
	if n, err := fmt.Sscanf(name, "raw_first%d", &rounds); err != nil || n != 1 {
		if n, err := fmt.Sscanf(name, "raw_from%d_%d", &from, &rounds); err != nil || n != 2 {
			return 0, 0, false
		}
	}
	fill := func(x, out []float64) error { return m.RawRounds(x, from, from+rounds, out) }
	return c.use(name, m.RawOutputs(), fill), 0, true
}

func (c *checker) onnxAnswer(name string, header []string) (int, int, bool) {
	outputs := c.model.outputs
	predict := func() int { return c.use("pred", len(outputs), c.model.Predict) }
	if k := slices.Index(outputs, name); k >= 0 {
		return predict(), k, true
	}
	prefix, k := splitIndex(name)
	if prefix != "onnx" {
		return 0, 0, false
	}
	first := len(outputs)
	for _, h := range header {
		if p, _ := splitIndex(h); p == "onnx" {
			first--
		}
	}
	return predict(), first + k, first >= 0 && first+k < len(outputs)
}

// splitIndex cuts name_7 into name and 7; a name without number has index 0.
func splitIndex(name string) (string, int) {
	if i := strings.LastIndexByte(name, '_'); i >= 0 {
		if k, err := strconv.Atoi(name[i+1:]); err == nil && k >= 0 {
			return name[:i], k
		}
	}
	return name, 0
}

func (c *checker) use(name string, n int, fill func(x, out []float64) error) int {
	i := slices.IndexFunc(c.series, func(s series) bool { return s.name == name })
	if i < 0 {
		i = len(c.series)
		c.series = append(c.series, series{name: name, values: make([]float64, n), fill: fill})
	}
	return i
}

func (c *checker) leaves(x, out []float64) error {
	leaves := make([]int, len(out))
	err := c.model.Leaves(x, leaves)
	for i, leaf := range leaves {
		out[i] = float64(leaf)
	}
	return err
}

func (c *checker) row(record []string) error {
	for i, column := range c.inputs {
		c.fields[i] = record[column]
	}
	if err := c.model.ParseRow(c.fields, c.x); err != nil {
		return err
	}
	for _, s := range c.series {
		if err := s.fill(c.x, s.values); err != nil {
			return err
		}
	}
	for i, column := range c.at {
		want, err := strconv.ParseFloat(record[column], 64)
		if err != nil {
			return fmt.Errorf("column %s: %.40q is not a number", c.report.Columns[i].Name, record[column])
		}
		c.compare(&c.report.Columns[i], c.series[c.pick[i][0]].values[c.pick[i][1]], want)
	}
	c.report.Rows++
	return nil
}

func (c *checker) compare(column *Column, got, want float64) {
	diff := math.Abs(got - want)
	if got == want || (got != got && want != want) {
		diff = 0
	} else if diff != diff {
		diff = math.Inf(1)
	}
	if diff > column.MaxDiff {
		column.MaxDiff, column.Row = diff, c.report.Rows
	}
	tolerance := c.report.Tolerance
	if strings.HasPrefix(column.Name, "contrib") {
		tolerance.Abs = max(tolerance.Abs, 1e-10) // a difference of sums, not a sum
	}
	if !tolerance.allows(got, want) {
		column.Bad++
	}
}
