package learner

import "github.com/rebound-engine/rebound/internal/splitmix"

// treeGrower is the scratch of one goroutine.
type treeGrower struct {
	g       *forestGrower
	pool    []*histPool
	single  []*marginals // per arm, of the node at hand
	scratch []int32
	order   []int
	stream  *stream
	out     *binTree
	value   []float64
}

func newTreeGrower(g *forestGrower) *treeGrower {
	t := &treeGrower{g: g, scratch: make([]int32, len(g.rows)), order: make([]int, len(g.w.bins.f))}
	for range g.grad {
		t.pool = append(t.pool, &histPool{blocks: len(g.w.bins.packed)})
		t.single = append(t.single, newMarginals(g.w.bins))
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
		if splitmix.Sum64(halfKey^id*0x9E3779B97F4A7C15)>>63 == 0 {
			continue
		}
		u := splitmix.Sum64(treeKey ^ id*0xD1342543DE82EF95)
		if float64(u>>11)*0x1p-53 >= 2*g.s.Sample {
			continue
		}
		if splitmix.Sum64(u)>>63 == 0 {
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
			right[a].subtract(left[a], bins.joints)
		}
	} else {
		right = t.build(rows[l:])
		for a := range left {
			left[a].subtract(right[a], bins.joints)
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
	for a := range h {
		t.single[a].fill(g.w.bins.joints, h[a])
	}
	for k := range g.columns {
		j := k + t.stream.below(len(t.order)-k)
		t.order[k], t.order[j] = t.order[j], t.order[k]
		t.scanFeature(&best, t.order[k])
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
			for k := range b + 1 {
				best.left.add(k)
			}
			if missingLeft {
				best.left.add(f.count)
			}
		}
	}
}
