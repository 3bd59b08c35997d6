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

func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > maxElements/d) {
			return 0, fmt.Errorf("%w: a tensor of shape %v for one row", ErrUnsupported, slices.Clone(shape))
		}
		n *= d
	}
	return n, nil
}

// fits says whether the data has as many values as the shape.
func (t *tensor) fits(shape []int) error {
	n := 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt32/d) {
			return fmt.Errorf("%w: shape %v", ErrCorrupt, slices.Clone(shape))
		}
		n *= d
	}
	if n != t.len() {
		return fmt.Errorf("%w: %d values reshaped to %v", ErrCorrupt, t.len(), slices.Clone(shape))
	}
	return nil
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

func errBroadcast(a, b []int) error {
	return fmt.Errorf("%w: shapes %v and %v do not broadcast", ErrCorrupt, slices.Clone(a), slices.Clone(b))
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

func (t *tensor) numericBoth(o *tensor) error {
	if err := t.numeric(); err != nil {
		return err
	}
	return o.numeric()
}
