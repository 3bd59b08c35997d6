package learner

import (
	"fmt"
	"io"

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
