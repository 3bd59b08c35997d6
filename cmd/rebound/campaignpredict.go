package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// campaignPrediction is `rebound model predict`.
type campaignPrediction struct {
	app                             *app
	model, data, mapping, out, keep string
}

// predictionReport is what `rebound model predict` prints.
type predictionReport struct {
	Rows   int            `json:"rows"`
	File   string         `json:"file"`
	Chosen map[string]int `json:"chosen"` // rows by what the model would give
	order  []string
}

func (a *app) modelPredictCmd() *cobra.Command {
	p := &campaignPrediction{app: a}
	cmd := &cobra.Command{
		Use:   "predict FILE",
		Short: "Predict the rows of a table with a native model",
		Long: `Predict writes, for every row of a CSV table with the columns the model was trained
on, the outcome without an offer, and with each offer its lift and bounds, and the
offer with the largest lift. Outcome, treatment, weights and times need not be there.`,
		Example: "  rebound model predict champion.rbm --data new.csv --mapping mapping.yaml --keep customer --out predictions.csv",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			p.model = arg[0]
			return p.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.data, "data", "", "table: .csv or .csv.gz")
	f.StringVarP(&p.mapping, "mapping", "m", "", "mapping file of the training (docs/formats/mapping.md)")
	f.StringVar(&p.out, "out", "", "CSV file to write")
	f.StringVar(&p.keep, "keep", "", "columns of the table to repeat, separated by commas")
	for _, name := range []string{"data", "mapping", "out"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

func (p *campaignPrediction) run(cmd *cobra.Command) error {
	model, _, err := openUplift(p.model)
	if err != nil {
		return err
	}
	m, err := readCampaignMapping(p.mapping)
	if err != nil {
		return err
	}
	comma := ','
	if lm := m.learner(); m.Recipe == recipeVoucher {
		comma = ';'
	} else if lm.Comma != 0 {
		comma = lm.Comma
	}
	records, err := readRecords(p.data, comma)
	if err != nil {
		return fmt.Errorf("table %s: %w", p.data, err)
	}
	d, err := m.unlabelled(records, comma, model.Schema())
	if err != nil {
		return fmt.Errorf("table %s: %w", p.data, err)
	}
	predicted, err := scoreRows(cmd.Context(), model, d)
	if err != nil {
		return fmt.Errorf("model %s: %w", p.model, err)
	}
	report := &predictionReport{Rows: d.Rows(), File: p.out, Chosen: map[string]int{}}
	err = writeWhole(p.out, func(w io.Writer) error {
		return p.write(w, m, records, model.Schema(), predicted, report)
	})
	if err != nil {
		return err
	}
	return p.app.print(report, report.table)
}

// readRecords reads a CSV file, gzip-compressed or not, with its header line.
func readRecords(file string, comma rune) ([][]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r io.Reader = bytes.NewReader(data)
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, err
		}
	}
	c := csv.NewReader(r)
	c.Comma = comma
	records, err := c.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, errors.New("the header line is missing")
	}
	records[0][0] = strings.TrimPrefix(records[0][0], "\ufeff")
	return records, nil
}

// unlabelled reads a table that may lack all that is known only afterwards: the
// columns are given a value that no prediction reads.
func (m *campaignMapping) unlabelled(records [][]string, comma rune, s *models.Schema) (*learner.Dataset, error) {
	reading := *m
	reading.Treatment.Column, reading.Treatment.Control = "", ""
	reading.Treatment.Offers, reading.Treatment.Propensities, reading.Treatment.Shares = nil, nil, nil
	reading.Weight, reading.Customer, reading.Time = "", "", ""
	reading.Outcome.Column, reading.Outcome.Unit = m.outcomeColumn(), "money"
	if m.Recipe == "" {
		reading.Features, reading.MaxLevels = nil, len(records)+1
		for _, f := range s.Features {
			reading.Features = append(reading.Features, m.column(f.Name))
		}
	}
	var fill []string
	values := map[string]string{reading.Outcome.Column: "0"}
	switch m.Recipe {
	case recipeHillstrom:
		values["segment"] = "No E-Mail"
	case recipeInsurance:
		values["TREATMENT"] = "0"
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = comma
	for _, name := range []string{reading.Outcome.Column, "segment", "TREATMENT"} {
		if _, ok := values[name]; ok && !slices.Contains(records[0], name) {
			fill = append(fill, name)
		}
	}
	for i, r := range records {
		line := slices.Clone(r)
		for _, name := range fill {
			if i == 0 {
				line = append(line, name)
			} else {
				line = append(line, values[name])
			}
		}
		for k, name := range records[0] {
			if v, ok := values[name]; ok && i > 0 {
				line[k] = v
			}
		}
		if err := w.Write(line); err != nil {
			return nil, err
		}
	}
	w.Flush()
	d, err := parseCampaignCSV(&b, &reading, reading.categoryColumns(s))
	if err != nil {
		return nil, err
	}
	return align(d, s)
}

// outcomeColumn is the column of the outcome, the recipes' own included.
func (m *campaignMapping) outcomeColumn() string {
	switch m.Recipe {
	case recipeInsurance:
		return "PURCHASE"
	case recipeVoucher:
		return "target90"
	}
	return m.Outcome.Column
}

func (p *campaignPrediction) write(w io.Writer, m *campaignMapping, records [][]string, s *models.Schema, predicted *prediction, report *predictionReport) error {
	var keep []int
	if p.keep != "" {
		for _, name := range strings.Split(p.keep, ",") {
			k := slices.Index(records[0], name)
			if k < 0 {
				return usageErrorf("--keep: the table has no column %q; it has %s", name, strings.Join(records[0], ", "))
			}
			keep = append(keep, k)
		}
	}
	out := csv.NewWriter(w)
	head := []string{"row"}
	for _, k := range keep {
		head = append(head, records[0][k])
	}
	head = append(head, "without")
	for _, o := range s.Offers {
		head = append(head, "with "+o, "uplift "+o, "lower "+o, "upper "+o)
	}
	if err := out.Write(append(head, "choice")); err != nil {
		return err
	}
	for i, without := range predicted.without {
		line := []string{strconv.Itoa(i + 1)}
		for _, k := range keep {
			line = append(line, records[i+1][k])
		}
		line = append(line, figure(without))
		for _, sc := range predicted.scores[i] {
			line = append(line, figure(sc.With), figure(sc.Uplift()), figure(sc.Lower), figure(sc.Upper))
		}
		choice := p.choice(m, s, predicted, i)
		report.count(choice)
		if err := out.Write(append(line, choice)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// choice is the offer with the largest lift or "none"; of the voucher recipe,
// whether a voucher is sent.
func (p *campaignPrediction) choice(m *campaignMapping, s *models.Schema, predicted *prediction, i int) string {
	if m.Recipe == recipeVoucher {
		if learner.SendVoucher(predicted.without[i]) {
			return "voucher"
		}
		return "none"
	}
	if k := predicted.best(i); k >= 0 {
		return s.Offers[k]
	}
	return "none"
}

func figure(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }

// shortNumber rounds a cell that is a number.
func shortNumber(cell string) string {
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		return cell
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func (r *predictionReport) count(choice string) {
	if r.Chosen[choice] == 0 {
		r.order = append(r.order, choice)
		slices.Sort(r.order)
	}
	r.Chosen[choice]++
}

func (r *predictionReport) table(w io.Writer) {
	row(w, "rows", r.Rows)
	for _, choice := range r.order {
		row(w, "  "+choice, r.Chosen[choice])
	}
	row(w, "file", r.File)
}
