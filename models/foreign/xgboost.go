package foreign

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/models"
)

// xgbFile is the document of XGBoost (doc/model.schema), as far as prediction needs it.
type xgbFile struct {
	Learner struct {
		Attributes   map[string]string `json:"attributes"`
		FeatureNames []string          `json:"feature_names"`
		FeatureTypes []string          `json:"feature_types"`
		Booster      xgbBooster        `json:"gradient_booster"`
		Param        struct {
			BaseScore  xgbScores `json:"base_score"`
			NumClass   number    `json:"num_class"`
			NumFeature number    `json:"num_feature"`
			NumTarget  number    `json:"num_target"`
		} `json:"learner_model_param"`
		Objective struct {
			Name string `json:"name"`
		} `json:"objective"`
	} `json:"learner"`
}

type xgbBooster struct {
	Name       string    `json:"name"`
	Model      xgbModel  `json:"model"`
	GBTree     xgbNested `json:"gbtree"` // of dart
	WeightDrop []float32 `json:"weight_drop"`
}

type xgbNested struct {
	Model xgbModel `json:"model"`
}

type xgbModel struct {
	Param struct {
		Parallel number `json:"num_parallel_tree"`
		Trees    number `json:"num_trees"`
	} `json:"gbtree_model_param"`
	RoundStart []int32   `json:"iteration_indptr"`
	TreeInfo   []int32   `json:"tree_info"`
	Trees      []xgbTree `json:"trees"`
	Weights    []float32 `json:"weights"` // of gblinear
	Cats       struct {
		Levels []xgbLevels `json:"enc"`
	} `json:"cats"`
}

// xgbLevels are the levels of one feature: strings as offsets into bytes, or
// numbers; empty for numeric features and for categories given as codes.
type xgbLevels struct {
	Offsets []int32       `json:"offsets"`
	Values  []json.Number `json:"values"`
}

// names lists the levels in the order of their codes.
func (l *xgbLevels) names() ([]string, error) {
	if len(l.Offsets) == 0 {
		return l.numbers(), nil
	}
	text := make([]byte, len(l.Values))
	for i, v := range l.Values {
		b, err := strconv.ParseInt(v.String(), 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%w: category name byte %.20q", ErrCorrupt, v)
		}
		text[i] = byte(b)
	}
	names := make([]string, len(l.Offsets)-1)
	for i := range names {
		from, to := l.Offsets[i], l.Offsets[i+1]
		if from < 0 || from > to || int(to) > len(text) {
			return nil, fmt.Errorf("%w: category name %d..%d of %d bytes", ErrCorrupt, from, to, len(text))
		}
		names[i] = string(text[from:to])
	}
	return names, nil
}

// numbers are the levels as text; nil if level k is k: then levels are their own codes.
func (l *xgbLevels) numbers() []string {
	names, same := make([]string, len(l.Values)), true
	for i, v := range l.Values {
		names[i] = v.String()
		same = same && names[i] == strconv.Itoa(i)
	}
	if same {
		return nil
	}
	return names
}

// addLevels names the levels of categorical features.
func addLevels(features []models.Feature, levels []xgbLevels) error {
	if len(levels) > len(features) {
		return fmt.Errorf("%w: levels of %d features, there are %d", ErrCorrupt, len(levels), len(features))
	}
	for i := range levels {
		names, err := levels[i].names()
		if err != nil {
			return err
		}
		if len(levels[i].Values) > 0 {
			features[i].Type, features[i].Levels = models.Category, names
		}
	}
	return nil
}

// xgbScores is base_score: a number, or a list of them in quotes.
type xgbScores []float32

func (s *xgbScores) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	for word := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(word), 32)
		if err != nil {
			return fmt.Errorf("base_score %.40q is not a number", word)
		}
		*s = append(*s, float32(v))
	}
	return nil
}

// readXGBoostJSON reads the JSON that Booster.save_model writes (1.0 and later).
func readXGBoostJSON(data []byte, format Format) (*Model, error) {
	var f xgbFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, jsonError(err)
	}
	features, err := f.features()
	if err != nil {
		return nil, err
	}
	l, err := xgbLinkOf(f.Learner.Objective.Name)
	if err != nil {
		return nil, err
	}
	outputs, err := f.outputs()
	if err != nil {
		return nil, err
	}
	base, err := f.base(l, outputs)
	if err != nil {
		return nil, err
	}
	e := &models.Ensemble{
		Features: features, Outputs: outputs, Base: base, Link: l.link, Float32: true, Float32Sum: true,
	}
	switch b := &f.Learner.Booster; b.Name {
	case "gbtree":
		if err := addLevels(e.Features, b.Model.Cats.Levels); err != nil {
			return nil, err
		}
		return b.Model.ensemble(e, nil, f.bestRounds(), format)
	case "dart":
		if err := addLevels(e.Features, b.GBTree.Model.Cats.Levels); err != nil {
			return nil, err
		}
		return b.GBTree.Model.ensemble(e, b.WeightDrop, f.bestRounds(), format)
	case "gblinear":
		return xgbLinear(e, b.Model.Weights, format)
	default:
		return nil, fmt.Errorf("%w: XGBoost booster %q", ErrUnsupported, b.Name)
	}
}

// maxInputs bounds the inputs of a file that does not name them.
const maxInputs = 1 << 13

