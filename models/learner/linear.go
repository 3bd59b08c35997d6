package learner

import (
	"errors"
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
)

// LinearSettings control a regularised linear model.
type LinearSettings struct {
	Ridge float64 // penalty Ridge/2·Σβ² on standardised inputs, intercept free; sklearn's 1/C
}

// ErrNoFit is wrapped when a fit does not converge to finite coefficients.
var ErrNoFit = errors.New("no fit")

// encoding says how a feature enters the design: from column at on.
type encoding struct {
	mean, sd float64 // of a number
	missing  bool    // an indicator column follows
	levels   int     // of a category: one column each
	at       int
}

// design is a dense standardised row-major design matrix; the last column is 1.
type design struct {
	features []models.Feature
	enc      []encoding
	p        int
	x        []float64
	rows     int
}

// newDesign standardises the columns over the given rows.
func newDesign(features []models.Feature, cols [][]float64, rows []int32, threads *crew) *design {
	d := &design{features: features, rows: len(rows), enc: make([]encoding, len(features))}
	for j, f := range features {
		e := encodingOf(f, cols[j], rows)
		e.at = d.p
		d.p += e.width()
		d.enc[j] = e
	}
	d.p++
	d.x = make([]float64, d.p*len(rows))
	parallelRows(threads, len(rows), func(_, from, to int) {
		for k := from; k < to; k++ {
			d.fill(d.x[k*d.p:(k+1)*d.p], cols, int(rows[k]))
		}
	})
	return d
}

func (e *encoding) width() int {
	w := 1
	if e.levels > 0 {
		w = e.levels
	}
	if e.missing {
		w++
	}
	return w
}

func encodingOf(f models.Feature, col []float64, rows []int32) encoding {
	e := encoding{sd: 1}
	n, sum, sum2 := 0.0, 0.0, 0.0
	for _, i := range rows {
		v := col[i]
		if math.IsNaN(v) {
			e.missing = true
			continue
		}
		n++
		sum += v
	}
	if f.Type == models.Category {
		e.levels = len(f.Levels)
		return e
	}
	e.mean = sum / max(n, 1)
	for _, i := range rows {
		if v := col[i]; !math.IsNaN(v) {
			sum2 += (v - e.mean) * (v - e.mean)
		}
	}
	if sd := math.Sqrt(sum2 / max(n, 1)); sd > 1e-12*(1+math.Abs(e.mean)) {
		e.sd = sd
	}
	return e
}

func (d *design) fill(row []float64, cols [][]float64, i int) {
	for j := range d.enc {
		e, v := &d.enc[j], cols[j][i]
		at := e.at
		switch {
		case math.IsNaN(v):
			if e.missing {
				row[at+e.width()-1] = 1
			}
		case e.levels > 0:
			row[at+int(v)] = 1
		default:
			row[at] = (v - e.mean) / e.sd
		}
	}
	row[d.p-1] = 1
}

// FitLinear fits a ridge regression (identity link) or a ridge-penalised
// logistic or log-linear (Poisson) regression by Newton's method (IRLS).
// rows selects rows of cols, target and weight (nil: 1) are per row of cols.
func FitLinear(features []models.Feature, cols [][]float64, target, weight []float64, rows []int32, link models.Link, s LinearSettings, threads int) (*models.Linear, error) {
	return fitLinear(features, cols, target, weight, rows, link, s, newCrew(threads))
}

func fitLinear(features []models.Feature, cols [][]float64, target, weight []float64, rows []int32, link models.Link, s LinearSettings, threads *crew) (*models.Linear, error) {
	if len(rows) == 0 {
		return nil, fmt.Errorf("linear model: %w: no rows", ErrNoFit)
	}
	d := newDesign(features, cols, rows, threads)
	y, w := make([]float64, len(rows)), make([]float64, len(rows))
	for k, i := range rows {
		y[k], w[k] = target[i], 1
		if weight != nil {
			w[k] = weight[i]
		}
	}
	beta, err := d.newton(y, w, link, s.Ridge, threads)
	if err != nil {
		return nil, fmt.Errorf("linear model: %w", err)
	}
	return d.fold(beta, link), nil
}

// newton maximises the penalised likelihood with step halving.
func (d *design) newton(y, w []float64, link models.Link, ridge float64, threads *crew) ([]float64, error) {
	beta := make([]float64, d.p)
	beta[d.p-1] = startIntercept(y, w, link)
	loss := d.loss(beta, y, w, link, ridge)
	for range 50 {
		h, g := d.normalEquations(beta, y, w, link, ridge, threads)
		step, err := solveCholesky(h, g, d.p)
		if err != nil {
			return nil, err
		}
		next, scale := make([]float64, d.p), 1.0
		nextLoss := math.Inf(1)
		for range 20 {
			for k := range next {
				next[k] = beta[k] + scale*step[k]
			}
			if nextLoss = d.loss(next, y, w, link, ridge); nextLoss <= loss {
				break
			}
			scale /= 2
		}
		if !(nextLoss <= loss) {
			return beta, nil // no descent left: at the minimum to rounding
		}
		beta = next
		if loss-nextLoss <= 1e-10*(math.Abs(loss)+1e-10) {
			return beta, nil
		}
		loss = nextLoss
	}
	return nil, fmt.Errorf("%w: 50 Newton steps did not converge", ErrNoFit)
}

