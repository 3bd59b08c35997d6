package models

import "math"

// Predictions is the number of values Predict gives: Outputs, or 1 for LinkArgmax.
func (e *Ensemble) Predictions() int {
	if e.Link == LinkArgmax {
		return 1
	}
	return e.Outputs
}

// ApplyLink turns the raw sums in v into predictions in place, Average first.
func (e *Ensemble) ApplyLink(v []float64) {
	v = v[:e.Outputs]
	if e.Average != 0 {
		for k := range v {
			v[k] *= e.Average
		}
	}
	switch e.Link {
	case LinkSoftmax:
		softmax(v)
	case LinkArgmax:
		v[0] = float64(argmax(v))
	default:
		for k := range v {
			v[k] = e.linkOne(v[k])
		}
	}
}

func (e *Ensemble) linkOne(raw float64) float64 {
	switch e.Link {
	case LinkLogistic:
		return logistic(e.Scale, raw)
	case LinkExp:
		return math.Exp(raw)
	case LinkSignedSquare:
		return math.Copysign(raw*raw, raw)
	case LinkHinge:
		if raw > 0 {
			return 1
		}
		return 0
	case LinkSoftplus:
		return math.Log1p(math.Exp(raw))
	default:
		return raw
	}
}

func logistic(scale, raw float64) float64 {
	if scale == 0 {
		scale = 1
	}
	return 1 / (1 + math.Exp(-scale*raw))
}

// softmax replaces v by exp(v)/sum(exp(v)), shifted so that nothing overflows.
func softmax(v []float64) {
	top := math.Inf(-1)
	for _, x := range v {
		top = math.Max(top, x)
	}
	sum := 0.0
	for k, x := range v {
		v[k] = math.Exp(x - top)
		sum += v[k]
	}
	for k := range v {
		v[k] /= sum
	}
}

// argmax is the first index of the largest value.
func argmax(v []float64) int {
	best := 0
	for k := range v {
		if v[k] > v[best] {
			best = k
		}
	}
	return best
}
