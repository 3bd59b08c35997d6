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
// labelled is false). Dates become days relative to the order. Nothing was
// randomised in it: it is prediction, and no uplift can be learned from it.
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
	if err := t.itemTotals(); err != nil {
		return nil, false, fmt.Errorf("read vouchers: %w", err)
	}
	d, err = t.dataset(Mapping{
		Outcome: "target90", Unit: "probability", Ignore: []string{"customernumber"},
	})
	return d, labelled, err
}

// VoucherCandidates are the members of the outcome's stack for that file: its
// codes are read as numbers, which boosted trees of random columns bear well.
func VoucherCandidates(seed uint64) []Candidate {
	boost := func(trees, leaves int, rate float64) BoostSettings {
		return BoostSettings{Trees: trees, Leaves: leaves, LearningRate: rate, MinRows: 50, Lambda: 5, RowFraction: 0.6, ColumnFraction: 0.3, Seed: seed + 1}
	}
	return []Candidate{
		{Name: "linear", Method: MethodT, Base: BaseLinear, Linear: LinearSettings{Ridge: 30}},
		{Name: "boost-8", Method: MethodT, Base: BaseBoost, Boost: boost(500, 8, 0.04)},
		{Name: "boost-16", Method: MethodT, Base: BaseBoost, Boost: boost(400, 16, 0.03)},
	}
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

// itemTotals adds the number of articles (w0 to w10) and of kinds of articles.
func (t *table) itemTotals() error {
	rows := len(t.cols[0])
	items, kinds := make([]int, rows), make([]int, rows)
	for k := range 11 {
		col, err := t.numbers(fmt.Sprintf("w%d", k), func(s string) bool { return s == "" })
		if err != nil {
			return err
		}
		for i, v := range col {
			if v > 0 {
				items[i] += int(v)
				kinds[i]++
			}
		}
	}
	t.addCounts("articles", items)
	t.addCounts("kinds", kinds)
	return nil
}

func (t *table) addCounts(name string, counts []int) {
	col := make([]string, len(counts))
	for i, c := range counts {
		col[i] = strconv.Itoa(c)
	}
	t.names, t.cols = append(t.names, name), append(t.cols, col)
}
