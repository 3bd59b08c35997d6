package learner

import "math"

// quadratic is ½·b'Ab - c'b: a least-squares problem by its normal equations.
type quadratic struct {
	k    int
	a    []float64
	c    []float64
	yy   float64
	rows float64
}

func newQuadratic(k int) *quadratic {
	return &quadratic{k: k, a: make([]float64, k*k), c: make([]float64, k)}
}

func (q *quadratic) add(x []float64, y, weight float64) {
	for i, v := range x {
		s := weight * v
		q.c[i] += s * y
		line := q.a[i*q.k : (i+1)*q.k]
		for j, u := range x {
			line[j] += s * u
		}
	}
	q.yy += weight * y * y
	q.rows += weight
}

// ridge pulls b towards target with the given strength per coordinate.
func (q *quadratic) ridge(strength float64, target []float64) {
	for i := range q.k {
		q.a[i*q.k+i] += strength
		q.c[i] += strength * target[i]
	}
}

// nonNegative minimises over b >= 0 by cyclic coordinate descent, which
// converges for a convex problem with bounds.
func (q *quadratic) nonNegative() []float64 {
	b := make([]float64, q.k)
	for range 20000 {
		moved := 0.0
		for i := range b {
			d := q.a[i*q.k+i]
			if d <= 0 {
				continue
			}
			g := q.c[i]
			for j, v := range b {
				g -= q.a[i*q.k+j] * v
			}
			next := max(0, b[i]+g/d)
			moved = max(moved, math.Abs(next-b[i]))
			b[i] = next
		}
		if moved < 1e-9 {
			break
		}
	}
	return b
}

// simplex minimises over b >= 0 with Σb = 1, by moving mass between pairs
// until no exchange helps (sequential minimal optimisation, Platt 1998).
func (q *quadratic) simplex() []float64 {
	b := normalise(make([]float64, q.k))
	for range 2000 {
		moved := 0.0
		for i := range b {
			for j := range i {
				moved = max(moved, q.exchange(b, i, j))
			}
		}
		if moved < 1e-9 {
			break
		}
	}
	return b
}

// exchange moves the best amount from b[j] to b[i] and returns its size.
func (q *quadratic) exchange(b []float64, i, j int) float64 {
	curve := q.a[i*q.k+i] + q.a[j*q.k+j] - 2*q.a[i*q.k+j]
	if curve <= 0 {
		return 0
	}
	slope := q.c[i] - q.c[j]
	for m, v := range b {
		slope -= (q.a[i*q.k+m] - q.a[j*q.k+m]) * v
	}
	t := min(max(slope/curve, -b[i]), b[j])
	b[i] += t
	b[j] -= t
	return math.Abs(t)
}

// normalise scales weights to sum 1; all zero becomes equal.
func normalise(b []float64) []float64 {
	total := 0.0
	for _, v := range b {
		total += v
	}
	for i := range b {
		if total > 0 {
			b[i] /= total
		} else {
			b[i] = 1 / float64(len(b))
		}
	}
	return b
}

// dropSmall zeroes weights below share of their sum and keeps the sum.
func dropSmall(b []float64, share float64) []float64 {
	total, kept := 0.0, 0.0
	for _, v := range b {
		total += v
	}
	for i, v := range b {
		if v < share*total {
			b[i] = 0
		} else {
			kept += v
		}
	}
	if kept > 0 {
		for i := range b {
			b[i] *= total / kept
		}
	}
	return b
}
