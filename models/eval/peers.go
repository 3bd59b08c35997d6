package eval

import (
	"fmt"
	"math"
	"slices"
)

// The functions of this file compute the metrics of two Python packages with
// their own conventions, so that numbers can be compared with published ones.
// They count rows and take no weights. For decisions prefer QiniPerCustomer,
// whose unit is an outcome per customer.

// SkliftQini is qini_auc_score of scikit-uplift 0.5.1: the area of the classic
// Qini curve in counts over the straight line, divided by that of the perfect
// curve. With negativeEffect the perfect score puts treated responders first
// and control responders last; without, the perfect curve climbs at slope one
// and stays. Outcomes are 0 or 1.
func SkliftQini(score []float64, t Trial, negativeEffect bool) (float64, error) {
	if err := t.checkCounted(score, true); err != nil {
		return 0, fmt.Errorf("scikit-uplift qini: %w", err)
	}
	actual := rank(score).countArea(t, step.classic)
	perfect := perfectQiniArea(t, negativeEffect)
	return ratio("scikit-uplift qini", actual, perfect)
}

func perfectQiniArea(t Trial, negativeEffect bool) float64 {
	if !negativeEffect {
		total := t.totals(t.weights())
		gain := total.yt - total.nt*total.yc/total.nc
		return gain*gain/2 + (total.n()-gain)*gain - total.n()*gain/2
	}
	perfect := make([]float64, len(t.Outcome))
	for i, y := range t.Outcome {
		perfect[i] = y
		if !t.Treated[i] {
			perfect[i] = -y
		}
	}
	return rank(perfect).countArea(t, step.classic)
}

// SkliftAUUC is uplift_auc_score of scikit-uplift 0.5.1: the area of
// n (mean treated - mean control) over the straight line, divided by that of
// the perfect curve. Outcomes are 0 or 1.
func SkliftAUUC(score []float64, t Trial) (float64, error) {
	if err := t.checkCounted(score, true); err != nil {
		return 0, fmt.Errorf("scikit-uplift auuc: %w", err)
	}
	actual := rank(score).countArea(t, meanGain)
	return ratio("scikit-uplift auuc", actual, rank(perfectUplift(t)).countArea(t, meanGain))
}

// meanGain is n times the difference of means, a missing arm counting as mean 0.
func meanGain(s step) float64 {
	var mt, mc float64
	if s.nt > 0 {
		mt = s.yt / s.nt
	}
	if s.nc > 0 {
		mc = s.yc / s.nc
	}
	return s.n() * (mt - mc)
}

func perfectUplift(t Trial) []float64 {
	var controlResponders, treatedOthers int
	for i, y := range t.Outcome {
		if y == 1 && !t.Treated[i] {
			controlResponders++
		}
		if y == 0 && t.Treated[i] {
			treatedOthers++
		}
	}
	perfect := make([]float64, len(t.Outcome))
	for i, y := range t.Outcome {
		w := float64(arm(t.Treated[i]))
		if y == w {
			perfect[i] = 2
		}
		if controlResponders > treatedOthers {
			perfect[i] += y
		} else {
			perfect[i] += w
		}
	}
	return perfect
}

// countArea is the trapezoid area of a curve over counts, less the straight line.
func (k ranking) countArea(t Trial, value func(step) float64) float64 {
	var area, x, y float64
	for _, s := range k.walk(t, t.weights())[1:] {
		nx, ny := s.n(), value(s)
		area += (nx - x) * (ny + y) / 2
		x, y = nx, ny
	}
	return area - x*y/2
}

// ratio divides an area by the perfect one. The perfect area of a trial without
// effect may be 0, which leaves the ratio undefined.
func ratio(name string, actual, perfect float64) (float64, error) {
	v := actual / perfect
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%s: the perfect curve has no area over random: %w", name, ErrUndefined)
	}
	return v, nil
}

// SkliftUpliftAtK is uplift_at_k of scikit-uplift 0.5.1 for a share k between 0
// and 1: overall, among the first floor(k N) rows; by group, among the first
// floor(k n) rows of each arm. Within a tie, later rows come first.
func SkliftUpliftAtK(k float64, score []float64, t Trial, byGroup bool) (float64, error) {
	if err := t.checkCounted(score, true); err != nil {
		return 0, fmt.Errorf("scikit-uplift uplift at %v: %w", k, err)
	}
	if !(k > 0 && k < 1) {
		return 0, fmt.Errorf("scikit-uplift uplift at %v: want a share between 0 and 1: %w", k, ErrColumns)
	}
	total := t.totals(t.weights())
	var s step
	for _, i := range descendingLaterFirst(score) {
		if byGroup && !t.fits(int(i), s, k, total) {
			continue
		}
		if !byGroup && s.n() >= math.Floor(k*total.n()) {
			break
		}
		s.add(t.Treated[i], 1, t.Outcome[i])
	}
	v := s.difference()
	if math.IsNaN(v) {
		return 0, fmt.Errorf("scikit-uplift uplift at %v: an arm is missing: %w", k, ErrUndefined)
	}
	return v, nil
}

