package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// campaignFlags say which rows of which table train and evaluate read.
type campaignFlags struct {
	data, mapping string
	split         testSplit
}

func (c *campaignFlags) add(cmd *cobra.Command, part string) {
	f := cmd.Flags()
	f.StringVar(&c.data, "data", "", "table of a past campaign instead of a store: .csv, .csv.gz or .parquet")
	f.StringVarP(&c.mapping, "mapping", "m", "", "with --data: mapping file (docs/formats/mapping.md)")
	f.Float64Var(&c.split.share, "test-share", 0, "with --data: share of the rows that is held out; "+part)
	f.Uint64Var(&c.split.salt, "salt", 0, "with --test-share: which rows; another salt holds out others")
	cmd.MarkFlagsRequiredTogether("data", "mapping")
	for _, name := range []string{"store", "currency", "timezone", "horizon", "from", "until"} {
		cmd.MarkFlagsMutuallyExclusive("data", name)
	}
}

// instead runs verb when --data is given and what the command did before otherwise.
func (c *campaignFlags) instead(cmd *cobra.Command, only []string, verb func(cmd *cobra.Command) error) {
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.data != "" {
			return verb(cmd)
		}
		for _, name := range slices.Concat(only, []string{"mapping", "test-share", "salt"}) {
			if cmd.Flags().Changed(name) {
				return usageErrorf("--%s goes with --data", name)
			}
		}
		return before(cmd, args)
	}
}

// read loads mapping and table.
func (c *campaignFlags) read() (*campaignMapping, *learner.Dataset, error) {
	if err := c.split.check(); err != nil {
		return nil, nil, err
	}
	m, err := readCampaignMapping(c.mapping)
	if err != nil {
		return nil, nil, err
	}
	d, err := readCampaign(c.data, m, nil)
	return m, d, err
}

// campaignTraining is `rebound train --data` and `rebound train --journal`.
type campaignTraining struct {
	campaignFlags
	journalFlags
	app       *app
	out       *string
	state     string
	write     string
	criterion string
	names     []string // of candidates; none: all
	spec      learner.Spec
}

// What train writes.
const (
	writeChampion = "champion"
	writeLearned  = "learned"
	writeFallback = "fallback"
)

func (a *app) addCampaignTraining(cmd *cobra.Command, out *string, log *logFlags) {
	t := &campaignTraining{app: a, out: out, journalFlags: journalFlags{log: log}}
	t.add(cmd, "training sees the other rows only")
	f := cmd.Flags()
	f.DurationVar(&t.spec.Budget, "budget", 0, "with --data: no candidate starts after it, e.g. 5m (default: none)")
	f.IntVar(&t.spec.MaxTrials, "trials", 0, "with --data: candidates tried at most (default: all)")
	f.StringSliceVar(&t.names, "candidates", nil, "with --data: only these, by the names in the table (default: all)")
	f.IntVar(&t.spec.Folds, "folds", 5, "with --data: of the cross-validation")
	f.Uint64Var(&t.spec.Seed, "seed", 1, "with --data: of folds and learners")
	f.IntVar(&t.spec.Threads, "threads", 0, "with --data: 0 for all cores; never changes the result")
	f.StringVar(&t.criterion, "criterion", string(learner.ByLoss), "with --data: what picks: loss, policy or qini")
	f.StringVar(&t.state, "state", "", "with --data: folder where finished candidates are kept; an interrupted run goes on there")
	f.StringVar(&t.write, "write", writeChampion, "with --data: champion (what the guard lets through), learned (in any case) or fallback")
	cmd.Long += `

With --data it learns what each offer of a past campaign changed: a tournament of
uplift learners on a table, picked by --criterion on held-out folds, guarded by the
best single arm. The table of all candidates is printed.`
	cmd.Example += "\n  rebound train --data campaign.csv --mapping mapping.yaml --test-share 0.5 --out champion.rbm"
	t.instead(cmd, []string{"budget", "trials", "candidates", "folds", "seed", "threads", "criterion", "state", "write"}, t.run)
	t.addJournal(cmd, t.run)
}

