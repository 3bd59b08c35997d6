package learner

import "math"

// running holds the predictions of all rows while trees are added: the raw sum
// for squared loss, exp(-raw) for the others, whose gradients then cost no
// exponential: a tree multiplies it by one factor per leaf.
type running struct {
	loss Loss
	at   []float64
}

// Bounds of exp(-raw): a raw prediction beyond ±690 is certain either way.
const leastRunning, mostRunning = 1e-300, 1e300

func newRunning(loss Loss, rows int, base float64) *running {
	r := &running{loss: loss, at: make([]float64, rows)}
	if loss != LossSquared {
		base = bounded(math.Exp(-base))
	}
	for i := range r.at {
		r.at[i] = base
	}
	return r
}

func bounded(v float64) float64 { return min(max(v, leastRunning), mostRunning) }

// add adds v to the raw predictions of rows.
func (r *running) add(rows []int32, v float64) {
	if r.loss == LossSquared {
		for _, i := range rows {
			r.at[i] += v
		}
		return
	}
	factor := math.Exp(-v)
	for _, i := range rows {
		r.at[i] = bounded(r.at[i] * factor)
	}
}

// gradients fills first and second derivatives of the loss per row.
func (t *trainSet) gradients(now *running, grad []pair) {
	parallelRows(t.threads, len(t.rows), func(_, from, to int) {
		rows := t.rows[from:to]
		switch {
		case now.loss == LossLogistic && t.weight == nil:
			for _, i := range rows {
				p := 1 / (1 + now.at[i])
				h := p * (1 - p)
				if h < leastHessian {
					h = leastHessian
				}
				grad[i] = pair{p - t.target[i], h}
			}
		case now.loss == LossSquared && t.weight == nil:
			for _, i := range rows {
				grad[i] = pair{now.at[i] - t.target[i], 1}
			}
		default:
			for _, i := range rows {
				g, h := derivatives(now.loss, now.at[i], t.target[i])
				w := t.w(i)
				grad[i] = pair{g * w, h * w}
			}
		}
	})
}

const leastHessian = 1e-16

// derivatives are of the loss at a running prediction.
func derivatives(loss Loss, at, y float64) (g, h float64) {
	switch loss {
	case LossLogistic:
		p := 1 / (1 + at)
		return p - y, max(p*(1-p), leastHessian)
	case LossPoisson:
		return 1/at - y, poissonStep / at
	case LossGamma:
		return 1 - y*at, max(y*at, leastHessian)
	}
	return at - y, 1
}

// poissonStep is exp(0.7): it damps Newton steps as LightGBM's
// poisson_max_delta_step does.
const poissonStep = 2.0137527074704766

// lossOn is the mean loss over rows.
func (t *trainSet) lossOn(rows []int32, now *running) float64 {
	sum, sw := 0.0, 0.0
	for _, i := range rows {
		sum += t.w(i) * pointLoss(now.loss, now.at[i], t.target[i])
		sw += t.w(i)
	}
	return sum / max(sw, 1e-300)
}

// pointLoss is the loss at a running prediction.
func pointLoss(loss Loss, at, y float64) float64 {
	switch loss {
	case LossLogistic:
		return math.Log1p(at) + (y-1)*math.Log(at) // softplus(raw) - y raw
	case LossPoisson:
		return 1/at + y*math.Log(at)
	case LossGamma:
		return y*at - math.Log(at)
	}
	return (at - y) * (at - y) / 2
}
