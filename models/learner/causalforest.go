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
	scratch := make(chan *treeGrower, w.threads)
	for range w.threads {
		scratch <- newTreeGrower(g)
	}
	parallel(w.threads, g.s.Trees, func(t int) {
		if ctx.Err() != nil {
			return
		}
		tg := <-scratch
		f.trees[t], f.value[t] = tg.tree(t)
		scratch <- tg
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

// treeGrower is the scratch of one goroutine.
type treeGrower struct {
	g        *forestGrower
	pool     []*histPool
	scratch  []int32
	order    []int
	stream   *stream
	out      *binTree
	value    []float64
	estimate []int32
}

func newTreeGrower(g *forestGrower) *treeGrower {
	t := &treeGrower{g: g, scratch: make([]int32, len(g.rows)), order: make([]int, len(g.w.bins.f))}
	for range g.grad {
		t.pool = append(t.pool, &histPool{blocks: len(g.w.bins.packed)})
	}
	return t
}

// tree grows tree t: half the customers belong to its group, a share of them
// to the tree, half of those choose splits, the others value leaves.
func (t *treeGrower) tree(number int) (*binTree, []float64) {
	g := t.g
	t.stream = newStream(g.w.seed, 31, uint64(number))
	for j := range t.order {
		t.order[j] = j
	}
	halfKey := newStream(g.w.seed, 32, uint64(number/g.s.Group)).next()
	treeKey := t.stream.next()
	var grow, estimate []int32
	for _, i := range g.rows {
		id := uint64(i)
		if g.w.d.Group != nil {
			id = g.w.d.Group[i]
		}
		if splitmix64(halfKey^id*0x9E3779B97F4A7C15)>>63 == 0 {
			continue
		}
		u := splitmix64(treeKey ^ id*0xD1342543DE82EF95)
		if float64(u>>11)*0x1p-53 >= 2*g.s.Sample {
			continue
		}
		if splitmix64(u)>>63 == 0 {
			grow = append(grow, i)
		} else {
			estimate = append(estimate, i)
		}
	}
	t.out, t.value = &binTree{}, nil
	t.grow(grow, estimate, make([]float64, len(g.grad)), 0, t.build(grow))
	return t.out, t.value
}

func (t *treeGrower) build(rows []int32) []histogram {
	h := make([]histogram, len(t.g.grad))
	for a := range h {
		h[a] = t.pool[a].get()
		t.g.w.bins.build(h[a], rows, t.g.grad[a], t.pool[a], 1)
	}
	return h
}

func (t *treeGrower) release(h []histogram) {
	for a := range h {
		t.pool[a].put(h[a])
	}
}

// grow adds the subtree of the given rows and returns its reference.
func (t *treeGrower) grow(rows, estimate []int32, parent []float64, depth int, h []histogram) int32 {
	value := t.valueOf(estimate, parent)
	best := t.bestSplit(h, depth)
	if best.gain <= 0 {
		t.release(h)
		t.value = append(t.value, value...)
		return ^int32(len(t.value)/len(value) - 1)
	}
	at := int32(len(t.out.nodes))
	t.out.nodes = append(t.out.nodes, binNode{feature: int32(best.feature), bin: uint8(best.bin), missing: best.missing, set: best.left})
	bins := t.g.w.bins
	l := bins.partition(best.feature, &best.left, rows, t.scratch)
	e := bins.partition(best.feature, &best.left, estimate, t.scratch)
	left, right := h, h
	if l <= len(rows)-l {
		left = t.build(rows[:l])
		for a := range right {
			right[a].subtract(left[a], bins.f)
		}
	} else {
		right = t.build(rows[l:])
		for a := range left {
			left[a].subtract(right[a], bins.f)
		}
	}
	lr := t.grow(rows[:l], estimate[:e], value, depth+1, left)
	rr := t.grow(rows[l:], estimate[e:], value, depth+1, right)
	t.out.nodes[at].left, t.out.nodes[at].right = lr, rr
	return at
}

// valueOf is the effect per arm on the estimation rows; an arm with too few
// keeps the parent's.
func (t *treeGrower) valueOf(estimate []int32, parent []float64) []float64 {
	value := make([]float64, len(parent))
	for a, grad := range t.g.grad {
		var s pair
		for _, i := range estimate {
			s.g += grad[i].g
			s.h += grad[i].h
		}
		value[a] = parent[a]
		if s.h >= t.g.unit[a]*max(2, float64(t.g.s.MinLeaf)/4) {
			value[a] = s.g / s.h
		}
	}
	return value
}

// bestSplit cuts where the effects of all arms together differ most, each in
// units of its own noise.
func (t *treeGrower) bestSplit(h []histogram, depth int) split {
	g := t.g
	best := split{}
	if g.s.MaxDepth > 0 && depth >= g.s.MaxDepth {
		return best
	}
	for k := range g.columns {
		j := k + t.stream.below(len(t.order)-k)
		t.order[k], t.order[j] = t.order[j], t.order[k]
		t.scanFeature(&best, t.order[k], h)
	}
	return best
}

// scanFeature tries the borders of one feature; missing numbers go with the
// lower values, levels of a category are taken in order of frequency with the
// missing ones last.
func (t *treeGrower) scanFeature(best *split, feature int, h []histogram) {
	g, f := t.g, &t.g.w.bins.f[feature]
	arms := len(h)
	var bufL, bufT [maxArms]pair
	left, total := bufL[:arms], bufT[:arms]
	missingLeft := f.missing && !f.isCat
	base := 0.0
	for a := range h {
		for _, e := range h[a].of(feature)[:f.total()] {
			total[a].g += e.g
			total[a].h += e.h
		}
		if total[a].h < 2*g.unit[a]*float64(g.s.MinLeaf) {
			return
		}
		base += total[a].g * total[a].g / total[a].h / g.scale[a]
		if missingLeft {
			left[a] = h[a].of(feature)[f.count]
		}
	}
	for b := range f.count - 1 {
		gain, ok := -base, true
		for a := range left {
			e := h[a].of(feature)[b]
			l := &left[a]
			l.g += e.g
			l.h += e.h
			minH := max(g.unit[a]*float64(g.s.MinLeaf), 0.05*total[a].h)
			r := pair{total[a].g - l.g, total[a].h - l.h}
			if l.h < minH || r.h < minH {
				ok = false
				continue
			}
			gain += (l.g*l.g/l.h + r.g*r.g/r.h) / g.scale[a]
		}
		if ok && gain > best.gain {
			*best = split{gain: gain, feature: feature, bin: b, missing: missingLeft}
			for k := range b + 1 {
				best.left.add(k)
			}
			if missingLeft {
				best.left.add(f.count)
			}
		}
	}
}

// maxArms bounds the offers one forest can hold (its outputs are effects and variances).
const maxArms = models.MaxUpliftOutputs / 2

func (f *fittedForest) outputs() int { return 2 * f.arms }

// model is the forest in the form package models scores.
func (f *fittedForest) model() *models.Forest {
	m := &models.Forest{Arms: f.arms, Group: f.group, Value: f.value, PriorVariance: f.prior}
	for _, t := range f.trees {
		tree := f.bins.tree(t)
		tree.Leaf, tree.Cover = nil, nil
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
