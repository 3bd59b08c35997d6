package learner

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/rebound-engine/rebound/models"
)

// ReadHillstrom reads the MineThatData e-mail test (Hillstrom 2008) into the
// twelve numbers the published comparison uses: history_segment by its leading
// digit, zip code and channel as indicators; arm 1 is the Mens e-mail, arm 2
// the Womens e-mail. outcome is visit, conversion or spend.
func ReadHillstrom(r io.Reader, outcome, unit string) (*Dataset, error) {
	t, err := readTable(r, 0)
	if err != nil {
		return nil, fmt.Errorf("read Hillstrom: %w", err)
	}
	segment, err := t.column("history_segment")
	if err != nil {
		return nil, err
	}
	for i, s := range segment {
		segment[i] = s[:min(1, len(s))]
	}
	d, err := t.dataset(Mapping{
		Outcome: outcome, Unit: unit, Treatment: "segment", Control: "No E-Mail", Offers: []string{"Mens E-Mail", "Womens E-Mail"},
		Features: []string{"recency", "history_segment", "history", "mens", "womens", "newbie"},
	})
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		column string
		levels []string
	}{{"zip_code", []string{"Rural", "Surburban", "Urban"}}, {"channel", []string{"Multichannel", "Phone", "Web"}}} {
		if err := t.indicators(d, c.column, c.levels); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (t *table) indicators(d *Dataset, column string, levels []string) error {
	text, err := t.column(column)
	if err != nil {
		return err
	}
	for _, l := range levels {
		col := make([]float64, len(text))
		for i, s := range text {
			if s == l {
				col[i] = 1
			}
		}
		d.Features = append(d.Features, models.Feature{Name: column + "=" + l})
		d.X = append(d.X, col)
	}
	return nil
}

// ReadInsuranceMail reads the randomised insurance mailing of the R package
// Information: TREATMENT against none, outcome PURCHASE, 68 covariates.
func ReadInsuranceMail(r io.Reader) (*Dataset, error) {
	t, err := readTable(r, 0)
	if err != nil {
		return nil, fmt.Errorf("read insurance mail: %w", err)
	}
	arm, err := t.column("TREATMENT")
	if err != nil {
		return nil, err
	}
	for i, v := range arm {
		if arm[i] = "none"; v == "1.0" || v == "1" {
			arm[i] = "mail"
		}
	}
	return t.dataset(Mapping{
		Outcome: "PURCHASE", Unit: "probability", Treatment: "TREATMENT", Control: "none", Offers: []string{"mail"},
		Ignore: []string{"UNIQUE_ID"},
	})
}

// Points of the Data Mining Cup 2010 for a voucher sent to one who would not
// reorder within 90 days anyway, and to one who would.
const (
	VoucherGain = 1.5
	VoucherLoss = -5
)

// SendVoucher is the decision with the larger expected points, given the
// chance of a reorder without a voucher.
func SendVoucher(reorder float64) bool {
	return VoucherGain*(1-reorder)+VoucherLoss*reorder > 0
}

// VoucherPoints are the points of sending (or not) given what happened.
func VoucherPoints(send bool, reordered float64) float64 {
	switch {
	case !send:
		return 0
	case reordered > 0:
		return VoucherLoss
	}
	return VoucherGain
}

// ReadVoucher2010 reads the Data Mining Cup 2010 file (";"-separated): what is
// known after a first order, and whether the customer reordered within 90 days
// (target90, absent in a file to be predicted: then all outcomes are 0 and
// labelled is false). Dates become days relative to the order, and the order is
// described as a whole. Title, e-mail domain and gift, which tell nothing, are
// left out. Nothing was randomised in it: it is prediction, and no uplift can be
// learned from it.
func ReadVoucher2010(r io.Reader) (d *Dataset, labelled bool, err error) {
	t, err := readTable(r, ';')
	if err != nil {
		return nil, false, fmt.Errorf("read vouchers: %w", err)
	}
	if err := t.daysSince("date", "datecreated", "deliverydatepromised", "deliverydatereal"); err != nil {
		return nil, false, fmt.Errorf("read vouchers: %w", err)
	}
	labelled = slices.Contains(t.names, "target90")
	if !labelled {
		zeros := make([]string, len(t.cols[0]))
		for i := range zeros {
			zeros[i] = "0"
		}
		t.names, t.cols = append(t.names, "target90"), append(t.cols, zeros)
	}
	d, err = t.dataset(Mapping{
		Outcome: "target90", Unit: "probability", Ignore: []string{"customernumber", "title", "domain", "gift"},
	})
	if err != nil {
		return nil, false, err
	}
	return d, labelled, d.addOrder()
}

// VoucherCandidates are the members of the outcome's stack for that file: its
// codes are read as numbers, which boosted trees of random columns bear well.
// Many small trees and few large ones err in different ways.
func VoucherCandidates(seed uint64) []Candidate {
	boost := func(trees, leaves int, rate float64) Candidate {
		return Candidate{
			Name: fmt.Sprintf("boost-%d", leaves), Method: MethodT, Base: BaseBoost,
			Boost: BoostSettings{Trees: trees, Leaves: leaves, LearningRate: rate, MinRows: 20, Lambda: 5, RowFraction: 0.6, ColumnFraction: 0.5, Seed: seed + uint64(leaves)},
		}
	}
	return []Candidate{boost(600, 12, 0.02), boost(200, 24, 0.04), boost(120, 48, 0.04)}
}

// daysSince replaces date columns by days after the order's date, and the
// order's own date by day of the year, with its weekday beside it. Dates that
// do not exist (0000-00-00) are missing.
func (t *table) daysSince(order string, others ...string) error {
	base, err := t.column(order)
	if err != nil {
		return err
	}
	weekday := make([]string, len(base))
	for _, name := range others {
		col, err := t.column(name)
		if err != nil {
			return err
		}
		for i, s := range col {
			a, errA := time.Parse(time.DateOnly, base[i])
			b, errB := time.Parse(time.DateOnly, s)
			col[i] = ""
			if errA == nil && errB == nil {
				col[i] = strconv.Itoa(int(b.Sub(a) / (24 * time.Hour)))
			}
		}
	}
	for i, s := range base {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			base[i] = ""
			continue
		}
		base[i], weekday[i] = strconv.Itoa(at.YearDay()), strconv.Itoa(int(at.Weekday()))
	}
	t.names, t.cols = append(t.names, "weekday"), append(t.cols, weekday)
	return nil
}

