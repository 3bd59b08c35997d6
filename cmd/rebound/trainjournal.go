package main

import (
	"context"
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/store"
)

// minOfferRows is how many decisions must have shown an offer for a model to
// learn about it; the tournament's folds need some of each.
const minOfferRows = 100

// journalFlags say which decisions `rebound train --journal` learns from.
type journalFlags struct {
	journal bool
	ignore  []string
	log     *logFlags
	leftOut []engine.LeftOut
}

// addJournal lets run answer for --journal.
func (j *journalFlags) addJournal(cmd *cobra.Command, run func(cmd *cobra.Command) error) {
	cmd.Flags().BoolVar(&j.journal, "journal", false, "learn from the decisions in the log of --store what each offer changed")
	cmd.Flags().StringSliceVar(&j.ignore, "ignore", nil, "with --journal: features to leave out, e.g. those a policy denies; * stands for any part: request.*")
	cmd.MarkFlagsMutuallyExclusive("journal", "data")
	cmd.MarkFlagsMutuallyExclusive("journal", "timezone")
	cmd.Long += `

With --journal it learns the same from the decisions in the log of --store: the
features each decision read, what was shown with its logged chance (to held-out
customers nothing), and whether the customer bought within --horizon. The tournament
and its flags are those of --data. Offers need a policy that explores.`
	cmd.Example += "\n  rebound train --journal --store ./store --horizon 30d --out policies/models/champion.rbm"
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if j.journal {
			return run(cmd)
		}
		if cmd.Flags().Changed("ignore") {
			return usageErrorf("--ignore goes with --journal")
		}
		return before(cmd, args)
	}
}

// readJournal turns the decisions of the folder's log into a dataset.
func (j *journalFlags) readJournal(ctx context.Context) (*learner.Dataset, error) {
	if err := j.log.parseRange(); err != nil {
		return nil, err
	}
	var set *engine.DecisionSet
	err := j.log.read(func(s store.Store) (err error) {
		set, err = engine.DecisionRows(ctx, s, engine.DecisionOptions{TrainingOptions: j.log.options, MinOffer: minOfferRows})
		return err
	})
	if err != nil {
		return nil, err
	}
	j.leftOut = set.LeftOut
	if len(set.Offers) == 0 {
		return nil, fmt.Errorf("train: no offer was shown by %d decisions that chance made and whose outcome is known%s", minOfferRows, reasons(set.LeftOut))
	}
	d := journalDataset(set, j.log.options)
	return d, j.leaveOut(d)
}

// leaveOut takes the features of --ignore out; a pattern that matches none is an error.
func (j *journalFlags) leaveOut(d *learner.Dataset) error {
	for _, pattern := range j.ignore {
		var features []models.Feature
		var columns [][]float64
		for k, f := range d.Features {
			match, err := path.Match(pattern, f.Name)
			if err != nil {
				return usageErrorf("--ignore %s: %w", pattern, err)
			}
			if !match {
				features, columns = append(features, f), append(columns, d.X[k])
			}
		}
		if len(features) == len(d.Features) {
			return usageErrorf("--ignore %s: no decision logged such a feature", pattern)
		}
		d.Features, d.X = features, columns
	}
	return nil
}

// reasons words what was left out.
func reasons(left []engine.LeftOut) (text string) {
	for _, l := range left {
		text += fmt.Sprintf("; %d %s", l.Count, l.Reason)
	}
	return text
}

// journalDataset is the decisions by column, clustered by customer.
func journalDataset(set *engine.DecisionSet, o engine.TrainingOptions) *learner.Dataset {
	n := len(set.Rows)
	columns := func(k int) [][]float64 {
		out := make([][]float64, k)
		for i := range out {
			out[i] = make([]float64, n)
		}
		return out
	}
	d := &learner.Dataset{
		Outcome: "purchase", Unit: "probability", Window: o.Horizon, Offers: set.Offers, Features: set.Features,
		X: columns(len(set.Features)), Logged: columns(len(set.Offers) + 1), Y: make([]float64, n),
	}
	for i := range set.Rows {
		r := &set.Rows[i]
		for k, v := range r.X {
			d.X[k][i] = v
		}
		for a, p := range r.Chance {
			d.Logged[a][i] = p
		}
		if r.Purchased {
			d.Y[i] = 1
		}
		d.Arm = append(d.Arm, r.Arm)
		d.Group = append(d.Group, profile.HashID(string(r.Customer[:])))
		d.Time = append(d.Time, r.At)
	}
	return d
}
