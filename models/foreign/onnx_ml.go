package foreign

import (
	"fmt"
	"math"
	"slices"
)

// mlOp finds the builder of an operator of the domain ai.onnx.ml.
func mlOp(op string) func(*onnxNode) (onnxOp, error) {
	switch op {
	case "TreeEnsembleClassifier":
		return buildTreeClassifier
	case "TreeEnsembleRegressor":
		return buildTreeRegressor
	case "TreeEnsemble":
		return buildTreeEnsemble
	case "LinearClassifier":
		return buildLinearClassifier
	case "LinearRegressor":
		return buildLinearRegressor
	case "Scaler":
		return buildScaler
	case "Imputer":
		return buildImputer
	case "OneHotEncoder":
		return buildOneHot
	case "LabelEncoder":
		return buildLabelEncoder
	case "Normalizer":
		return buildNormalizer
	case "Binarizer":
		return buildBinarizer
	case "ArrayFeatureExtractor":
		return func(*onnxNode) (onnxOp, error) { return arrayFeatures, nil }
	case "FeatureVectorizer":
		return func(*onnxNode) (onnxOp, error) { return featureVector, nil }
	case "ZipMap": // a map per row, in the order of its keys: the values stay in place
		return func(*onnxNode) (onnxOp, error) {
			return func(_ *arena, in []*tensor) ([]*tensor, error) { return in[:1:1], nil }, nil
		}
	}
	return nil
}

// at is v[i], or v[0] of a list of one.
func at(v []float64, i int) float64 {
	if len(v) == 1 {
		return v[0]
	}
	return v[i]
}

// perColumn applies f to each value with its column, in 32 bits; lists of one
// serve all columns, others must have one entry per column.
func (a *arena) perColumn(t *tensor, f func(v float64, column int) float64, lists ...[]float64) ([]*tensor, error) {
	if err := t.numeric(); err != nil {
		return nil, err
	}
	_, width := t.rows()
	for _, l := range lists {
		if len(l) != 1 && len(l) != width {
			return nil, fmt.Errorf("%w: %d parameters for %d columns", ErrCorrupt, len(l), width)
		}
	}
	out, err := a.newTensor(elemFloat, t.shape...)
	if err != nil {
		return nil, err
	}
	for i, v := range t.num {
		out.num[i] = elemFloat.round(f(v, i%width))
	}
	return a.list(out), nil
}

func buildScaler(n *onnxNode) (onnxOp, error) {
	offset, scale := n.floats("offset"), n.floats("scale")
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		return a.perColumn(in[0], func(v float64, c int) float64 {
			return float64(float32(v-at(offset, c)) * float32(at(scale, c)))
		}, offset, scale)
	}, nil
}

func buildImputer(n *onnxNode) (onnxOp, error) {
	values, missing := n.floats("imputed_value_floats"), n.float("replaced_value_float", 0)
	elem := elemFloat
	if values == nil {
		values, missing, elem = whole(n.ints("imputed_value_int64s")), float64(n.int("replaced_value_int64", 0)), elemInt64
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		out, err := a.perColumn(in[0], func(v float64, c int) float64 {
			if v == missing || (v != v && missing != missing) {
				return at(values, c)
			}
			return v
		}, values)
		if err == nil {
			out[0].elem = elem
		}
		return out, err
	}, nil
}

// buildOneHot appends a dimension of one place per known category.
func buildOneHot(n *onnxNode) (onnxOp, error) {
	names, codes, zeros := n.strings("cats_strings"), n.ints("cats_int64s"), n.int("zeros", 1) != 0
	size := max(len(names), len(codes))
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t := in[0]
		if (t.elem == elemString) != (len(names) > 0) {
			return nil, fmt.Errorf("%w: categories and input differ in type", ErrCorrupt)
		}
		out, err := a.newTensor(elemFloat, append(append(a.ints.take(len(t.shape) + 1)[:0], t.shape...), size)...)
		if err != nil {
			return nil, err
		}
		for i := range t.len() {
			k := -1
			if t.elem == elemString {
				k = slices.Index(names, t.text[i])
			} else if v := math.Trunc(t.num[i]); v == v && math.Abs(v) < 1<<53 {
				k = slices.Index(codes, int64(v))
			}
			if k < 0 && !zeros && !*n.trial {
				return nil, fmt.Errorf("value %d is no known category and zeros=0: %w", i, ErrUnsupported)
			}
			if k >= 0 {
				out.num[i*size+k] = 1
			}
		}
		return a.list(out), nil
	}, nil
}

