package foreign

import (
	"fmt"
	"slices"
)

// treeClassifier turns the scores of trees into a label and class scores, the way
// ONNX Runtime reads what the specification leaves open.
type treeClassifier struct {
	labels    onnxLabels
	transform postTransform
	base      []float64
	kind      votingKind
	positive  bool // no vote is negative
}

// votingKind tells classifiers of two classes apart by the classes voted for.
type votingKind int

const (
	voteMany   votingKind = iota // three classes or more
	voteBoth                     // two, and both get votes
	voteFirst                    // two, and all votes name the first: they mean the second
	voteSecond                   // two, and all votes name the second
)

func buildTreeClassifier(n *onnxNode) (onnxOp, error) {
	c, err := treeNodes(n)
	if err != nil {
		return nil, err
	}
	v, err := treeVotes(n, "class")
	if err != nil {
		return nil, err
	}
	k := treeClassifier{base: n.numbers("base_values")}
	if k.labels, err = labelsOf(n, "classlabels_int64s"); err != nil {
		return nil, err
	}
	if k.transform, err = postTransformOf(n); err != nil {
		return nil, err
	}
	outputs := k.labels.len()
	if outputs < 2 {
		return nil, fmt.Errorf("%w: a tree classifier of one class", ErrUnsupported)
	}
	k.positive = !slices.ContainsFunc(v.weight, func(w float64) bool { return w < 0 })
	if k.kind = votingOf(v, outputs); k.kind == voteFirst {
		outputs = 1
	}
	if len(k.base) != 0 && (len(k.base) != outputs || k.kind == voteBoth || k.kind == voteSecond) {
		return nil, fmt.Errorf("%w: %d base values for two class scores", ErrUnsupported, len(k.base))
	}
	s, err := newTreeScores(c, v, outputs)
	if err != nil {
		return nil, err
	}
	return func(a *arena, in []*tensor) ([]*tensor, error) { return k.run(a, s, in[0]) }, nil
}

func votingOf(v *onnxVotes, classes int) votingKind {
	first, second := slices.Contains(v.output, 0), slices.Contains(v.output, 1)
	switch {
	case classes > 2:
		return voteMany
	case first && second:
		return voteBoth
	case second:
		return voteSecond
	default:
		return voteFirst
	}
}

func (k *treeClassifier) run(a *arena, s *treeScores, t *tensor) ([]*tensor, error) {
	rows, _ := t.rows()
	classes := k.labels.len()
	out, err := a.newTensor(elemFloat, rows, classes)
	if err != nil {
		return nil, err
	}
	best := a.ints.take(rows)
	err = s.rows(a, t, func(row int, raw []float64) {
		for i := range k.base {
			raw[i] = elemFloat.round(raw[i] + k.base[i])
		}
		best[row] = k.class(raw)
		k.scores(raw, out.num[row*classes:(row+1)*classes])
	})
	if err != nil {
		return nil, err
	}
	labels, err := k.labels.tensor(a, best)
	return a.list(labels, out), err
}

// class is the winner. Of two classes with votes for one only it goes by the one
// score: a probability if no vote is negative, else a margin.
func (k *treeClassifier) class(raw []float64) int {
	score, threshold := raw[len(raw)-1], 0.0
	if k.kind == voteMany {
		return max(0, slices.Index(raw, extreme(raw, maxNotNaN)))
	}
	if k.positive && k.kind != voteBoth {
		threshold = 0.5
	}
	return int(bit(score > threshold))
}

// scores fills the class scores. A single score stands for the second class.
func (k *treeClassifier) scores(raw, out []float64) {
	if k.kind != voteFirst {
		copy(out, raw)
		k.transform.apply(out)
		return
	}
	score := raw[0]
	switch {
	case k.transform == "LOGISTIC":
		out[0], out[1] = elemFloat.round(sigmoid(-score)), elemFloat.round(sigmoid(score))
	case k.positive:
		out[0], out[1] = elemFloat.round(1-score), score
	default:
		out[0], out[1] = -score, score
	}
}

func maxNotNaN(x, y float64) float64 {
	if y > x {
		return y
	}
	return x
}
