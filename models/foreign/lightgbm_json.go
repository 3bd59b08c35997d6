package foreign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/models"
)

// lgbDump is the JSON that Booster.dump_model writes.
type lgbDump struct {
	NumClass      number          `json:"num_class"`
	PerRound      number          `json:"num_tree_per_iteration"`
	MaxFeature    number          `json:"max_feature_idx"`
	Objective     string          `json:"objective"`
	AverageOutput bool            `json:"average_output"`
	FeatureNames  []string        `json:"feature_names"`
	Pandas        json.RawMessage `json:"pandas_categorical"`
	Trees         []struct {
		Structure *lgbDumpNode `json:"tree_structure"`
	} `json:"tree_info"`
}

type lgbDumpNode struct {
	Feature     *number         `json:"split_feature"`
	Threshold   json.RawMessage `json:"threshold"`
	Decision    string          `json:"decision_type"`
	DefaultLeft bool            `json:"default_left"`
	Missing     string          `json:"missing_type"`
	Count       number          `json:"internal_count"`
	Left        *lgbDumpNode    `json:"left_child"`
	Right       *lgbDumpNode    `json:"right_child"`

	LeafIndex    int       `json:"leaf_index"`
	LeafValue    *number   `json:"leaf_value"`
	LeafCount    number    `json:"leaf_count"`
	LeafConst    *float64  `json:"leaf_const"`
	LeafFeatures []int32   `json:"leaf_features"`
	LeafCoeff    []float64 `json:"leaf_coeff"`
}

