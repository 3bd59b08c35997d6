package foreign

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// catCtr is a target statistic: a number looked up for one category or a
// combination of categories and splits, then compared with borders.
type catCtr struct {
	Borders    []float64    `json:"borders"`
	Type       string       `json:"ctr_type"`
	Elements   []catElement `json:"elements"`
	Identifier string       `json:"identifier"`
	PriorNum   float32      `json:"prior_numerator"`
	PriorDenom float32      `json:"prior_denomerator"`
	Scale      float32      `json:"scale"`
	Shift      float32      `json:"shift"`
	Target     int          `json:"target_border_idx"`
}

// catElement is one part of a combination.
type catElement struct {
	Kind   string  `json:"combination_element"`
	Cat    int     `json:"cat_feature_index"`
	Float  int     `json:"float_feature_index"`
	Border float64 `json:"border"`
	Value  int32   `json:"value"`
}

// catCtrTable holds the counts of a statistic by hash of the combination.
type catCtrTable struct {
	Denominator float64           `json:"counter_denominator"`
	Map         []json.RawMessage `json:"hash_map"`
	Stride      int               `json:"hash_stride"`
}

// catEmptyKey marks a free place in a hash map.
const catEmptyKey = math.MaxUint64

// catExtender computes the ensemble's inputs from a row: categories become their
// hash, target statistics are appended.
type catExtender struct {
	inputs int
	hash   []float64 // per level: its hash as CatBoost compares it, a signed 32-bit number
	cats   []int     // flat positions of categories
	ctrs   []ctrLookup
}

// ctrLookup is one statistic, ready to compute.
type ctrLookup struct {
	ctr         *catCtr
	elements    []ctrElement
	counts      map[uint64][]float32
	denominator float32
}

type ctrElement struct {
	kind   string
	column int // flat position
	border float64
	value  float64
	nan    bool // where a missing number goes
}

func newCatExtender(r *catReader, inputs int) (*catExtender, error) {
	x := &catExtender{inputs: inputs}
	for _, h := range r.file.Features.Hash {
		x.hash = append(x.hash, float64(int32(h.Hash)))
	}
	for _, c := range r.file.Features.Cat {
		x.cats = append(x.cats, c.Flat)
	}
	tables := map[string]map[uint64][]float32{}
	for i := range r.file.Features.Ctrs {
		c := &r.file.Features.Ctrs[i]
		l, err := r.lookup(c, tables)
		if err != nil {
			return nil, fmt.Errorf("ctr %d: %w", i, err)
		}
		x.ctrs = append(x.ctrs, l)
	}
	return x, nil
}

// lookup resolves a statistic; statistics with one identifier share one table.
func (r *catReader) lookup(c *catCtr, tables map[string]map[uint64][]float32) (ctrLookup, error) {
	l := ctrLookup{ctr: c}
	raw, ok := r.file.Data[c.Identifier]
	if !ok {
		return l, fmt.Errorf("%w: no ctr_data for %.200s", ErrCorrupt, c.Identifier)
	}
	l.denominator = float32(raw.Denominator)
	if l.counts, ok = tables[c.Identifier]; !ok {
		var err error
		if l.counts, err = raw.counts(); err != nil {
			return l, err
		}
		tables[c.Identifier] = l.counts
	}
	if err := c.check(raw.Stride - 1); err != nil {
		return l, err
	}
	for _, e := range c.Elements {
		column, err := r.elementColumn(e)
		if err != nil {
			return l, err
		}
		l.elements = append(l.elements, ctrElement{
			kind: e.Kind, column: column, border: e.Border, value: float64(e.Value),
			nan: e.Kind == "float_feature" && r.floats[e.Float].NaN == "AsTrue",
		})
	}
	slices.SortStableFunc(l.elements, func(a, b ctrElement) int { return elementRank(a.kind) - elementRank(b.kind) })
	return l, nil
}

// elementRank is the order in which CatBoost hashes a combination.
func elementRank(kind string) int {
	return slices.Index([]string{"cat_feature_value", "float_feature", "cat_feature_exact_value"}, kind)
}

func (r *catReader) elementColumn(e catElement) (int, error) {
	switch e.Kind {
	case "cat_feature_value", "cat_feature_exact_value":
		if c, ok := r.cats[e.Cat]; ok {
			return c.Flat, nil
		}
	case "float_feature":
		if f, ok := r.floats[e.Float]; ok {
			return f.Flat, nil
		}
	default:
		return 0, fmt.Errorf("%w: CatBoost combination_element %q", ErrUnsupported, e.Kind)
	}
	return 0, fmt.Errorf("%w: a combination names an unknown feature", ErrCorrupt)
}

