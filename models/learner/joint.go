package learner

import "slices"

// joint is one column of bytes that holds the bins of several features as the
// digits of one number. A row is counted once for all of them; the histogram of
// a single feature is a marginal of the joint one. Indicators and short scales,
// most of what customers are described by, share columns eight at a time.
type joint struct {
	digits []digit
	size   int // codes: the product of all totals
}

// digit is one feature's share of a code: bin = code / stride % total.
type digit struct{ feature, stride, total int }

// newJoints packs features, the first of them number base, into columns of at
// most 256 codes, small ones first.
func newJoints(f []featureBins, base int) []joint {
	order := make([]int, len(f))
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int { return f[a].total() - f[b].total() })
	var out []joint
	for _, j := range order {
		total := f[j].total()
		if len(out) == 0 || out[len(out)-1].size*total > maxBins+1 {
			out = append(out, joint{size: 1})
		}
		c := &out[len(out)-1]
		c.digits = append(c.digits, digit{feature: base + j, stride: c.size, total: total})
		c.size *= total
	}
	return out
}

// encode adds the column's codes, shifted, to the words of rows; the rows start
// at from, the features at number base.
func (c *joint) encode(words []uint32, shift int, f []featureBins, base int, cols [][]float64, from int) {
	for _, d := range c.digits {
		bins, unit := &f[d.feature-base], uint32(d.stride)<<shift
		for i, v := range cols[d.feature-base][from : from+len(words)] {
			words[i] += uint32(bins.of(v)) * unit
		}
	}
}

// goes is 1 for every code whose digit is in the set.
func (c *joint) goes(d digit, set *binSet) (table [256]int) {
	for code := 0; code < c.size; {
		for bin := range d.total {
			in := int(set[bin>>6] >> (bin & 63) & 1)
			for range d.stride {
				table[code] = in
				code++
			}
		}
	}
	return table
}

// marginals hold the histograms of single features; they serve one histogram
// at a time, its blocks any goroutines.
type marginals struct {
	of  [][]pair // per feature
	own [][]pair // per feature that shares its column: memory for it
}

func newMarginals(b *Bins) *marginals {
	m := &marginals{of: make([][]pair, len(b.f)), own: make([][]pair, len(b.f))}
	for k := range b.joints {
		if digits := b.joints[k].digits; len(digits) > 1 {
			for _, d := range digits {
				m.own[d.feature] = make([]pair, d.total)
			}
		}
	}
	return m
}

// fill sums a histogram over all other digits, per feature. A feature alone in
// its column is not copied: it is valid as long as the histogram is.
func (m *marginals) fill(b *Bins, h histogram) {
	for k := range h {
		m.fillBlock(b.block(k), &h[k])
	}
}

func (m *marginals) fillBlock(columns []joint, h *blockHist) {
	for s := range columns {
		c := &columns[s]
		if len(c.digits) == 1 {
			m.of[c.digits[0].feature] = h[s][:c.size]
			continue
		}
		var all [256]pair
		rest := all[:copy(all[:], h[s][:c.size])]
		for _, d := range slices.Backward(c.digits) {
			m.of[d.feature] = m.own[d.feature]
			for bin := range d.total {
				m.of[d.feature][bin] = sumPairs(rest[bin*d.stride : (bin+1)*d.stride])
			}
			rest = fold(rest, d.stride)
		}
	}
}

func sumPairs(ps []pair) (s pair) {
	for _, p := range ps {
		s.g += p.g
		s.h += p.h
	}
	return s
}

// fold adds all runs of n onto the first.
func fold(ps []pair, n int) []pair {
	first := ps[:n]
	for at := n; at < len(ps); at += n {
		for k, p := range ps[at : at+n] {
			first[k].g += p.g
			first[k].h += p.h
		}
	}
	return first
}
