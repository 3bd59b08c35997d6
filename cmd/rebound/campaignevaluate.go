package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

// campaignEvaluation is `rebound evaluate --data`.
type campaignEvaluation struct {
	campaignFlags
	app        *app
	model      *string
	html       string
	beside     string
	replicates int
	seed       *uint64
	splits     int            // train and judge on so many splits
	parts      int            // or cross-validate over so many parts
	learning   campaignSearch // of both
}

func (a *app) addCampaignEvaluation(cmd *cobra.Command, model *string, seed *uint64) {
	e := &campaignEvaluation{app: a, model: model, seed: seed}
	e.add(cmd, "these rows are judged")
	f := cmd.Flags()
	f.StringVar(&e.html, "html", "", "with --data: write the report with its plots as one HTML page")
	f.StringVar(&e.beside, "beside", "", "with --data: CSV table of published results to print beside; its rows of another outcome are left out")
	f.IntVar(&e.replicates, "replicates", 1000, "with --data: draws of the bootstrap")
	f.IntVar(&e.splits, "splits", 0, "with --data instead of --model: train anew and judge on this many splits, with --salt and the numbers after it (--test-share: 0.5)")
	f.IntVar(&e.parts, "cross-validate", 0, "with --data instead of --model: judge every row by what is learned from the other of this many parts, dealt by --salt")
	e.learning.add(cmd)
	cmd.MarkFlagsOneRequired("model", "splits", "cross-validate")
	cmd.MarkFlagsMutuallyExclusive("model", "splits", "cross-validate")
	cmd.MarkFlagsMutuallyExclusive("splits", "html")
	cmd.MarkFlagsMutuallyExclusive("cross-validate", "test-share")
	cmd.Short = "Judge a trained model on rows or returns it has not seen"
	cmd.Long += `

With --data it judges an uplift model on a table of a past campaign: uplift and Qini
per offer, the value of the model's policy beside every single offer, and whether the
model's policy is proven better. With the --test-share and --salt of the training the
held-out rows are judged.

--splits and --cross-validate judge the learning itself: the tournament of train
runs on each training part alone. --splits prints the means over splits beside a
linear model per arm and every single offer, --cross-validate one report for all rows.`
	cmd.Example += `
  rebound evaluate --data campaign.csv --mapping mapping.yaml --model champion.rbm --test-share 0.5 --html report.html
  rebound evaluate --data campaign.csv --mapping mapping.yaml --splits 10
  rebound evaluate --data campaign.csv --mapping mapping.yaml --cross-validate 5`
	e.instead(cmd, []string{"html", "beside", "replicates", "splits", "cross-validate", "trials", "candidates", "folds"}, e.run)
}

func (e *campaignEvaluation) run(cmd *cobra.Command) error {
	if err := e.checkFlags(); err != nil {
		return err
	}
	if e.splits > 0 {
		return e.repeat(cmd.Context())
	}
	r, err := e.evaluate(cmd.Context())
	if err != nil {
		return err
	}
	if e.html != "" {
		if err := writeWhole(e.html, r.WriteHTML); err != nil {
			return err
		}
	}
	if e.app.format == "yaml" {
		return e.app.printData(r)
	}
	if e.app.format == "json" {
		return r.WriteJSON(e.app.out)
	}
	return r.WriteText(e.app.out)
}

func (e *campaignEvaluation) checkFlags() error {
	if e.replicates < 2 {
		return usageErrorf("--replicates %d: at least 2 are needed", e.replicates)
	}
	if e.splits < 0 || e.splits > 1000 {
		return usageErrorf("--splits %d: want 1 to 1,000", e.splits)
	}
	if e.parts != 0 && (e.parts < 2 || e.parts > 100) {
		return usageErrorf("--cross-validate %d: want 2 to 100 parts", e.parts)
	}
	return e.split.check()
}

// judged is a model on the rows it is judged on.
type judged struct {
	title     string
	subject   string
	name      string
	offers    []string // the model's
	card      []eval.Fact
	data      *learner.Dataset // the judged rows
	model     models.Model     // nil if there are several
	aligned   *learner.Dataset // the judged rows as the model reads them
	mu        [][]float64      // per row and arm; nil: too few rows
	predicted *prediction
	bootstrap eval.Bootstrap
	seen      eval.Check // whether the rows are new to the model
}

