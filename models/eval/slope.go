package eval

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// singular is the reciprocal condition below which a design, its columns scaled
// to length one, counts as having a constant score in it.
const singular = 1e-12

// slope fits y on 1, s, w-p, (w-p)s by least squares and gives the last
// coefficient a sandwich error clustered by customer (Liang and Zeger,
// Biometrika 73, 1986). It is not ok if the score is constant.
func (t Trial) slope(score, w []float64, z float64) (Interval, bool) {
	design := t.slopeDesign(score, w)
	inverse, ok := scaledInverse(design, w)
	if !ok {
		return Interval{}, false
	}
	var beta [4]float64
	for i, y := range t.Outcome {
		for a := range 4 {
			beta[a] += w[i] * y * along(inverse, a, design[i])
		}
	}
	influence := make([]float64, len(score))
	for i, y := range t.Outcome {
		x := design[i]
		fit := beta[0]*x[0] + beta[1]*x[1] + beta[2]*x[2] + beta[3]*x[3]
		influence[i] = w[i] * (y - fit) * along(inverse, 3, x)
	}
	ss, groups := clusterSquares(influence, t.Cluster)
	se := math.Sqrt(corrected(ss, float64(groups)))
	return Interval{Value: beta[3], Lower: beta[3] - z*se, Upper: beta[3] + z*se, SE: se}, true
}

func (t Trial) slopeDesign(score, w []float64) [][4]float64 {
	total := t.totals(w)
	p, centre := total.nt/total.n(), weightedMean(score, w)
	design := make([][4]float64, len(score))
	for i := range design {
		s, d := score[i]-centre, float64(arm(t.Treated[i]))-p
		design[i] = [4]float64{1, s, d, d * s}
	}
	return design
}

// scaledInverse inverts the weighted normal matrix of a design by Cholesky,
// with its diagonal scaled to one, so that the unit of the score does not matter.
func scaledInverse(design [][4]float64, w []float64) (*mat.SymDense, bool) {
	normal := mat.NewSymDense(4, nil)
	for i, x := range design {
		for a := range 4 {
			for b := a; b < 4; b++ {
				normal.SetSym(a, b, normal.At(a, b)+w[i]*x[a]*x[b])
			}
		}
	}
	var scale [4]float64
	for a := range scale {
		scale[a] = math.Sqrt(normal.At(a, a))
		if scale[a] == 0 {
			return nil, false
		}
	}
	rescale(normal, scale)
	var chol mat.Cholesky
	if !chol.Factorize(normal) || 1/chol.Cond() < singular {
		return nil, false
	}
	inverse := mat.NewSymDense(4, nil)
	if err := chol.InverseTo(inverse); err != nil {
		return nil, false
	}
	rescale(inverse, scale)
	return inverse, true
}

func rescale(m *mat.SymDense, scale [4]float64) {
	for a := range 4 {
		for b := a; b < 4; b++ {
			m.SetSym(a, b, m.At(a, b)/(scale[a]*scale[b]))
		}
	}
}

// along is row a of m times x.
func along(m *mat.SymDense, a int, x [4]float64) float64 {
	return m.At(a, 0)*x[0] + m.At(a, 1)*x[1] + m.At(a, 2)*x[2] + m.At(a, 3)*x[3]
}
