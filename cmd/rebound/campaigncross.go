package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

// campaignSearch are the flags of a tournament that evaluate runs itself.
type campaignSearch struct {
	trials, folds int
	names         []string
}

func (s *campaignSearch) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.trials, "trials", 0, "with --splits or --cross-validate: candidates tried at most (default: all)")
	f.StringSliceVar(&s.names, "candidates", nil, "with --splits or --cross-validate: only these, by the names in the table of train (default: all)")
	f.IntVar(&s.folds, "folds", 5, "with --splits or --cross-validate: of the cross-validation inside the training part")
}

// learn runs the tournament of `rebound train` on some rows. Intervals of the
// effects are left out: evaluate draws its own.
func (e *campaignEvaluation) learn(ctx context.Context, m *campaignMapping, d *learner.Dataset) (*learner.Result, error) {
	spec := learner.Spec{Name: filepath.Base(e.data), MaxTrials: e.learning.trials, Folds: e.learning.folds, Seed: *e.seed, Refits: -1, Now: time.Now}
	if m.Recipe == recipeVoucher {
		spec.Candidates = learner.VoucherCandidates(spec.Seed)
	}
	var err error
	if spec.Candidates, err = candidatesNamed(e.learning.names, spec.Candidates, d); err != nil {
		return nil, err
	}
	res, err := learner.Tournament(ctx, spec, d)
	if errors.Is(err, learner.ErrTournament) {
		return nil, &exitError{exitUsage, err}
	}
	return res, err
}

// candidatesNamed picks candidates by name, in the order of the field: all where no name
// is given. A nil field is the default one for the rows.
func candidatesNamed(names []string, field []learner.Candidate, d *learner.Dataset) ([]learner.Candidate, error) {
	if len(names) == 0 {
		return field, nil
	}
	if field == nil {
		field = learner.DefaultCandidates(d.Rows(), d.Unit)
	}
	var out []learner.Candidate
	var known []string
	for _, c := range field {
		known = append(known, c.Name)
		if slices.Contains(names, c.Name) {
			out = append(out, c)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, usageErrorf("--candidates: %q is none of %s", n, strings.Join(known, ", "))
		}
	}
	return out, nil
}

// crossValidate predicts every row by what is learned from the other parts.
func (e *campaignEvaluation) crossValidate(ctx context.Context, m *campaignMapping) (*judged, error) {
	d, err := readCampaign(e.data, m, nil)
	if err != nil {
		return nil, err
	}
	j := &judged{
		title:   fmt.Sprintf("Cross-validation on %s", filepath.Base(e.data)),
		subject: fmt.Sprintf("All %d rows, each predicted by what was learned from the other %d of %d parts (salt %d).", d.Rows(), e.parts-1, e.parts, e.split.salt),
		name:    "tournament", offers: d.Offers, data: d,
		seen:      eval.Check{Name: "rows unseen", Words: "No row was predicted by a model that learned from it or from its customer."},
		bootstrap: eval.Bootstrap{Replicates: e.replicates, Seed: *e.seed},
		predicted: newPrediction(d.Rows(), len(d.Offers)),
	}
	progress := e.app.progressBar("parts", int64(e.parts))
	defer progress.done()
	for part, rows := range e.deal(d) {
		fact, err := e.predictPart(ctx, m, d, rows, j.predicted)
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", part+1, e.parts, err)
		}
		j.card = append(j.card, eval.Fact{Name: fmt.Sprintf("part %d", part+1), Value: fact})
		progress.add(1)
	}
	if d.Arm != nil {
		j.mu, err = outcomesByArm(d, nil, allIndexes(d.Rows()))
	}
	return j, err
}

// deal gives row i to part floor(splitmix64(10 i + salt) parts / 2^64); rows of
// a customer follow the customer's first row.
func (e *campaignEvaluation) deal(d *learner.Dataset) [][]int {
	out := make([][]int, e.parts)
	for i, first := range firstRows(d) {
		part, _ := bits.Mul64(splitmix.Sum64(10*uint64(first)+e.split.salt), uint64(e.parts))
		out[part] = append(out[part], i)
	}
	return out
}

// predictPart learns from all rows but some and predicts those.
func (e *campaignEvaluation) predictPart(ctx context.Context, m *campaignMapping, d *learner.Dataset, rows []int, to *prediction) (string, error) {
	held := make([]bool, d.Rows())
	for _, i := range rows {
		held[i] = true
	}
	var others []int
	for i := range held {
		if !held[i] {
			others = append(others, i)
		}
	}
	res, err := e.learn(ctx, m, d.Subset(others))
	if err != nil {
		return "", err
	}
	p, err := scoreRows(ctx, res.Model, d.Subset(rows))
	if err != nil {
		return "", err
	}
	for r, i := range rows {
		to.without[i], to.scores[i] = p.without[r], p.scores[r]
		for k := range p.effects {
			to.effects[k][i] = p.effects[k][r]
		}
	}
	return res.Card.Learner + "; " + res.Guard.Statement, nil
}

// fifths shows an offer's observed effect by fifths of the predicted one; not
// ok where a fifth lacks one of the arms.
func fifths(in eval.UpliftInput) (eval.Listing, bool) {
	c, err := eval.CalibrateEffect(in.Score, in.Weighted(), 5, 0.95)
	if err != nil {
		return eval.Listing{}, false
	}
	scale, unit := 1.0, in.Unit
	if in.Unit == "probability" {
		scale, unit = 100, "points"
	}
	l := eval.Listing{
		Title:   fmt.Sprintf("Effect of %s on %s by fifths of the predicted effect, in %s", in.Arm, in.Outcome, unit),
		Columns: []string{"fifth", "rows", "predicted", "observed", "lower", "upper"},
	}
	for b, bin := range c.Bins {
		line := []string{fmt.Sprint(b + 1), fmt.Sprint(bin.Rows)}
		for _, v := range []float64{bin.Predicted, bin.Difference, bin.Lower, bin.Upper} {
			line = append(line, fmt.Sprintf("%+.3g", scale*v))
		}
		l.Rows = append(l.Rows, line)
	}
	return l, true
}
