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
	records, err := readRecords(p.data, m.comma())
	if err != nil {
		return fmt.Errorf("table %s: %w", p.data, err)
	}
	d, err := m.unlabelled(records, m.comma(), model.Schema())
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

// unlabelled reads a table that may lack all that is known only afterwards:
// outcome and treatment get values that no prediction reads.
func (m *campaignMapping) unlabelled(records [][]string, comma rune, s *models.Schema) (*learner.Dataset, error) {
	reading := &campaignMapping{
		Recipe: m.Recipe, Delimiter: m.Delimiter, Categories: m.Categories, Missing: m.Missing, Rename: m.Rename,
		MaxLevels: len(records), // all: the model knows which ones it has seen
	}
	reading.Outcome.Column, reading.Outcome.Unit = m.outcomeColumn(), "money"
	for _, f := range s.Features {
		reading.Features = append(reading.Features, m.column(f.Name))
	}
	neutral := []neutralColumn{{reading.Outcome.Column, "0"}}
	switch m.Recipe {
	case recipeHillstrom:
		neutral = append(neutral, neutralColumn{"segment", "No E-Mail"})
	case recipeInsurance:
		neutral = append(neutral, neutralColumn{"TREATMENT", "0"})
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = comma
	if err := w.WriteAll(neutralised(records, neutral)); err != nil {
		return nil, err
	}
	d, err := parseCampaignCSV(&b, reading, reading.categoryColumns(s))
	if err != nil {
		return nil, err
	}
	return align(d, s)
}

// neutralColumn is a column with the same cell in every row.
type neutralColumn struct{ name, cell string }

// neutralised is a table whose named columns hold one cell throughout; those
// that are absent are added.
func neutralised(records [][]string, columns []neutralColumn) [][]string {
	out := make([][]string, len(records))
	for i, r := range records {
		out[i] = slices.Clone(r)
	}
	for _, c := range columns {
		at := slices.Index(records[0], c.name)
		for i := range out {
			cell := c.cell
			if i == 0 {
				cell = c.name
			}
			if at < 0 {
				out[i] = append(out[i], cell)
			} else {
				out[i][at] = cell
			}
		}
	}
	return out
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

// write writes the predictions as CSV and counts the choices.
func (p *campaignPrediction) write(w io.Writer, m *campaignMapping, records [][]string, s *models.Schema, predicted *prediction, report *predictionReport) error {
	keep, err := p.kept(records[0])
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	if err := out.Write(predictionHead(records[0], keep, s)); err != nil {
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
		choice := chosen(m, s, predicted, i)
		report.count(choice)
		if err := out.Write(append(line, choice)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// kept are the indexes of the columns of --keep.
func (p *campaignPrediction) kept(head []string) ([]int, error) {
	if p.keep == "" {
		return nil, nil
	}
	var keep []int
	for name := range strings.SplitSeq(p.keep, ",") {
		k := slices.Index(head, name)
		if k < 0 {
			return nil, usageErrorf("--keep: the table has no column %q; it has %s", name, strings.Join(head, ", "))
		}
		keep = append(keep, k)
	}
	return keep, nil
}

func predictionHead(table []string, keep []int, s *models.Schema) []string {
	head := []string{"row"}
	for _, k := range keep {
		head = append(head, table[k])
	}
	head = append(head, "without")
	for _, o := range s.Offers {
		head = append(head, "with "+o, "uplift "+o, "lower "+o, "upper "+o)
	}
	return append(head, "choice")
}

// chosen is the offer with the largest lift or "none"; of the voucher recipe,
// whether a voucher is sent.
func chosen(m *campaignMapping, s *models.Schema, predicted *prediction, i int) string {
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
