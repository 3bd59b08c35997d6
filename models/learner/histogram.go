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

// parallelWork is the number of row-column visits below which starting
// goroutines costs more than it saves.
const parallelWork = 20_000

// newHistPool recycles histograms of some bins.
func newHistPool(b *Bins) *pool[histogram] {
	return &pool[histogram]{make: func() histogram { return make(histogram, len(b.packed)) }}
}

// build sums the gradients of the rows idx into h.
func (b *Bins) build(h histogram, idx []int32, grad []pair, pool *pool[histogram], threads *crew) {
	if len(idx)*len(b.joints) < parallelWork {
		threads = nil
	}
	chunks := max(1, (len(idx)+histChunk/2)/histChunk)
	parts := make([]histogram, chunks)
	parts[0] = h
	for c := 1; c < chunks; c++ {
		parts[c] = pool.get()
	}
	blocks := len(b.packed)
	parallel(threads, chunks*blocks, func(unit int) {
		c, k := unit/blocks, unit%blocks
		from, to := c*len(idx)/chunks, (c+1)*len(idx)/chunks
		columns := b.block(k)
		parts[c][k].clear(columns)
		sumBlock(&parts[c][k], b.packed[k], idx[from:to], grad, len(columns))
	})
	if chunks == 1 {
		return
	}
	parallel(threads, blocks, func(k int) {
		for c := 1; c < chunks; c++ {
			h[k].add(&parts[c][k], b.block(k))
		}
	})
	for c := 1; c < chunks; c++ {
		pool.put(parts[c])
	}
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
func (h histogram) subtract(o histogram, joints []joint) {
	for k := range joints {
		a, b := h.of(k)[:joints[k].size], o.of(k)[:joints[k].size]
		for c := range a {
			a[c].g -= b[c].g
			a[c].h -= b[c].h
		}
	}
}

// of is the histogram of a joint column.
func (h histogram) of(column int) *[256]pair {
	return &h[column/packedPerRow][column%packedPerRow]
}
