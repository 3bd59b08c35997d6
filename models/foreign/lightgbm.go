package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/models"
)

// lgbHeader is what precedes the trees, in text and in JSON.
type lgbHeader struct {
	classes    int
	perRound   int
	features   int // max_feature_idx + 1
	names      []string
	objective  string
	average    bool
	pandas     [][]string // levels per categorical feature; nil if unknown
	categories map[int32]bool
}

// section is the key=value lines up to a blank line or the next marker.
type section map[string][]byte

// lgbScanner cuts a LightGBM text file into sections.
type lgbScanner struct {
	rest []byte
	line int
}

func (s *lgbScanner) next() ([]byte, bool) {
	if len(s.rest) == 0 {
		return nil, false
	}
	line, rest, _ := bytes.Cut(s.rest, []byte("\n"))
	s.rest = rest
	s.line++
	return bytes.TrimSuffix(line, []byte("\r")), true
}

// section reads lines into into, until a line that starts a tree or ends the trees.
func (s *lgbScanner) section(into section) (marker string, err error) {
	for {
		line, ok := s.next()
		if !ok {
			return "", fmt.Errorf("%w: ends before \"end of trees\" (line %d)", ErrCorrupt, s.line)
		}
		if bytes.HasPrefix(line, []byte("Tree=")) || bytes.Equal(line, []byte("end of trees")) {
			return string(line), nil
		}
		key, value, _ := bytes.Cut(line, []byte("="))
		if len(key) > 0 {
			into[string(key)] = value
		}
	}
}

// readLightGBM reads the text that Booster.save_model writes (v3 and v4).
func readLightGBM(data []byte) (*Model, error) {
	s := &lgbScanner{rest: data}
	fields := section{}
	marker, err := s.section(fields)
	if err != nil {
		return nil, err
	}
	header, err := lgbTextHeader(fields)
	if err != nil {
		return nil, err
	}
	var trees []models.Tree
	for marker != "end of trees" {
		index := len(trees)
		if marker != "Tree="+strconv.Itoa(index) {
			return nil, fmt.Errorf("%w: line %d: %q where Tree=%d is due", ErrCorrupt, s.line, marker, index)
		}
		clear(fields)
		if marker, err = s.section(fields); err != nil {
			return nil, err
		}
		tree, err := lgbTree(fields, header)
		if err != nil {
			return nil, fmt.Errorf("tree %d (before line %d): %w", index, s.line, err)
		}
		trees = append(trees, tree)
	}
	if sizes := bytes.Count(fields["tree_sizes"], []byte(" ")); sizes > 0 && sizes+1 != len(trees) {
		return nil, fmt.Errorf("%w: %d tree sizes for %d trees", ErrCorrupt, sizes+1, len(trees))
	}
	if err := header.readPandas(s); err != nil {
		return nil, err
	}
	return header.build(LightGBMText, trees)
}

func lgbTextHeader(fields section) (*lgbHeader, error) {
	h := &lgbHeader{objective: string(fields["objective"]), categories: map[int32]bool{}}
	var err error
	if h.classes, err = fields.count("num_class"); err != nil {
		return nil, err
	}
	if h.perRound, err = fields.count("num_tree_per_iteration"); err != nil {
		return nil, err
	}
	last, err := fields.count("max_feature_idx")
	if err != nil {
		return nil, err
	}
	h.names = strings.Fields(string(fields["feature_names"]))
	h.features = last + 1
	_, h.average = fields["average_output"]
	return h, h.check()
}

func (h *lgbHeader) check() error {
	if h.perRound < 1 || h.perRound > 1<<16 {
		return fmt.Errorf("%w: %d trees per iteration", ErrCorrupt, h.perRound)
	}
	if len(h.names) != h.features {
		return fmt.Errorf("%w: %d feature names for max_feature_idx %d", ErrCorrupt, len(h.names), h.features-1)
	}
	return nil
}

func (f section) count(key string) (int, error) {
	n, err := strconv.Atoi(string(f[key]))
	if err != nil || n < 0 || n > 1<<31-2 {
		return 0, fmt.Errorf("%w: %s=%.40q is not a count", ErrCorrupt, key, f[key])
	}
	return n, nil
}

// floats reads exactly n numbers; the room it takes follows from the text, not from n.
func (f section) floats(key string, n int) ([]float64, error) {
	words, err := f.words(key, n)
	if err != nil {
		return nil, err
	}
	out := make([]float64, n)
	for i := range out {
		word, rest := cutWord(words)
		words = rest
		if out[i], err = strconv.ParseFloat(string(word), 64); err != nil && !isRange(err) {
			return nil, fmt.Errorf("%w: %s has %.40q for a number", ErrCorrupt, key, word)
		}
	}
	return out, nil
}

// isRange reports a number beyond float64: it was read as infinity or zero.
func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }

// ints is floats for 32-bit integers.
func (f section) ints(key string, n int) ([]int32, error) {
	words, err := f.words(key, n)
	if err != nil {
		return nil, err
	}
	out := make([]int32, n)
	for i := range out {
		word, rest := cutWord(words)
		words = rest
		v, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil || v < -1<<31 || v > 1<<32-1 {
			return nil, fmt.Errorf("%w: %s has %.40q for an integer", ErrCorrupt, key, word)
		}
		out[i] = int32(v) // bit sets use the full 32 bits
	}
	return out, nil
}

func (f section) words(key string, n int) ([]byte, error) {
	words := f[key]
	if got := countWords(words); got != n {
		return nil, fmt.Errorf("%w: %s has %d values, want %d", ErrCorrupt, key, got, n)
	}
	return words, nil
}

func countWords(b []byte) int {
	n, inWord := 0, false
	for _, c := range b {
		if c != ' ' && !inWord {
			n++
		}
		inWord = c != ' '
	}
	return n
}

func cutWord(b []byte) (word, rest []byte) {
	b = bytes.TrimLeft(b, " ")
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

// readPandas reads the levels that pandas gave to categorical columns: one JSON
// list per categorical feature, in the order of the features.
func (h *lgbHeader) readPandas(s *lgbScanner) error {
	for {
		line, ok := s.next()
		if !ok {
			return nil
		}
		text, ok := bytes.CutPrefix(line, []byte("pandas_categorical:"))
		if !ok {
			continue
		}
		if err := checkNesting(text); err != nil {
			return err
		}
		return h.setPandas(text)
	}
}

func (h *lgbHeader) setPandas(text []byte) error {
	var levels [][]json.RawMessage
	if err := decodeJSON(text, &levels); err != nil {
		return fmt.Errorf("pandas_categorical: %w", err)
	}
	for _, column := range levels {
		names := make([]string, len(column))
		for i, level := range column {
			if json.Unmarshal(level, &names[i]) != nil {
				names[i] = string(level)
			}
		}
		h.pandas = append(h.pandas, names)
	}
	return nil
}