// articleKinds is how many kinds of articles the voucher file counts: w0 to w10.
const articleKinds = 11

// addOrder describes an order as a whole: how many articles and kinds, which
// kind prevails and each kind's share, and what part of the items came back, was
// cancelled or stayed.
func (d *Dataset) addOrder() error {
	items, returned, cancelled := d.numbersOf("numberitems"), d.numbersOf("remi"), d.numbersOf("cancel")
	kinds := make([][]float64, articleKinds)
	for k := range kinds {
		kinds[k] = d.numbersOf(fmt.Sprintf("w%d", k))
	}
	if items == nil || returned == nil || cancelled == nil || slices.ContainsFunc(kinds, func(col []float64) bool { return col == nil }) {
		return fmt.Errorf("%w: numberitems, remi, cancel and w0 to w%d must be numbers", ErrData, articleKinds-1)
	}
	articles := func(i int) (sum float64) {
		for _, col := range kinds {
			sum += col[i]
		}
		return sum
	}
	most := func(i int) (at int) {
		for k, col := range kinds {
			if col[i] > kinds[at][i] {
				at = k
			}
		}
		return at
	}
	d.derive("articles", articles)
	d.derive("kinds", func(i int) (n float64) {
		for _, col := range kinds {
			if col[i] > 0 {
				n++
			}
		}
		return n
	})
	d.derive("main kind", func(i int) float64 { return float64(most(i)) })
	d.derive("of main kind", func(i int) float64 { return kinds[most(i)][i] })
	for k, col := range kinds {
		d.derive(fmt.Sprintf("share of w%d", k), func(i int) float64 { return col[i] / max(1, articles(i)) })
	}
	d.derive("items beyond articles", func(i int) float64 { return items[i] - articles(i) })
	d.derive("items kept", func(i int) float64 { return items[i] - returned[i] - cancelled[i] })
	d.derive("share returned", func(i int) float64 { return returned[i] / max(1, items[i]) })
	d.derive("share cancelled", func(i int) float64 { return cancelled[i] / max(1, items[i]) })
	return nil
}

// numbersOf is the column of a feature; nil where there is none of numbers.
func (d *Dataset) numbersOf(name string) []float64 {
	for j, f := range d.Features {
		if f.Name == name && f.Type == models.Number {
			return d.X[j]
		}
	}
	return nil
}

// derive adds a feature computed per row.
func (d *Dataset) derive(name string, of func(row int) float64) {
	col := make([]float64, d.Rows())
	for i := range col {
		col[i] = of(i)
	}
	d.Features, d.X = append(d.Features, models.Feature{Name: name}), append(d.X, col)
}
