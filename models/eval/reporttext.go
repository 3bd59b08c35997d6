package eval

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteText writes the report as aligned text without the curves.
func (r Report) WriteText(w io.Writer) error {
	t := newTable(w)
	t.printf("%s\n", r.Title)
	if r.Subject != "" {
		t.printf("%s\n", r.Subject)
	}
	t.printf("Intervals are at %.4g %%.\n", 100*r.level())
	for _, p := range r.Policies {
		t.policy(p)
	}
	for _, u := range r.Uplift {
		t.uplift(u)
	}
	for _, l := range r.Tables {
		t.listing(l)
	}
	t.importance(r)
	for _, a := range r.Attributions {
		t.attribution(a)
	}
	t.checks(r.Checks)
	if err := t.done(); err != nil {
		return r.textError(err)
	}
	for _, m := range r.Binary {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return r.textError(err)
		}
		if err := m.WriteText(w); err != nil {
			return r.textError(err)
		}
	}
	for _, c := range r.Comparisons {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return r.textError(err)
		}
		if err := c.WriteText(w); err != nil {
			return r.textError(err)
		}
	}
	t.card(r)
	if err := t.done(); err != nil {
		return r.textError(err)
	}
	return nil
}

func (r Report) textError(err error) error {
	return fmt.Errorf("write report %q as text: %w", r.Title, err)
}

func (t *table) policy(p PolicyReport) {
	t.flush()
	t.printf("\nPolicy value: %s, %d rows, %d customers\n", p.Outcome, p.Rows, p.Customers)
	t.printf("%s\n", p.Guard.Words)
	t.flush()
	t.printf("policy\testimator\tvalue\tlower\tupper\teffective rows\n")
	for _, e := range p.Policies {
		for j, v := range e.Values {
			t.printf("%s\t%s\t%s\t%s\t%s\t%.0f\n", e.Name, p.Estimators[j],
				amount(v.Value, p.Unit), amount(v.Lower, p.Unit), amount(v.Upper, p.Unit), e.Support.Effective)
		}
	}
}

func (t *table) uplift(u Uplift) {
	t.flush()
	t.printf("\nUplift of %s on %s: %s, %d rows, %d customers\n", u.Arm, u.Outcome, u.Model, u.Rows, u.Customers)
	t.printf("metric\tvalue\tlower\tupper\n")
	row := func(name string, v Interval) {
		t.printf("%s\t%s\t%s\t%s\n", name, effect(v.Value, u.Unit), effect(v.Lower, u.Unit), effect(v.Upper, u.Unit))
	}
	row("average effect", u.Effect)
	for _, a := range u.At {
		row(fmt.Sprintf("effect in the first %.0f %%", 100*a.Share), a.Interval)
	}
	plain := func(name string, v Interval) {
		t.printf("%s\t%.5g\t%.5g\t%.5g\n", name, v.Value, v.Lower, v.Upper)
	}
	plain("Qini area per customer", u.Qini)
	t.printf("classic Qini area per treated\t%.5g\n", u.Classic)
	plain("AUTOC", u.Targeting.AUTOC)
	plain("RATE, Qini weighting", u.Targeting.Qini)
	t.calibration(u)
	for _, p := range u.Peers {
		t.printf("%s\t%.5g\n", p.Name, p.Value)
	}
}

func (t *table) calibration(u Uplift) {
	c := u.Calibration
	if c == nil {
		return
	}
	t.printf("effect calibration, error by bin\t%s\n", size(c.Error, u.Unit))
	t.printf("effect calibration, debiased\t%s\n", size(c.Debiased, u.Unit))
	if c.Slope != nil {
		t.printf("effect calibration, slope\t%.3f\t%.3f\t%.3f\n", c.Slope.Value, c.Slope.Lower, c.Slope.Upper)
	}
}

func (t *table) listing(l Listing) {
	t.flush()
	t.printf("\n%s\n", l.Title)
	t.flush()
	for _, row := range append([][]string{l.Columns}, l.Rows...) {
		t.printf("%s\n", strings.Join(row, "\t"))
	}
	t.flush()
	if l.Note != "" {
		t.printf("%s\n", l.Note)
	}
}

func (t *table) importance(r Report) {
	if len(r.Importance) == 0 {
		return
	}
	t.flush()
	t.printf("\nImportance: loss of %s when the feature is shuffled\n", r.ImportanceOf)
	t.printf("feature\tloss\tsd\n")
	for _, i := range r.Importance {
		t.printf("%s\t%.5g\t%.2g\n", i.Feature, i.Drop, i.SD)
	}
}

func (t *table) checks(checks []Check) {
	if len(checks) == 0 {
		return
	}
	t.flush()
	t.printf("\nChecks\n")
	for _, c := range checks {
		t.printf("%s\t%s\t%s\n", verdict(c.Alarm), c.Name, c.Words)
	}
}

func verdict(alarm bool) string {
	if alarm {
		return "ALARM"
	}
	return "ok"
}

func (t *table) card(r Report) {
	if len(r.Card) > 0 {
		t.printf("\nModel card\n")
	}
	for _, f := range r.Card {
		t.printf("%s\t%s\n", f.Name, f.Value)
	}
	t.flush()
	if len(r.Notes) > 0 {
		t.printf("\nNotes\n")
	}
	for _, n := range r.Notes {
		t.printf("- %s\n", n)
	}
}

// amount writes a level of an outcome: a probability in percent, else four digits.
func amount(v float64, unit string) string {
	if unit == "probability" {
		return fmt.Sprintf("%.2f %%", 100*v)
	}
	return fixed(v)
}

// effect writes a difference: of probabilities in percentage points.
func effect(v float64, unit string) string {
	if unit == "probability" {
		return fmt.Sprintf("%+.2f pp", 100*v)
	}
	if v < 0 {
		return fixed(v)
	}
	return "+" + fixed(v)
}

// fixed writes about four digits with decimals that line up in a column.
func fixed(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.2f", v)
	case a >= 0.01 || a == 0:
		return fmt.Sprintf("%.3f", v)
	default:
		return fmt.Sprintf("%.2g", v)
	}
}

// size writes a difference whose direction has no meaning.
func size(v float64, unit string) string { return strings.TrimPrefix(effect(v, unit), "+") }
