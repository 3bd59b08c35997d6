package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// TrainingOptions say which returns to learn from.
type TrainingOptions struct {
	Currency string        // money features are in it; ISO 4217
	Horizon  time.Duration // the label's window
	From     time.Time     // returns at or after; zero: from the beginning
	Until    time.Time     // nothing at or after it is known: neither returns nor labels; zero: to the end of the log
}

// Example is one return of a customer, the first of its day, as a decision at
// that moment would have seen it, and what came of it.
type Example struct {
	Subject store.Subject
	Time    time.Time
	X       []float64 // values of the feature table's numbers and bools, in slot order; NaN is missing
	Bought  bool      // a purchase strictly after Time, at most Horizon later
}

// scanner is what training needs of a store.
type scanner interface {
	Scan(ctx context.Context, from store.Position, fn func(*store.Entry) error) error
}

// Examples reads the log and returns the returns whose label is known by
// Until, in the order of time. Features are those of Decide: the same fold and the same
// reading with the return, over what had happened by then, whatever the order
// it was recorded in. Customers who declared that they do not consent are left out.
// The events of the log must fit in memory.
func Examples(ctx context.Context, log scanner, o TrainingOptions) ([]Example, error) {
	customers, last, err := histories(ctx, log, o.Until)
	if err != nil {
		return nil, fmt.Errorf("read training examples: %w", err)
	}
	end := o.Until
	if end.IsZero() {
		end = fromMilli(last).Add(time.Millisecond)
	}
	var out []Example
	for _, c := range customers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		examples, err := c.examples(o, end)
		if err != nil {
			return nil, fmt.Errorf("customer %x: %w", c.subject, err)
		}
		out = append(out, examples...)
	}
	slices.SortStableFunc(out, func(a, b Example) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// history is what the log says of one customer.
type history struct {
	subject store.Subject
	entries []store.Entry
	records map[string][]byte // by key; the fold's view of the store
}

// histories groups the log by customer, each in the order of business time.
func histories(ctx context.Context, log scanner, until time.Time) ([]*history, int64, error) {
	bySubject := map[store.Subject]*history{}
	var all []*history
	var last int64
	err := log.Scan(ctx, 1, func(e *store.Entry) error {
		if e.Kind != KindEvent && e.Kind != KindDecision && e.Kind != KindIncentive {
			return nil
		}
		if !until.IsZero() && e.Time >= until.UnixMilli() {
			return nil
		}
		h := bySubject[e.Subject]
		if h == nil {
			h = &history{subject: e.Subject, records: map[string][]byte{}}
			bySubject[e.Subject] = h
			all = append(all, h)
		}
		kept := *e
		kept.Payload = slices.Clone(e.Payload)
		h.entries = append(h.entries, kept)
		last = max(last, e.Time)
		return nil
	})
	for _, h := range all {
		slices.SortStableFunc(h.entries, func(a, b store.Entry) int { return cmp.Compare(a.Time, b.Time) })
	}
	return all, last, err
}

// Get implements store.Reader for the fold.
func (h *history) Get(key []byte) ([]byte, store.Position, error) {
	return h.records[string(key)], 0, nil
}

// Put implements store.Writer for the fold.
func (h *history) Put(key, value []byte) { h.records[string(key)] = value }

// Delete implements store.Writer for the fold.
func (h *history) Delete(key []byte) { delete(h.records, string(key)) }

// examples walks a customer's life: everything up to a moment is folded before
// the returns of that moment are read.
func (h *history) examples(o TrainingOptions, end time.Time) ([]Example, error) {
	events, err := h.events()
	if err != nil {
		return nil, err
	}
	purchases := timesOf(events, profile.KindPurchase)
	fold := NewFold()
	var out []Example
	var day string
	folded := 0
	for _, e := range events {
		if e.Kind != profile.KindReturn || e.Time.Before(o.From) || e.Time.Add(o.Horizon).After(end) {
			continue
		}
		if d := e.Time.Format(time.DateOnly); d != day {
			day = d
		} else {
			continue
		}
		for ; folded < len(h.entries) && h.entries[folded].Time <= e.Time.UnixMilli(); folded++ {
			if err := fold(h, &h.entries[folded], h); err != nil {
				return nil, err
			}
		}
		x, consents, err := h.read(e, o.Currency)
		if err != nil {
			return nil, err
		}
		if consents {
			out = append(out, Example{h.subject, e.Time, x, boughtWithin(purchases, e.Time, o.Horizon)})
		}
	}
	return out, nil
}

// events decodes the customer's events, in the order of time.
func (h *history) events() ([]*profile.Event, error) {
	var out []*profile.Event
	seen := map[string]bool{}
	for i := range h.entries {
		if h.entries[i].Kind != KindEvent {
			continue
		}
		e, err := profile.DecodeEvent(h.entries[i].Payload)
		if err != nil {
			return nil, fmt.Errorf("log position %d: %w", h.entries[i].Position, err)
		}
		if !seen[e.ID] {
			seen[e.ID] = true
			out = append(out, &e)
		}
	}
	return out, nil
}

func timesOf(events []*profile.Event, kind profile.Kind) []time.Time {
	var out []time.Time
	for _, e := range events {
		if e.Kind == kind {
			out = append(out, e.Time)
		}
	}
	return out
}

// boughtWithin tells whether a purchase lies in (t, t+horizon].
func boughtWithin(purchases []time.Time, t time.Time, horizon time.Duration) bool {
	return slices.ContainsFunc(purchases, func(p time.Time) bool { return p.After(t) && !p.After(t.Add(horizon)) })
}

// read computes the features of a return as Decide does.
func (h *history) read(e *profile.Event, currency string) (x []float64, consents bool, err error) {
	ret := profile.Return{ID: e.ReturnID, OrderID: e.OrderID, Channel: e.Channel, Lines: e.Lines, Refund: e.Refund}
	var seen profile.Seen
	err = seen.Read(h.records[string(profile.Key(profile.TableFeatures, h.subject))],
		h.records[string(profile.Key(profile.TableHistory, h.subject))], &ret, e.Time, currency)
	if err != nil {
		return nil, false, fmt.Errorf("return %q: %w", e.ReturnID, err)
	}
	given, stated := seen.View().Consent()
	return seen.Vector(nil), given || !stated, nil
}
