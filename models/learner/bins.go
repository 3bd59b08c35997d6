package learner

import (
	"math"
	"slices"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
)

const (
	maxBins      = 255     // bins of one feature, the one for missing values included
	binSample    = 100_000 // rows looked at for the borders
	packedPerRow = 4       // joint columns that share one uint32
)

// featureBins maps one feature to bins 0..count-1.
type featureBins struct {
	upper   []float64 // of a number: bin b holds v <= upper[b], the last bin the rest
	bin     []uint8   // of a category: per level
	count   int       // bins of values; the missing bin, if any, is count
	missing bool      // some value is missing (or a rare level, for a category)
	isCat   bool
}

// total counts the missing bin too.
func (f *featureBins) total() int {
	if f.missing {
		return f.count + 1
	}
	return f.count
}

func (f *featureBins) of(v float64) uint8 {
	if v != v {
		return uint8(f.count)
	}
	if f.isCat {
		return f.bin[int(v)]
	}
	lo, n := 0, len(f.upper)
	for n > 0 {
		half := n / 2
		if f.upper[lo+half] < v {
			lo += half + 1
			n -= half + 1
		} else {
			n = half
		}
	}
	return uint8(lo)
}

// Bins is a dataset's features in 8 bits, several small ones to a joint
// column, four columns to a word. It is shared by all models trained on the
// same rows and is immutable.
type Bins struct {
	features []models.Feature
	f        []featureBins
	joints   []joint
	at       []place    // per feature
	packed   [][]uint32 // per block of four joint columns, per row
	rows     int
}

// place is where a feature's bins are.
type place struct{ joint, digit int }

// NewBins bins columns: at most 254 bins of about equal counts per number,
// one per level of a category (rare levels above 254 count as missing), one
// for missing values.
func NewBins(features []models.Feature, cols [][]float64, threads int) *Bins {
	return newBins(features, cols, newCrew(threads))
}

func newBins(features []models.Feature, cols [][]float64, threads *crew) *Bins {
	b := &Bins{}
	if len(cols) > 0 {
		b.rows = len(cols[0])
	}
	return b.extend(features, cols, threads)
}

// extend is b with further features, in columns of their own.
func (b *Bins) extend(features []models.Feature, cols [][]float64, threads *crew) *Bins {
	added := make([]featureBins, len(features))
	parallel(threads, len(features), func(j int) { added[j] = newFeatureBins(features[j], cols[j]) })
	joints := newJoints(added, len(b.f))
	out := &Bins{
		features: slices.Concat(b.features, features), f: slices.Concat(b.f, added), rows: b.rows,
		joints: slices.Concat(b.joints, joints),
	}
	out.at = make([]place, len(out.f))
	for k, c := range out.joints {
		for at, d := range c.digits {
			out.at[d.feature] = place{joint: k, digit: at}
		}
	}
	out.packed = b.moreWords(len(out.joints))
	parallelRows(threads, b.rows, func(_, from, to int) {
		for k := range joints {
			column := len(b.joints) + k
			joints[k].encode(out.packed[column/packedPerRow][from:to], 8*(column%packedPerRow), added, len(b.f), cols, from)
		}
	})
	return out
}

// moreWords are the words of b, as many as the columns need: whole ones are
// shared, one with room left is copied.
func (b *Bins) moreWords(columns int) [][]uint32 {
	words := make([][]uint32, (columns+packedPerRow-1)/packedPerRow)
	whole := copy(words, b.packed[:len(b.joints)/packedPerRow])
	for k := whole; k < len(words); k++ {
		words[k] = make([]uint32, b.rows)
		if k < len(b.packed) {
			copy(words[k], b.packed[k])
		}
	}
	return words
}

func newFeatureBins(f models.Feature, col []float64) featureBins {
	if f.Type == models.Category {
		return categoryBins(f, col)
	}
	if values, missing, ok := fewValues(col); ok {
		upper := borders(values, maxBins-1)
		return featureBins{upper: upper, count: len(upper) + 1, missing: missing}
	}
	sample, missing := sampleColumn(col)
	if !missing {
		missing = slices.ContainsFunc(col, math.IsNaN)
	}
	slices.Sort(sample)
	upper := borders(sample, maxBins-1)
	return featureBins{upper: upper, count: len(upper) + 1, missing: missing}
}

// fewValues are the values of a column that a bin each suffices for, sorted.
func fewValues(col []float64) (values []float64, missing, ok bool) {
	const bits = 10 // at most a quarter of the slots are used
	var slot [1 << bits]float64
	var used [1 << bits]bool
	for _, v := range col {
		if v != v {
			missing = true
			continue
		}
		if v == 0 {
			v = 0 // -0 is the same value
		}
		k := math.Float64bits(v) * splitmix.Gamma >> (64 - bits)
		for used[k] && slot[k] != v {
			k = (k + 1) % (1 << bits)
		}
		if used[k] {
			continue
		}
		if len(values) == maxBins-1 {
			return nil, false, false
		}
		slot[k], used[k] = v, true
		values = append(values, v)
	}
	slices.Sort(values)
	return values, missing, true
}

