package eval

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Importance is how much a metric loses when one feature is shuffled.
type Importance struct {
	Feature string  `json:"feature"`
	Drop    float64 `json:"drop"` // mean over repeats of the metric less the shuffled one
	SD      float64 `json:"sd"`   // over the repeats; 0 for a single one
}

// Predictor computes a score per row from feature columns. It does not keep or
// change them.
type Predictor func(columns [][]float64) ([]float64, error)

// Metric judges a score, higher being better: a closure over the outcomes.
type Metric func(score []float64) (float64, error)

// PermutationImportance shuffles each column in turn, repeats times, and returns
// the features by falling drop (Fisher, Rudin and Dominici, JMLR 20, 2019).
// Features that carry the same information share it: each alone may look useless.
// It costs repeats times len(names) predictions of all rows.
func PermutationImportance(names []string, columns [][]float64, predict Predictor, metric Metric,
	repeats int, seed uint64) ([]Importance, error) {
	if err := checkImportance(names, columns, repeats); err != nil {
		return nil, fmt.Errorf("permutation importance: %w", err)
	}
	whole, err := judge(columns, predict, metric)
	if err != nil {
		return nil, fmt.Errorf("permutation importance: %w", err)
	}
	out := make([]Importance, len(names))
	for j, name := range names {
		values, err := shuffled(j, columns, predict, metric, repeats, seed)
		if err != nil {
			return nil, fmt.Errorf("permutation importance: feature %q: %w", name, err)
		}
		out[j] = Importance{Feature: name, Drop: whole - sum(values)/float64(repeats)}
		if repeats > 1 {
			out[j].SD = deviation(values)
		}
	}
	slices.SortStableFunc(out, func(a, b Importance) int { return cmp.Compare(b.Drop, a.Drop) })
	return out, nil
}

func checkImportance(names []string, columns [][]float64, repeats int) error {
	if len(names) != len(columns) || len(names) == 0 {
		return fmt.Errorf("%d names for %d columns: %w", len(names), len(columns), ErrColumns)
	}
	if repeats < 1 {
		return fmt.Errorf("%d repeats, want at least 1: %w", repeats, ErrColumns)
	}
	for j, c := range columns {
		if len(c) != len(columns[0]) {
			return fmt.Errorf("%s: %d values for %d rows: %w", names[j], len(c), len(columns[0]), ErrColumns)
		}
	}
	return nil
}

func judge(columns [][]float64, predict Predictor, metric Metric) (float64, error) {
	score, err := predict(columns)
	if err != nil {
		return 0, fmt.Errorf("predict: %w", err)
	}
	return metric(score)
}

// shuffled returns the metric with column j shuffled, per repeat.
func shuffled(j int, columns [][]float64, predict Predictor, metric Metric, repeats int, seed uint64) ([]float64, error) {
	rng := rand.New(rand.NewPCG(seed, uint64(j)))
	changed := slices.Clone(columns)
	changed[j] = slices.Clone(columns[j])
	out := make([]float64, repeats)
	for r := range out {
		rng.Shuffle(len(changed[j]), func(a, b int) {
			changed[j][a], changed[j][b] = changed[j][b], changed[j][a]
		})
		v, err := judge(changed, predict, metric)
		if err != nil {
			return nil, err
		}
		out[r] = v
	}
	return out, nil
}
