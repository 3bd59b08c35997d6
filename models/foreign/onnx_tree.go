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

// onnxEnsemble builds an ensemble of 32-bit tests and sums from the columns. Its
// features are the inputs that some node tests, in order; used names them.
func onnxEnsemble(c *onnxNodes, v *onnxVotes, outputs int) (e *models.Ensemble, used []int, err error) {
	e = &models.Ensemble{Outputs: outputs, Float32: true, Float32Sum: true}
	votes := make(map[onnxPlace][]int, len(v.tree))
	for i := range v.tree {
		if v.output[i] < 0 || v.output[i] >= int64(outputs) {
			return nil, nil, fmt.Errorf("%w: a leaf votes for output %d of %d", ErrCorrupt, v.output[i], outputs)
		}
		p := onnxPlace{v.tree[i], v.node[i]}
		votes[p] = append(votes[p], i)
	}
	if e.TreeOutput, err = v.treeOutputs(c, outputs); err != nil {
		return nil, nil, err
	}
	e.VectorLeaves = outputs > 1 && e.TreeOutput == nil
	feature := map[int64]int32{}
	if used, err = c.used(feature); err != nil {
		return nil, nil, err
	}
	width := 1
	if e.VectorLeaves {
		width = outputs
	}
	for from := 0; from < len(c.tree); {
		to := from
		for to < len(c.tree) && c.tree[to] == c.tree[from] {
			to++
		}
		b := onnxTreeBuilder{columns: c, votes: votes, v: v, from: from, to: to, width: width, feature: feature}
		if err := b.build(); err != nil {
			return nil, nil, fmt.Errorf("tree %d: %w", c.tree[from], err)
		}
		e.Trees = append(e.Trees, b.tree)
		from = to
	}
	e.Features = make([]models.Feature, len(used))
	return e, used, nil
}

// used numbers the inputs that nodes test, in ascending order.
func (c *onnxNodes) used(number map[int64]int32) ([]int, error) {
	var used []int
	for i, f := range c.feature {
		if c.mode[i] == "LEAF" {
			continue
		}
		if f < 0 || f >= maxElements {
			return nil, fmt.Errorf("%w: a tree tests input %d", ErrCorrupt, f)
		}
		if _, ok := number[f]; !ok {
			number[f] = 0
			used = append(used, int(f))
		}
	}
	slices.Sort(used)
	for i, f := range used {
		number[int64(f)] = int32(i)
	}
	return used, nil
}

// treeOutputs is the one output each tree votes for, nil if some tree votes for
// several: then each leaf takes room for all outputs, which the votes must justify.
func (v *onnxVotes) treeOutputs(c *onnxNodes, outputs int) ([]int32, error) {
	if outputs == 1 {
		return nil, nil
	}
	of, single := map[int64]int64{}, true
	for i, tree := range v.tree {
		if first, ok := of[tree]; ok && first != v.output[i] {
			single = false
		}
		of[tree] = v.output[i]
	}
	if !single {
		if leaves := len(c.tree)/2 + 1; leaves > (16*len(v.tree)+1<<12)/outputs {
			return nil, fmt.Errorf("%w: %d leaves of %d outputs with %d votes", ErrUnsupported, leaves, outputs, len(v.tree))
		}
		return nil, nil
	}
	var list []int32
	for i, tree := range c.tree {
		if i == 0 || c.tree[i-1] != tree {
			list = append(list, int32(of[tree]))
		}
	}
	return list, nil
}

// onnxTreeBuilder converts the nodes from..to-1 of the columns.
type onnxTreeBuilder struct {
	columns  *onnxNodes
	v        *onnxVotes
	votes    map[onnxPlace][]int
	from, to int
	width    int             // values per leaf
	feature  map[int64]int32 // number of an input among those used
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
	b.tree.Leaf = append(b.tree.Leaf, make([]float64, b.width)...)
	for _, k := range b.votes[onnxPlace{b.columns.tree[i], b.columns.id[i]}] {
		sum := &b.tree.Leaf[at]
		if b.width > 1 {
			sum = &b.tree.Leaf[at+int(b.v.output[k])]
		}
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
	t.Feature = append(t.Feature, b.feature[c.feature[i]])
	t.Threshold = append(t.Threshold, c.value[i])
	t.Flags = append(t.Flags, flags)
	t.Left, t.Right = append(t.Left, left), append(t.Right, right)
	return nil
}

// treeScores evaluates an ensemble on the rows of a tensor.
type treeScores struct {
	scorer *models.Scorer
	used   []int // the columns that the ensemble reads
}

func newTreeScores(c *onnxNodes, v *onnxVotes, outputs int) (*treeScores, error) {
	e, used, err := onnxEnsemble(c, v, outputs)
	if err != nil {
		return nil, err
	}
	s, err := models.NewScorer(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &treeScores{scorer: s, used: used}, nil
}

// rows calls visit with the raw scores of each row.
func (s *treeScores) rows(a *arena, t *tensor, visit func(row int, raw []float64)) error {
	if err := t.numeric(); err != nil {
		return err
	}
	n, width := t.rows()
	if last := len(s.used) - 1; last >= 0 && s.used[last] >= width {
		return fmt.Errorf("%w: trees test input %d of %d", ErrCorrupt, s.used[last], width)
	}
	raw, row := a.numbers.take(s.scorer.Ensemble().Outputs), a.numbers.take(len(s.used))
	for i := range n {
		for k, column := range s.used {
			row[k] = t.num[i*width+column]
		}
		s.scorer.Raw(row, raw)
		visit(i, raw)
	}
	return nil
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
	return func(a *arena, in []*tensor) ([]*tensor, error) {
		rows, _ := in[0].rows()
		out, err := a.newTensor(elemFloat, rows, targets)
		if err != nil {
			return nil, err
		}
		err = s.rows(a, in[0], func(row int, raw []float64) {
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
		return a.list(out), err
	}, nil
}
