package foreign

import (
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// onnxNodes are the columns nodes_* of the tree operators.
type onnxNodes struct {
	tree, id, feature, yes, no, missing []int64
	value                               []float64
	mode                                []string
}

// onnxVotes are the columns class_* or target_*: what leaves add to outputs.
type onnxVotes struct {
	tree, node, output []int64
	weight             []float64
}

// onnxPlace names a node of a tree.
type onnxPlace struct{ tree, node int64 }

func treeNodes(n *onnxNode) (*onnxNodes, error) {
	c := &onnxNodes{
		tree: n.ints("nodes_treeids"), id: n.ints("nodes_nodeids"), feature: n.ints("nodes_featureids"),
		yes: n.ints("nodes_truenodeids"), no: n.ints("nodes_falsenodeids"),
		missing: n.ints("nodes_missing_value_tracks_true"),
		value:   n.numbers("nodes_values"), mode: n.strings("nodes_modes"),
	}
	size := len(c.tree)
	for _, other := range [6]int{len(c.id), len(c.feature), len(c.yes), len(c.no), len(c.value), len(c.mode)} {
		if other != size {
			return nil, fmt.Errorf("%w: tree columns of %d and %d entries", ErrCorrupt, size, other)
		}
	}
	if len(c.missing) != 0 && len(c.missing) != size {
		return nil, fmt.Errorf("%w: missing_value_tracks_true of %d for %d nodes", ErrCorrupt, len(c.missing), size)
	}
	return c, nil
}

func treeVotes(n *onnxNode, prefix string) (*onnxVotes, error) {
	v := &onnxVotes{
		tree: n.ints(prefix + "_treeids"), node: n.ints(prefix + "_nodeids"), output: n.ints(prefix + "_ids"),
		weight: n.numbers(prefix + "_weights"),
	}
	if len(v.node) != len(v.tree) || len(v.output) != len(v.tree) || len(v.weight) != len(v.tree) {
		return nil, fmt.Errorf("%w: %s columns differ in length", ErrCorrupt, prefix)
	}
	return v, nil
}

// onnxEnsemble builds an ensemble of 32-bit tests and sums from the columns.
func onnxEnsemble(c *onnxNodes, v *onnxVotes, outputs int) (*models.Ensemble, error) {
	e := &models.Ensemble{Outputs: outputs, VectorLeaves: outputs > 1, Float32: true, Float32Sum: true}
	votes := make(map[onnxPlace][]int, len(v.tree))
	for i := range v.tree {
		if v.output[i] < 0 || v.output[i] >= int64(outputs) {
			return nil, fmt.Errorf("%w: a leaf votes for output %d of %d", ErrCorrupt, v.output[i], outputs)
		}
		p := onnxPlace{v.tree[i], v.node[i]}
		votes[p] = append(votes[p], i)
	}
	features := int64(-1)
	for from := 0; from < len(c.tree); {
		to := from
		for to < len(c.tree) && c.tree[to] == c.tree[from] {
			if c.mode[to] != "LEAF" {
				features = max(features, c.feature[to])
			}
			to++
		}
		b := onnxTreeBuilder{columns: c, votes: votes, v: v, from: from, to: to, outputs: outputs}
		if err := b.build(); err != nil {
			return nil, fmt.Errorf("tree %d: %w", c.tree[from], err)
		}
		e.Trees = append(e.Trees, b.tree)
		from = to
	}
	if features >= maxElements {
		return nil, fmt.Errorf("%w: a tree tests input %d", ErrUnsupported, features)
	}
	e.Features = make([]models.Feature, features+1)
	return e, nil
}

// onnxTreeBuilder converts the nodes from..to-1 of the columns.
type onnxTreeBuilder struct {
	columns  *onnxNodes
	v        *onnxVotes
	votes    map[onnxPlace][]int
	from, to int
	outputs  int
	tree     models.Tree
	child    map[int64]int32
}

func (b *onnxTreeBuilder) build() error {
	b.child = make(map[int64]int32, b.to-b.from)
	inner, leaves := int32(0), int32(0)
	for i := b.from; i < b.to; i++ {
		if _, again := b.child[b.columns.id[i]]; again {
			return fmt.Errorf("%w: node %d twice", ErrCorrupt, b.columns.id[i])
		}
		if b.columns.mode[i] == "LEAF" {
			b.child[b.columns.id[i]] = ^leaves
			leaves++
		} else {
			b.child[b.columns.id[i]] = inner
			inner++
		}
	}
	for i := b.from; i < b.to; i++ {
		var err error
		if b.columns.mode[i] == "LEAF" {
			b.leaf(i)
		} else {
			err = b.node(i)
		}
		if err != nil {
			return fmt.Errorf("node %d: %w", b.columns.id[i], err)
		}
	}
	if b.columns.mode[b.from] == "LEAF" && inner > 0 {
		return fmt.Errorf("%w: the first node is not the root", ErrUnsupported)
	}
	return nil
}

func (b *onnxTreeBuilder) leaf(i int) {
	at := len(b.tree.Leaf)
	b.tree.Leaf = append(b.tree.Leaf, make([]float64, b.outputs)...)
	for _, k := range b.votes[onnxPlace{b.columns.tree[i], b.columns.id[i]}] {
		sum := &b.tree.Leaf[at+int(b.v.output[k])]
		*sum = float64(float32(*sum) + float32(b.v.weight[k]))
	}
}

// onnxModes says for each mode how it is tested, whether the true branch lies
// left, and whether a missing value goes left unless it tracks the true branch.
func onnxMode(mode string) (flags uint8, trueLeft, ok bool) {
	switch mode {
	case "BRANCH_LEQ":
		return 0, true, true
	case "BRANCH_LT":
		return models.NodeStrict, true, true
	case "BRANCH_GTE":
		return models.NodeStrict, false, true
	case "BRANCH_GT":
		return 0, false, true
	case "BRANCH_EQ":
		return models.NodeEqual, true, true
	case "BRANCH_NEQ":
		return models.NodeEqual, false, true
	}
	return 0, false, false
}

func (b *onnxTreeBuilder) node(i int) error {
	c := b.columns
	flags, trueLeft, ok := onnxMode(c.mode[i])
	if !ok {
		return fmt.Errorf("%w: mode %q", ErrUnsupported, c.mode[i])
	}
	yes, okYes := b.child[c.yes[i]]
	no, okNo := b.child[c.no[i]]
	if !okYes || !okNo {
		return fmt.Errorf("%w: children %d and %d are not in the tree", ErrCorrupt, c.yes[i], c.no[i])
	}
	if c.feature[i] < 0 || c.feature[i] > 1<<31-1 {
		return fmt.Errorf("%w: tests input %d", ErrCorrupt, c.feature[i])
	}
	// NaN compares false, except as "not equal", unless it tracks the true branch.
	nanTrue := c.mode[i] == "BRANCH_NEQ" || (len(c.missing) > 0 && c.missing[i] != 0)
	flags |= models.NodeMissingNaN
	if nanTrue == trueLeft {
		flags |= models.NodeDefaultLeft
	}
	left, right := yes, no
	if !trueLeft {
		left, right = no, yes
	}
	t := &b.tree
	t.Feature = append(t.Feature, int32(c.feature[i]))
	t.Threshold = append(t.Threshold, c.value[i])
	t.Flags = append(t.Flags, flags)
	t.Left, t.Right = append(t.Left, left), append(t.Right, right)
	return nil
}

// treeScores evaluates an ensemble on the rows of a tensor.
type treeScores struct {
	scorer *models.Scorer
}

func newTreeScores(c *onnxNodes, v *onnxVotes, outputs int) (*treeScores, error) {
	e, err := onnxEnsemble(c, v, outputs)
	if err != nil {
		return nil, err
	}
	s, err := models.NewScorer(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &treeScores{scorer: s}, nil
}

// rows calls visit with the raw scores of each row.
func (s *treeScores) rows(t *tensor, visit func(row int, raw []float64)) (int, error) {
	if err := t.numeric(); err != nil {
		return 0, err
	}
	n, width := t.rows()
	e := s.scorer.Ensemble()
	if width < len(e.Features) {
		return 0, fmt.Errorf("%w: trees test input %d of %d", ErrCorrupt, len(e.Features)-1, width)
	}
	raw := make([]float64, e.Outputs)
	for i := range n {
		s.scorer.Raw(t.num[i*width:i*width+len(e.Features)], raw)
		visit(i, raw)
	}
	return n, nil
}

func buildTreeRegressor(n *onnxNode) (onnxOp, error) {
	targets := n.int("n_targets", 1)
	if targets < 1 || targets > maxElements {
		return nil, fmt.Errorf("%w: n_targets %d", ErrCorrupt, targets)
	}
	c, err := treeNodes(n)
	if err != nil {
		return nil, err
	}
	v, err := treeVotes(n, "target")
	if err != nil {
		return nil, err
	}
	return treeRegressor(n, c, v, int(targets), n.string("aggregate_function", "SUM"))
}

func treeRegressor(n *onnxNode, c *onnxNodes, v *onnxVotes, targets int, aggregate string) (onnxOp, error) {
	if aggregate != "SUM" && aggregate != "AVERAGE" {
		return nil, fmt.Errorf("%w: aggregate_function %q", ErrUnsupported, aggregate)
	}
	base := n.numbers("base_values")
	if len(base) != 0 && len(base) != 1 && len(base) != targets {
		return nil, fmt.Errorf("%w: %d base values for %d targets", ErrCorrupt, len(base), targets)
	}
	transform, err := postTransformOf(n)
	if err != nil {
		return nil, err
	}
	s, err := newTreeScores(c, v, targets)
	if err != nil {
		return nil, err
	}
	return func(in []*tensor) ([]*tensor, error) {
		rows, _ := in[0].rows()
		out, err := newTensor(elemFloat, rows, targets)
		if err != nil {
			return nil, err
		}
		_, err = s.rows(in[0], func(row int, raw []float64) {
			for k := range raw {
				if aggregate == "AVERAGE" {
					raw[k] /= float64(len(s.scorer.Ensemble().Trees))
				}
				if len(base) > 0 {
					raw[k] += at(base, k)
				}
				raw[k] = elemFloat.round(raw[k])
			}
			transform.apply(raw)
			copy(out.num[row*targets:], raw)
		})
		return []*tensor{out}, err
	}, nil
}

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
	return func(in []*tensor) ([]*tensor, error) { return k.run(s, in[0]) }, nil
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

func (k *treeClassifier) run(s *treeScores, t *tensor) ([]*tensor, error) {
	rows, _ := t.rows()
	classes := k.labels.len()
	out, err := newTensor(elemFloat, rows, classes)
	if err != nil {
		return nil, err
	}
	best := make([]int, rows)
	_, err = s.rows(t, func(row int, raw []float64) {
		for i := range k.base {
			raw[i] = elemFloat.round(raw[i] + k.base[i])
		}
		best[row] = k.class(raw)
		k.scores(raw, out.num[row*classes:(row+1)*classes])
	})
	return []*tensor{k.labels.tensor(best), out}, err
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
