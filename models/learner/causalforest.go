package learner

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
)

// ForestSettings control an honest multi-treatment causal forest.
type ForestSettings struct {
	Trees        int     // rounded up to whole groups
	Group        int     // trees per half-sample (bag of little bags); 0: 4
	MinLeaf      int     // effective rows per leaf, in each half of a tree's sample
	Sample       float64 // share of all rows per tree, at most 0.5; 0: 0.45
	Columns      float64 // share of features tried per split; 0: 0.75
	MaxDepth     int     // 0: unbounded
	DoublyRobust bool    // use doubly robust pseudo-outcomes of all rows; else residual on residual per pair
}

func (s *ForestSettings) check() error {
	if s.Trees < 1 || s.MinLeaf < 1 || s.Sample < 0 || s.Sample > 0.5 || s.Group < 0 || s.Group == 1 || s.Columns < 0 || s.Columns > 1 {
		return fmt.Errorf("forest settings %+v", *s)
	}
	return nil
}

func (s ForestSettings) withDefaults() ForestSettings {
	if s.Group == 0 {
		s.Group = 4
	}
	if s.Sample == 0 {
		s.Sample = 0.45
	}
	if s.Columns == 0 {
		s.Columns = 0.75
	}
	s.Trees = (s.Trees + s.Group - 1) / s.Group * s.Group
	return s
}

// fittedForest is a grown forest.
type fittedForest struct {
	arms, group int
	bins        *Bins
	trees       []*binTree
	value       [][]float64
	prior       []float64
}

// forestGrower holds what all trees of a forest share, read-only.
type forestGrower struct {
	w       *work
	s       ForestSettings
	rows    []int32
	grad    [][]pair  // per arm, per row: weight × target, weight
	unit    []float64 // per arm: mean weight of a row: one effective row
	scale   []float64 // per arm: noise of one effective row
	columns int
}

// fitForest grows trees whose every leaf holds the effects of all offers.
// Splits are chosen on one half of a tree's sample and leaves valued on the
// other (Wager and Athey 2018); targets are residualised by the nuisances
// (Athey, Tibshirani and Wager 2019, section 6; Oprescu et al. 2019).
func (w *work) fitForest(ctx context.Context, s *ForestSettings, rows []int32, n *nuisance) (*fittedForest, error) {
	g := &forestGrower{w: w, s: s.withDefaults(), rows: rows}
	g.columns = max(1, int(math.Ceil(g.s.Columns*float64(len(w.bins.f)))))
	for a := 1; a < w.d.Arms(); a++ {
		if err := g.addArm(a, n); err != nil {
			return nil, err
		}
	}
	f := &fittedForest{arms: len(g.grad), group: g.s.Group, bins: w.bins, trees: make([]*binTree, g.s.Trees), value: make([][]float64, g.s.Trees)}
	scratch := pool[*treeGrower]{make: func() *treeGrower { return newTreeGrower(g) }}
	parallel(w.threads, g.s.Trees/g.s.Group, func(group int) {
		tg := scratch.get()
		half := tg.sampleHalf(group)
		for t := group * g.s.Group; t < (group+1)*g.s.Group && ctx.Err() == nil; t++ {
			f.trees[t], f.value[t] = tg.tree(t, half)
		}
		scratch.put(tg)
	})
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("causal forest: %w", err)
	}
	f.setPrior(rows)
	return f, nil
}

func (g *forestGrower) addArm(a int, n *nuisance) error {
	method := MethodR
	if g.s.DoublyRobust {
		method = MethodDR
	}
	target, weight, use := g.w.pseudo(method, a, g.rows, n)
	grad := make([]pair, g.w.d.Rows())
	sw, s1, s2 := 0.0, 0.0, 0.0
	for _, i := range use {
		grad[i] = pair{weight[i] * target[i], weight[i]}
		sw += weight[i]
		s1 += weight[i] * target[i]
		s2 += weight[i] * weight[i] * target[i] * target[i]
	}
	if !(sw > 0) {
		return errors.New("causal forest: an arm without rows")
	}
	n0 := float64(len(use))
	mean := s1 / sw
	g.grad = append(g.grad, grad)
	g.unit = append(g.unit, sw/float64(len(g.rows)))
	g.scale = append(g.scale, max(s2/sw-mean*mean*sw/n0, 1e-12))
	return nil
}

