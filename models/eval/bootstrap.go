package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Bootstrap says how intervals are made: whole clusters are drawn with
// replacement, as many as there are, and the statistic is computed on each
// draw; the interval is the range between the percentiles of those values
// (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).
type Bootstrap struct {
	Replicates int     // number of draws; 0 means 1,000
	Seed       uint64  // draws are a function of seed and replicate alone
	Level      float64 // of the interval, between 0 and 1; 0 means 0.95
}

// Interval is an estimate with its uncertainty.
type Interval struct {
	Value float64 `json:"value"` // on the rows as they are
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	SE    float64 `json:"se"` // standard error
}

// Above reports whether the whole interval lies above x.
func (v Interval) Above(x float64) bool { return v.Lower > x }

// Below reports whether the whole interval lies below x.
func (v Interval) Below(x float64) bool { return v.Upper < x }

func (b Bootstrap) replicates() int {
	if b.Replicates == 0 {
		return 1000
	}
	return b.Replicates
}

func (b Bootstrap) level() float64 {
	if b.Level == 0 {
		return 0.95
	}
	return b.Level
}

func (b Bootstrap) check() error {
	if r := b.replicates(); r < 2 {
		return fmt.Errorf("bootstrap: %d replicates, want at least 2: %w", r, ErrColumns)
	}
	if l := b.level(); !(l > 0 && l < 1) {
		return fmt.Errorf("bootstrap: level %v, want between 0 and 1: %w", l, ErrColumns)
	}
	return nil
}

// statistic computes some values from row weights. It runs concurrently, keeps
// neither slice, and leaves NaN where a value is undefined on those weights.
type statistic func(w []float64, out []float64)

// intervals runs a statistic with k values on the rows and on every draw.
func (b Bootstrap) intervals(r Rows, k int, stat statistic) ([]Interval, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	base := r.weights()
	value := make([]float64, k)
	stat(base, value)
	draws := b.draws(base, dense(r.Cluster, len(base)), k, stat)
	out := make([]Interval, k)
	for j := range out {
		v, err := b.summarise(value[j], draws, j)
		if err != nil {
			return nil, err
		}
		out[j] = v
	}
	return out, nil
}

// draws returns the statistic of each replicate.
func (b Bootstrap) draws(base []float64, clusters clusterIndex, k int, stat statistic) [][]float64 {
	return replicate(b, base, clusters, clusters.draw, func(w []float64) []float64 {
		out := make([]float64, k)
		stat(w, out)
		return out
	})
}

// replicate computes a statistic on the weights of each replicate, whose
// clusters pick counts. Replicates are spread over the cores; each has a
// generator of its own, so the split changes nothing.
func replicate[T any](b Bootstrap, base []float64, clusters clusterIndex, pick func(*rand.Rand, []int32), stat func(w []float64) T) []T {
	draws := make([]T, b.replicates())
	workers := min(runtime.GOMAXPROCS(0), len(draws))
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			w := make([]float64, len(base))
			count := make([]int32, clusters.n)
			for rep := worker; rep < len(draws); rep += workers {
				pick(rand.New(rand.NewPCG(b.Seed, uint64(rep))), count)
				clusters.weigh(count, base, w)
				draws[rep] = stat(w)
			}
		})
	}
	wg.Wait()
	return draws
}

// summarise turns column j of the draws into an interval. Up to a tenth of the
// draws may be undefined (a small sample can miss an arm); they are left out.
func (b Bootstrap) summarise(value float64, draws [][]float64, j int) (Interval, error) {
	if math.IsNaN(value) {
		return Interval{}, ErrUndefined
	}
	column := make([]float64, 0, len(draws))
	for _, d := range draws {
		if !math.IsNaN(d[j]) {
			column = append(column, d[j])
		}
	}
	if len(column) < 2 || 10*len(column) < 9*len(draws) {
		return Interval{}, fmt.Errorf("bootstrap: undefined on %d of %d draws; too few customers: %w",
			len(draws)-len(column), len(draws), ErrUndefined)
	}
	slices.Sort(column)
	tail := (1 - b.level()) / 2
	return Interval{
		Value: value,
		Lower: quantile(column, tail),
		Upper: quantile(column, 1-tail),
		SE:    deviation(column),
	}, nil
}

// clusterIndex maps rows to clusters numbered from 0.
type clusterIndex struct {
	of []int32 // per row; nil if every row is a cluster
	n  int
}

func dense(cluster []int, rows int) clusterIndex {
	if cluster == nil {
		return clusterIndex{n: rows}
	}
	number := make(map[int]int32)
	of := make([]int32, len(cluster))
	for i, id := range cluster {
		k, ok := number[id]
		if !ok {
			k = int32(len(number))
			number[id] = k
		}
		of[i] = k
	}
	return clusterIndex{of: of, n: len(number)}
}

func (c clusterIndex) draw(rng *rand.Rand, count []int32) {
	clear(count)
	for range c.n {
		count[rng.IntN(c.n)]++
	}
}

func (c clusterIndex) weigh(count []int32, base, w []float64) {
	if c.of == nil {
		for i, b := range base {
			w[i] = float64(count[i]) * b
		}
		return
	}
	for i, b := range base {
		w[i] = float64(count[c.of[i]]) * b
	}
}

// quantile interpolates linearly between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// deviation is the sample standard deviation.
func deviation(v []float64) float64 {
	mean := sum(v) / float64(len(v))
	var ss float64
	for _, x := range v {
		ss += (x - mean) * (x - mean)
	}
	return math.Sqrt(ss / float64(len(v)-1))
}
