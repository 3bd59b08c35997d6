package learner

import (
	"math"

	"github.com/rebound-engine/rebound/models"
)

// work is a dataset prepared for training: bins, propensities, folds. All
// candidates of a tournament share one.
type work struct {
	d       *Dataset
	bins    *Bins // the features
	armBins *Bins // the features, then what tells arms apart
	// armValues are, per arm, the values of those further columns.
	armValues [][]float64
	chance    [][]float64 // per arm, per row: propensity, clipped
	fold      []uint8     // per row: outer fold
	folds     int
	all       []int32
	loss      Loss
	threads   *crew
	seed      uint64
}

// minChance is where propensities are clipped: a row counts at most 1/minChance-fold.
const minChance = 0.01

func newWork(d *Dataset, folds int, seed uint64, threads int) (*work, error) {
	w := &work{d: d, folds: folds, loss: lossOf(d.Unit), threads: newCrew(threads), seed: seed, all: make([]int32, d.Rows())}
	for i := range w.all {
		w.all[i] = int32(i)
	}
	w.fold = foldsOf(d, folds, seed)
	w.bins = newBins(d.Features, d.X, w.threads)
	w.armBins = w.bins
	if d.Arms() > 1 {
		var features []models.Feature
		features, w.armValues = armColumns(d)
		cols := w.columns(len(features))
		for i, arm := range d.Arm {
			for k := range cols {
				cols[k][i] = w.armValues[arm][k]
			}
		}
		w.armBins = w.bins.extend(features, cols, w.threads)
	}
	var err error
	w.chance, err = propensities(w)
	return w, err
}

// armColumns are what tells arms apart in pooled models, with their values per
// arm: an indicator per offer, or an indicator of any offer and the offers'
// features (missing without an offer).
func armColumns(d *Dataset) ([]models.Feature, [][]float64) {
	values := make([][]float64, d.Arms())
	if len(d.OfferFeatures) == 0 {
		var fs []models.Feature
		for a := range values {
			values[a] = make([]float64, len(d.Offers))
			if a > 0 {
				values[a][a-1] = 1
				fs = append(fs, models.Feature{Name: d.Offers[a-1]})
			}
		}
		return fs, values
	}
	fs := append([]models.Feature{{Name: "offered"}}, d.OfferFeatures...)
	values[0] = make([]float64, len(fs))
	for k := 1; k < len(fs); k++ {
		values[0][k] = math.NaN()
	}
	for a := 1; a < d.Arms(); a++ {
		values[a] = append([]float64{1}, d.OfferX[a-1]...)
	}
	return fs, values
}

// lossOf is the loss of a unit's outcome models.
func lossOf(unit string) Loss {
	switch unit {
	case "probability":
		return LossLogistic
	case "count":
		return LossPoisson
	}
	return LossSquared
}

// foldsOf deals groups (or rows) evenly to folds, by a seeded shuffle.
func foldsOf(d *Dataset, folds int, seed uint64) []uint8 {
	group := make([]int, d.Rows())
	n := 0
	seen := map[uint64]int{}
	for i := range group {
		if d.Group == nil {
			group[i], n = i, i+1
			continue
		}
		k, ok := seen[d.Group[i]]
		if !ok {
			k = n
			seen[d.Group[i]] = k
			n++
		}
		group[i] = k
	}
	deal := make([]uint8, n)
	for k := range deal {
		deal[k] = uint8(k % folds)
	}
	shuffle(newStream(seed, 11), deal)
	out := make([]uint8, d.Rows())
	for i, g := range group {
		out[i] = deal[g]
	}
	return out
}

// split returns the rows inside and outside outer fold f, among rows.
func (w *work) split(rows []int32, f int) (in, out []int32) {
	for _, i := range rows {
		if int(w.fold[i]) == f {
			in = append(in, i)
		} else {
			out = append(out, i)
		}
	}
	return in, out
}

// arm filters rows of one arm.
func (w *work) arm(rows []int32, a int) []int32 {
	if w.d.Arm == nil {
		return rows
	}
	out := make([]int32, 0, len(rows)/w.d.Arms()+1)
	for _, i := range rows {
		if w.d.Arm[i] == a {
			out = append(out, i)
		}
	}
	return out
}

func (w *work) column() []float64 { return make([]float64, w.d.Rows()) }

func (w *work) columns(k int) [][]float64 {
	out := make([][]float64, k)
	for j := range out {
		out[j] = w.column()
	}
	return out
}

// propensities takes the logged chances or estimates them: shares of the arms,
// or a logistic model per arm where that predicts held-out arms better.
func propensities(w *work) ([][]float64, error) {
	d := w.d
	out := w.columns(d.Arms())
	switch {
	case d.Arms() == 1:
		for i := range out[0] {
			out[0][i] = 1
		}
		return out, nil
	case d.Logged != nil:
		for a := range out {
			copy(out[a], d.Logged[a])
		}
	default:
		if err := estimatePropensities(w, out); err != nil {
			return nil, err
		}
	}
	for i := range d.Rows() {
		sum := 0.0
		for a := range out {
			out[a][i] = max(out[a][i], minChance)
			sum += out[a][i]
		}
		for a := range out {
			out[a][i] /= sum
		}
	}
	return out, nil
}

func estimatePropensities(w *work, out [][]float64) error {
	d := w.d
	model, share := 0.0, 0.0
	shares := make([]float64, d.Arms())
	for i := range d.Rows() {
		shares[d.Arm[i]] += 1 / float64(d.Rows())
	}
	for f := range w.folds {
		held, train := w.split(w.all, f)
		for a := range out {
			target := w.column()
			for _, i := range train {
				if d.Arm[i] == a {
					target[i] = 1
				}
			}
			l, err := fitLinear(d.Features, d.X, target, d.Weight, train, models.LinkLogistic, LinearSettings{Ridge: 10}, w.threads)
			if err != nil {
				return err
			}
			w.predictLinear(l, held, out[a])
		}
	}
	for i := range d.Rows() {
		sum := 0.0
		for a := range out {
			sum += out[a][i]
		}
		for a := range out {
			out[a][i] /= sum
		}
		model -= math.Log(max(out[d.Arm[i]][i], minChance))
		share -= math.Log(shares[d.Arm[i]])
	}
	// Two nats keep a randomised trial's shares where the model only adds noise.
	if model > share-2 {
		for a := range out {
			for i := range out[a] {
				out[a][i] = shares[a]
			}
		}
	}
	return nil
}

func (w *work) predictLinear(l *models.Linear, rows []int32, out []float64) {
	parallelRows(w.threads, len(rows), func(_, from, to int) {
		x := make([]float64, len(w.d.Features))
		for _, i := range rows[from:to] {
			w.d.Row(int(i), x)
			out[i] = l.Predict(x)
		}
	})
}

// mean is the weighted mean of v over rows.
func (w *work) mean(v []float64, rows []int32) float64 {
	s, n := 0.0, 0.0
	for _, i := range rows {
		s += w.d.weight(int(i)) * v[i]
		n += w.d.weight(int(i))
	}
	return s / max(n, 1e-300)
}