// check compares the type with the number of counts per entry.
func (c *catCtr) check(counts int) error {
	want := 2
	switch c.Type {
	case "Counter", "FeatureFreq":
		want = 1
	case "Borders", "Buckets":
		want = max(2, c.Target+1)
	case "BinarizedTargetMeanValue", "FloatTargetMeanValue":
	default:
		return fmt.Errorf("%w: CatBoost ctr_type %q", ErrUnsupported, c.Type)
	}
	if counts < want || c.Target < 0 {
		return fmt.Errorf("%w: %d counts per entry of type %s", ErrCorrupt, counts, c.Type)
	}
	return nil
}

// counts reads [key, count…, key, count…]; keys are numbers in quotes.
func (t *catCtrTable) counts() (map[uint64][]float32, error) {
	if t.Stride < 2 || len(t.Map)%t.Stride != 0 {
		return nil, fmt.Errorf("%w: hash_map of %d with stride %d", ErrCorrupt, len(t.Map), t.Stride)
	}
	counts := make(map[uint64][]float32, len(t.Map)/t.Stride)
	for i := 0; i < len(t.Map); i += t.Stride {
		var text string
		if err := decodeJSON(t.Map[i], &text); err != nil {
			return nil, fmt.Errorf("hash_map: %w", err)
		}
		key, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: hash_map key %.40q", ErrCorrupt, text)
		}
		if key == catEmptyKey {
			continue
		}
		values := make([]float32, t.Stride-1)
		for j := range values {
			if err := decodeJSON(t.Map[i+1+j], &values[j]); err != nil {
				return nil, fmt.Errorf("hash_map: %w", err)
			}
		}
		counts[key] = values
	}
	return counts, nil
}

// extend returns the ensemble's inputs for a row of level codes and numbers.
func (x *catExtender) extend(row []float64) ([]float64, error) {
	full := make([]float64, x.inputs+len(x.ctrs))
	for i, v := range row[:x.inputs] {
		full[i] = float64(float32(v))
	}
	for _, column := range x.cats {
		code := row[column]
		if !(code >= 0 && code < float64(len(x.hash))) || code != math.Trunc(code) {
			full[column] = math.NaN()
			continue
		}
		full[column] = x.hash[int(code)]
	}
	for i := range x.ctrs {
		full[x.inputs+i] = float64(x.ctrs[i].value(full))
	}
	return full, nil
}

// value computes the statistic in 32 bits, as CatBoost does.
func (l *ctrLookup) value(full []float64) float32 {
	counts := l.find(full)
	switch l.ctr.Type {
	case "Counter", "FeatureFreq":
		if counts == nil {
			return l.ctr.calc(0, l.denominator)
		}
		return l.ctr.calc(counts[0], l.denominator)
	}
	if counts == nil {
		return l.ctr.calc(0, 0)
	}
	switch l.ctr.Type {
	case "Buckets":
		return l.ctr.calc(counts[l.ctr.Target], sum(counts))
	case "Borders":
		return l.ctr.calc(sum(counts[l.ctr.Target+1:]), sum(counts))
	default: // sum and count
		return l.ctr.calc(counts[0], counts[1])
	}
}

func sum(v []float32) float32 {
	total := float32(0)
	for _, x := range v {
		total += x
	}
	return total
}

func (c *catCtr) calc(good, total float32) float32 {
	return ((good+c.PriorNum)/(total+c.PriorDenom) + c.Shift) * c.Scale
}

// find hashes the combination; a level that the model never saw finds nothing.
func (l *ctrLookup) find(full []float64) []float32 {
	h := uint64(0)
	for _, e := range l.elements {
		v := full[e.column]
		switch e.kind {
		case "cat_feature_value":
			if v != v {
				return nil
			}
			h = catCombine(h, uint64(int64(v)))
		case "float_feature":
			h = catCombine(h, bit(v > e.border || (e.nan && v != v)))
		default:
			h = catCombine(h, bit(v == e.value))
		}
	}
	return l.counts[h]
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// catCombine is CatBoost's CalcHash.
func catCombine(a, b uint64) uint64 {
	const magic = 0x4906ba494954cb65
	return magic * (a + magic*b)
}
