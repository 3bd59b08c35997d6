package eval

import (
	"errors"
	"fmt"
	"math"
)

// ErrUndefined is wrapped by errors that say a metric has no value on the given
// rows, such as an AUC where every outcome is the same. No metric answers 0 or
// NaN in its place.
var ErrUndefined = errors.New("metric is undefined")

// ErrColumns is wrapped by errors about the columns themselves: different
// lengths, a missing column, a value that is NaN, infinite, beyond 1e100
// or out of the range of its column.
var ErrColumns = errors.New("columns do not fit")

// Rows are recorded outcomes in columns of equal length.
type Rows struct {
	// Outcome per row: 0 or 1 for the binary metrics, any finite number elsewhere.
	Outcome []float64
	// Weight per row, at least 0; nil means 1 for every row.
	Weight []float64
	// Cluster per row: rows of one customer share an id and are resampled
	// together. Nil means that every row is a customer of its own.
	Cluster []int
}

// Clusters numbers ids in order of first appearance: rows with the same id get
// the same number. It turns customer ids into Rows.Cluster.
func Clusters(ids []string) []int {
	number := make(map[string]int, len(ids))
	out := make([]int, len(ids))
	for i, id := range ids {
		n, ok := number[id]
		if !ok {
			n = len(number)
			number[id] = n
		}
		out[i] = n
	}
	return out
}

func (r Rows) check() error {
	n := len(r.Outcome)
	if n == 0 {
		return fmt.Errorf("outcome: no rows: %w", ErrColumns)
	}
	if err := finite("outcome", r.Outcome, n); err != nil {
		return err
	}
	if r.Cluster != nil && len(r.Cluster) != n {
		return fmt.Errorf("cluster: %d values for %d outcomes: %w", len(r.Cluster), n, ErrColumns)
	}
	return r.checkWeight(n)
}

func (r Rows) checkWeight(n int) error {
	if r.Weight == nil {
		return nil
	}
	if err := finite("weight", r.Weight, n); err != nil {
		return err
	}
	for i, w := range r.Weight {
		if w < 0 || w > 0 && w < 1/extreme {
			return fmt.Errorf("weight: row %d is %v, want 0 or at least %g: %w", i, w, 1/extreme, ErrColumns)
		}
	}
	return nil
}

// weights returns the weight column, ones where there is none. The result must
// not be changed.
func (r Rows) weights() []float64 {
	if r.Weight != nil {
		return r.Weight
	}
	w := make([]float64, len(r.Outcome))
	for i := range w {
		w[i] = 1
	}
	return w
}

// extreme bounds what a column may hold: squares and their sums stay finite,
// and those of positive weights and chances, at least 1/extreme, above 0.
const extreme = 1e100

// finite checks that a column has n values and that all are finite.
func finite(name string, v []float64, n int) error {
	if len(v) != n {
		return fmt.Errorf("%s: %d values for %d rows: %w", name, len(v), n, ErrColumns)
	}
	for i, x := range v {
		if !(math.Abs(x) <= extreme) {
			return fmt.Errorf("%s: row %d is %v: %w", name, i, x, ErrColumns)
		}
	}
	return nil
}

func sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}
