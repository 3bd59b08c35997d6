package learner

import (
	"cmp"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// binNode is an inner node over bins.
type binNode struct {
	feature     int32
	bin         uint8
	missing     bool // missing goes left
	left, right int32
	set         binSet // bins that go left
}

// binTree is a tree over bins; children are coded as in models.Tree.
type binTree struct {
	nodes []binNode
	leaf  []float64
	cover []float64 // per node, then per leaf
}

// growLeaf is a leaf while a tree grows.
type growLeaf struct {
	from, to int // rows idx[from:to]
	stats    leafStats
	hist     histogram
	best     split
	halves   *[2]growLeaf // what cutting it would give, once that is known
	depth    int
	parent   int32 // node, -1 for the root
	onLeft   bool
}

func (o *growLeaf) rows() int { return o.to - o.from }

// grower holds what growing trees on one set of gradients needs.
type grower struct {
	bins     *Bins
	rules    splitRules
	leaves   int
	maxDepth int
	threads  *crew
	pool     *pool[histogram]
	searches *pool[*search]
	idx      []int32
	scratch  []int32
	grad     []pair
	use      [][]int // features, per block of columns, in the order asked for
	order    []int   // per feature: its place in that order
}

func newGrower(b *Bins, rules splitRules, leaves, maxDepth int, threads *crew) *grower {
	return &grower{
		bins: b, rules: rules, leaves: leaves, maxDepth: maxDepth, threads: threads,
		pool: newHistPool(b), searches: &pool[*search]{make: func() *search { return newSearch(b) }},
		use: make([][]int, len(b.packed)), order: make([]int, len(b.f)),
	}
}

// grow grows one tree leaf by leaf, always the leaf with the largest gain,
// on rows (which it copies), over the features of use. It returns the tree
// with Newton outputs and, through eachLeaf, the rows of every leaf.
func (g *grower) grow(rows []int32, grad []pair, use []int, eachLeaf func(leaf int, rows []int32)) *binTree {
	g.idx, g.grad = append(g.idx[:0], rows...), grad
	g.choose(use)
	if len(g.scratch) < len(rows) {
		g.scratch = make([]int32, len(rows))
	}
	t := &binTree{nodes: make([]binNode, 0, g.leaves-1)}
	open := append(make([]growLeaf, 0, g.leaves), g.root())
	for len(open) < g.leaves {
		k := bestLeaf(open)
		if k < 0 {
			break
		}
		if open[k].halves == nil {
			ahead := g.ahead(open, k)
			more := len(open)+1 < g.leaves
			parallel(g.threads, len(ahead), func(n int) { g.cut(&open[ahead[n]], more) })
		}
		t.cover = append(t.cover, open[k].stats.h)
		open = t.split(open, k)
	}
	t.leaf = make([]float64, len(open))
	for k := range open {
		t.leaf[k] = g.output(open[k].stats)
		t.cover = append(t.cover, open[k].stats.h)
		g.release(&open[k])
		if eachLeaf != nil {
			eachLeaf(k, g.idx[open[k].from:open[k].to])
		}
	}
	return t
}

// choose sets the features to split on.
func (g *grower) choose(use []int) {
	for k := range g.use {
		g.use[k] = g.use[k][:0]
	}
	for at, j := range use {
		k := g.bins.at[j].joint / packedPerRow
		g.use[k] = append(g.use[k], j)
		g.order[j] = at
	}
}

func (g *grower) root() growLeaf {
	root := growLeaf{to: len(g.idx), parent: -1, hist: g.pool.get()}
	g.bins.build(root.hist, g.idx, g.grad, g.pool, g.threads)
	all := sumPairs(root.hist.of(0)[:g.bins.joints[0].size])
	root.stats = leafStats{g: all.g, h: all.h, rows: float64(len(g.idx)), lo: math.Inf(-1), hi: math.Inf(1)}
	s := g.searches.get()
	defer g.searches.put(s)
	s.of(g, &root)
	parallel(g.threads, len(root.hist), func(k int) { s.block(g, k) })
	s.finish(g)
	return root
}

// ahead are the leaves to cut now: the best one, and with idle hands the next
// best ones, which come next unless the halves of better ones surpass them.
// What cutting a leaf gives does not depend on when that happens.
func (g *grower) ahead(open []growLeaf, best int) []int {
	ks := []int{best}
	if g.threads.hands() == 1 || open[best].rows() < aheadRows {
		return ks
	}
	for k := range open {
		if o := &open[k]; k != best && o.halves == nil && o.best.gain > 0 && o.rows() >= aheadRows {
			ks = append(ks, k)
		}
	}
	slices.SortStableFunc(ks[1:], func(a, b int) int { return cmp.Compare(open[b].best.gain, open[a].best.gain) })
	return ks[:min(len(ks), g.threads.hands(), g.leaves-len(open))]
}

// aheadRows is the least size of a leaf whose cut another hand is asked for.
const aheadRows = 2048

// split makes leaf k a node: its left half keeps the number, the right one
// gets the next.
func (t *binTree) split(open []growLeaf, k int) []growLeaf {
	o := &open[k]
	node := int32(len(t.nodes))
	t.nodes = append(t.nodes, binNode{
		feature: int32(o.best.feature), bin: uint8(o.best.bin), missing: o.best.missing, set: o.best.left,
		left: ^int32(k), right: ^int32(len(open)),
	})
	if o.parent >= 0 {
		if o.onLeft {
			t.nodes[o.parent].left = node
		} else {
			t.nodes[o.parent].right = node
		}
	}
	l, r := o.halves[0], o.halves[1]
	l.parent, l.onLeft, r.parent = node, true, node
	open[k] = l
	return append(open, r)
}

// release gives back the histograms of a leaf.
func (g *grower) release(o *growLeaf) {
	if o.hist != nil {
		g.pool.put(o.hist)
	}
	if o.halves != nil {
		g.release(&o.halves[0])
		g.release(&o.halves[1])
	}
}

func (g *grower) output(s leafStats) float64 {
	if s.h+g.rules.lambda <= 0 {
		return 0
	}
	return min(max(-s.g/(s.h+g.rules.lambda), s.lo), s.hi)
}

func bestLeaf(open []growLeaf) int {
	best := -1
	for k := range open {
		if open[k].best.gain > 0 && (best < 0 || open[k].best.gain > open[best].best.gain) {
			best = k
		}
	}
	return best
}

// cut makes the halves of leaf o, with their own best splits if more cuts are
// to come. Histograms are built for the smaller half only.
func (g *grower) cut(o *growLeaf, more bool) {
	mid := o.from + g.bins.partitionParallel(o.best.feature, &o.best.left, g.idx[o.from:o.to], g.scratch[o.from:o.to], g.threads)
	o.halves = &[2]growLeaf{{from: o.from, to: mid, depth: o.depth + 1}, {from: mid, to: o.to, depth: o.depth + 1}}
	l, r := &o.halves[0], &o.halves[1]
	l.stats = leafStats{g: o.best.gl, h: o.best.hl, rows: float64(mid - o.from), lo: o.stats.lo, hi: o.stats.hi}
	r.stats = leafStats{g: o.stats.g - o.best.gl, h: o.stats.h - o.best.hl, rows: float64(o.to - mid), lo: o.stats.lo, hi: o.stats.hi}
	g.boundChildren(o, l, r)
	if !more || g.maxDepth > 0 && l.depth >= g.maxDepth || g.tooSmall(&l.stats) && g.tooSmall(&r.stats) {
		g.pool.put(o.hist)
		o.hist = nil
		return
	}
	small, large := l, r
	if r.rows() < l.rows() {
		small, large = r, l
	}
	small.hist = g.pool.get()
	large.hist, o.hist = o.hist, nil
	s := g.searches.get()
	defer g.searches.put(s)
	s.of(g, l, r)
	g.bins.buildThen(small.hist, g.idx[small.from:small.to], g.grad, g.pool, g.threads, func(k int) {
		large.hist[k].subtract(&small.hist[k], g.bins.block(k))
		s.block(g, k)
	})
	s.finish(g)
}

// boundChildren passes bounds down and, at a monotone split, puts the middle
// of the two outputs between the children.
func (g *grower) boundChildren(o, l, r *growLeaf) {
	if g.rules.monotone == nil {
		return
	}
	d := g.rules.monotone[o.best.feature]
	mid := (g.output(l.stats) + g.output(r.stats)) / 2
	switch {
	case d > 0:
		l.stats.hi, r.stats.lo = mid, mid
	case d < 0:
		l.stats.lo, r.stats.hi = mid, mid
	}
}

func (g *grower) tooSmall(s *leafStats) bool {
	return s.rows < 2*g.rules.minRows || s.h < 2*g.rules.minHessian
}

// route sends rows idx (reordered) down the tree and calls visit per leaf.
func (b *Bins) route(t *binTree, idx, scratch []int32, visit func(leaf int, rows []int32)) {
	if len(t.nodes) == 0 {
		visit(0, idx)
		return
	}
	b.routeNode(t, 0, idx, scratch, visit)
}

func (b *Bins) routeNode(t *binTree, node int32, idx, scratch []int32, visit func(leaf int, rows []int32)) {
	if len(idx) == 0 {
		return
	}
	if node < 0 {
		visit(int(^node), idx)
		return
	}
	n := &t.nodes[node]
	mid := b.partition(int(n.feature), &n.set, idx, scratch)
	b.routeNode(t, n.left, idx[:mid], scratch, visit)
	b.routeNode(t, n.right, idx[mid:], scratch, visit)
}

// tree turns bins back into thresholds and levels.
func (b *Bins) tree(t *binTree) models.Tree {
	n := len(t.nodes)
	out := models.Tree{
		Feature: make([]int32, n), Threshold: make([]float64, n), Left: make([]int32, n), Right: make([]int32, n),
		Flags: make([]uint8, n), Leaf: t.leaf, Cover: t.cover,
	}
	for i := range t.nodes {
		node := &t.nodes[i]
		f := &b.f[node.feature]
		out.Feature[i], out.Left[i], out.Right[i] = node.feature, node.left, node.right
		out.Flags[i] = models.NodeMissingNaN
		if node.missing {
			out.Flags[i] |= models.NodeDefaultLeft
		}
		if f.isCat {
			out.Flags[i] |= models.NodeCategorical
			addCategories(&out, i, n, f, &node.set)
			continue
		}
		if int(node.bin) < len(f.upper) {
			out.Threshold[i] = f.upper[node.bin]
		} else {
			out.Threshold[i] = math.MaxFloat64 // only missing values go right
		}
	}
	return out
}

func addCategories(out *models.Tree, i, nodes int, f *featureBins, set *binSet) {
	if out.CatOffset == nil {
		out.CatOffset, out.CatWords = make([]int32, nodes), make([]int32, nodes)
	}
	words := make([]uint32, (len(f.bin)+31)/32)
	for level, bin := range f.bin {
		if int(bin) < f.count && set.has(bin) {
			words[level>>5] |= 1 << (level & 31)
		}
	}
	out.CatOffset[i], out.CatWords[i] = int32(len(out.CatBits)), int32(len(words))
	out.CatBits = append(out.CatBits, words...)
}