func (e *campaignEvaluation) evaluate(ctx context.Context) (*eval.Report, error) {
	m, err := readCampaignMapping(e.mapping)
	if err != nil {
		return nil, err
	}
	prepare := e.prepare
	if e.parts > 0 {
		prepare = e.crossValidate
	}
	j, err := prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	r := &eval.Report{Title: j.title, Subject: j.subject, Card: j.card, Checks: []eval.Check{j.seen}}
	for _, f := range learner.Check(j.data) {
		r.Checks = append(r.Checks, eval.Check{Name: f.Kind + " of " + f.Subject, Words: f.Text, Alarm: f.Kind != "constant"})
	}
	if err := j.fill(r); err != nil {
		return nil, err
	}
	if err := j.explain(r); err != nil {
		return nil, err
	}
	return r, e.addTables(r, j, m)
}

// prepare reads model and table and predicts the judged rows.
func (e *campaignEvaluation) prepare(ctx context.Context, m *campaignMapping) (*judged, error) {
	model, card, err := openUplift(*e.model)
	if err != nil {
		return nil, err
	}
	d, err := readCampaign(e.data, m, m.categoryColumns(model.Schema()))
	if err != nil {
		return nil, err
	}
	train, test := e.split.rows(d)
	if e.split.share == 0 {
		train, test = nil, train
	}
	j := &judged{
		title: "Model " + *e.model + " on " + filepath.Base(e.data),
		name:  cmp.Or(card.Learner, *e.model), offers: model.Schema().Offers, card: cardFacts(card), data: d.Subset(test),
		bootstrap: eval.Bootstrap{Replicates: e.replicates, Seed: *e.seed}, seen: provenance(card, d, train, e.split),
	}
	j.subject = e.subject(j.data)
	if err := agree(j.data, model.Schema(), *e.model); err != nil {
		return nil, err
	}
	if d.Arm != nil {
		if j.mu, err = outcomesByArm(d, train, test); err != nil {
			return nil, err
		}
	}
	aligned, err := align(j.data, model.Schema())
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", e.data, err)
	}
	if j.predicted, err = scoreRows(ctx, model, aligned); err != nil {
		return nil, fmt.Errorf("model %s: %w", *e.model, err)
	}
	j.model, j.aligned = model, aligned
	return j, nil
}

// addTables adds effects by fifths, points and published results.
func (e *campaignEvaluation) addTables(r *eval.Report, j *judged, m *campaignMapping) error {
	if j.data.Arm != nil {
		for k := range j.offers {
			if l, ok := fifths(j.trial(k)); ok {
				r.Tables = append(r.Tables, l)
			}
		}
	}
	if m.Recipe == recipeVoucher {
		r.Tables = append(r.Tables, j.vouchers())
	}
	if e.beside == "" {
		return nil
	}
	l, err := publishedResults(e.beside, j.data.Outcome)
	if err != nil {
		return fmt.Errorf("--beside %s: %w", e.beside, err)
	}
	r.Tables = append(r.Tables, l)
	return nil
}

func (e *campaignEvaluation) subject(d *learner.Dataset) string {
	if e.split.share == 0 {
		return fmt.Sprintf("All %d rows of the table.", d.Rows())
	}
	return fmt.Sprintf("%d rows held out of the table (share %g, salt %d).", d.Rows(), e.split.share, e.split.salt)
}

// agree compares what the judged rows hold with what the model predicts.
func agree(d *learner.Dataset, s *models.Schema, file string) error {
	if d.Rows() == 0 {
		return usageErrorf("--test-share holds out no row")
	}
	if s.Outcome != d.Outcome || s.Unit != d.Unit {
		return fmt.Errorf("model %s predicts %s (%s), the table holds %s (%s)", file, s.Outcome, s.Unit, d.Outcome, d.Unit)
	}
	for _, o := range s.Offers {
		if !slices.Contains(d.Offers, o) {
			return fmt.Errorf("model %s knows the offer %q; the table holds %s", file, o, strings.Join(d.Offers, ", "))
		}
	}
	return nil
}

