package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/models"
)

// Bits of LightGBM's decision_type (include/LightGBM/tree.h).
const (
	lgbCategorical = 1
	lgbDefaultLeft = 2
	lgbMissingZero = 1 << 2
	lgbMissingNaN  = 2 << 2
)

// lgbTree builds one tree from its section.
func lgbTree(f section, h *lgbHeader) (models.Tree, error) {
	var t models.Tree
	leaves, err := f.count("num_leaves")
	if err != nil {
		return t, err
	}
	if leaves < 1 {
		return t, fmt.Errorf("%w: num_leaves=0", ErrCorrupt)
	}
	if t.Leaf, err = f.floats("leaf_value", leaves); err != nil {
		return t, err
	}
	if err := lgbNodes(&t, f, leaves-1); err != nil {
		return t, err
	}
	if err := lgbCategories(&t, f, h); err != nil {
		return t, err
	}
	if err := lgbCover(&t, f); err != nil {
		return t, err
	}
	if string(f["is_linear"]) == "1" {
		err = lgbLinear(&t, f)
	}
	return t, err
}

func lgbNodes(t *models.Tree, f section, nodes int) (err error) {
	if nodes == 0 {
		return nil
	}
	if t.Feature, err = f.ints("split_feature", nodes); err != nil {
		return err
	}
	if t.Threshold, err = f.floats("threshold", nodes); err != nil {
		return err
	}
	if t.Left, err = f.ints("left_child", nodes); err != nil {
		return err
	}
	if t.Right, err = f.ints("right_child", nodes); err != nil {
		return err
	}
	types, err := f.ints("decision_type", nodes)
	if err != nil {
		return err
	}
	t.Flags = make([]uint8, nodes)
	for i, d := range types {
		if t.Flags[i], err = lgbFlags(d); err != nil {
			return err
		}
	}
	return nil
}

func lgbFlags(d int32) (uint8, error) {
	if d < 0 || d > lgbMissingNaN|lgbDefaultLeft|lgbCategorical {
		return 0, fmt.Errorf("%w: decision_type %d", ErrCorrupt, d)
	}
	if d&lgbCategorical != 0 {
		return models.NodeCategorical, nil // NaN and unknown codes go right, whatever the missing type
	}
	var flags uint8
	switch {
	case d&lgbMissingNaN != 0:
		flags = models.NodeMissingNaN
	case d&lgbMissingZero != 0:
		flags = models.NodeMissingZero
	}
	if d&lgbDefaultLeft != 0 {
		flags |= models.NodeDefaultLeft
	}
	return flags, nil
}

// lgbCategories reads the bit sets; a categorical node's threshold is the number of its set.
func lgbCategories(t *models.Tree, f section, h *lgbHeader) error {
	sets, err := f.count("num_cat")
	if err != nil {
		return err
	}
	if sets == 0 {
		return noCategories(t)
	}
	bounds, err := f.ints("cat_boundaries", sets+1)
	if err != nil {
		return err
	}
	words := countWords(f["cat_threshold"])
	bits, err := f.ints("cat_threshold", words)
	if err != nil {
		return err
	}
	t.CatBits = make([]uint32, words)
	for i, b := range bits {
		t.CatBits[i] = uint32(b)
	}
	t.CatOffset, t.CatWords = make([]int32, t.Nodes()), make([]int32, t.Nodes())
	for i := range t.Nodes() {
		if t.Flags[i]&models.NodeCategorical == 0 {
			continue
		}
		set, err := number(t.Threshold[i]).whole(sets - 1)
		if err != nil {
			return fmt.Errorf("category set of node %d: %w", i, err)
		}
		t.CatOffset[i], t.CatWords[i] = bounds[set], bounds[set+1]-bounds[set]
		h.categories[t.Feature[i]] = true
	}
	return nil
}

func noCategories(t *models.Tree) error {
	for i, flags := range t.Flags {
		if flags&models.NodeCategorical != 0 {
			return fmt.Errorf("%w: node %d is categorical and num_cat is 0", ErrCorrupt, i)
		}
	}
	return nil
}

