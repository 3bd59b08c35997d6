package learner

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/models"
)

// Mapping says which columns of a table are what.
type Mapping struct {
	Outcome    string        // column with the outcome
	Unit       string        // "probability", "count" or "money"
	Window     time.Duration // outcome window, for the schema
	Treatment  string        // column with the offer's name; "" if nothing was offered
	Control    string        // value of Treatment that means no offer
	Offers     []string      // values of Treatment in arm order; nil: all others, sorted
	Logged     []string      // per arm (control first) the propensity column; nil: estimated
	Weight     string        // "" or the weight column
	Group      string        // "" or the customer column
	Time       string        // "" or the decision's time: RFC 3339, a date, or Unix seconds
	Features   []string      // nil: every column not named above or in Ignore
	Categories []string      // features to be read as categories although they look like numbers
	Ignore     []string      // columns to leave out
	Missing    []string      // texts that mean missing besides the empty one
	MaxLevels  int           // levels kept of a category, the most frequent; 0: 1,000
	Comma      rune          // 0: ','
}

// table is a text table by column.
type table struct {
	names []string
	cols  [][]string
}

func (t *table) column(name string) ([]string, error) {
	if k := slices.Index(t.names, name); k >= 0 {
		return t.cols[k], nil
	}
	return nil, fmt.Errorf("%w: no column %q among %s", ErrData, name, strings.Join(t.names, ", "))
}

// ReadCSV reads a CSV file with a header line, gzip-compressed or not.
func ReadCSV(r io.Reader, m Mapping) (*Dataset, error) {
	t, err := readTable(r, m.Comma)
	if err != nil {
		return nil, fmt.Errorf("read CSV: %w", err)
	}
	return t.dataset(m)
}

func readTable(r io.Reader, comma rune) (*table, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if magic, err := br.Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		gz, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		br = bufio.NewReaderSize(gz, 1<<16)
	}
	cr := csv.NewReader(br)
	cr.ReuseRecord = true
	if comma != 0 {
		cr.Comma = comma
	}
	header, err := cr.Read()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	t := &table{names: slices.Clone(header), cols: make([][]string, len(header))}
	t.names[0] = strings.TrimPrefix(t.names[0], "\ufeff")
	intern := map[string]string{}
	for {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		for k, v := range rec {
			s, ok := intern[v]
			if !ok {
				s = strings.Clone(v)
				if len(intern) < 1<<20 {
					intern[s] = s
				}
			}
			t.cols[k] = append(t.cols[k], s)
		}
	}
}

// dataset turns text columns into a dataset and checks it.
func (t *table) dataset(m Mapping) (*Dataset, error) {
	d := &Dataset{Outcome: m.Outcome, Unit: m.Unit, Window: m.Window}
	missing := func(s string) bool { return s == "" || slices.Contains(m.Missing, s) }
	var err error
	if d.Y, err = t.numbers(m.Outcome, func(string) bool { return false }); err != nil {
		return nil, err
	}
	if m.Treatment != "" {
		if err := t.arms(d, m); err != nil {
			return nil, err
		}
	}
	for _, name := range m.Logged {
		col, err := t.numbers(name, func(string) bool { return false })
		if err != nil {
			return nil, err
		}
		d.Logged = append(d.Logged, col)
	}
	if m.Weight != "" {
		if d.Weight, err = t.numbers(m.Weight, func(string) bool { return false }); err != nil {
			return nil, err
		}
	}
	if err := t.groupAndTime(d, m); err != nil {
		return nil, err
	}
	for _, name := range m.featureNames(t.names) {
		f, col, err := t.feature(name, m, missing)
		if err != nil {
			return nil, err
		}
		d.Features, d.X = append(d.Features, f), append(d.X, col)
	}
	return d, d.Validate()
}

func (m *Mapping) featureNames(names []string) []string {
	if m.Features != nil {
		return m.Features
	}
	taken := append([]string{m.Outcome, m.Treatment, m.Weight, m.Group, m.Time}, append(m.Logged, m.Ignore...)...)
	var out []string
	for _, n := range names {
		if !slices.Contains(taken, n) {
			out = append(out, n)
		}
	}
	return out
}

func (t *table) numbers(name string, missing func(string) bool) ([]float64, error) {
	text, err := t.column(name)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(text))
	for i, s := range text {
		s = strings.TrimSpace(s)
		if missing(s) {
			out[i] = math.NaN()
			continue
		}
		if out[i], err = strconv.ParseFloat(s, 64); err != nil {
			return nil, fmt.Errorf("%w: column %q, row %d: %q is not a number", ErrData, name, i+1, s)
		}
	}
	return out, nil
}

func (t *table) arms(d *Dataset, m Mapping) error {
	text, err := t.column(m.Treatment)
	if err != nil {
		return err
	}
	if d.Offers = m.Offers; d.Offers == nil {
		levels, _ := countLevels(text, func(s string) bool { return s == m.Control })
		slices.Sort(levels)
		d.Offers = levels
	}
	d.Arm = make([]int, len(text))
	for i, s := range text {
		if s == m.Control {
			continue
		}
		k := slices.Index(d.Offers, s)
		if k < 0 {
			return fmt.Errorf("%w: column %q, row %d: %q is neither control %q nor one of %q", ErrData, m.Treatment, i+1, s, m.Control, d.Offers)
		}
		d.Arm[i] = k + 1
	}
	return nil
}

func (t *table) groupAndTime(d *Dataset, m Mapping) error {
	if m.Group != "" {
		text, err := t.column(m.Group)
		if err != nil {
			return err
		}
		ids := map[string]uint64{}
		for _, s := range text {
			if _, ok := ids[s]; !ok {
				ids[s] = uint64(len(ids))
			}
			d.Group = append(d.Group, ids[s])
		}
	}
	if m.Time == "" {
		return nil
	}
	text, err := t.column(m.Time)
	if err != nil {
		return err
	}
	for i, s := range text {
		at, err := parseTime(s)
		if err != nil {
			return fmt.Errorf("%w: column %q, row %d: %w", ErrData, m.Time, i+1, err)
		}
		d.Time = append(d.Time, at)
	}
	return nil
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time", s)
}

// feature reads a column as numbers if all its values are, else as levels.
func (t *table) feature(name string, m Mapping, missing func(string) bool) (models.Feature, []float64, error) {
	if !slices.Contains(m.Categories, name) {
		col, err := t.numbers(name, missing)
		if err == nil {
			return models.Feature{Name: name}, col, nil
		}
	}
	text, err := t.column(name)
	if err != nil {
		return models.Feature{}, nil, err
	}
	levels, counts := countLevels(text, missing)
	limit := m.MaxLevels
	if limit == 0 {
		limit = 1000
	}
	if len(levels) > limit {
		slices.SortStableFunc(levels, func(a, b string) int { return counts[b] - counts[a] })
		levels = levels[:limit]
	}
	slices.Sort(levels)
	index := make(map[string]float64, len(levels))
	for k, l := range levels {
		index[l] = float64(k)
	}
	col := make([]float64, len(text))
	for i, s := range text {
		v, ok := index[s]
		if !ok {
			v = math.NaN()
		}
		col[i] = v
	}
	return models.Feature{Name: name, Type: models.Category, Levels: levels}, col, nil
}

// countLevels lists distinct texts in order of appearance with their counts.
func countLevels(text []string, skip func(string) bool) ([]string, map[string]int) {
	counts := map[string]int{}
	var levels []string
	for _, s := range text {
		if skip(s) {
			continue
		}
		if counts[s] == 0 {
			levels = append(levels, s)
		}
		counts[s]++
	}
	return levels, counts
}
