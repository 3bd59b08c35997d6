package foreign

import (
	"fmt"
	"math"
)

// onnxOpOf compiles a node of a known operator.
func onnxOpOf(n *onnxNode) (onnxOp, error) {
	var build func(*onnxNode) (onnxOp, error)
	switch n.domain {
	case "":
		build = standardOp(n.op)
	case "ai.onnx.ml":
		build = mlOp(n.op)
	}
	if build == nil {
		return nil, fmt.Errorf("%w: ONNX operator %s of domain %q", ErrUnsupported, n.op, n.domain)
	}
	run, err := build(n)
	if err != nil {
		return nil, err
	}
	least := 1
	if n.op == "Constant" {
		least = 0
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if len(in) < least || (least > 0 && in[0] == nil) {
			return nil, fmt.Errorf("%w: an input is missing", ErrCorrupt)
		}
		return run(a, in)
	}, nil
}

// standardOp finds the builder of an operator of the default domain.
func standardOp(op string) func(*onnxNode) (onnxOp, error) {
	if f := unaryOf(op); f != nil {
		return func(*onnxNode) (onnxOp, error) { return unary(f), nil }
	}
	if f, boolean := binaryOf(op); f != nil {
		return func(*onnxNode) (onnxOp, error) { return binaryOp(f, boolean), nil }
	}
	if f := foldOf(op); f != nil {
		return func(*onnxNode) (onnxOp, error) {
			return func(a *arena, in []*tensor) ([]*tensor, error) { return a.fold(in, f, false) }, nil
		}
	}
	switch op {
	case "Identity", "Dropout":
		return func(*onnxNode) (onnxOp, error) {
			return func(_ *arena, in []*tensor) ([]*tensor, error) { return in[:1:1], nil }, nil
		}
	case "Constant":
		return buildConstant
	case "Cast":
		return buildCast
	case "Concat":
		return buildConcat
	case "Reshape":
		return buildReshape
	case "Flatten":
		return buildFlatten
	case "Squeeze", "Unsqueeze":
		return buildSqueeze
	case "Gemm":
		return buildGemm
	case "MatMul":
		return func(*onnxNode) (onnxOp, error) { return matMul, nil }
	case "Softmax":
		return buildSoftmax
	case "ArgMax", "ArgMin":
		return buildArgMax
	case "Shape":
		return func(*onnxNode) (onnxOp, error) { return shapeOf, nil }
	case "Slice":
		return buildSlice
	case "Transpose":
		return buildTranspose
	case "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd":
		return buildReduce
	case "Gather":
		return buildGather
	case "Where":
		return func(*onnxNode) (onnxOp, error) { return where, nil }
	case "Clip":
		return buildClip
	}
	return nil
}

func unaryOf(op string) func(float64) float64 {
	truth := func(b bool) float64 { return float64(bit(b)) }
	switch op {
	case "Relu":
		return func(v float64) float64 {
			if v < 0 {
				return 0
			}
			return v
		}
	case "Sigmoid":
		return sigmoid
	case "Tanh":
		return math.Tanh
	case "Exp":
		return math.Exp
	case "Log":
		return math.Log
	case "Sqrt":
		return math.Sqrt
	case "Neg":
		return func(v float64) float64 { return -v }
	case "Abs":
		return math.Abs
	case "Floor":
		return math.Floor
	case "Ceil":
		return math.Ceil
	case "Reciprocal":
		return func(v float64) float64 { return 1 / v }
	case "Sign":
		return func(v float64) float64 { return truth(v > 0) - truth(v < 0) }
	case "Not":
		return func(v float64) float64 { return truth(v == 0) }
	}
	return nil
}

func sigmoid(v float64) float64 { return 1 / (1 + math.Exp(-v)) }

func unary(f func(float64) float64) onnxOp {
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t, err := a.each(in[0], f)
		return a.list(t), err
	}
}

// binaryOf finds an operator of two inputs; boolean says that it answers truth.
func binaryOf(op string) (f func(x, y float64) float64, boolean bool) {
	truth := func(f func(x, y float64) bool) (func(x, y float64) float64, bool) {
		return func(x, y float64) float64 { return float64(bit(f(x, y))) }, true
	}
	switch op {
	case "Add":
		return func(x, y float64) float64 { return x + y }, false
	case "Sub":
		return func(x, y float64) float64 { return x - y }, false
	case "Mul":
		return func(x, y float64) float64 { return x * y }, false
	case "Div":
		return func(x, y float64) float64 { return x / y }, false
	case "Pow":
		return math.Pow, false
	case "Equal":
		return truth(func(x, y float64) bool { return x == y })
	case "Less":
		return truth(func(x, y float64) bool { return x < y })
	case "LessOrEqual":
		return truth(func(x, y float64) bool { return x <= y })
	case "Greater":
		return truth(func(x, y float64) bool { return x > y })
	case "GreaterOrEqual":
		return truth(func(x, y float64) bool { return x >= y })
	case "And":
		return truth(func(x, y float64) bool { return x != 0 && y != 0 })
	case "Or":
		return truth(func(x, y float64) bool { return x != 0 || y != 0 })
	}
	return nil, false
}

