package foreign

import (
	"fmt"
	"math"
	"slices"
)

// shapeOf is the shape of its input as a vector.
func shapeOf(a *arena, in []*tensor) ([]*tensor, error) {
	t, err := a.newTensor(elemInt64, len(in[0].shape))
	if err != nil {
		return nil, err
	}
	for i, d := range in[0].shape {
		t.num[i] = float64(d)
	}
	return a.list(t), nil
}

// buildSlice takes ranges along axes, by attributes (before opset 10) or inputs.
func buildSlice(n *onnxNode) (onnxOp, error) {
	starts, ends, axes := whole(n.ints("starts")), whole(n.ints("ends")), whole(n.ints("axes"))
	return func(a *arena, in []*tensor) ([]*tensor, error) {
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
			if t, err = a.sliced(t, axis, starts[i], ends[i], step); err != nil {
				return nil, err
			}
		}
		return a.list(t), nil
	}, nil
}

// sliced takes start, start+step… up to end along one axis, with NumPy's
// clamping; steps backwards are not supported.
func (a *arena) sliced(t *tensor, axis, start, end, step float64) (*tensor, error) {
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
	indexes := a.numbers.take(t.shape[at])[:0]
	for i := clamp(start); i < clamp(end); i += step {
		indexes = append(indexes, i)
	}
	shape := a.shape(t.shape...)
	shape[at] = len(indexes)
	return a.pick(t, at, indexes, shape)
}

// buildTranspose permutes the axes, by default in reverse.
func buildTranspose(n *onnxNode) (onnxOp, error) {
	perm := n.ints("perm")
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t := in[0]
		order, err := a.permutation(perm, len(t.shape))
		if err != nil {
			return nil, err
		}
		if err := t.numeric(); err != nil {
			return nil, err
		}
		shape, strides := a.ints.take(len(order)), a.ints.take(len(order))
		for i, axis := range order {
			shape[i] = t.shape[axis]
			_, _, strides[i] = t.around(axis)
		}
		out, err := a.newTensor(t.elem, shape...)
		if err != nil {
			return nil, err
		}
		for i := range out.num {
			from, rest := 0, i
			for d, size := range slices.Backward(shape) {
				from += rest % size * strides[d]
				rest /= size
			}
			out.num[i] = t.num[from]
		}
		return a.list(out), nil
	}, nil
}

func (a *arena) permutation(perm []int64, rank int) ([]int, error) {
	order := a.ints.take(rank)
	if perm == nil {
		for i := range order {
			order[i] = rank - 1 - i
		}
		return order, nil
	}
	seen := a.flags.take(rank)
	for i, p := range perm {
		if len(perm) != rank || p < 0 || int(p) >= rank || seen[p] {
			return nil, fmt.Errorf("%w: perm %v of rank %d", ErrCorrupt, perm, rank)
		}
		seen[p] = true
		order[i] = int(p)
	}
	return order, nil
}

// integers is the second input where there is one, else the attribute older
// operator sets gave instead.
func (a *arena) integers(in []*tensor, attribute []int64) []int64 {
	if len(in) < 2 || in[1] == nil {
		return attribute
	}
	out := a.axes.take(len(in[1].num))
	for i, v := range in[1].num {
		out[i] = int64(v)
	}
	return out
}

func buildReshape(n *onnxNode) (onnxOp, error) {
	fixed := n.ints("shape")
	zero := n.int("allowzero", 0) == 0
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		dims := a.integers(in, fixed)
		shape, err := a.reshaped(in[0], dims, zero)
		if err != nil {
			return nil, err
		}
		t, err := a.withShape(in[0], shape)
		return a.list(t), err
	}, nil
}

// reshaped resolves 0 (as before) and -1 (the rest).
func (a *arena) reshaped(t *tensor, dims []int64, zero bool) ([]int, error) {
	shape, known, open := a.ints.take(len(dims)), 1, -1
	for i, d := range dims {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && zero && i < len(t.shape):
			shape[i] = t.shape[i]
		case d < 0 || d > math.MaxInt32:
			return nil, fmt.Errorf("%w: shape %v", ErrCorrupt, dims)
		default:
			shape[i] = int(d)
		}
		if shape[i] > 0 && known > math.MaxInt32/shape[i] {
			return nil, fmt.Errorf("%w: shape %v", ErrCorrupt, dims)
		}
		known *= shape[i]
	}
	if open >= 0 {
		if known == 0 || t.len()%known != 0 {
			return nil, fmt.Errorf("%w: %d values reshaped to %v", ErrCorrupt, t.len(), dims)
		}
		shape[open] = t.len() / known
	}
	return shape, nil
}

func buildFlatten(n *onnxNode) (onnxOp, error) {
	axis := n.int("axis", 1)
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t := in[0]
		at := int(axis)
		if at < 0 {
			at += len(t.shape)
		}
		if at < 0 || at > len(t.shape) {
			return nil, fmt.Errorf("%w: axis %d of shape %v", ErrCorrupt, axis, t.shape)
		}
		before := 1
		for _, d := range t.shape[:at] {
			before *= d
		}
		behind := 0
		if before > 0 {
			behind = t.len() / before
		}
		out, err := a.withShape(t, a.shape(before, behind))
		return a.list(out), err
	}, nil
}

func buildSqueeze(n *onnxNode) (onnxOp, error) {
	fixed, insert := n.ints("axes"), n.op == "Unsqueeze"
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		axes := a.integers(in, fixed)
		shape, err := a.squeezed(in[0].shape, axes, insert)
		if err != nil {
			return nil, err
		}
		t, err := a.withShape(in[0], shape)
		return a.list(t), err
	}, nil
}

func (a *arena) squeezed(shape []int, axes []int64, insert bool) ([]int, error) {
	rank := len(shape)
	if insert {
		rank += len(axes)
	}
	marked := a.flags.take(rank)
	for _, axis := range axes {
		if axis < 0 {
			axis += int64(rank)
		}
		if axis < 0 || axis >= int64(rank) || marked[axis] {
			return nil, fmt.Errorf("%w: axes %v of rank %d", ErrCorrupt, axes, rank)
		}
		marked[axis] = true
	}
	out := a.ints.take(rank)[:0]
	next := 0
	for i := range rank {
		switch {
		case insert && marked[i]:
			out = append(out, 1)
		case insert:
			out = append(out, shape[next])
			next++
		case marked[i] && shape[i] != 1:
			return nil, fmt.Errorf("%w: axis %d of %v is squeezed", ErrCorrupt, i, shape)
		case !marked[i] && (len(axes) > 0 || shape[i] != 1):
			out = append(out, shape[i])
		}
	}
	return out, nil
}
