package foreign

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/rebound-engine/rebound/models"
)

// catFile is the JSON that CatBoost's save_model(format="json") writes.
type catFile struct {
	Info struct {
		Params struct {
			Loss struct {
				Type string `json:"type"`
			} `json:"loss_function"`
		} `json:"params"`
	} `json:"model_info"`
	Features struct {
		Float []catFloat    `json:"float_features"`
		Cat   []catCategory `json:"categorical_features"`
		Ctrs  []catCtr      `json:"ctrs"`
		Hash  []catHash     `json:"cat_features_hash"`
		Text  []skipped     `json:"text_features"`
		Embed []skipped     `json:"embedding_features"`
	} `json:"features_info"`
	Oblivious []catOblivious         `json:"oblivious_trees"`
	Trees     []*catNode             `json:"trees"`
	Scale     []json.RawMessage      `json:"scale_and_bias"`
	Data      map[string]catCtrTable `json:"ctr_data"`
}

type catFloat struct {
	Borders []float64 `json:"borders"`
	ID      string    `json:"feature_id"`
	Index   int       `json:"feature_index"`
	Flat    int       `json:"flat_feature_index"`
	NaN     string    `json:"nan_value_treatment"`
}

type catCategory struct {
	ID     string  `json:"feature_id"`
	Index  int     `json:"feature_index"`
	Flat   int     `json:"flat_feature_index"`
	Values []int32 `json:"values"` // of one-hot splits
}

type catHash struct {
	Hash  uint32          `json:"hash"`
	Value json.RawMessage `json:"value"`
}

type catOblivious struct {
	Splits  []catSplit `json:"splits"`
	Leaf    []float64  `json:"leaf_values"`
	Weights []float64  `json:"leaf_weights"`
}

type catSplit struct {
	Type   string  `json:"split_type"`
	Border float64 `json:"border"`
	Float  int     `json:"float_feature_index"`
	Cat    int     `json:"cat_feature_index"`
	Value  int32   `json:"value"`
	Index  int     `json:"split_index"`
}

// catNode is a node of a non-symmetric tree.
type catNode struct {
	Left   *catNode  `json:"left"`
	Right  *catNode  `json:"right"`
	Split  *catSplit `json:"split"`
	Value  catValues `json:"value"`
	Weight float64   `json:"weight"`
}

// catValues is one number or a list of them.
type catValues []float64

func (v *catValues) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]float64)(v))
	}
	var one float64
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*v = catValues{one}
	return nil
}

// catReader converts one file.
type catReader struct {
	file     catFile
	ensemble *models.Ensemble
	floats   map[int]catFloat // by feature_index
	cats     map[int]catCategory
	firstCtr int // the ensemble feature of ctr 0
	bins     []int
	width    int
	scale    float64
}

// readCatBoost reads a CatBoost JSON model, symmetric or not.
func readCatBoost(data []byte) (*Model, error) {
	r := &catReader{}
	if err := decodeJSON(data, &r.file); err != nil {
		return nil, err
	}
	f := &r.file
	if len(f.Features.Text)+len(f.Features.Embed) > 0 {
		return nil, fmt.Errorf("%w: CatBoost text or embedding features", ErrUnsupported)
	}
	base, err := r.scaleAndBias()
	if err != nil {
		return nil, err
	}
	features, err := r.inputs()
	if err != nil {
		return nil, err
	}
	r.width = len(base)
	r.ensemble = &models.Ensemble{
		Features: r.withCtrs(features), Outputs: r.width, VectorLeaves: r.width > 1, Base: base, Float32: true,
	}
	both, err := r.link()
	if err != nil {
		return nil, err
	}
	if err := r.trees(); err != nil {
		return nil, err
	}
	return r.compile(features, both)
}

func (r *catReader) compile(features []models.Feature, both bool) (*Model, error) {
	var extend *catExtender
	if len(r.cats)+len(r.file.Features.Ctrs) > 0 {
		var err error
		if extend, err = newCatExtender(r, len(features)); err != nil {
			return nil, err
		}
		r.ensemble.Float32 = false // the extender rounds numbers; hashes need all their bits
	}
	p, err := newTreeProgram(r.ensemble, 1)
	if err != nil {
		return nil, err
	}
	p.bothClasses = both
	if extend != nil {
		p.extend = extend.extend
	}
	m := p.model(CatBoostJSON)
	m.features = features
	return m, nil
}

