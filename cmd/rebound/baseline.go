package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// minExamples is the least a baseline is fitted on, and minPerLabel of each label.
const (
	minExamples = 100
	minPerLabel = 20
)

// baseline is a fitted chance of another purchase after a return.
type baseline struct {
	model    *models.Uplift
	linear   *models.Linear
	features []models.Feature
	slots    []int  // of the features, in an example's X
	log      []bool // per feature: enters by its logarithm
	ridge    float64
	dataset  *learner.Dataset
	columns  [][]float64
}

// ridges are the penalties cross-validation chooses from.
var ridges = []float64{1, 3, 10, 30, 100, 300, 1000}

// rfv are the features of the classic recency, frequency, value rule.
var rfv = []string{"customer.recency_days", "customer.purchases_365d", "customer.spend_365d"}

// fitBaseline fits a ridge-penalised logistic regression; the penalty is chosen
// by five-fold cross-validation, whole customers to a fold. names nil: every
// feature of the table that varies.
func fitBaseline(examples []engine.TrainingRow, horizon time.Duration, names []string) (*baseline, error) {
	if err := enough(examples); err != nil {
		return nil, err
	}
	b := &baseline{}
	b.pickFeatures(examples, names)
	b.dataset = b.data(examples, horizon)
	b.logColumns()
	var err error
	if b.ridge, err = b.chooseRidge(); err != nil {
		return nil, err
	}
	if b.linear, err = b.fit(b.ridge, allRows(len(examples))); err != nil {
		return nil, err
	}
	b.model, err = models.NewUplift(models.UpliftSpec{
		Schema:     b.dataset.Schema(),
		Predictors: []models.Predictor{{Linear: b.linear}},
		Without:    models.Sum{Parts: []models.Part{{Output: 0, Weight: 1}}},
	})
	return b, err
}

func enough(examples []engine.TrainingRow) error {
	bought := 0
	for _, e := range examples {
		if e.Purchased {
			bought++
		}
	}
	if len(examples) < minExamples || bought < minPerLabel || len(examples)-bought < minPerLabel {
		return fmt.Errorf("%d returns with a known outcome, %d of them followed by a purchase: at least %d with %d of each are needed; ingest more history or shorten --horizon",
			len(examples), bought, minExamples, minPerLabel)
	}
	return nil
}

func (b *baseline) pickFeatures(examples []engine.TrainingRow, names []string) {
	for _, f := range profile.Table() {
		wanted := len(names) == 0 || slices.Contains(names, f.Name)
		if f.Slot < 0 || !wanted || constant(examples, f.Slot) {
			continue
		}
		b.features = append(b.features, models.Feature{Name: f.Name})
		b.slots = append(b.slots, f.Slot)
		b.log = append(b.log, slices.Contains([]string{"count", "money", "days", "points"}, f.Unit))
	}
}

func constant(examples []engine.TrainingRow, slot int) bool {
	first := examples[0].X[slot]
	return !slices.ContainsFunc(examples, func(e engine.TrainingRow) bool {
		return e.X[slot] != first && !(math.IsNaN(first) && math.IsNaN(e.X[slot]))
	})
}

func (b *baseline) data(examples []engine.TrainingRow, horizon time.Duration) *learner.Dataset {
	d := &learner.Dataset{Outcome: "purchase", Unit: "probability", Window: horizon, Features: b.features, X: make([][]float64, len(b.features))}
	for _, e := range examples {
		for i, slot := range b.slots {
			d.X[i] = append(d.X[i], e.X[slot])
		}
		y := 0.0
		if e.Purchased {
			y = 1
		}
		d.Y = append(d.Y, y)
		d.Group = append(d.Group, profile.HashID(string(e.Customer[:])))
		d.Time = append(d.Time, e.At)
	}
	return d
}

func allRows(n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

func (b *baseline) fit(ridge float64, rows []int32) (*models.Linear, error) {
	l, err := learner.FitLinear(b.features, b.columns, b.dataset.Y, nil, rows, models.LinkLogistic, learner.LinearSettings{Ridge: ridge}, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	for i := range l.Terms {
		l.Terms[i].Log = b.log[i]
	}
	return l, nil
}

// logColumns are the data as the regression sees them: long tails by their logarithm.
func (b *baseline) logColumns() {
	b.columns = slices.Clone(b.dataset.X)
	for i, log := range b.log {
		if !log {
			continue
		}
		b.columns[i] = make([]float64, len(b.dataset.X[i]))
		for r, v := range b.dataset.X[i] {
			b.columns[i][r] = models.SignedLog(v)
		}
	}
}

// chooseRidge returns the penalty with the least log loss out of fold.
func (b *baseline) chooseRidge() (float64, error) {
	const folds = 5
	losses := make([]float64, len(ridges))
	for fold := range uint64(folds) {
		var train, test []int32
		for i, g := range b.dataset.Group {
			if g%folds == fold {
				test = append(test, int32(i))
			} else {
				train = append(train, int32(i))
			}
		}
		for k, ridge := range ridges {
			l, err := b.fit(ridge, train)
			if err != nil {
				return 0, err
			}
			losses[k] += b.loss(l, test)
		}
	}
	best := slices.MinFunc(allRows(len(ridges)), func(i, j int32) int { return cmp.Compare(losses[i], losses[j]) })
	return ridges[best], nil
}

// loss is the summed log loss on rows.
func (b *baseline) loss(l *models.Linear, rows []int32) (sum float64) {
	x := make([]float64, len(b.features))
	for _, r := range rows {
		b.dataset.Row(int(r), x)
		raw := l.Raw(x)
		if b.dataset.Y[r] == 1 {
			raw = -raw
		}
		sum += math.Log1p(math.Exp(-math.Abs(raw))) + max(raw, 0)
	}
	return sum
}

// artifact encodes the model with its card.
func (b *baseline) artifact(notes ...string) ([]byte, error) {
	d := b.dataset
	return models.Encode(b.model, models.Card{
		Name: "baseline", Learner: "logistic regression",
		Settings:  fmt.Sprintf("ridge %g by 5-fold cross-validation over customers, from %v", b.ridge, ridges),
		Notes:     notes,
		CreatedBy: "rebound " + readBuildInfo().Version,
		Reference: learner.Reference(d, b.model),
		Training:  &models.Training{From: slices.MinFunc(d.Time, time.Time.Compare), To: slices.MaxFunc(d.Time, time.Time.Compare), Rows: d.Rows(), DataSHA256: d.Digest()},
	})
}

// predict returns a model's chance without an offer for every example. The
// model may read any number or bool of the feature table.
func predict(ctx context.Context, m models.Model, examples []engine.TrainingRow) ([]float64, error) {
	var slots []int
	var unknown []string
	for _, f := range m.Schema().Features {
		row, ok := profile.Lookup(f.Name)
		if !ok || row.Slot < 0 {
			unknown = append(unknown, f.Name)
			continue
		}
		slots = append(slots, row.Slot)
	}
	if len(unknown) > 0 {
		return nil, errors.New("the model reads features this build does not have as numbers: " + strings.Join(unknown, ", "))
	}
	x, out := make([]float64, len(slots)), make([]float64, len(examples))
	cands, scores := []models.Candidate{{Arm: -1}}, make([]models.Score, 1)
	for i, e := range examples {
		for k, slot := range slots {
			x[k] = e.X[slot]
		}
		if err := m.Score(ctx, x, cands, scores); err != nil {
			return nil, err
		}
		out[i] = scores[0].Without
	}
	return out, nil
}
