package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/store"
)

// TrainingOptions say which returns of a log become training rows.
type TrainingOptions struct {
	// Horizon is how long after the return a purchase counts, e.g. 30 days.
	Horizon time.Duration
	// From and To bound the returns, From <= t < To; zero: unbounded.
	From, To time.Time
	// Until is the end of what is known: returns whose horizon ends later are
	// censored. Zero: the newest event of the log.
	Until time.Time
	// Currency of money features; Location of local days and hours, UTC if nil.
	Currency string
	Location *time.Location
}

// TrainingRow is one return as it was known when it happened, and what followed.
type TrainingRow struct {
	Customer  store.Subject
	At        time.Time
	ReturnID  string
	X         []float64 // in the order of TrainingSet.Features; NaN is missing
	Purchased bool      // bought again, strictly after At and within the horizon
}

// TrainingSet is what TrainingRows finds, in order of time.
type TrainingSet struct {
	Features []models.Feature // number and bool features by the names policies use
	Rows     []TrainingRow
	Until    time.Time
	Censored int // returns whose horizon is not over
	Denied   int // returns of customers who denied consent: nothing is learned of them
}

// TrainingFeatures lists the inputs of a model trained on TrainingRows.
func TrainingFeatures() []models.Feature {
	var out []models.Feature
	for _, f := range profile.Table() {
		if f.Slot >= 0 {
			out = append(out, models.Feature{Name: f.Name})
		}
	}
	return out
}

// TrainingRows builds training rows from the events of a log. A return is a
// customer and local day, seen at the day's last return event with the feature
// function of Decide, on records folded from earlier events alone: never later
// knowledge.
func TrainingRows(ctx context.Context, s store.Store, o TrainingOptions) (*TrainingSet, error) {
	if o.Horizon <= 0 {
		return nil, errors.New("training rows: the horizon is not positive")
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	t := &trainer{o: o, set: &TrainingSet{Features: TrainingFeatures(), Until: o.Until}, of: map[store.Subject][]*profile.Event{}}
	if err := s.Scan(ctx, 1, t.collect); err != nil {
		return nil, fmt.Errorf("training rows: %w", err)
	}
	for _, subject := range t.order {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("training rows: %w", err)
		}
		if err := t.customer(subject); err != nil {
			return nil, fmt.Errorf("training rows: customer %x: %w", subject, err)
		}
	}
	slices.SortFunc(t.set.Rows, func(a, b TrainingRow) int {
		return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.Customer[:], b.Customer[:]))
	})
	return t.set, nil
}

// trainer collects events by customer and turns them into rows.
type trainer struct {
	o        TrainingOptions
	set      *TrainingSet
	of       map[store.Subject][]*profile.Event
	order    []store.Subject
	profiles profile.Folder
	seen     profile.Seen
}

// collect keeps the events of an entry, if it holds one.
func (t *trainer) collect(e *store.Entry) error {
	if e.Kind != KindEvent && e.Kind != KindIncentive {
		return nil
	}
	ev, err := decodeEvent(e)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Position, err)
	}
	if t.of[e.Subject] == nil {
		t.order = append(t.order, e.Subject)
	}
	t.of[e.Subject] = append(t.of[e.Subject], &ev)
	if t.o.Until.IsZero() && ev.Time.After(t.set.Until) {
		t.set.Until = ev.Time
	}
	return nil
}

// customer walks one customer's events in order of time: a row is computed
// from what came before, then the events are folded in.
func (t *trainer) customer(s store.Subject) error {
	events := t.of[s]
	slices.SortStableFunc(events, func(a, b *profile.Event) int { return a.Time.Compare(b.Time) })
	var records profile.Records
	folded := 0
	for i, ev := range events {
		if ev.Kind != profile.KindReturn || !t.o.wanted(ev.Time) || t.laterThatDay(events[i+1:], ev.Time) {
			continue
		}
		fresh, _, err := t.profiles.Events(records.History, events[folded:i])
		if err != nil {
			return err
		}
		records, folded = fresh, i
		if err := t.row(s, &records, ev, events[i+1:]); err != nil {
			return fmt.Errorf("return %q: %w", ev.ReturnID, err)
		}
	}
	return nil
}

// wanted reports whether a time is in the range.
func (o *TrainingOptions) wanted(at time.Time) bool {
	return (o.From.IsZero() || !at.Before(o.From)) && (o.To.IsZero() || at.Before(o.To))
}

// laterThatDay reports whether another return follows on the same local day.
func (t *trainer) laterThatDay(rest []*profile.Event, at time.Time) bool {
	y, m, d := at.In(t.o.Location).Date()
	for _, ev := range rest {
		ey, em, ed := ev.Time.In(t.o.Location).Date()
		if ey != y || em != m || ed != d {
			return false
		}
		if ev.Kind == profile.KindReturn {
			return true
		}
	}
	return false
}

// row adds the row of a return, unless it is censored or denied.
func (t *trainer) row(s store.Subject, r *profile.Records, ev *profile.Event, rest []*profile.Event) error {
	end := ev.Time.Add(t.o.Horizon)
	if end.After(t.set.Until) {
		t.set.Censored++
		return nil
	}
	ret := profile.Return{ID: ev.ReturnID, OrderID: ev.OrderID, Channel: ev.Channel, Lines: ev.Lines, Refund: ev.Refund}
	if err := t.seen.Read(*r, nil, &ret, ev.Time.In(t.o.Location), t.o.Currency); err != nil {
		return err
	}
	if consent, stated := t.seen.View().Consent(); stated && !consent {
		t.set.Denied++
		return nil
	}
	row := TrainingRow{Customer: s, At: ev.Time, ReturnID: ev.ReturnID, X: t.seen.Vector(make([]float64, 0, len(t.set.Features)))}
	for _, next := range rest {
		if next.Time.After(end) {
			break
		}
		if next.Kind == profile.KindPurchase && next.Time.After(ev.Time) {
			row.Purchased = true
			break
		}
	}
	t.set.Rows = append(t.set.Rows, row)
	return nil
}