// fits reports whether a row's arm still has room in its first share k.
func (t Trial) fits(row int, seen step, k float64, total step) bool {
	if t.Treated[row] {
		return seen.nt < math.Floor(k*total.nt)
	}
	return seen.nc < math.Floor(k*total.nc)
}

func descendingLaterFirst(score []float64) []int32 {
	order := ascending(score)
	slices.Reverse(order)
	return order
}

// SkliftWeightedAverage is weighted_average_uplift of scikit-uplift 0.5.1 with
// ten bins and strategy "overall": the mean over bins of mean treated less mean
// control, weighted by the treated rows of each.
func SkliftWeightedAverage(score []float64, t Trial) (float64, error) {
	if err := t.checkCounted(score, true); err != nil {
		return 0, fmt.Errorf("scikit-uplift weighted average: %w", err)
	}
	const bins = 10
	order := descendingLaterFirst(score)
	var weighted, treated float64
	from := 0
	for b := range bins {
		size := len(order) / bins
		if b < len(order)%bins {
			size++
		}
		var s step
		for _, i := range order[from : from+size] {
			s.add(t.Treated[i], 1, t.Outcome[i])
		}
		weighted += s.nt * s.difference()
		treated += s.nt
		from += size
	}
	if math.IsNaN(weighted) {
		return 0, fmt.Errorf("scikit-uplift weighted average: a bin lacks an arm: %w", ErrUndefined)
	}
	return weighted / treated, nil
}

// CausalMLAUUC is auuc_score of causalml 0.18.0: the mean over k = 0..N of k
// times the difference of means among the first k rows, one point per row,
// undefined leading differences interpolated from 0. Normalised, it is divided
// by the absolute last value. Ties are broken by row number; causalml breaks
// them arbitrarily.
func CausalMLAUUC(score []float64, t Trial, normalise bool) (float64, error) {
	if err := t.checkCounted(score, false); err != nil {
		return 0, fmt.Errorf("causalml auuc: %w", err)
	}
	gain := rowCurve(score, t, step.difference)
	for k := range gain {
		gain[k] *= float64(k)
	}
	if err := scaleByLast("causalml auuc", gain, normalise); err != nil {
		return 0, err
	}
	return sum(gain) / float64(len(gain)), nil
}

// CausalMLQini is qini_score of causalml 0.18.0: the mean over k = 0..N of
// Y_t - Y_c n_t/n_c among the first k rows, less the straight line, with the
// conventions of CausalMLAUUC.
func CausalMLQini(score []float64, t Trial, normalise bool) (float64, error) {
	if err := t.checkCounted(score, false); err != nil {
		return 0, fmt.Errorf("causalml qini: %w", err)
	}
	qini := rowCurve(score, t, func(s step) float64 { return s.yt - s.yc*s.nt/s.nc })
	if err := scaleByLast("causalml qini", qini, normalise); err != nil {
		return 0, err
	}
	n := float64(len(qini))
	line := (qini[0] + qini[len(qini)-1]) * n / 2
	return (sum(qini) - line) / n, nil
}

// rowCurve has a value per row, 0 in front; leading NaN is interpolated.
func rowCurve(score []float64, t Trial, value func(step) float64) []float64 {
	out := make([]float64, 1, len(score)+1)
	var s step
	defined := 0
	for k, i := range rank(score).order {
		s.add(t.Treated[i], 1, t.Outcome[i])
		v := value(s)
		out = append(out, v)
		if math.IsNaN(v) {
			continue
		}
		for j := defined + 1; j <= k; j++ {
			out[j] = out[defined] + (v-out[defined])*float64(j-defined)/float64(k+1-defined)
		}
		defined = k + 1
	}
	return out
}

func scaleByLast(name string, v []float64, normalise bool) error {
	if !normalise {
		return nil
	}
	last := math.Abs(v[len(v)-1])
	if last == 0 {
		return fmt.Errorf("%s: normalised by a total effect of 0: %w", name, ErrUndefined)
	}
	for i := range v {
		v[i] /= last
	}
	return nil
}