func binaryOp(f func(x, y float64) float64, boolean bool) onnxOp {
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if len(in) != 2 {
			return nil, fmt.Errorf("%w: %d inputs where 2 are due", ErrCorrupt, len(in))
		}
		return a.fold(in, f, boolean)
	}
}

// fold applies f from left to right over any number of inputs.
func (a *arena) fold(in []*tensor, f func(x, y float64) float64, boolean bool) ([]*tensor, error) {
	t := in[0]
	for _, next := range in[1:] {
		if next == nil {
			return nil, fmt.Errorf("%w: an input is missing", ErrCorrupt)
		}
		elem := t.elem
		if boolean {
			elem = elemBool
		}
		var err error
		if t, err = a.elementwise(elem, t, next, f); err != nil {
			return nil, err
		}
	}
	return a.list(t), nil
}

// foldOf finds an operator of any number of inputs.
func foldOf(op string) func(x, y float64) float64 {
	switch op {
	case "Sum":
		return func(x, y float64) float64 { return x + y }
	case "Max":
		return math.Max
	case "Min":
		return math.Min
	}
	return nil
}

func buildConstant(n *onnxNode) (onnxOp, error) {
	var t *tensor
	switch a := n.attrs; {
	case a["value"] != nil && a["value"].t != nil:
		t = a["value"].t
	case a["value_float"] != nil:
		t = &tensor{elem: elemFloat, num: []float64{a["value_float"].f}}
	case a["value_int"] != nil:
		t = &tensor{elem: elemInt64, num: []float64{float64(a["value_int"].i)}}
	case a["value_floats"] != nil:
		t = &tensor{elem: elemFloat, num: a["value_floats"].floats, shape: []int{len(a["value_floats"].floats)}}
	case a["value_ints"] != nil:
		t = &tensor{elem: elemInt64, num: whole(a["value_ints"].ints), shape: []int{len(a["value_ints"].ints)}}
	default:
		return nil, fmt.Errorf("%w: Constant without a value", ErrUnsupported)
	}
	return func(a *arena, _ []*tensor) ([]*tensor, error) { return a.list(t), nil }, nil
}

func whole(v []int64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

func buildCast(n *onnxNode) (onnxOp, error) {
	to, err := elemTypeOf(n.int("to", 0))
	if err != nil {
		return nil, err
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t := in[0]
		if t.elem == to {
			return a.list(t), nil
		}
		if t.elem == elemString || to == elemString {
			return nil, fmt.Errorf("%w: cast from %s to %s", ErrUnsupported, t.elem, to)
		}
		out, err := a.each(t, to.round)
		if err == nil {
			out.elem = to
		}
		return a.list(out), err
	}, nil
}

func buildConcat(n *onnxNode) (onnxOp, error) {
	axis := n.int("axis", 1)
	return func(a *arena, in []*tensor) ([]*tensor, error) { return a.concat(in, axis) }, nil
}

func (a *arena) concat(in []*tensor, axis int64) ([]*tensor, error) {
	at, err := in[0].axisOf(axis)
	if err != nil {
		return nil, err
	}
	shape := a.shape(in[0].shape...)
	shape[at] = 0
	for _, t := range in {
		if t == nil || t.elem != in[0].elem || len(t.shape) != len(shape) {
			return nil, fmt.Errorf("%w: tensors to be joined differ in type or rank", ErrCorrupt)
		}
		for i, d := range t.shape {
			if i != at && d != shape[i] {
				return nil, fmt.Errorf("%w: shapes %v and %v to be joined", ErrCorrupt, in[0].shape, t.shape)
			}
		}
		shape[at] += t.shape[at]
	}
	out, err := a.newTensor(in[0].elem, shape...)
	if err != nil {
		return nil, err
	}
	before, _, _ := in[0].around(at)
	to := 0
	for i := range before {
		for _, t := range in {
			part := t.len() / before
			if t.elem == elemString {
				copy(out.text[to:], t.text[i*part:(i+1)*part])
			} else {
				copy(out.num[to:], t.num[i*part:(i+1)*part])
			}
			to += part
		}
	}
	return a.list(out), nil
}