func (f *xgbFile) features() ([]models.Feature, error) {
	l := &f.Learner
	n, err := l.Param.NumFeature.whole(1<<31 - 1)
	if err != nil {
		return nil, fmt.Errorf("num_feature: %w", err)
	}
	if named := len(l.FeatureNames); named != n && (named != 0 || n > maxInputs) {
		return nil, fmt.Errorf("%w: num_feature is %d, %d are named", ErrCorrupt, n, named)
	}
	features := make([]models.Feature, n)
	for i := range features {
		features[i].Name = "f" + strconv.Itoa(i)
		if len(l.FeatureNames) > 0 {
			features[i].Name = l.FeatureNames[i]
		}
		if i < len(l.FeatureTypes) && l.FeatureTypes[i] == "c" {
			features[i].Type = models.Category
		}
	}
	return features, nil
}

func (f *xgbFile) outputs() (int, error) {
	const limit = 1 << 16
	classes, err := f.Learner.Param.NumClass.whole(limit)
	if err != nil {
		return 0, fmt.Errorf("num_class: %w", err)
	}
	targets, err := f.Learner.Param.NumTarget.whole(limit)
	if err != nil {
		return 0, fmt.Errorf("num_target: %w", err)
	}
	return max(1, classes, targets), nil
}

// xgbObjective is how an objective treats raw scores and the base score.
type xgbObjective struct {
	link   models.Link
	margin func(float32) float32 // base_score to raw
}

func xgbLinkOf(name string) (xgbObjective, error) {
	same := func(v float32) float32 { return v }
	logit := func(p float32) float32 { return float32(-math.Log(float64(1/p - 1))) }
	log := func(v float32) float32 { return float32(math.Log(float64(v))) }
	switch name {
	case "binary:logistic", "reg:logistic":
		return xgbObjective{models.LinkLogistic, logit}, nil
	case "binary:hinge":
		return xgbObjective{models.LinkHinge, same}, nil
	case "multi:softprob":
		return xgbObjective{models.LinkSoftmax, same}, nil
	case "multi:softmax":
		return xgbObjective{models.LinkArgmax, same}, nil
	case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
		return xgbObjective{models.LinkExp, log}, nil
	case "binary:logitraw", "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:absoluteerror",
		"reg:pseudohubererror", "reg:quantileerror", "rank:pairwise", "rank:ndcg", "rank:map":
		return xgbObjective{models.LinkIdentity, same}, nil
	default:
		return xgbObjective{}, fmt.Errorf("%w: XGBoost objective %q", ErrUnsupported, name)
	}
}

// base is the start of the raw score; one score serves all outputs.
func (f *xgbFile) base(o xgbObjective, outputs int) ([]float64, error) {
	scores := f.Learner.Param.BaseScore
	if len(scores) != 1 && len(scores) != outputs {
		return nil, fmt.Errorf("%w: %d base scores for %d outputs", ErrCorrupt, len(scores), outputs)
	}
	base := make([]float64, outputs)
	for k := range base {
		base[k] = float64(o.margin(scores[min(k, len(scores)-1)]))
		if math.IsNaN(base[k]) || math.IsInf(base[k], 0) {
			return nil, fmt.Errorf("%w: base_score %v has no raw score under %s", ErrCorrupt, scores, f.Learner.Objective.Name)
		}
	}
	return base, nil
}

// bestRounds is the number of rounds to predict with, -1 for all.
func (f *xgbFile) bestRounds() int {
	best, err := strconv.Atoi(f.Learner.Attributes["best_iteration"])
	if err != nil || best < 0 {
		return -1
	}
	return best + 1
}

// ensemble fills e from the trees of the first rounds.
func (m *xgbModel) ensemble(e *models.Ensemble, weights []float32, rounds int, format Format) (*Model, error) {
	if len(m.TreeInfo) != len(m.Trees) {
		return nil, fmt.Errorf("%w: tree_info of %d for %d trees", ErrCorrupt, len(m.TreeInfo), len(m.Trees))
	}
	if weights != nil && len(weights) != len(m.Trees) {
		return nil, fmt.Errorf("%w: weight_drop of %d for %d trees", ErrCorrupt, len(weights), len(m.Trees))
	}
	perRound := m.perRound(e.Outputs)
	used := len(m.Trees)
	if rounds >= 0 {
		used = min(used, m.roundEnd(rounds, perRound))
	}
	e.Trees = make([]models.Tree, used)
	e.TreeOutput = m.TreeInfo[:used]
	e.VectorLeaves = used > 0 && m.Trees[0].Param.LeafVector > 1
	ids := make([][]int32, used)
	for i := range used {
		var err error
		if e.Trees[i], ids[i], err = m.Trees[i].tree(e); err != nil {
			return nil, fmt.Errorf("tree %d: %w", i, err)
		}
		if weights != nil {
			scaleLeaves(&e.Trees[i], weights[i])
		}
	}
	p, err := newTreeProgram(e, perRound)
	if err != nil {
		return nil, err
	}
	p.leafIDs = ids
	return p.model(format), nil
}

func (m *xgbModel) perRound(outputs int) int {
	if len(m.RoundStart) > 1 {
		return int(m.RoundStart[1])
	}
	return max(1, int(m.Param.Parallel)) * outputs
}

func (m *xgbModel) roundEnd(rounds, perRound int) int {
	if rounds < len(m.RoundStart) {
		return max(0, int(m.RoundStart[rounds]))
	}
	if rounds > len(m.Trees) {
		return len(m.Trees)
	}
	return rounds * max(1, perRound)
}

func scaleLeaves(t *models.Tree, w float32) {
	for i, v := range t.Leaf {
		t.Leaf[i] = float64(float32(v) * w)
	}
}