// buildLabelEncoder maps keys to values, both numbers or strings.
func buildLabelEncoder(n *onnxNode) (onnxOp, error) {
	keyText, valueText := n.strings("keys_strings"), n.strings("values_strings")
	if n.attrs["classes_strings"] != nil || n.attrs["keys_tensor"] != nil || n.attrs["values_tensor"] != nil {
		return nil, fmt.Errorf("%w: LabelEncoder of opset 1 or with tensors", ErrUnsupported)
	}
	keys, values, elem := n.floats("keys_floats"), n.floats("values_floats"), elemFloat
	if keys == nil {
		keys = whole(n.ints("keys_int64s"))
	}
	missing := n.float("default_float", 0)
	if values == nil {
		values, elem, missing = whole(n.ints("values_int64s")), elemInt64, float64(n.int("default_int64", -1))
	}
	missingText := n.string("default_string", "_Unused")
	if max(len(keys), len(keyText)) != max(len(values), len(valueText)) {
		return nil, fmt.Errorf("%w: keys and values differ in number", ErrCorrupt)
	}
	find := func(t *tensor, i int) int {
		if t.elem == elemString {
			return slices.Index(keyText, t.text[i])
		}
		return slices.IndexFunc(keys, func(k float64) bool { return k == t.num[i] || (k != k && t.num[i] != t.num[i]) })
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t := in[0]
		if (t.elem == elemString) != (len(keyText) > 0) {
			return nil, fmt.Errorf("%w: keys and input differ in type", ErrCorrupt)
		}
		to := elem
		if valueText != nil {
			to = elemString
		}
		out, err := a.newTensor(to, t.shape...)
		if err != nil {
			return nil, err
		}
		for i := range t.len() {
			k := find(t, i)
			switch {
			case valueText != nil && k >= 0:
				out.text[i] = valueText[k]
			case valueText != nil:
				out.text[i] = missingText
			case k >= 0:
				out.num[i] = values[k]
			default:
				out.num[i] = missing
			}
		}
		return a.list(out), nil
	}, nil
}

func buildNormalizer(n *onnxNode) (onnxOp, error) {
	norm := n.string("norm", "MAX")
	size := map[string]func([]float64) float64{
		"MAX": func(v []float64) float64 { return extreme(v, math.Max) },
		"L1": func(v []float64) float64 {
			sum := 0.0
			for _, x := range v {
				sum += math.Abs(x)
			}
			return sum
		},
		"L2": func(v []float64) float64 {
			sum := 0.0
			for _, x := range v {
				sum += x * x
			}
			return math.Sqrt(sum)
		},
	}[norm]
	if size == nil {
		return nil, fmt.Errorf("%w: Normalizer with norm %q", ErrUnsupported, norm)
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		out, err := a.newTensor(elemFloat, in[0].shape...)
		if err != nil {
			return nil, err
		}
		n, width := in[0].rows()
		for i := range n {
			row := in[0].num[i*width : (i+1)*width]
			if width == 0 {
				continue
			}
			by := size(row)
			if by == 0 {
				by = 1
			}
			for j, v := range row {
				out.num[i*width+j] = elemFloat.round(v / by)
			}
		}
		return a.list(out), nil
	}, nil
}

func buildBinarizer(n *onnxNode) (onnxOp, error) {
	threshold := n.float("threshold", 0)
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		t, err := a.each(in[0], func(v float64) float64 { return float64(bit(v > threshold)) })
		return a.list(t), err
	}, nil
}

// arrayFeatures picks columns of the last dimension.
func arrayFeatures(a *arena, in []*tensor) ([]*tensor, error) {
	if len(in) != 2 || in[1] == nil || len(in[0].shape) == 0 {
		return nil, fmt.Errorf("%w: ArrayFeatureExtractor needs a tensor and indexes", ErrCorrupt)
	}
	axis := len(in[0].shape) - 1
	shape := append(append(a.ints.take(axis + 1)[:0], in[0].shape[:axis]...), len(in[1].num))
	if axis == 0 {
		shape = a.shape(1, len(in[1].num))
	}
	t, err := a.pick(in[0], axis, in[1].num, shape)
	return a.list(t), err
}

// featureVector joins the columns of its inputs as 32-bit floats.
func featureVector(a *arena, in []*tensor) ([]*tensor, error) {
	parts := a.lists.take(len(in))
	for i, t := range in {
		if t == nil || t.elem == elemString {
			return nil, fmt.Errorf("%w: FeatureVectorizer of strings or nothing", ErrUnsupported)
		}
		n, width := t.rows()
		p, err := a.withShape(t, a.shape(n, width))
		if err != nil {
			return nil, err
		}
		p.elem = elemFloat
		parts[i] = p
	}
	return a.concat(parts, 1)
}
