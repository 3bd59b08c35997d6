package eval

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteText writes the metrics and the calibration table of one model.
func (m Binary) WriteText(w io.Writer) error {
	t := newTable(w)
	t.printf("%s: %d rows, %d customers, %.4f with outcome 1\n", m.Model, m.Rows, m.Customers, m.BaseRate)
	t.printf("metric\tvalue\tlower\tupper\tstandard error\n")
	t.interval("AUC", m.AUC)
	t.interval("log loss", m.LogLoss)
	t.interval("Brier", m.Brier)
	t.flush()
	t.printf("\nbin\trows\tfrom\tto\tpredicted\tobserved\tlower\tupper\n")
	for i, b := range m.Bins {
		t.printf("%d\t%d\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f%s\n", i+1, b.Rows, b.From, b.To,
			b.Predicted, b.Observed, b.Lower, b.Upper, b.remark())
	}
	return t.done()
}

// remark is a last cell for bins whose prediction lies outside the interval.
func (b LevelBin) remark() string {
	switch {
	case b.Predicted < b.Lower:
		return "\tpredicted too low"
	case b.Predicted > b.Upper:
		return "\tpredicted too high"
	default:
		return ""
	}
}

// WriteText writes both models side by side, their paired differences and the verdict.
func (c Comparison) WriteText(w io.Writer) error {
	t := newTable(w)
	t.printf("%d rows, %d customers, %.4f with outcome 1\n", c.First.Rows, c.First.Customers, c.First.BaseRate)
	t.printf("metric\t%s\t%s\tdifference\tlower\tupper\n", c.First.Model, c.Second.Model)
	row := func(name string, a, b, d Interval) {
		t.printf("%s\t%.5f\t%.5f\t%+.5f\t%+.5f\t%+.5f\n", name, a.Value, b.Value, d.Value, d.Lower, d.Upper)
	}
	row("AUC", c.First.AUC, c.Second.AUC, c.AUCDiff)
	row("log loss", c.First.LogLoss, c.Second.LogLoss, c.LogLossDiff)
	row("Brier", c.First.Brier, c.Second.Brier, c.BrierDiff)
	t.flush()
	t.printf("%s\n", c.Verdict())
	return t.done()
}

// table writes aligned columns and keeps the first error.
type table struct {
	tab *tabwriter.Writer
	err error
}

func newTable(w io.Writer) *table {
	return &table{tab: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

func (t *table) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.tab, format, args...)
	}
}

func (t *table) interval(name string, v Interval) {
	t.printf("%s\t%.5f\t%.5f\t%.5f\t%.5f\n", name, v.Value, v.Lower, v.Upper, v.SE)
}

// flush ends a block of aligned columns.
func (t *table) flush() {
	if err := t.tab.Flush(); t.err == nil {
		t.err = err
	}
}

// done flushes and returns the first error.
func (t *table) done() error {
	t.flush()
	return t.err
}
