package foreign

import (
	"fmt"
	"math"
)

// matMul multiplies matrices; a vector on the right is a column that disappears
// from the result.
func matMul(a *arena, in []*tensor) ([]*tensor, error) {
	if len(in) < 2 || in[1] == nil {
		return nil, fmt.Errorf("%w: MatMul of one input", ErrCorrupt)
	}
	if len(in[0].shape) != 2 || len(in[1].shape) != 1 {
		t, err := a.product(in[0], in[1], false, false)
		return a.list(t), err
	}
	column := a.header(in[1].elem, a.shape(in[1].shape[0], 1))
	column.num = in[1].num
	t, err := a.product(in[0], column, false, false)
	if err == nil {
		t.shape = t.shape[:1]
	}
	return a.list(t), err
}

// product is x*y for two matrices, each possibly transposed, summed in double
// and rounded to the type of x.
func (a *arena) product(x, y *tensor, transX, transY bool) (*tensor, error) {
	if len(x.shape) != 2 || len(y.shape) != 2 {
		return nil, fmt.Errorf("%w: product of shapes %v and %v", ErrUnsupported, x.shape, y.shape)
	}
	if err := x.numericBoth(y); err != nil {
		return nil, err
	}
	n, k, stepN, stepK := matrix(x, transX)
	ky, m, stepKy, stepM := matrix(y, transY)
	if k != ky {
		return nil, fmt.Errorf("%w: product of shapes %v and %v", ErrCorrupt, x.shape, y.shape)
	}
	if n > 0 && m > 0 && k > maxWork/(n*m) {
		return nil, fmt.Errorf("%w: product of shapes %v and %v for one row", ErrUnsupported, x.shape, y.shape)
	}
	out, err := a.newTensor(x.elem, n, m)
	if err != nil {
		return nil, err
	}
	for i := range n {
		sums := out.num[i*m : (i+1)*m]
		for l := range k {
			v := x.num[i*stepN+l*stepK]
			if stepM == 1 {
				addScaled(sums, y.num[l*stepKy:l*stepKy+m], v)
				continue
			}
			for j := range sums {
				sums[j] += v * y.num[l*stepKy+j*stepM]
			}
		}
		for j, sum := range sums {
			sums[j] = x.elem.round(sum)
		}
	}
	return out, nil
}

// addScaled adds by*values to sums: one sum does not wait for the other.
func addScaled(sums, values []float64, by float64) {
	values = values[:len(sums)]
	for j, v := range values {
		sums[j] += by * v
	}
}

// matrix is the size of t, transposed or not, and the steps between its rows and columns.
func matrix(t *tensor, trans bool) (rows, columns, stepRow, stepColumn int) {
	rows, columns, stepRow, stepColumn = t.shape[0], t.shape[1], t.shape[1], 1
	if trans {
		return columns, rows, stepColumn, stepRow
	}
	return rows, columns, stepRow, stepColumn
}

func buildGemm(n *onnxNode) (onnxOp, error) {
	alpha, beta := n.float("alpha", 1), n.float("beta", 1)
	transA, transB := n.int("transA", 0) != 0, n.int("transB", 0) != 0
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if len(in) < 2 || in[1] == nil {
			return nil, fmt.Errorf("%w: Gemm of one input", ErrCorrupt)
		}
		t, err := a.product(in[0], in[1], transA, transB)
		if err != nil {
			return nil, err
		}
		for i, v := range t.num {
			t.num[i] = t.elem.round(alpha * v)
		}
		if len(in) > 2 && in[2] != nil {
			t, err = a.elementwise(t.elem, t, in[2], func(x, y float64) float64 { return x + beta*y })
		}
		return a.list(t), err
	}, nil
}

// buildSoftmax normalises along an axis; before opset 13 over everything from the axis on.
func buildSoftmax(n *onnxNode) (onnxOp, error) {
	old := n.opset > 0 && n.opset < 13
	axis := n.int("axis", -1)
	if old {
		axis = n.int("axis", 1)
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		at, err := in[0].axisOf(axis)
		if err != nil {
			return nil, err
		}
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		before, size, behind := in[0].around(at)
		if old {
			size, behind = size*behind, 1
		}
		t, err := a.newTensor(in[0].elem, in[0].shape...)
		if err != nil {
			return nil, err
		}
		for i := range before {
			for j := range behind {
				softmaxStride(in[0].num[i*size*behind+j:], t.num[i*size*behind+j:], size, behind, t.elem)
			}
		}
		return a.list(t), nil
	}, nil
}

func softmaxStride(in, out []float64, n, step int, elem elemType) {
	top, sum := math.Inf(-1), 0.0
	for i := range n {
		top = math.Max(top, in[i*step])
	}
	for i := range n {
		out[i*step] = math.Exp(in[i*step] - top)
		sum += out[i*step]
	}
	for i := range n {
		out[i*step] = elem.round(out[i*step] / sum)
	}
}

// buildArgMax finds the first (or last) extreme along an axis.
func buildArgMax(n *onnxNode) (onnxOp, error) {
	axis, keep, last := n.int("axis", 0), n.int("keepdims", 1) != 0, n.int("select_last_index", 0) != 0
	axes, sign := []int64{axis}, 1.0
	if n.op == "ArgMin" {
		sign = -1
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		return a.along(in[0], axes, keep, elemInt64, func(v []float64) float64 {
			best := 0
			for i := range v {
				if sign*v[i] > sign*v[best] || (last && v[i] == v[best]) {
					best = i
				}
			}
			return float64(best)
		})
	}, nil
}

