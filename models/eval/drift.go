package eval

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// Baseline is the distribution of a feature or score at training, in bins, to be
// kept with the model and compared with what is seen later.
type Baseline struct {
	// Edges are the inner borders of the bins, ascending: a value x is in bin i
	// if Edges[i-1] < x <= Edges[i].
	Edges []float64 `json:"edges"`
	// Counts has one more entry than bins: the last counts missing values (NaN).
	Counts []float64 `json:"counts"`
}

// NewBaseline cuts values at their quantiles into at most the given number of
// bins; equal values stay together, so fewer bins may result. NaN is missing.
func NewBaseline(values []float64, bins int) (Baseline, error) {
	if bins < 1 || len(values) == 0 {
		return Baseline{}, fmt.Errorf("baseline: %d values in %d bins: %w", len(values), bins, ErrColumns)
	}
	present := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			present = append(present, v)
		}
	}
	slices.Sort(present)
	var edges []float64
	for b := 1; b < bins && len(present) > 0; b++ {
		edge := present[b*len(present)/bins]
		if edge < present[len(present)-1] && (len(edges) == 0 || edge > edges[len(edges)-1]) {
			edges = append(edges, edge)
		}
	}
	base := Baseline{Edges: edges}
	base.Counts = base.count(values)
	return base, nil
}

func (b Baseline) count(values []float64) []float64 {
	counts := make([]float64, len(b.Edges)+2)
	for _, v := range values {
		counts[b.bin(v)]++
	}
	return counts
}

func (b Baseline) bin(v float64) int {
	if math.IsNaN(v) {
		return len(b.Edges) + 1
	}
	return sort.SearchFloat64s(b.Edges, v)
}

// Shift says how far a distribution has moved.
type Shift struct {
	PSI float64 `json:"psi"`
	// Noise is the PSI that sampling alone would show on average.
	Noise float64 `json:"noise"`
	// P is the chance of at least this PSI if nothing had moved.
	P     float64    `json:"p"`
	Level ShiftLevel `json:"level"`
}

// ShiftLevel is the usual reading of a PSI. A level above stable is given only
// where chance does not explain the PSI (P below 0.001).
type ShiftLevel string

// The levels of a shift.
const (
	Stable  ShiftLevel = "stable"  // PSI below 0.1, or within noise
	Shifted ShiftLevel = "shifted" // PSI from 0.1 to 0.25
	Broken  ShiftLevel = "broken"  // PSI of 0.25 or more
)

// driftAlpha is the chance of a false alarm of one drift or ratio test.
const driftAlpha = 0.001

// Compare computes the population stability index of values against the
// baseline, missing values being a bin of their own.
func (b Baseline) Compare(values []float64) (Shift, error) {
	if len(b.Counts) != len(b.Edges)+2 || !slices.IsSorted(b.Edges) {
		return Shift{}, fmt.Errorf("compare with baseline: %d edges, %d counts: %w", len(b.Edges), len(b.Counts), ErrColumns)
	}
	return PSI(b.Counts, b.count(values))
}

// PSI is the population stability index of two sets of counts over the same
// bins or categories: sum (a-e) ln(a/e) over the shares (Siddiqi, Credit Risk
// Scorecards, 2006; its distribution without a shift is (1/n+1/m) times a
// chi-square, Yurdakul, 2018). Half a row is added to each bin that only one
// side fills; bins empty on both sides are left out.
func PSI(expected, actual []float64) (Shift, error) {
	if len(expected) != len(actual) {
		return Shift{}, fmt.Errorf("psi: %d and %d bins: %w", len(expected), len(actual), ErrColumns)
	}
	e, a, err := smoothed(expected, actual)
	if err != nil {
		return Shift{}, fmt.Errorf("psi: %w", err)
	}
	n, m := sum(e), sum(a)
	var s Shift
	for i := range e {
		x, y := e[i]/n, a[i]/m
		s.PSI += (y - x) * math.Log(y/x)
	}
	degrees := float64(len(e) - 1)
	scale := 1/n + 1/m
	s.Noise, s.P = degrees*scale, chiSquareTail(s.PSI/scale, degrees)
	s.Level = s.read()
	return s, nil
}

func (s Shift) read() ShiftLevel {
	switch {
	case s.P >= driftAlpha, s.PSI < 0.1:
		return Stable
	case s.PSI < 0.25:
		return Shifted
	default:
		return Broken
	}
}

func smoothed(expected, actual []float64) (e, a []float64, err error) {
	for i := range expected {
		x, y := expected[i], actual[i]
		if !(x >= 0 && y >= 0) || math.IsInf(x+y, 0) {
			return nil, nil, fmt.Errorf("bin %d has counts %v and %v: %w", i, x, y, ErrColumns)
		}
		if x == 0 && y == 0 {
			continue
		}
		if x == 0 || y == 0 {
			x, y = x+0.5, y+0.5
		}
		e, a = append(e, x), append(a, y)
	}
	if sum(expected) == 0 || sum(actual) == 0 {
		return nil, nil, fmt.Errorf("one side has no rows: %w", ErrUndefined)
	}
	return e, a, nil
}

// chiSquareTail is the chance that a chi-square exceeds x.
func chiSquareTail(x, degrees float64) float64 {
	if degrees <= 0 || x <= 0 {
		return 1
	}
	return mathext.GammaIncRegComp(degrees/2, x/2)
}

// RatioTest is the outcome of a sample-ratio check.
type RatioTest struct {
	ChiSquare float64   `json:"chi_square"`
	P         float64   `json:"p"`
	Expected  []float64 `json:"expected"` // rows per arm
	Mismatch  bool      `json:"mismatch"` // P below 0.001
}

// SampleRatio tests by Pearson's chi-square whether arms were filled in the
// intended shares (Fabijan and others, KDD 2019). observed are units per arm:
// count customers, not rows, where assignment is by customer. shares need not
// add up to one. A mismatch means the assignment or the log is broken, and no
// effect computed from it can be trusted.
func SampleRatio(observed []int, shares []float64) (RatioTest, error) {
	if len(observed) != len(shares) || len(observed) < 2 {
		return RatioTest{}, fmt.Errorf("sample ratio: %d arms, %d shares: %w", len(observed), len(shares), ErrColumns)
	}
	var n float64
	for k, o := range observed {
		if o < 0 || !(shares[k] > 0) || math.IsInf(shares[k], 0) {
			return RatioTest{}, fmt.Errorf("sample ratio: arm %d has %d units and share %v: %w", k, o, shares[k], ErrColumns)
		}
		n += float64(o)
	}
	if n == 0 {
		return RatioTest{}, fmt.Errorf("sample ratio: no units: %w", ErrUndefined)
	}
	t := RatioTest{Expected: make([]float64, len(observed))}
	whole := sum(shares)
	for k, o := range observed {
		e := n * shares[k] / whole
		t.Expected[k] = e
		t.ChiSquare += (float64(o) - e) * (float64(o) - e) / e
	}
	t.P = chiSquareTail(t.ChiSquare, float64(len(observed)-1))
	t.Mismatch = t.P < driftAlpha
	return t, nil
}
