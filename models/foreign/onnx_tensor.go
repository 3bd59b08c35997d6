package foreign

import (
	"fmt"
	"math"
	"slices"
)

// elemType is an ONNX element type that is supported.
type elemType string

const (
	elemFloat  elemType = "float"
	elemDouble elemType = "double"
	elemUint8  elemType = "uint8"
	elemInt32  elemType = "int32"
	elemInt64  elemType = "int64"
	elemBool   elemType = "bool"
	elemString elemType = "string"
)

func elemTypeOf(code int64) (elemType, error) {
	known := map[int64]elemType{1: elemFloat, 2: elemUint8, 6: elemInt32, 7: elemInt64, 8: elemString, 9: elemBool, 11: elemDouble}
	if e, ok := known[code]; ok {
		return e, nil
	}
	return "", fmt.Errorf("%w: ONNX element type %d", ErrUnsupported, code)
}

// maxElements bounds any tensor computed for one row, so that a file cannot make
// a prediction take much memory.
const maxElements = 1 << 15

// tensor is a value in a graph. Numbers of all types are held as float64 and
// rounded to their type; int64 beyond 2^53 are not exact.
type tensor struct {
	elem  elemType
	shape []int
	num   []float64
	text  []string // of strings
}

func (t *tensor) len() int {
	if t.elem == elemString {
		return len(t.text)
	}
	return len(t.num)
}

// setShape checks that dims hold exactly the data.
func (t *tensor) setShape(dims []int64) error {
	t.shape = make([]int, len(dims))
	total := int64(1)
	for i, d := range dims {
		if d < 0 || (d > 0 && total > math.MaxInt32/d) {
			return fmt.Errorf("%w: tensor of shape %v", ErrCorrupt, dims)
		}
		total *= d
		t.shape[i] = int(d)
	}
	if total != int64(t.len()) {
		return fmt.Errorf("%w: tensor of shape %v holds %d values", ErrCorrupt, dims, t.len())
	}
	return nil
}

// newTensor makes room for numbers of the shape.
func newTensor(elem elemType, shape ...int) (*tensor, error) {
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	return &tensor{elem: elem, shape: slices.Clone(shape), num: make([]float64, n)}, nil
}

func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > maxElements/d) {
			return 0, fmt.Errorf("%w: a tensor of shape %v for one row", ErrUnsupported, shape)
		}
		n *= d
	}
	return n, nil
}

// withShape is the same data under another shape.
func (t *tensor) withShape(shape []int) (*tensor, error) {
	n := 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt32/d) {
			return nil, fmt.Errorf("%w: shape %v", ErrCorrupt, shape)
		}
		n *= d
	}
	if n != t.len() {
		return nil, fmt.Errorf("%w: %d values reshaped to %v", ErrCorrupt, t.len(), shape)
	}
	return &tensor{elem: t.elem, shape: shape, num: t.num, text: t.text}, nil
}

// round rounds v to the element type.
func (e elemType) round(v float64) float64 {
	switch e {
	case elemFloat:
		return float64(float32(v))
	case elemUint8, elemInt32, elemInt64:
		return math.Trunc(v)
	case elemBool:
		if v != 0 {
			return 1
		}
		return 0
	default:
		return v
	}
}

// rows sees t as a matrix: its first dimension by the rest; a vector is one row.
func (t *tensor) rows() (n, width int) {
	if len(t.shape) < 2 {
		return 1, t.len()
	}
	if t.shape[0] == 0 {
		return 0, 0
	}
	return t.shape[0], t.len() / t.shape[0]
}

// numeric refuses strings.
func (t *tensor) numeric() error {
	if t.elem == elemString {
		return fmt.Errorf("%w: strings where numbers are due", ErrCorrupt)
	}
	return nil
}

// axisOf normalises a possibly negative axis.
func (t *tensor) axisOf(axis int64) (int, error) {
	n := int64(len(t.shape))
	if axis < -n || axis >= n {
		return 0, fmt.Errorf("%w: axis %d of shape %v", ErrCorrupt, axis, t.shape)
	}
	return int((axis + n) % n), nil
}

// around cuts the shape at axis: the products before and behind it.
func (t *tensor) around(axis int) (before, size, behind int) {
	before, behind = 1, 1
	for i, d := range t.shape {
		switch {
		case i < axis:
			before *= d
		case i > axis:
			behind *= d
		}
	}
	return before, t.shape[axis], behind
}

// broadcastShape is the common shape of a and b, NumPy style.
func broadcastShape(a, b []int) ([]int, error) {
	n := max(len(a), len(b))
	out := make([]int, n)
	at := func(s []int, i int) int {
		if i -= n - len(s); i >= 0 {
			return s[i]
		}
		return 1
	}
	for i := range out {
		x, y := at(a, i), at(b, i)
		if x != y && x != 1 && y != 1 {
			return nil, fmt.Errorf("%w: shapes %v and %v do not broadcast", ErrCorrupt, a, b)
		}
		out[i] = max(x, y)
		if x == 0 || y == 0 {
			out[i] = 0
		}
	}
	return out, nil
}

// source is the position in a tensor of the given shape that position i of the
// broadcast shape out reads.
func source(i int, out, shape []int) int {
	at, stride := 0, 1
	for d, size := range slices.Backward(out) {
		index := i % size
		i /= size
		if k := d - (len(out) - len(shape)); k >= 0 {
			if shape[k] != 1 {
				at += index * stride
			}
			stride *= shape[k]
		}
	}
	return at
}

// elementwise applies f to broadcast numbers; the result has type elem.
func elementwise(elem elemType, a, b *tensor, f func(x, y float64) float64) (*tensor, error) {
	if a.elem == elemString || b.elem == elemString {
		return nil, a.numericBoth(b)
	}
	shape, err := broadcastShape(a.shape, b.shape)
	if err != nil {
		return nil, err
	}
	t, err := newTensor(elem, shape...)
	if err != nil {
		return nil, err
	}
	for i := range t.num {
		t.num[i] = elem.round(f(a.num[source(i, shape, a.shape)], b.num[source(i, shape, b.shape)]))
	}
	return t, nil
}

func (t *tensor) numericBoth(o *tensor) error {
	if err := t.numeric(); err != nil {
		return err
	}
	return o.numeric()
}

// each applies f to every number.
func each(t *tensor, f func(float64) float64) (*tensor, error) {
	if err := t.numeric(); err != nil {
		return nil, err
	}
	out := &tensor{elem: t.elem, shape: t.shape, num: make([]float64, len(t.num))}
	if len(t.num) > maxElements {
		return nil, fmt.Errorf("%w: a tensor of %d values for one row", ErrUnsupported, len(t.num))
	}
	for i, v := range t.num {
		out.num[i] = t.elem.round(f(v))
	}
	return out, nil
}
