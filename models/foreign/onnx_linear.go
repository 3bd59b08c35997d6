package foreign

import (
	"fmt"
	"math"
	"slices"
)

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
func (l onnxLabels) tensor(a *arena, classes []int) (*tensor, error) {
	elem := elemInt64
	if len(l.text) > 0 {
		elem = elemString
	}
	t, err := a.newTensor(elem, len(classes))
	if err != nil {
		return nil, err
	}
	for i, k := range classes {
		if elem == elemString {
			t.text[i] = l.text[k]
		} else {
			t.num[i] = l.num[k]
		}
	}
	return t, nil
}

// linear computes x*coefficients' + intercepts for one row.
func (a *arena) linear(row, coefficients, intercepts []float64, targets int) ([]float64, error) {
	if targets*len(row) != len(coefficients) || (len(intercepts) != targets && len(intercepts) != 0) {
		return nil, fmt.Errorf("%w: %d coefficients and %d intercepts for %d targets of %d inputs", ErrCorrupt,
			len(coefficients), len(intercepts), targets, len(row))
	}
	scores := a.numbers.take(targets)
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
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		rows, width := in[0].rows()
		out, err := a.newTensor(elemFloat, rows, targets)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			scores, err := a.linear(in[0].num[i*width:(i+1)*width], coefficients, intercepts, targets)
			if err != nil {
				return nil, err
			}
			transform.apply(scores)
			copy(out.num[i*targets:], scores)
		}
		return a.list(out), nil
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
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		if err := in[0].numeric(); err != nil {
			return nil, err
		}
		rows, width := in[0].rows()
		out, err := a.newTensor(elemFloat, rows, classes)
		if err != nil {
			return nil, err
		}
		best := a.ints.take(rows)
		for i := range rows {
			scores, err := a.linear(in[0].num[i*width:(i+1)*width], coefficients, intercepts, targets)
			if err != nil {
				return nil, err
			}
			best[i] = linearClass(scores)
			classScores(scores, transform, out.num[i*classes:(i+1)*classes])
		}
		t, err := labels.tensor(a, best)
		return a.list(t, out), err
	}, nil
}

func linearClass(scores []float64) int {
	if len(scores) == 1 {
		return int(bit(scores[0] > 0))
	}
	return max(0, slices.Index(scores, extreme(scores, maxNotNaN)))
}

// classScores transforms; one score stands for the second of two classes.
func classScores(scores []float64, transform postTransform, out []float64) {
	if len(scores) > 1 {
		copy(out, scores)
		transform.apply(out)
		return
	}
	s := scores[0]
	if transform == "LOGISTIC" {
		out[0], out[1] = elemFloat.round(sigmoid(-s)), elemFloat.round(sigmoid(s))
		return
	}
	out[0], out[1] = elemFloat.round(1-s), s
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
		softmaxStride(scores, scores, len(scores), 1, elemFloat)
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
