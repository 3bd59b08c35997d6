package foreign

import (
	"fmt"
	"math"
)

// shapeOf is the shape of its input as a vector.
func shapeOf(in []*tensor) ([]*tensor, error) {
	t := &tensor{elem: elemInt64, shape: []int{len(in[0].shape)}}
	for _, d := range in[0].shape {
		t.num = append(t.num, float64(d))
	}
	return []*tensor{t}, nil
}

// buildSlice takes ranges along axes, by attributes (before opset 10) or inputs.
func buildSlice(n *onnxNode) (onnxOp, error) {
	starts, ends, axes := whole(n.ints("starts")), whole(n.ints("ends")), whole(n.ints("axes"))
	return func(in []*tensor) ([]*tensor, error) {
		starts, ends, axes, steps := starts, ends, axes, []float64(nil)
		for i, to := range []*[]float64{&starts, &ends, &axes, &steps} {
			if i+1 < len(in) && in[i+1] != nil {
				*to = in[i+1].num
			}
		}
		if len(ends) != len(starts) || (axes != nil && len(axes) != len(starts)) || (steps != nil && len(steps) != len(starts)) {
			return nil, fmt.Errorf("%w: Slice with %d starts and %d ends", ErrCorrupt, len(starts), len(ends))
		}
		t := in[0]
		for i := range starts {
			axis, step := float64(i), 1.0
			if axes != nil {
				axis = axes[i]
			}
			if steps != nil {
				step = steps[i]
			}
			var err error
			if t, err = sliced(t, axis, starts[i], ends[i], step); err != nil {
				return nil, err
			}
		}
		return []*tensor{t}, nil
	}, nil
}

// sliced takes start, start+step… up to end along one axis, with NumPy's
// clamping; steps backwards are not supported.
func sliced(t *tensor, axis, start, end, step float64) (*tensor, error) {
	at, err := t.axisOf(int64(axis))
	if err != nil {
		return nil, err
	}
	if step < 1 {
		return nil, fmt.Errorf("%w: Slice with step %v", ErrUnsupported, step)
	}
	size := float64(t.shape[at])
	clamp := func(v float64) float64 {
		if v < 0 {
			v += size
		}
		return math.Min(math.Max(v, 0), size)
	}
	var indexes []float64
	for i := clamp(start); i < clamp(end); i += step {
		indexes = append(indexes, i)
	}
	shape := append([]int(nil), t.shape...)
	shape[at] = len(indexes)
	return pick(t, at, indexes, shape)
}

// buildTranspose permutes the axes, by default in reverse.
func buildTranspose(n *onnxNode) (onnxOp, error) {
	perm := n.ints("perm")
	return func(in []*tensor) ([]*tensor, error) {
		t := in[0]
		order, err := permutation(perm, len(t.shape))
		if err != nil {
			return nil, err
		}
		if err := t.numeric(); err != nil {
			return nil, err
		}
		shape, strides := make([]int, len(order)), make([]int, len(order))
		for i, axis := range order {
			shape[i] = t.shape[axis]
			_, _, strides[i] = t.around(axis)
		}
		out, err := newTensor(t.elem, shape...)
		if err != nil {
			return nil, err
		}
		for i := range out.num {
			from, rest := 0, i
			for d := len(shape) - 1; d >= 0; d-- {
				from += rest % shape[d] * strides[d]
				rest /= shape[d]
			}
			out.num[i] = t.num[from]
		}
		return []*tensor{out}, nil
	}, nil
}

func permutation(perm []int64, rank int) ([]int, error) {
	order := make([]int, rank)
	if perm == nil {
		for i := range order {
			order[i] = rank - 1 - i
		}
		return order, nil
	}
	seen := make([]bool, rank)
	for i, p := range perm {
		if len(perm) != rank || p < 0 || int(p) >= rank || seen[p] {
			return nil, fmt.Errorf("%w: perm %v of rank %d", ErrCorrupt, perm, rank)
		}
		seen[p] = true
		order[i] = int(p)
	}
	return order, nil
}