// maxArms bounds the offers one forest can hold (its outputs are effects and variances).
const maxArms = models.MaxUpliftOutputs / 2

func (f *fittedForest) outputs() int { return 2 * f.arms }

// model is the forest in the form package models scores.
func (f *fittedForest) model() *models.Forest {
	m := &models.Forest{Arms: f.arms, Group: f.group, Value: f.value, PriorVariance: f.prior}
	for _, t := range f.trees {
		tree := f.bins.tree(t)
		tree.Leaf = nil
		m.Trees = append(m.Trees, tree)
	}
	return m
}

func (f *fittedForest) predictor() models.Predictor { return models.Predictor{Forest: f.model()} }

// predict fills effects and their variances, as models.Forest does.
func (f *fittedForest) predict(w *work, rows []int32, out [][]float64) {
	position := make([]int32, f.bins.rows)
	for k, i := range rows {
		position[i] = int32(k % forestChunk)
	}
	chunks := (len(rows) + forestChunk - 1) / forestChunk
	parallel(w.threads, chunks, func(c int) {
		f.predictChunk(rows[c*forestChunk:min((c+1)*forestChunk, len(rows))], position, out)
	})
}

const forestChunk = 2048

// moments are per row of a chunk and arm.
type moments struct{ group, mean, second, within []float64 }

func (f *fittedForest) predictChunk(rows, position []int32, out [][]float64) {
	n, k := len(rows), f.arms
	m := moments{make([]float64, n*k), make([]float64, n*k), make([]float64, n*k), make([]float64, n*k)}
	f.accumulate(rows, position, &m)
	trees, g := float64(len(f.trees)), float64(f.group)
	groups := trees / g
	for r, i := range rows {
		for a := range k {
			at := r*k + a
			mean := m.mean[at] / trees
			second := m.second[at] / (g * g * groups)
			noise := (m.within[at]/trees - second) / (g - 1)
			out[a][i] = mean
			out[k+a][i] = second - mean*mean - noise
			if f.prior != nil {
				out[k+a][i] = (groups*max(out[k+a][i], 0) + models.ForestPriorGroups*f.prior[a]) / (groups + models.ForestPriorGroups)
			}
		}
	}
}

// accumulate routes the rows of a chunk down all trees; position is a row's
// place in the chunk.
func (f *fittedForest) accumulate(rows, position []int32, m *moments) {
	k := f.arms
	idx, scratch := append([]int32(nil), rows...), make([]int32, len(rows))
	for t, tree := range f.trees {
		value := f.value[t]
		f.bins.route(tree, idx, scratch, func(leaf int, leafRows []int32) {
			v := value[leaf*k : (leaf+1)*k]
			for _, i := range leafRows {
				at := int(position[i]) * k
				for a, x := range v {
					m.group[at+a] += x
					m.within[at+a] += x * x
				}
			}
		})
		if (t+1)%f.group == 0 {
			for j, v := range m.group {
				m.mean[j] += v
				m.second[j] += v * v
				m.group[j] = 0
			}
		}
	}
}

// setPrior averages the raw variance estimates over up to 2,000 rows: what a
// row's own estimate, noisy from few groups, is shrunk to.
func (f *fittedForest) setPrior(rows []int32) {
	step := max(1, len(rows)/2000)
	var some []int32
	for k := 0; k < len(rows); k += step {
		some = append(some, rows[k])
	}
	out := make([][]float64, 2*f.arms)
	for j := range out {
		out[j] = make([]float64, f.bins.rows)
	}
	position := make([]int32, f.bins.rows)
	for k, i := range some {
		position[i] = int32(k)
	}
	f.predictChunk(some, position, out)
	prior := make([]float64, f.arms)
	for a := range prior {
		for _, i := range some {
			prior[a] += out[f.arms+a][i] / float64(len(some))
		}
		prior[a] = max(prior[a], 0)
	}
	f.prior = prior
}