// provenance says whether the judged rows are new to the model.
func provenance(card *models.Card, d *learner.Dataset, train []int, s testSplit) eval.Check {
	c := eval.Check{Name: "rows unseen"}
	learned := ""
	if card.Training != nil {
		learned = card.Training.DataSHA256
	}
	switch {
	case learned == "":
		c.Words, c.Alarm = "The model does not say what it learned from: it may have seen these rows.", true
	case s.share > 0 && d.Subset(train).Digest() == learned:
		c.Words = "The model learned from the other rows of this table and from no others."
	case d.Digest() == learned:
		c.Words, c.Alarm = "The model learned from these very rows: all figures flatter it. Train and evaluate with the same --test-share and --salt.", true
	case s.share > 0:
		c.Words, c.Alarm = "The model did not learn from exactly the rows left over by this split: it may have seen the ones it is judged on.", true
	default:
		c.Words = "The model learned from another table."
	}
	return c
}

func cardFacts(card *models.Card) []eval.Fact {
	facts := []eval.Fact{{Name: "learner", Value: card.Learner}, {Name: "settings", Value: strings.TrimSuffix(card.Settings, "; ")}}
	if t := card.Training; t != nil {
		value := fmt.Sprintf("%d rows", t.Rows)
		if !t.From.IsZero() {
			value += ", " + t.From.Format(time.DateOnly) + " to " + t.To.Format(time.DateOnly)
		}
		facts = append(facts, eval.Fact{Name: "trained on", Value: value}, eval.Fact{Name: "data SHA-256", Value: t.DataSHA256})
	}
	for _, n := range card.Notes {
		facts = append(facts, eval.Fact{Name: "note", Value: n})
	}
	return append(facts, eval.Fact{Name: "created by", Value: card.CreatedBy})
}

// vouchers counts the points of the Data Mining Cup 2010.
func (j *judged) vouchers() eval.Listing {
	n := float64(j.data.Rows())
	var model, all float64
	sent := 0
	for i, y := range j.data.Y {
		send := learner.SendVoucher(j.predicted.without[i])
		if send {
			sent++
		}
		model += learner.VoucherPoints(send, y)
		all += learner.VoucherPoints(true, y)
	}
	line := func(name string, sent int, points float64) []string {
		return []string{name, fmt.Sprint(sent), fmt.Sprintf("%.1f", points), fmt.Sprintf("%.4f", points/n)}
	}
	return eval.Listing{
		Title:   "Voucher points (Data Mining Cup 2010)",
		Columns: []string{"policy", "vouchers", "points", "per customer"},
		Rows:    [][]string{line("model", sent, model), line("everybody", j.data.Rows(), all), line("nobody", 0, 0)},
		Note:    "+1.5 for a voucher to one who would not reorder within 90 days, -5 to one who would. Nothing was randomised: this is prediction, no uplift.",
	}
}

// publishedColumns bounds what --beside shows.
const publishedColumns = 12

// publishedResults reads a CSV table to print beside. Where it has a column
// "outcome", rows of other outcomes are left out; of paired columns x_mean and
// x_std the means are shown.
func publishedResults(file, outcome string) (eval.Listing, error) {
	records, err := readRecords(file, ',')
	if err != nil {
		return eval.Listing{}, err
	}
	l := eval.Listing{Title: "Published results: " + filepath.Base(file)}
	head := records[0]
	var show []int
	for k, name := range head {
		if len(show) < publishedColumns && publishedColumn(name, head) {
			show, l.Columns = append(show, k), append(l.Columns, strings.TrimSuffix(name, "_mean"))
		}
	}
	at := slices.Index(head, "outcome")
	for _, r := range records[1:] {
		if at >= 0 && r[at] != outcome {
			continue
		}
		var cells []string
		for _, k := range show {
			cells = append(cells, shortNumber(r[k]))
		}
		l.Rows = append(l.Rows, cells)
	}
	return l, nil
}

// publishedColumn leaves out spreads and figures that need explaining.
func publishedColumn(name string, head []string) bool {
	metric, isMean := strings.CutSuffix(name, "_mean")
	if !slices.ContainsFunc(head, func(s string) bool { return strings.HasSuffix(s, "_mean") }) {
		return name != "outcome"
	}
	if !isMean {
		return name == "method"
	}
	for _, p := range []string{"qpc", "u30", "slope", "pol_ips", "pol_snips", "pol_dr"} {
		if metric == p || strings.HasPrefix(metric, p+"_") {
			return true
		}
	}
	return false
}
