package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// positionAfter is about where the log passes a business time: the first entry
// behind it, if entries came in the order of their time. Late events make it
// less sharp, and callers look at the time of what they find.
func (e *Engine) positionAfter(ctx context.Context, at time.Time) (store.Position, error) {
	from, to := store.Position(1), e.opts.Store.Last()+1
	for from < to {
		middle := from + (to-from)/2
		entry, err := e.opts.Store.Read(ctx, middle)
		gone := errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased)
		switch {
		case err != nil && !gone:
			return 0, err
		case gone || entry.Time <= milli(at):
			from = middle + 1
		default:
			to = middle
		}
	}
	return from, nil
}

// decisionsFrom calls fn with up to limit decisions before an entry (0: the end
// of the log), newest first, until fn returns false.
func (e *Engine) decisionsFrom(ctx context.Context, before store.Position, limit int, fn func(*Decision) (bool, error)) error {
	for limit > 0 {
		at, err := e.decisionsBefore(ctx, before, min(limit, lookupBatch))
		if err != nil {
			return err
		}
		for _, pos := range at {
			entry, err := e.opts.Store.Read(ctx, pos)
			if errors.Is(err, store.ErrErased) {
				continue
			}
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			d, err := DecodeDecision(&entry)
			if err != nil {
				return fmt.Errorf("entry %d: %w", pos, err)
			}
			if more, err := fn(d); err != nil || !more {
				return err
			}
		}
		if limit -= len(at); len(at) < lookupBatch {
			return nil
		}
		before = at[len(at)-1]
	}
	return nil
}

// followed is what a customer did.
type followed struct {
	events  []*profile.Event
	settled map[string]int64 // by decision: minor units
}

// customer reads what somebody did, once.
func (q *inquiry) customer(d *Decision) (followed, error) {
	if f, ok := q.customers[d.Subject]; ok {
		return f, nil
	}
	f, err := q.e.followed(q.ctx, d.Subject)
	if err == nil {
		q.customers[d.Subject] = f
	}
	return f, err
}

// followed reads the purchases, returns and redemptions of a customer.
func (e *Engine) followed(ctx context.Context, s store.Subject) (followed, error) {
	f := followed{settled: map[string]int64{}}
	err := e.entriesOf(ctx, s, f.see)
	return f, err
}

func (f *followed) see(e *store.Entry) error {
	if e.Kind != KindEvent && e.Kind != KindIncentive {
		return nil
	}
	ev, err := decodeEvent(e)
	if err != nil {
		return err
	}
	switch ev.Kind {
	case profile.KindPurchase, profile.KindReturn, profile.KindRedemption:
		f.events = append(f.events, &ev)
	default:
		return nil
	}
	if e.Kind == KindIncentive {
		i, err := parseIncentive(e.Payload)
		if err != nil {
			return err
		}
		if x := i.ledger.settle; x != nil {
			f.settled[x.decision] += x.amount
		}
	}
	return nil
}