// readLightGBMJSON reads a dump. It lacks nothing that prediction needs.
func readLightGBMJSON(data []byte) (*Model, error) {
	var d lgbDump
	if err := decodeJSON(data, &d); err != nil {
		return nil, err
	}
	h := &lgbHeader{
		objective: d.Objective, average: d.AverageOutput, names: d.FeatureNames,
		features: int(d.MaxFeature) + 1, perRound: int(d.PerRound), classes: int(d.NumClass),
		categories: map[int32]bool{},
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	if d.Pandas != nil {
		if err := h.setPandas(d.Pandas); err != nil {
			return nil, err
		}
	}
	trees := make([]models.Tree, len(d.Trees))
	for i, info := range d.Trees {
		b := lgbDumpTree{header: h}
		if err := b.build(info.Structure); err != nil {
			return nil, fmt.Errorf("tree %d: %w", i, err)
		}
		trees[i] = b.tree
	}
	return h.build(LightGBMJSON, trees)
}

// lgbDumpTree flattens the nested nodes of one tree.
type lgbDumpTree struct {
	header *lgbHeader
	tree   models.Tree
	nodes  []float64 // counts
	leaves []*lgbDumpNode
}

func (b *lgbDumpTree) build(root *lgbDumpNode) error {
	if root == nil {
		return fmt.Errorf("%w: no tree_structure", ErrCorrupt)
	}
	if _, err := b.add(root); err != nil {
		return err
	}
	t := &b.tree
	n := len(b.leaves)
	t.Leaf = make([]float64, n)
	counts := make([]float64, n)
	linear := make([]models.LinearLeaf, n)
	anyLinear := false
	for i, leaf := range b.leaves {
		t.Leaf[i], counts[i] = float64(*leaf.LeafValue), float64(leaf.LeafCount)
		if leaf.LeafConst != nil {
			anyLinear = true
			linear[i] = models.LinearLeaf{Const: *leaf.LeafConst, Features: leaf.LeafFeatures, Coeffs: leaf.LeafCoeff}
		}
	}
	if n > 1 {
		t.Cover = slices.Concat(b.nodes, counts)
	}
	if anyLinear {
		t.Linear = linear
	}
	return b.renumber()
}

// renumber gives the leaves the numbers of the dump.
func (b *lgbDumpTree) renumber() error {
	t, n := &b.tree, len(b.leaves)
	old := *t
	t.Leaf, t.Cover = make([]float64, n), append([]float64(nil), old.Cover...)
	if old.Linear != nil {
		t.Linear = make([]models.LinearLeaf, n)
	}
	used := make([]bool, n)
	for i, leaf := range b.leaves {
		at := leaf.LeafIndex
		if at < 0 || at >= n || used[at] {
			return fmt.Errorf("%w: leaf_index %d of %d leaves is out of range or repeated", ErrCorrupt, at, n)
		}
		used[at] = true
		t.Leaf[at] = old.Leaf[i]
		if old.Cover != nil {
			t.Cover[n-1+at] = old.Cover[n-1+i]
		}
		if old.Linear != nil {
			t.Linear[at] = old.Linear[i]
		}
	}
	for _, children := range [2][]int32{t.Left, t.Right} {
		for i, c := range children {
			if c < 0 {
				children[i] = ^int32(b.leaves[^c].LeafIndex)
			}
		}
	}
	return nil
}

func (b *lgbDumpTree) add(n *lgbDumpNode) (int32, error) {
	if n.Feature == nil {
		if n.LeafValue == nil || n.Left != nil || n.Right != nil {
			return 0, fmt.Errorf("%w: a node is neither split nor leaf", ErrCorrupt)
		}
		b.leaves = append(b.leaves, n)
		return ^int32(len(b.leaves) - 1), nil
	}
	if n.Left == nil || n.Right == nil {
		return 0, fmt.Errorf("%w: a split lacks a child", ErrCorrupt)
	}
	at, err := b.addSplit(n)
	if err != nil {
		return 0, err
	}
	left, err := b.add(n.Left)
	if err != nil {
		return 0, err
	}
	right, err := b.add(n.Right)
	b.tree.Left[at], b.tree.Right[at] = left, right
	return at, err
}

func (b *lgbDumpTree) addSplit(n *lgbDumpNode) (int32, error) {
	feature, err := n.Feature.whole(b.header.features - 1)
	if err != nil {
		return 0, fmt.Errorf("split_feature: %w", err)
	}
	t := &b.tree
	t.Feature = append(t.Feature, int32(feature))
	t.Left, t.Right = append(t.Left, 0), append(t.Right, 0)
	t.CatOffset = append(t.CatOffset, int32(len(t.CatBits)))
	b.nodes = append(b.nodes, float64(n.Count))
	flags, threshold, words := uint8(0), number(0), 0
	switch n.Decision {
	case "<=":
		flags, err = n.numericFlags()
		if err == nil {
			err = threshold.UnmarshalJSON(n.Threshold)
		}
	case "==":
		flags = models.NodeCategorical
		b.header.categories[int32(feature)] = true
		words, err = b.addCategories(n.Threshold)
	default:
		err = fmt.Errorf("decision_type %q", n.Decision)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	t.Flags = append(t.Flags, flags)
	t.Threshold = append(t.Threshold, float64(threshold))
	t.CatWords = append(t.CatWords, int32(words))
	return int32(len(t.Feature) - 1), nil
}

func (n *lgbDumpNode) numericFlags() (uint8, error) {
	var flags uint8
	switch n.Missing {
	case "None":
	case "Zero":
		flags = models.NodeMissingZero
	case "NaN":
		flags = models.NodeMissingNaN
	default:
		return 0, fmt.Errorf("missing_type %q", n.Missing)
	}
	if n.DefaultLeft {
		flags |= models.NodeDefaultLeft
	}
	return flags, nil
}

// maxCategory bounds the codes of one set, so that a file cannot claim a huge bit set.
const maxCategory = 1 << 16

// addCategories reads "0||3||17" into a bit set and returns its words.
func (b *lgbDumpTree) addCategories(text json.RawMessage) (int, error) {
	t := &b.tree
	from := len(t.CatBits)
	for code := range strings.SplitSeq(strings.Trim(string(text), `"`), "||") {
		k, err := strconv.Atoi(code)
		if err != nil || k < 0 || k > maxCategory {
			return 0, fmt.Errorf("category %.40q", code)
		}
		for len(t.CatBits)-from <= k>>5 {
			t.CatBits = append(t.CatBits, 0)
		}
		t.CatBits[from+k>>5] |= 1 << (k & 31)
	}
	return len(t.CatBits) - from, nil
}
