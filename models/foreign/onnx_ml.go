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
			return func(in []*tensor) ([]*tensor, error) { return in[:1:1], nil }, nil
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
func perColumn(t *tensor, f func(v float64, column int) float64, lists ...[]float64) ([]*tensor, error) {
	if err := t.numeric(); err != nil {
		return nil, err
	}
	_, width := t.rows()
	for _, l := range lists {
		if len(l) != 1 && len(l) != width {
			return nil, fmt.Errorf("%w: %d parameters for %d columns", ErrCorrupt, len(l), width)
		}
	}
	out, err := newTensor(elemFloat, t.shape...)
	if err != nil {
		return nil, err
	}
	for i, v := range t.num {
		out.num[i] = elemFloat.round(f(v, i%width))
	}
	return []*tensor{out}, nil
}

func buildScaler(n *onnxNode) (onnxOp, error) {
	offset, scale := n.floats("offset"), n.floats("scale")
	return func(in []*tensor) ([]*tensor, error) {
		return perColumn(in[0], func(v float64, c int) float64 {
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
	return func(in []*tensor) ([]*tensor, error) {
		out, err := perColumn(in[0], func(v float64, c int) float64 {
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
	return func(in []*tensor) ([]*tensor, error) {
		t := in[0]
		if (t.elem == elemString) != (len(names) > 0) {
			return nil, fmt.Errorf("%w: categories and input differ in type", ErrCorrupt)
		}
		out, err := newTensor(elemFloat, append(slices.Clone(t.shape), size)...)
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
			if k < 0 && !zeros {
				return nil, fmt.Errorf("value %d is no known category and zeros=0: %w", i, ErrUnsupported)
			}
			if k >= 0 {
				out.num[i*size+k] = 1
			}
		}
		return []*tensor{out}, nil
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
	return func(in []*tensor) ([]*tensor, error) {
		t := in[0]
		if (t.elem == elemString) != (len(keyText) > 0) {
			return nil, fmt.Errorf("%w: keys and input differ in type", ErrCorrupt)
		}
		out := &tensor{elem: elem, shape: t.shape}
		if valueText != nil {
			out.elem = elemString
		}
		for i := range t.len() {
			k := find(t, i)
			switch {
			case valueText != nil && k >= 0:
				out.text = append(out.text, valueText[k])
			case valueText != nil:
				out.text = append(out.text, missingText)
			case k >= 0:
				out.num = append(out.num, values[k])
			default:
				out.num = append(out.num, missing)
			}
		}
		return []*tensor{out}, nil
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
	return func(in []*tensor) ([]*tensor, error) {
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		out, err := newTensor(elemFloat, in[0].shape...)
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
		return []*tensor{out}, nil
	}, nil
}

func buildBinarizer(n *onnxNode) (onnxOp, error) {
	threshold := n.float("threshold", 0)
	return func(in []*tensor) ([]*tensor, error) {
		t, err := each(in[0], func(v float64) float64 { return float64(bit(v > threshold)) })
		return []*tensor{t}, err
	}, nil
}

// arrayFeatures picks columns of the last dimension.
func arrayFeatures(in []*tensor) ([]*tensor, error) {
	if len(in) != 2 || in[1] == nil || len(in[0].shape) == 0 {
		return nil, fmt.Errorf("%w: ArrayFeatureExtractor needs a tensor and indexes", ErrCorrupt)
	}
	axis := len(in[0].shape) - 1
	shape := append(slices.Clone(in[0].shape[:axis]), len(in[1].num))
	if axis == 0 {
		shape = []int{1, len(in[1].num)}
	}
	t, err := pick(in[0], axis, in[1].num, shape)
	return []*tensor{t}, err
}

// featureVector joins the columns of its inputs as 32-bit floats.
func featureVector(in []*tensor) ([]*tensor, error) {
	parts := make([]*tensor, len(in))
	for i, t := range in {
		if t == nil || t.elem == elemString {
			return nil, fmt.Errorf("%w: FeatureVectorizer of strings or nothing", ErrUnsupported)
		}
		n, width := t.rows()
		p, err := t.withShape([]int{n, width})
		if err != nil {
			return nil, err
		}
		p.elem = elemFloat
		parts[i] = p
	}
	return concat(parts, 1)
}

// onnxLabels are class labels: numbers or strings.
type onnxLabels struct {
	num  []float64
	text []string
}

func labelsOf(n *onnxNode, ints string) (onnxLabels, error) {
	l := onnxLabels{num: whole(n.ints(ints)), text: n.strings("classlabels_strings")}
	if (len(l.num) > 0) == (len(l.text) > 0) {
		return l, fmt.Errorf("%w: a classifier without labels, or with both kinds", ErrCorrupt)
	}
	return l, nil
}

func (l onnxLabels) len() int { return max(len(l.num), len(l.text)) }

// tensor holds the label of each row.
func (l onnxLabels) tensor(classes []int) *tensor {
	t := &tensor{elem: elemInt64, shape: []int{len(classes)}}
	if len(l.text) > 0 {
		t.elem = elemString
	}
	for _, k := range classes {
		if t.elem == elemString {
			t.text = append(t.text, l.text[k])
		} else {
			t.num = append(t.num, l.num[k])
		}
	}
	return t
}

// linear computes x*coefficients' + intercepts for one row.
func linear(row, coefficients, intercepts []float64, targets int) ([]float64, error) {
	if targets*len(row) != len(coefficients) || (len(intercepts) != targets && len(intercepts) != 0) {
		return nil, fmt.Errorf("%w: %d coefficients and %d intercepts for %d targets of %d inputs", ErrCorrupt,
			len(coefficients), len(intercepts), targets, len(row))
	}
	scores := make([]float64, targets)
	for k := range scores {
		sum := 0.0
		for i, v := range row {
			sum += v * coefficients[k*len(row)+i]
		}
		if len(intercepts) > 0 {
			sum += intercepts[k]
		}
		scores[k] = elemFloat.round(sum)
	}
	return scores, nil
}

func buildLinearRegressor(n *onnxNode) (onnxOp, error) {
	coefficients, intercepts, targets := n.floats("coefficients"), n.floats("intercepts"), int(n.int("targets", 1))
	transform, err := postTransformOf(n)
	if err != nil {
		return nil, err
	}
	if targets < 1 || targets > maxElements {
		return nil, fmt.Errorf("%w: %d targets", ErrCorrupt, targets)
	}
	return func(in []*tensor) ([]*tensor, error) {
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		rows, width := in[0].rows()
		out, err := newTensor(elemFloat, rows, targets)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			scores, err := linear(in[0].num[i*width:(i+1)*width], coefficients, intercepts, targets)
			if err != nil {
				return nil, err
			}
			transform.apply(scores)
			copy(out.num[i*targets:], scores)
		}
		return []*tensor{out}, nil
	}, nil
}

// buildLinearClassifier has a score per class, or one score for two classes.
func buildLinearClassifier(n *onnxNode) (onnxOp, error) {
	coefficients, intercepts := n.floats("coefficients"), n.floats("intercepts")
	labels, err := labelsOf(n, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	transform, err := postTransformOf(n)
	if err != nil {
		return nil, err
	}
	targets, classes := len(intercepts), labels.len()
	if targets != classes && (targets != 1 || classes != 2) || classes < 2 {
		return nil, fmt.Errorf("%w: LinearClassifier with %d scores for %d labels", ErrUnsupported, targets, classes)
	}
	return func(in []*tensor) ([]*tensor, error) {
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		rows, width := in[0].rows()
		out, err := newTensor(elemFloat, rows, classes)
		if err != nil {
			return nil, err
		}
		best := make([]int, rows)
		for i := range rows {
			scores, err := linear(in[0].num[i*width:(i+1)*width], coefficients, intercepts, targets)
			if err != nil {
				return nil, err
			}
			best[i] = linearClass(scores)
			copy(out.num[i*classes:], classScores(scores, transform))
		}
		return []*tensor{labels.tensor(best), out}, nil
	}, nil
}

func linearClass(scores []float64) int {
	if len(scores) == 1 {
		return int(bit(scores[0] > 0))
	}
	return max(0, slices.Index(scores, extreme(scores, maxNotNaN)))
}

// classScores transforms in place; one score stands for the second of two classes.
func classScores(scores []float64, transform postTransform) []float64 {
	if len(scores) > 1 {
		transform.apply(scores)
		return scores
	}
	s := scores[0]
	if transform == "LOGISTIC" {
		return []float64{elemFloat.round(sigmoid(-s)), elemFloat.round(sigmoid(s))}
	}
	return []float64{elemFloat.round(1 - s), s}
}

// postTransform is what the classical operators do to their scores.
type postTransform string

func postTransformOf(n *onnxNode) (postTransform, error) {
	p := postTransform(n.string("post_transform", "NONE"))
	switch p {
	case "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO":
		return p, nil
	}
	return p, fmt.Errorf("%w: post_transform %q", ErrUnsupported, p)
}

// apply transforms the scores of one row in place.
func (p postTransform) apply(scores []float64) {
	switch p {
	case "LOGISTIC":
		for i, v := range scores {
			scores[i] = elemFloat.round(sigmoid(v))
		}
	case "SOFTMAX":
		softmaxStride(slices.Clone(scores), scores, len(scores), 1, elemFloat)
	case "SOFTMAX_ZERO":
		softmaxZero(scores)
	}
}

// softmaxZero is softmax over the scores that are not (nearly) zero; those are
// scaled by the same factor and stay out of the sum's shape.
func softmaxZero(scores []float64) {
	top, sum := extreme(scores, math.Max), 0.0
	for i, v := range scores {
		if v > 1e-7 || v < -1e-7 {
			scores[i] = math.Exp(v - top)
		} else {
			scores[i] = v * math.Exp(-top)
		}
		sum += scores[i]
	}
	for i := range scores {
		scores[i] = elemFloat.round(scores[i] / sum)
	}
}
