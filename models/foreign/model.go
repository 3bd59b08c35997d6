// Package foreign reads models that other libraries trained and runs them in
// pure Go: LightGBM text and JSON dumps, XGBoost JSON and UBJSON, CatBoost JSON
// and ONNX. A model that opens predicts what its own library predicts, within
// the tolerances of Tolerance.
//
// It owns the file formats and their numerical conventions. It refuses to know
// offers, policies and how a prediction is used, runs no code from a file, and
// refuses at load, by name, whatever it cannot run exactly.
package foreign

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rebound-engine/rebound/models"
)

// Errors that callers branch on. Every error of Open wraps one of them.
var (
	// ErrUnsupported marks a sound file that asks for something not implemented.
	ErrUnsupported = errors.New("unsupported")
	// ErrCorrupt marks a file that breaks its own format.
	ErrCorrupt = errors.New("corrupt model file")
	// ErrNotProvided marks an answer that this kind of model does not have.
	ErrNotProvided = errors.New("not provided by this model")
)

// Format names a file format.
type Format string

// The formats that Open reads.
const (
	LightGBMText  Format = "lightgbm-text"
	LightGBMJSON  Format = "lightgbm-json"
	XGBoostJSON   Format = "xgboost-json"
	XGBoostUBJSON Format = "xgboost-ubjson"
	CatBoostJSON  Format = "catboost-json"
	ONNX          Format = "onnx"
)

// Model is one model from a file. It is immutable and safe for concurrent use.
//
// A row has one value per feature: a number, NaN for missing, or for a category
// its code: the index into Feature.Levels where the file names the levels, the
// code used in training where it does not.
type Model struct {
	format   Format
	features []models.Feature
	outputs  []string
	levels   levelIndex
	program  program
}

// program is what a file compiles to.
type program interface {
	rawOutputs() int // 0 if the model has no raw score
	raw(row, out []float64) error
	predict(row, out []float64) error
}

// Format is the format of the file.
func (m *Model) Format() Format { return m.format }

// Features are the inputs in row order. The result must not be changed.
func (m *Model) Features() []models.Feature { return m.features }

// Outputs names what Predict fills, in order: "pred" or "pred_0", "pred_1"… for
// the tree libraries, the graph's outputs for ONNX ("label", "probabilities_0"…).
func (m *Model) Outputs() []string { return slices.Clone(m.outputs) }

// RawOutputs is the number of values Raw fills; 0 if the model has no raw score.
func (m *Model) RawOutputs() int { return m.program.rawOutputs() }

// Predict fills out with what the library's own predict gives for row, in the
// order of Outputs.
func (m *Model) Predict(row, out []float64) error {
	if err := m.fits(row, len(out), len(m.outputs)); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	return m.program.predict(row, out)
}

// Raw fills out with the scores before the link function (margins).
func (m *Model) Raw(row, out []float64) error {
	n := m.program.rawOutputs()
	if n == 0 {
		return fmt.Errorf("raw score of %s: %w", m.format, ErrNotProvided)
	}
	if err := m.fits(row, len(out), n); err != nil {
		return fmt.Errorf("raw score: %w", err)
	}
	return m.program.raw(row, out)
}

func (m *Model) fits(row []float64, got, want int) error {
	if len(row) != len(m.features) {
		return fmt.Errorf("row has %d values, the model reads %d", len(row), len(m.features))
	}
	if got < want {
		return fmt.Errorf("room for %d values, the model gives %d", got, want)
	}
	return nil
}

// Ensemble is the model as an ensemble whose features are those of the model,
// nil if it is more than that (ONNX graphs, linear boosters, CatBoost with
// categories). It must not be changed.
func (m *Model) Ensemble() *models.Ensemble {
	p, ok := m.program.(*treeProgram)
	if !ok || p.extend != nil || p.bothClasses {
		return nil
	}
	return p.scorer.Ensemble()
}

// Beyond says what the model is beyond a sum of trees over its features; "" if
// it is just that.
func (m *Model) Beyond() string {
	switch p := m.program.(type) {
	case *treeProgram:
		if p.extend != nil {
			return "categories are turned into target statistics or one-hot inputs before its trees"
		}
		return ""
	case *linearProgram:
		return "it is a linear booster, summed in 32 bits"
	default:
		return "it is a graph of operators"
	}
}

// Trees is the number of trees, 0 if the model has none that it shows.
func (m *Model) Trees() int {
	if p, ok := m.program.(*treeProgram); ok {
		return len(p.scorer.Ensemble().Trees)
	}
	return 0
}

// Leaves fills leaves with the leaf that row reaches in each tree, numbered as
// the library numbers them (LightGBM: leaf index, XGBoost: node id).
func (m *Model) Leaves(row []float64, leaves []int) error {
	p, err := m.trees("leaves")
	if err != nil {
		return err
	}
	if err := m.fits(row, len(leaves), m.Trees()); err != nil {
		return fmt.Errorf("leaves: %w", err)
	}
	return p.leaves(row, leaves)
}

// Contrib fills contrib, per raw output, with the SHAP value of each feature and
// last the expected value; they add up to Raw.
func (m *Model) Contrib(row, contrib []float64) error {
	p, err := m.trees("contributions")
	if err != nil {
		return err
	}
	if p.extend != nil {
		return fmt.Errorf("contributions of a model with categories of %s: %w", m.format, ErrNotProvided)
	}
	if err := m.fits(row, len(contrib), (len(m.features)+1)*m.RawOutputs()); err != nil {
		return fmt.Errorf("contributions: %w", err)
	}
	return p.contributions(row, contrib)
}

// RawRounds is Raw summed over the boosting rounds from..to-1 only; a start that
// is not part of the trees counts only if from is 0.
func (m *Model) RawRounds(row []float64, from, to int, out []float64) error {
	p, err := m.trees("rounds")
	if err != nil {
		return err
	}
	if err := m.fits(row, len(out), m.RawOutputs()); err != nil {
		return fmt.Errorf("rounds: %w", err)
	}
	from, to = from*p.perRound, to*p.perRound
	if from < 0 || from > to || to > m.Trees() {
		return fmt.Errorf("trees %d to %d of %d: no such rounds", from, to, m.Trees())
	}
	full, err := p.fullRow(row)
	if err != nil {
		return err
	}
	p.scorer.Ensemble().RawRange(full, from, to, out)
	return nil
}

func (m *Model) trees(what string) (*treeProgram, error) {
	p, ok := m.program.(*treeProgram)
	if !ok {
		return nil, fmt.Errorf("%s of %s: %w", what, m.format, ErrNotProvided)
	}
	return p, nil
}

// columnNames is name, or name_0, name_1… if there are several.
func columnNames(name string, n int) []string {
	if n == 1 {
		return []string{name}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = name + "_" + strconv.Itoa(i)
	}
	return names
}