func startIntercept(y, w []float64, link models.Link) float64 {
	sw, sy := 0.0, 0.0
	for k := range y {
		sw += w[k]
		sy += w[k] * y[k]
	}
	m := sy / max(sw, 1e-300)
	switch link {
	case models.LinkLogistic:
		m = min(max(m, 1e-6), 1-1e-6)
		return math.Log(m / (1 - m))
	case models.LinkExp:
		return math.Log(max(m, 1e-6))
	}
	return m
}

func (d *design) raw(beta []float64, k int) float64 {
	sum := 0.0
	row := d.x[k*d.p : (k+1)*d.p]
	for j, b := range beta[:len(row)] {
		sum += b * row[j]
	}
	return sum
}

func (d *design) loss(beta, y, w []float64, link models.Link, ridge float64) float64 {
	sum := 0.0
	for k := range y {
		f := d.raw(beta, k)
		switch link {
		case models.LinkLogistic:
			sum += w[k] * (softplus(f) - y[k]*f)
		case models.LinkExp:
			sum += w[k] * (math.Exp(f) - y[k]*f)
		default:
			sum += w[k] * (y[k] - f) * (y[k] - f) / 2
		}
	}
	for _, b := range beta[:d.p-1] {
		sum += ridge / 2 * b * b
	}
	return sum
}

func softplus(f float64) float64 {
	if f > 0 {
		return f + math.Log1p(math.Exp(-f))
	}
	return math.Log1p(math.Exp(f))
}

// normalEquations forms the penalised Hessian and the negative gradient, per
// row chunk and then summed in chunk order.
func (d *design) normalEquations(beta, y, w []float64, link models.Link, ridge float64, threads *crew) (h, g []float64) {
	p := d.p
	chunks := (len(y) + rowChunk - 1) / rowChunk
	parts := make([][]float64, chunks)
	parallelRows(threads, len(y), func(c, from, to int) {
		part := make([]float64, p*p+p)
		for k := from; k < to; k++ {
			d.addRow(part, beta, y[k], w[k], k, link)
		}
		parts[c] = part
	})
	sum := parts[0]
	for _, part := range parts[1:] {
		for j, v := range part {
			sum[j] += v
		}
	}
	h, g = sum[:p*p], sum[p*p:]
	for j := range p {
		if j < p-1 {
			h[j*p+j] += ridge
			g[j] -= ridge * beta[j]
		}
		h[j*p+j] += 1e-9
	}
	return h, g
}

func (d *design) addRow(part, beta []float64, y, w float64, k int, link models.Link) {
	p := d.p
	f := d.raw(beta, k)
	r, c := y-f, 1.0
	switch link {
	case models.LinkLogistic:
		m := sigmoid(f)
		r, c = y-m, max(m*(1-m), 1e-9)
	case models.LinkExp:
		m := math.Exp(f)
		r, c = y-m, max(m, 1e-9)
	}
	row := d.x[k*p : (k+1)*p]
	grad := part[p*p : p*p+p]
	for a, va := range row {
		if va == 0 {
			continue
		}
		grad[a] += w * r * va
		s := w * c * va
		line := part[a*p : a*p+a+1]
		for b, vb := range row[:a+1] {
			line[b] += s * vb
		}
	}
}

func sigmoid(f float64) float64 { return 1 / (1 + math.Exp(-f)) }

// solveCholesky solves h·x = g for a symmetric positive definite h given by
// its lower triangle (row-major), which it overwrites.
func solveCholesky(h, g []float64, p int) ([]float64, error) {
	for i := range p {
		for j := range i + 1 {
			s := h[i*p+j]
			for k := range j {
				s -= h[i*p+k] * h[j*p+k]
			}
			if i != j {
				h[i*p+j] = s / h[j*p+j]
				continue
			}
			if !(s > 0) || math.IsInf(s, 0) {
				return nil, fmt.Errorf("%w: the Hessian is not positive definite", ErrNoFit)
			}
			h[i*p+i] = math.Sqrt(s)
		}
	}
	x := make([]float64, p)
	for i := range p {
		s := g[i]
		for k := range i {
			s -= h[i*p+k] * x[k]
		}
		x[i] = s / h[i*p+i]
	}
	for i := p - 1; i >= 0; i-- {
		s := x[i]
		for k := i + 1; k < p; k++ {
			s -= h[k*p+i] * x[k]
		}
		x[i] = s / h[i*p+i]
	}
	return x, nil
}

// fold turns coefficients of standardised inputs into a models.Linear.
func (d *design) fold(beta []float64, link models.Link) *models.Linear {
	l := &models.Linear{Intercept: beta[d.p-1], Link: link, Terms: make([]models.LinearTerm, len(d.enc))}
	for j, e := range d.enc {
		t := &l.Terms[j]
		if e.missing {
			t.Missing = beta[e.at+e.width()-1]
		}
		if e.levels > 0 {
			t.Levels = append([]float64(nil), beta[e.at:e.at+e.levels]...)
			continue
		}
		t.Slope = beta[e.at] / e.sd
		l.Intercept -= t.Slope * e.mean
		t.Missing += t.Slope * e.mean
	}
	return l
}
