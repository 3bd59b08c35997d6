package learner

// pair is a sum of gradients and of Hessians.
type pair struct{ g, h float64 }

// blockHist is the histogram of four joint columns.
type blockHist [packedPerRow][256]pair

// histogram holds the sums per code of all joint columns.
type histogram []blockHist

// histChunk is the fixed number of rows summed at once: parts are added in
// their order, so that sums do not depend on threads.
const histChunk = 8192

// parallelWork is the number of row-column visits below which handing work over
// costs more than it saves.
const parallelWork = 20_000

// newHistPool recycles histograms of some bins.
func newHistPool(b *Bins) *pool[histogram] {
	return &pool[histogram]{make: func() histogram { return make(histogram, len(b.packed)) }}
}

// build sums the gradients of the rows idx into h.
func (b *Bins) build(h histogram, idx []int32, grad []pair, pool *pool[histogram], threads *crew) {
	b.buildThen(h, idx, grad, pool, threads, func(int) {})
}

// buildThen is build that calls then for every block that is complete, from the
// goroutine that has just had it in its hands.
func (b *Bins) buildThen(h histogram, idx []int32, grad []pair, pool *pool[histogram], threads *crew, then func(block int)) {
	if len(idx)*len(b.joints) < parallelWork {
		threads = nil
	}
	chunks := max(1, (len(idx)+histChunk/2)/histChunk)
	if chunks == 1 {
		parallel(threads, len(h), func(k int) {
			b.buildBlock(&h[k], k, idx, grad)
			then(k)
		})
		return
	}
	parts := make([]histogram, chunks)
	parts[0] = h
	for c := 1; c < chunks; c++ {
		parts[c] = pool.get()
	}
	parallel(threads, chunks*len(h), func(unit int) {
		c, k := unit/len(h), unit%len(h)
		b.buildBlock(&parts[c][k], k, idx[c*len(idx)/chunks:(c+1)*len(idx)/chunks], grad)
	})
	parallel(threads, len(h), func(k int) {
		for c := 1; c < chunks; c++ {
			h[k].add(&parts[c][k], b.block(k))
		}
		then(k)
	})
	for c := 1; c < chunks; c++ {
		pool.put(parts[c])
	}
}

func (b *Bins) buildBlock(h *blockHist, k int, idx []int32, grad []pair) {
	columns := b.block(k)
	h.clear(columns)
	sumBlock(h, b.packed[k], idx, grad, len(columns))
}

// sumBlock adds the rows idx to the first columns of h.
func sumBlock(h *blockHist, packed []uint32, idx []int32, grad []pair, columns int) {
	switch columns {
	case 1:
		for _, i := range idx {
			g := grad[i]
			h.one(0, uint8(packed[i]), g)
		}
	case 2:
		for _, i := range idx {
			p, g := packed[i], grad[i]
			h.one(0, uint8(p), g)
			h.one(1, uint8(p>>8), g)
		}
	case 3:
		for _, i := range idx {
			p, g := packed[i], grad[i]
			h.one(0, uint8(p), g)
			h.one(1, uint8(p>>8), g)
			h.one(2, uint8(p>>16), g)
		}
	default:
		for _, i := range idx {
			p, g := packed[i], grad[i]
			h.one(0, uint8(p), g)
			h.one(1, uint8(p>>8), g)
			h.one(2, uint8(p>>16), g)
			h.one(3, uint8(p>>24), g)
		}
	}
}

func (h *blockHist) one(slot int, bin uint8, g pair) {
	e := &h[slot][bin]
	e.g += g.g
	e.h += g.h
}

// block is the columns that word k holds.
func (b *Bins) block(k int) []joint {
	return b.joints[k*packedPerRow : min((k+1)*packedPerRow, len(b.joints))]
}

func (h *blockHist) clear(columns []joint) {
	for s := range columns {
		clear(h[s][:columns[s].size])
	}
}

func (h *blockHist) add(o *blockHist, columns []joint) {
	for s := range columns {
		to, from := h[s][:columns[s].size], o[s][:columns[s].size]
		for c, p := range from {
			to[c].g += p.g
			to[c].h += p.h
		}
	}
}

// subtract makes h the histogram of the sibling: parent (h) less child (o).
func (b *Bins) subtract(h, o histogram) {
	for k := range h {
		h[k].subtract(&o[k], b.block(k))
	}
}

func (h *blockHist) subtract(o *blockHist, columns []joint) {
	for s := range columns {
		to, from := h[s][:columns[s].size], o[s][:columns[s].size]
		for c, p := range from {
			to[c].g -= p.g
			to[c].h -= p.h
		}
	}
}

// of is the histogram of a joint column.
func (h histogram) of(column int) *[256]pair {
	return &h[column/packedPerRow][column%packedPerRow]
}
