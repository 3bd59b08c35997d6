package learner

import (
	"slices"

	"github.com/rebound-engine/rebound/internal/splitmix"
)

// treeGrower is the scratch of one goroutine.
type treeGrower struct {
	g       *forestGrower
	pool    *pool[histogram]
	single  []*marginals // per arm, of the node at hand
	half    []int32      // rows of the group's half-sample
	grow    []int32      // of the tree's sample: rows that choose splits
	value   []int32      // and rows that value leaves
	scratch []int32
	order   []int
	stream  *stream
	out     *binTree
	effects []float64 // per leaf and arm
	passed  []float64 // per node: rows that value what is below it
	ended   []float64 // per leaf
}

func newTreeGrower(g *forestGrower) *treeGrower {
	n := len(g.rows)
	t := &treeGrower{
		g: g, pool: newHistPool(g.w.bins), order: make([]int, len(g.w.bins.f)),
		half: make([]int32, n), grow: make([]int32, n), value: make([]int32, n), scratch: make([]int32, n),
	}
	for range g.grad {
		t.single = append(t.single, newMarginals(g.w.bins))
	}
	return t
}

// sampleHalf draws the half of the customers that a group of trees belongs to.
func (t *treeGrower) sampleHalf(group int) []int32 {
	key, n := newStream(t.g.w.seed, 32, uint64(group)).next(), 0
	for _, i := range t.g.rows {
		t.half[n] = i
		n += int(splitmix.Sum64(key^t.customer(i)*0x9E3779B97F4A7C15) >> 63)
	}
	return t.half[:n]
}

func (t *treeGrower) customer(i int32) uint64 {
	if t.g.w.d.Group != nil {
		return t.g.w.d.Group[i]
	}
	return uint64(i)
}

// tree grows one tree of a group: a share of its customers belongs to the
// tree, half of those choose splits, the others value leaves.
func (t *treeGrower) tree(number int, half []int32) (*binTree, []float64) {
	t.stream = newStream(t.g.w.seed, 31, uint64(number))
	for j := range t.order {
		t.order[j] = j
	}
	key, most := t.stream.next(), uint64(2*t.g.s.Sample*(1<<53))
	grow, value := 0, 0
	for _, i := range half {
		u := splitmix.Sum64(key ^ t.customer(i)*0xD1342543DE82EF95)
		side := splitmix.Sum64(u) >> 63
		in := uint64(0)
		if u>>11 < most {
			in = 1
		}
		t.grow[grow], t.value[value] = i, i
		grow += int(in &^ side)
		value += int(in & side)
	}
	t.out, t.effects, t.passed, t.ended = &binTree{}, nil, t.passed[:0], t.ended[:0]
	t.branch(t.grow[:grow], t.value[:value], make([]float64, len(t.g.grad)), 0, t.build(t.grow[:grow]))
	t.out.cover = slices.Concat(t.passed, t.ended)
	return t.out, t.effects
}

func (t *treeGrower) build(rows []int32) []histogram {
	h := make([]histogram, len(t.g.grad))
	for a := range h {
		h[a] = t.pool.get()
		t.g.w.bins.build(h[a], rows, t.g.grad[a], t.pool, nil)
	}
	return h
}

func (t *treeGrower) release(h []histogram) {
	for a := range h {
		t.pool.put(h[a])
	}
}

// branch adds the subtree of the given rows and returns its reference.
func (t *treeGrower) branch(rows, estimate []int32, parent []float64, depth int, h []histogram) int32 {
	value := t.valueOf(estimate, parent)
	best := t.bestSplit(h, depth)
	if best.gain <= 0 {
		t.release(h)
		t.effects, t.ended = append(t.effects, value...), append(t.ended, float64(len(estimate)))
		return ^int32(len(t.effects)/len(value) - 1)
	}
	at := int32(len(t.out.nodes))
	t.out.nodes = append(t.out.nodes, binNode{feature: int32(best.feature), bin: uint8(best.bin), missing: best.missing, set: best.left})
	t.passed = append(t.passed, float64(len(estimate)))
	bins := t.g.w.bins
	l := bins.partition(best.feature, &best.left, rows, t.scratch)
	e := bins.partition(best.feature, &best.left, estimate, t.scratch)
	left, right := h, h
	if l <= len(rows)-l {
		left = t.build(rows[:l])
		for a := range right {
			bins.subtract(right[a], left[a])
		}
	} else {
		right = t.build(rows[l:])
		for a := range left {
			bins.subtract(left[a], right[a])
		}
	}
	lr := t.branch(rows[:l], estimate[:e], value, depth+1, left)
	rr := t.branch(rows[l:], estimate[e:], value, depth+1, right)
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
	for a := range h {
		t.single[a].fill(g.w.bins, h[a])
	}
	for k := range g.columns {
		j := k + t.stream.below(len(t.order)-k)
		t.order[k], t.order[j] = t.order[j], t.order[k]
		t.scanFeature(&best, t.order[k])
	}
	if best.gain > 0 {
		best.setLeft(&g.w.bins.f[best.feature])
	}
	return best
}

// scanFeature tries the borders of one feature; missing numbers go with the
// lower values, levels of a category are taken in order of frequency with the
// missing ones last.
func (t *treeGrower) scanFeature(best *split, feature int) {
	g, f := t.g, &t.g.w.bins.f[feature]
	arms := len(g.grad)
	var bufL, bufT [maxArms]pair
	left, total := bufL[:arms], bufT[:arms]
	missingLeft := f.missing && !f.isCat
	base := 0.0
	var h [maxArms][]pair
	for a, m := range t.single {
		h[a] = m.of[feature]
		total[a] = sumPairs(h[a])
		if total[a].h < 2*g.unit[a]*float64(g.s.MinLeaf) {
			return
		}
		base += total[a].g * total[a].g / total[a].h / g.scale[a]
		if missingLeft {
			left[a] = h[a][f.count]
		}
	}
	for b := range f.count - 1 {
		gain, ok := -base, true
		for a := range left {
			e := h[a][b]
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
		}
	}
}