func buildReduce(n *onnxNode) (onnxOp, error) {
	fixed, keep := n.ints("axes"), n.int("keepdims", 1) != 0
	noop := n.int("noop_with_empty_axes", 0) != 0
	f := map[string]func([]float64) float64{
		"ReduceSum": total, "ReduceMean": func(v []float64) float64 { return total(v) / float64(len(v)) },
		"ReduceMax": func(v []float64) float64 { return extreme(v, math.Max) },
		"ReduceProd": func(v []float64) float64 {
			product := 1.0
			for _, x := range v {
				product *= x
			}
			return product
		},
		"ReduceMin": func(v []float64) float64 { return extreme(v, math.Min) },
	}[n.op]
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		axes := a.integers(in, fixed)
		if len(axes) == 0 {
			if noop {
				return in[:1:1], nil
			}
			axes = a.axes.take(len(in[0].shape))
			for i := range axes {
				axes[i] = int64(i)
			}
		}
		return a.along(in[0], axes, keep, in[0].elem, f)
	}, nil
}

func total(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum
}

func extreme(v []float64, f func(x, y float64) float64) float64 {
	best := v[0]
	for _, x := range v {
		best = f(best, x)
	}
	return best
}

// along reduces t over axes; f sees the values that fall together.
func (a *arena) along(t *tensor, axes []int64, keep bool, elem elemType, f func([]float64) float64) ([]*tensor, error) {
	if err := t.numeric(); err != nil {
		return nil, err
	}
	reduced := a.flags.take(len(t.shape))
	for _, axis := range axes {
		at, err := t.axisOf(axis)
		if err != nil {
			return nil, err
		}
		reduced[at] = true
	}
	kept, shape := a.ints.take(len(t.shape))[:0], a.ints.take(len(t.shape))[:0]
	for i, d := range t.shape {
		switch {
		case !reduced[i]:
			kept, shape = append(kept, d), append(shape, d)
		case keep:
			kept, shape = append(kept, 1), append(shape, 1)
		default:
			kept = append(kept, 1)
		}
	}
	if t.len() == 0 {
		return nil, fmt.Errorf("%w: reduction of an empty tensor", ErrUnsupported)
	}
	out, err := a.newTensor(elem, shape...)
	if err != nil {
		return nil, err
	}
	size := t.len() / out.len()
	groups, filled := a.numbers.take(t.len()), a.ints.take(out.len())
	for i, v := range t.num {
		at := source(i, t.shape, kept)
		groups[at*size+filled[at]] = v
		filled[at]++
	}
	for i := range out.num {
		out.num[i] = elem.round(f(groups[i*size : (i+1)*size]))
	}
	return a.list(out), nil
}

func buildGather(n *onnxNode) (onnxOp, error) {
	axis := n.int("axis", 0)
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if len(in) < 2 || in[1] == nil {
			return nil, fmt.Errorf("%w: Gather of one input", ErrCorrupt)
		}
		at, err := in[0].axisOf(axis)
		if err != nil {
			return nil, err
		}
		shape := a.ints.take(len(in[0].shape) - 1 + len(in[1].shape))[:0]
		shape = append(append(append(shape, in[0].shape[:at]...), in[1].shape...), in[0].shape[at+1:]...)
		t, err := a.pick(in[0], at, in[1].num, shape)
		return a.list(t), err
	}, nil
}

// pick takes the entries of t at indexes along axis.
func (a *arena) pick(t *tensor, axis int, indexes []float64, shape []int) (*tensor, error) {
	before, size, behind := t.around(axis)
	out, err := a.newTensor(t.elem, shape...)
	if err != nil {
		return nil, err
	}
	if before*len(indexes)*behind != out.len() {
		return nil, fmt.Errorf("%w: %d indexes for shape %v", ErrCorrupt, len(indexes), out.shape)
	}
	to := 0
	for i := range before {
		for _, index := range indexes {
			if index < 0 {
				index += float64(size)
			}
			if !(index >= 0 && index < float64(size)) {
				return nil, fmt.Errorf("%w: index %v of %d", ErrCorrupt, index, size)
			}
			from := (i*size + int(index)) * behind
			if t.elem == elemString {
				copy(out.text[to:], t.text[from:from+behind])
			} else {
				copy(out.num[to:], t.num[from:from+behind])
			}
			to += behind
		}
	}
	return out, nil
}

// where picks from its second or third input by the first.
func where(a *arena, in []*tensor) ([]*tensor, error) {
	if len(in) != 3 || in[1] == nil || in[2] == nil || in[0].elem != elemBool {
		return nil, fmt.Errorf("%w: Where needs a condition and two inputs", ErrCorrupt)
	}
	if err := in[1].numericBoth(in[2]); err != nil {
		return nil, err
	}
	shape, err := a.broadcastShape(in[1].shape, in[2].shape)
	if err != nil {
		return nil, err
	}
	if shape, err = a.broadcastShape(shape, in[0].shape); err != nil {
		return nil, err
	}
	t, err := a.newTensor(in[1].elem, shape...)
	if err != nil {
		return nil, err
	}
	for i := range t.num {
		from := in[2]
		if in[0].num[source(i, shape, in[0].shape)] != 0 {
			from = in[1]
		}
		t.num[i] = from.num[source(i, shape, from.shape)]
	}
	return a.list(t), nil
}

func buildClip(n *onnxNode) (onnxOp, error) {
	low, high := n.float("min", math.Inf(-1)), n.float("max", math.Inf(1))
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		lo, hi := low, high
		if len(in) > 1 && in[1] != nil && len(in[1].num) == 1 {
			lo = in[1].num[0]
		}
		if len(in) > 2 && in[2] != nil && len(in[2].num) == 1 {
			hi = in[2].num[0]
		}
		t, err := a.each(in[0], func(v float64) float64 { return math.Min(math.Max(v, lo), hi) })
		return a.list(t), err
	}, nil
}
