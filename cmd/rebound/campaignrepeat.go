package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

// Methods that every split judges, besides every single offer for everybody.
const (
	methodLearned = "tournament"
	methodGuarded = "tournament, guarded"
	methodLinear  = "linear model per arm"
	methodNobody  = "nobody"
	methodEach    = "everybody: "
)

// splitResult is one split: what training saw and how each method fares on the
// rows it did not see.
type splitResult struct {
	Salt    uint64          `json:"salt"`
	Train   int             `json:"training_rows"`
	Test    int             `json:"test_rows"`
	Picked  string          `json:"picked"`
	Learned bool            `json:"guard_lets_it_through"`
	Guard   string          `json:"guard"`
	Seconds float64         `json:"seconds"`
	Methods []methodFigures `json:"methods"`
}

// methodFigures are a method's results on the test rows of one split. What a
// method without effects does not have is nil.
type methodFigures struct {
	Method   string     `json:"method"`
	Policy   float64    `json:"policy_value"` // doubly robust
	Qini     []float64  `json:"qini_per_customer,omitempty"`
	Debiased []float64  `json:"calibration_debiased,omitempty"`
	Slope    []*float64 `json:"calibration_slope,omitempty"` // nil inside: constant effects
}

// repeat trains and judges on several splits and prints the means.
func (e *campaignEvaluation) repeat(ctx context.Context) error {
	m, err := readCampaignMapping(e.mapping)
	if err != nil {
		return err
	}
	d, err := readCampaign(e.data, m, nil)
	if err != nil {
		return err
	}
	if d.Arm == nil {
		return usageErrorf("--splits compares offers, the mapping names none: use --cross-validate")
	}
	r := &repeatReport{Data: filepath.Base(e.data), Outcome: d.Outcome, Unit: d.Unit, Offers: d.Offers}
	if e.beside != "" {
		l, err := publishedResults(e.beside, d.Outcome)
		if err != nil {
			return fmt.Errorf("--beside %s: %w", e.beside, err)
		}
		r.Published = &l
	}
	progress := e.app.progressBar("splits", int64(e.splits))
	defer progress.done()
	for k := range e.splits {
		split := testSplit{share: cmp.Or(e.split.share, 0.5), salt: e.split.salt + uint64(k)}
		s, err := e.judgeSplit(ctx, m, d, split)
		if err != nil {
			return fmt.Errorf("split %d: %w", split.salt, err)
		}
		r.Splits = append(r.Splits, *s)
		progress.add(1)
	}
	progress.done()
	r.summarise()
	return e.app.print(r, r.table)
}

func (e *campaignEvaluation) judgeSplit(ctx context.Context, m *campaignMapping, d *learner.Dataset, split testSplit) (*splitResult, error) {
	train, test := split.rows(d)
	if len(test) == 0 || len(train) == 0 {
		return nil, usageErrorf("--test-share leaves one side without rows")
	}
	learned, judged := d.Subset(train), &judged{data: d.Subset(test), offers: d.Offers}
	started := time.Now()
	res, err := e.learn(ctx, m, learned)
	if err != nil {
		return nil, err
	}
	s := &splitResult{Salt: split.salt, Train: len(train), Test: len(test), Picked: res.Card.Learner,
		Learned: res.Guard.Learned, Guard: res.Guard.Statement, Seconds: time.Since(started).Seconds()}
	if judged.mu, err = outcomesByArm(d, train, test); err != nil {
		return nil, err
	}
	champion, _ := res.Champion()
	for _, way := range []struct {
		name  string
		model *models.Uplift
	}{{methodLearned, res.Model}, {methodGuarded, champion}} {
		if judged.predicted, err = scoreRows(ctx, way.model, judged.data); err != nil {
			return nil, err
		}
		if err := s.judge(way.name, judged); err != nil {
			return nil, err
		}
	}
	if judged.predicted, err = linearPerArm(learned, judged.data); err != nil {
		return nil, err
	}
	if err := s.judge(methodLinear, judged); err != nil {
		return nil, err
	}
	return s, s.judgeSingles(judged)
}

// judge adds a method whose effects are j.predicted.
func (s *splitResult) judge(name string, j *judged) error {
	f := methodFigures{Method: name}
	var err error
	if f.Policy, err = j.value(j.choice()); err != nil {
		return err
	}
	for k := range j.offers {
		in := j.trial(k)
		trial := in.Weighted()
		q, err := eval.QiniPerCustomer(in.Score, trial)
		if err != nil {
			return err
		}
		f.Qini = append(f.Qini, q)
		c, err := eval.CalibrateEffect(in.Score, trial, 10, 0.95)
		if errors.Is(err, eval.ErrUndefined) {
			continue // a bin lacks one of the arms
		}
		if err != nil {
			return err
		}
		f.Debiased, f.Slope = append(f.Debiased, c.Debiased), append(f.Slope, nil)
		if c.Slope != nil {
			f.Slope[len(f.Slope)-1] = &c.Slope.Value
		}
	}
	s.Methods = append(s.Methods, f)
	return nil
}

// judgeSingles adds nobody and everybody for each offer.
func (s *splitResult) judgeSingles(j *judged) error {
	choice := make([]int, j.data.Rows())
	for arm := range len(j.offers) + 1 {
		name := methodNobody
		if arm > 0 {
			name = methodEach + j.offers[arm-1]
		}
		for i := range choice {
			choice[i] = arm
		}
		v, err := j.value(choice)
		if err != nil {
			return err
		}
		s.Methods = append(s.Methods, methodFigures{Method: name, Policy: v})
	}
	return nil
}

// value is the doubly robust value of giving each judged row an arm.
func (j *judged) value(choice []int) (float64, error) {
	l, err := j.arms().Under(choice)
	if err != nil {
		return 0, err
	}
	kind := eval.DR
	if j.mu == nil {
		kind = eval.SNIPS
	}
	return eval.PolicyValue(l, eval.Estimator{Kind: kind})
}

// linearPerArm is the baseline any learner should match: one linear model per
// arm (logistic for chances) with a ridge of 1, and their differences.
func linearPerArm(train, test *learner.Dataset) (*prediction, error) {
	link := models.LinkIdentity
	switch train.Unit {
	case "probability":
		link = models.LinkLogistic
	case "count":
		link = models.LinkExp
	}
	p := newPrediction(test.Rows(), len(test.Offers))
	x := make([]float64, len(train.Features))
	for arm := range train.Arms() {
		var rows []int32
		for i, a := range train.Arm {
			if a == arm {
				rows = append(rows, int32(i))
			}
		}
		l, err := learner.FitLinear(train.Features, train.X, train.Y, train.Weight, rows, link, learner.LinearSettings{Ridge: 1}, runtime.GOMAXPROCS(0))
		if err != nil {
			return nil, fmt.Errorf("linear model of arm %d: %w", arm, err)
		}
		for i := range test.Rows() {
			test.Row(i, x)
			v := l.Predict(x)
			if arm == 0 {
				p.without[i] = v
			} else {
				p.effects[arm-1][i] = v - p.without[i]
			}
		}
	}
	return p, nil
}

// meanSD are mean and standard deviation over splits.
type meanSD struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"` // over splits that overlap: a spread, no standard error
}

func spreadOf(v []float64) meanSD {
	var s meanSD
	for _, x := range v {
		s.Mean += x / float64(len(v))
	}
	for _, x := range v {
		s.SD += (x - s.Mean) * (x - s.Mean) / float64(max(len(v)-1, 1))
	}
	s.SD = math.Sqrt(s.SD)
	return s
}