func (r *catReader) scaleAndBias() ([]float64, error) {
	r.scale = 1
	if len(r.file.Scale) == 0 {
		return []float64{0}, nil
	}
	if len(r.file.Scale) != 2 {
		return nil, fmt.Errorf("%w: scale_and_bias has %d entries", ErrCorrupt, len(r.file.Scale))
	}
	var bias catValues
	if err := decodeJSON(r.file.Scale[0], &r.scale); err != nil {
		return nil, fmt.Errorf("scale_and_bias: %w", err)
	}
	if err := decodeJSON(r.file.Scale[1], &bias); err != nil {
		return nil, fmt.Errorf("scale_and_bias: %w", err)
	}
	if len(bias) == 0 {
		bias = catValues{0}
	}
	return bias, nil
}

// inputs places the features at their flat index.
func (r *catReader) inputs() ([]models.Feature, error) {
	f := &r.file.Features
	features := make([]models.Feature, len(f.Float)+len(f.Cat))
	named := make([]bool, len(features))
	place := func(flat int, id string) (*models.Feature, error) {
		if flat < 0 || flat >= len(features) || named[flat] {
			return nil, fmt.Errorf("%w: flat_feature_index %d of %d features is out of range or repeated", ErrCorrupt, flat, len(features))
		}
		named[flat] = true
		features[flat].Name = id
		if id == "" {
			features[flat].Name = strconv.Itoa(flat)
		}
		return &features[flat], nil
	}
	r.floats, r.cats = map[int]catFloat{}, map[int]catCategory{}
	for _, x := range f.Float {
		if _, err := place(x.Flat, x.ID); err != nil {
			return nil, err
		}
		r.floats[x.Index] = x
	}
	levels, err := r.levels()
	if err != nil {
		return nil, err
	}
	for _, x := range f.Cat {
		feature, err := place(x.Flat, x.ID)
		if err != nil {
			return nil, err
		}
		feature.Type, feature.Levels = models.Category, levels
		r.cats[x.Index] = x
	}
	return features, nil
}

// levels are all known category values; CatBoost keeps one list for all features.
func (r *catReader) levels() ([]string, error) {
	f := &r.file.Features
	if len(f.Cat) > 0 && len(f.Hash) == 0 {
		return nil, fmt.Errorf("%w: CatBoost categories without cat_features_hash; save with model.save_model(\"model.json\", format=\"json\", pool=pool)", ErrUnsupported)
	}
	levels := make([]string, len(f.Hash))
	for i, h := range f.Hash {
		if json.Unmarshal(h.Value, &levels[i]) != nil {
			levels[i] = string(h.Value)
		}
	}
	return levels, nil
}

// withCtrs appends one ensemble feature per target statistic.
func (r *catReader) withCtrs(features []models.Feature) []models.Feature {
	r.firstCtr = len(features)
	all := append([]models.Feature(nil), features...)
	for i, c := range r.file.Features.Ctrs {
		all = append(all, models.Feature{Name: "ctr_" + strconv.Itoa(i) + "_" + c.Type})
	}
	return all
}

// link reads the loss; both says that predict gives two probabilities.
func (r *catReader) link() (both bool, err error) {
	e := r.ensemble
	switch loss := r.file.Info.Params.Loss.Type; loss {
	case "Logloss", "CrossEntropy":
		e.Link, both = models.LinkLogistic, r.width == 1
	case "MultiClass":
		e.Link = models.LinkSoftmax
	case "MultiClassOneVsAll", "MultiLogloss", "MultiCrossEntropy":
		e.Link = models.LinkLogistic
	case "Poisson", "Tweedie":
		e.Link = models.LinkExp
	case "RMSE", "MAE", "Quantile", "MAPE", "Huber", "Lq", "Expectile", "LogLinQuantile", "MultiRMSE", "MultiQuantile",
		"YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE", "QuerySoftMax", "StochasticRank":
	default:
		return false, fmt.Errorf("%w: CatBoost loss %q", ErrUnsupported, loss)
	}
	return both, nil
}

// finite refuses borders and leaves that are NaN.
func finite(v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%w: number %v", ErrCorrupt, v)
	}
	return nil
}