func (t *campaignTraining) run(cmd *cobra.Command) error {
	if !slices.Contains([]string{writeChampion, writeLearned, writeFallback}, t.write) {
		return usageErrorf("--write %s: give %s, %s or %s", t.write, writeChampion, writeLearned, writeFallback)
	}
	if t.spec.Budget < 0 || t.spec.MaxTrials < 0 || t.spec.Threads < 0 {
		return usageErrorf("--budget, --trials and --threads count upwards")
	}
	d, err := t.dataset(cmd.Context())
	if err != nil {
		return err
	}
	rows, held := t.split.rows(d)
	train := d
	if held != nil {
		train = d.Subset(rows)
	}
	if err := t.complete(); err != nil {
		return err
	}
	if t.spec.Candidates, err = candidatesNamed(t.names, t.spec.Candidates, train); err != nil {
		return err
	}
	progress := &phaseBar{app: t.app}
	t.spec.Progress = progress.show
	res, err := learner.Tournament(cmd.Context(), t.spec, train)
	progress.done()
	if err != nil {
		return t.explain(cmd, err)
	}
	if err := t.save(res, train); err != nil {
		return err
	}
	report := t.report(res, train, held)
	return t.app.print(report, report.table)
}

// dataset reads what there is to learn from.
func (t *campaignTraining) dataset(ctx context.Context) (*learner.Dataset, error) {
	if t.journal {
		t.spec.Name = "decisions"
		return t.readJournal(ctx)
	}
	m, d, err := t.read()
	if err != nil {
		return nil, err
	}
	t.spec.Name = filepath.Base(t.data)
	if m.Recipe == recipeVoucher {
		t.spec.Candidates = learner.VoucherCandidates(t.spec.Seed)
	}
	return d, nil
}

// complete fills the specification from the flags.
func (t *campaignTraining) complete() error {
	t.spec.Criterion = learner.Criterion(t.criterion)
	t.spec.Now = time.Now
	t.spec.CreatedBy = "rebound " + readBuildInfo().Version
	if t.state == "" {
		return nil
	}
	s, err := openTrials(t.state)
	if err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	t.spec.Resume, t.spec.Save = s.resume(), s
	return nil
}

// explain says how an interrupted run goes on and which flags were wrong.
func (t *campaignTraining) explain(cmd *cobra.Command, err error) error {
	switch {
	case cmd.Context().Err() != nil && t.state != "":
		return fmt.Errorf("interrupted; the same command goes on where it stopped: %w", err)
	case cmd.Context().Err() != nil:
		return fmt.Errorf("interrupted; with --state FOLDER a run can go on: %w", err)
	case errors.Is(err, learner.ErrTournament):
		return &exitError{exitUsage, err}
	}
	return err
}

// save writes the model asked for. The card leaves the wall time out, so that
// the same data, flags and version give the same bytes.
func (t *campaignTraining) save(res *learner.Result, train *learner.Dataset) error {
	model, card := res.Champion()
	switch t.write {
	case writeLearned:
		model, card = res.Model, res.Card
	case writeFallback:
		model, card.Learner = res.Fallback, "best single arm"
	}
	if model != res.Model {
		card.Settings = "" // they are the passed-over learner's
	}
	training := *card.Training
	training.Seconds = 0
	card.Training = &training
	card.Reference = learner.Reference(train, model)
	data, err := models.Encode(model, card)
	if err != nil {
		return err
	}
	return writeWhole(*t.out, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// phaseNames are what the phases of a tournament do, in plain words.
var phaseNames = map[string]string{"nuisance": "outcomes", "trial": "candidates", "fit": "refit", "interval": "intervals"}

// phaseBar shows a bar per phase of a tournament.
type phaseBar struct {
	app   *app
	phase string
	at    int
	bar   *bar
}

func (p *phaseBar) show(s learner.Progress) {
	if p.bar == nil || s.Phase != p.phase {
		p.done()
		p.phase, p.at, p.bar = s.Phase, 0, p.app.progressBar(fmt.Sprintf("%-10s", cmp.Or(phaseNames[s.Phase], s.Phase)), int64(s.Total))
	}
	p.bar.add(s.Done - p.at)
	p.at = s.Done
}

func (p *phaseBar) done() {
	if p.bar != nil {
		p.bar.done()
	}
}