// sampleColumn takes evenly spread rows without the missing ones.
func sampleColumn(col []float64) (sample []float64, missing bool) {
	step := max(1, (len(col)+binSample-1)/binSample)
	sample = make([]float64, 0, len(col)/step+1)
	for i := 0; i < len(col); i += step {
		if v := col[i]; v == v {
			sample = append(sample, v)
		} else {
			missing = true
		}
	}
	return sample, missing
}

// borders cuts sorted values into at most n bins of about equal counts;
// a value that fills a bin alone gets one. It returns the n-1 upper ends.
func borders(sorted []float64, n int) []float64 {
	values, counts := distinct(sorted)
	if len(values) <= 1 {
		return nil
	}
	upper := make([]float64, 0, min(n, len(values))-1)
	if len(values) <= n {
		for k := range len(values) - 1 {
			upper = append(upper, between(values[k], values[k+1]))
		}
		return upper
	}
	left, binsLeft := len(sorted), n
	target := float64(left) / float64(binsLeft)
	inBin := 0
	for k := range len(values) - 1 {
		inBin += counts[k]
		next := counts[k+1]
		if float64(inBin) >= target || float64(next) >= target && inBin > 0 || float64(inBin)+float64(next)/2 > target {
			upper = append(upper, between(values[k], values[k+1]))
			left -= inBin
			inBin = 0
			if binsLeft--; binsLeft == 1 {
				break
			}
			target = float64(left) / float64(binsLeft)
		}
	}
	return upper
}

func distinct(sorted []float64) (values []float64, counts []int) {
	for i, v := range sorted {
		if i == 0 || v != values[len(values)-1] {
			values, counts = append(values, v), append(counts, 0)
		}
		counts[len(counts)-1]++
	}
	return values, counts
}

// between is a border t with a <= t < b.
func between(a, b float64) float64 {
	t := a + (b-a)/2
	if !(t < b) {
		return a
	}
	return t
}

// categoryBins gives the most frequent levels a bin each.
func categoryBins(f models.Feature, col []float64) featureBins {
	counts := make([]int, len(f.Levels))
	out := featureBins{isCat: true, bin: make([]uint8, len(f.Levels))}
	for _, v := range col {
		if v != v {
			out.missing = true
		} else {
			counts[int(v)]++
		}
	}
	order := make([]int, len(f.Levels))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return counts[b] - counts[a] })
	out.count = min(len(order), maxBins-1)
	if len(order) > out.count {
		out.missing = true
	}
	for rank, level := range order {
		out.bin[level] = uint8(min(rank, out.count))
	}
	return out
}

// partitionParallel is partition over fixed chunks of rows; the order of rows
// does not depend on threads.
func (b *Bins) partitionParallel(feature int, left *binSet, idx, scratch []int32, threads *crew) int {
	n := len(idx)
	chunks := (n + partitionChunk - 1) / partitionChunk
	if chunks < 2 || threads.hands() == 1 {
		return b.partition(feature, left, idx, scratch)
	}
	at := make([]int, chunks)
	parallel(threads, chunks, func(c int) {
		from, to := c*partitionChunk, min((c+1)*partitionChunk, n)
		at[c] = b.separate(feature, left, idx[from:to], scratch[from:to])
	})
	total := 0
	for c, l := range at {
		total += copy(idx[total:], idx[c*partitionChunk:c*partitionChunk+l])
	}
	r := total
	for c, l := range at {
		from, to := c*partitionChunk, min((c+1)*partitionChunk, n)
		r += copy(idx[r:], scratch[from:to-l])
	}
	return total
}

const partitionChunk = 8192

// binSet is a set of bins.
type binSet [4]uint64

func (s *binSet) add(b int)        { s[b>>6] |= 1 << (b & 63) }
func (s *binSet) has(b uint8) bool { return s[b>>6]>>(b&63)&1 != 0 }

// partition reorders idx stably so that rows whose bin of the feature is in
// left come first, and returns their number. scratch is as long as idx.
func (b *Bins) partition(feature int, left *binSet, idx, scratch []int32) int {
	l := b.separate(feature, left, idx, scratch)
	copy(idx[l:], scratch)
	return l
}

// separate moves the rows whose bin is in left to the front of idx and the
// others to scratch, in their order, and returns the number of the former.
func (b *Bins) separate(feature int, left *binSet, idx, scratch []int32) int {
	at := b.at[feature]
	packed, shift := b.packed[at.joint/packedPerRow], 8*(at.joint%packedPerRow)
	column := &b.joints[at.joint]
	table := column.goes(column.digits[at.digit], left)
	l, r := 0, 0
	for _, i := range idx {
		goes := table[uint8(packed[i]>>shift)]
		idx[l] = i
		scratch[r] = i
		l += goes
		r += 1 - goes
	}
	return l
}