// lgbCover takes the row counts, which LightGBM's SHAP values are weighted with.
func lgbCover(t *models.Tree, f section) error {
	if t.Nodes() == 0 || f["internal_count"] == nil || f["leaf_count"] == nil {
		return nil
	}
	nodes, err := f.floats("internal_count", t.Nodes())
	if err != nil {
		return err
	}
	leaves, err := f.floats("leaf_count", t.Leaves())
	if err != nil {
		return err
	}
	t.Cover = slices.Concat(nodes, leaves)
	return nil
}

// lgbLinear reads the linear functions of the leaves.
func lgbLinear(t *models.Tree, f section) error {
	constants, err := f.floats("leaf_const", t.Leaves())
	if err != nil {
		return err
	}
	counts, err := f.ints("num_features", t.Leaves())
	if err != nil {
		return err
	}
	total := countWords(f["leaf_features"])
	features, err := f.ints("leaf_features", total)
	if err != nil {
		return err
	}
	coeffs, err := f.floats("leaf_coeff", total)
	if err != nil {
		return err
	}
	t.Linear = make([]models.LinearLeaf, t.Leaves())
	for i, n := range counts {
		if n < 0 || int(n) > len(features) {
			return fmt.Errorf("%w: leaf %d has %d features", ErrCorrupt, i, n)
		}
		t.Linear[i] = models.LinearLeaf{Const: constants[i], Features: features[:n], Coeffs: coeffs[:n]}
		features, coeffs = features[n:], coeffs[n:]
	}
	return nil
}

// build links the trees by the header's objective.
func (h *lgbHeader) build(format Format, trees []models.Tree) (*Model, error) {
	if len(trees)%h.perRound != 0 {
		return nil, fmt.Errorf("%w: %d trees, %d per iteration", ErrCorrupt, len(trees), h.perRound)
	}
	e := &models.Ensemble{Trees: trees, Outputs: h.perRound, Features: h.inputs()}
	if h.average && len(trees) > 0 {
		e.Average = 1 / float64(len(trees)/h.perRound)
	}
	if err := h.link(e); err != nil {
		return nil, err
	}
	p, err := newTreeProgram(e, h.perRound)
	if err != nil {
		return nil, err
	}
	return p.model(format), nil
}

// inputs names the features. The levels of pandas belong to the categorical ones
// in order; they are known only if as many features were split on.
func (h *lgbHeader) inputs() []models.Feature {
	features := make([]models.Feature, h.features)
	next := 0
	for i, name := range h.names {
		features[i].Name = name
		if !h.categories[int32(i)] {
			continue
		}
		features[i].Type = models.Category
		if len(h.pandas) == len(h.categories) {
			features[i].Levels = h.pandas[next]
			next++
		}
	}
	return features
}

// link reads the objective, e.g. "binary sigmoid:2".
func (h *lgbHeader) link(e *models.Ensemble) error {
	words := strings.Fields(h.objective)
	if len(words) == 0 {
		return nil // a custom objective: predictions are raw
	}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, ":")
		switch key {
		case "sigmoid":
			scale, err := strconv.ParseFloat(value, 64)
			if err != nil || !(scale > 0) {
				return fmt.Errorf("%w: objective %q", ErrCorrupt, h.objective)
			}
			e.Scale = scale
		case "sqrt":
			e.Link = models.LinkSignedSquare
		}
	}
	switch words[0] {
	case "binary", "multiclassova", "cross_entropy":
		e.Link = models.LinkLogistic
	case "multiclass":
		e.Link = models.LinkSoftmax
	case "poisson", "gamma", "tweedie":
		e.Link = models.LinkExp
	case "cross_entropy_lambda":
		e.Link = models.LinkSoftplus
	case "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom":
	default:
		return fmt.Errorf("%w: LightGBM objective %q", ErrUnsupported, words[0])
	}
	return nil
}
