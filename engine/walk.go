package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/store"
)

// walkSpan is how many entries a walk back over the log looks at together.
const walkSpan = 1024

// decisionsAfter lists the positions of up to limit decisions after an entry, oldest first.
func (e *Engine) decisionsAfter(ctx context.Context, after store.Position, limit int) ([]store.Position, error) {
	var out []store.Position
	err := e.opts.Store.Scan(ctx, after+1, func(entry *store.Entry) error {
		if entry.Kind == KindDecision {
			out = append(out, entry.Position)
		}
		if len(out) == limit {
			return store.Stop
		}
		return nil
	})
	return out, err
}

// decisionsBefore lists the positions of up to limit decisions before an entry
// (0: the end of the log), newest first. It walks back in spans, longer ones
// where nothing is left of the log.
func (e *Engine) decisionsBefore(ctx context.Context, before store.Position, limit int) ([]store.Position, error) {
	if before == 0 {
		before = e.opts.Store.Last() + 1
	}
	var out, found []store.Position
	for span := store.Position(walkSpan); before > 1 && len(out) < limit; {
		from := before - min(span, before-1)
		kept := false
		found = found[:0]
		err := e.opts.Store.Scan(ctx, from, func(entry *store.Entry) error {
			if entry.Position >= before {
				return store.Stop
			}
			kept = true
			if entry.Kind == KindDecision {
				found = append(found, entry.Position)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !kept {
			span *= 2
		}
		slices.Reverse(found)
		out = append(out, found[:min(len(found), limit-len(out))]...)
		before = from
	}
	return out, nil
}

// entriesOf calls fn with every logged event and decision of a customer, oldest first.
func (e *Engine) entriesOf(ctx context.Context, s store.Subject, fn func(*store.Entry) error) error {
	for after := store.Position(0); ; {
		at, err := e.opts.Store.Lookup(ctx, term(termSubject, string(s[:])), after, false, lookupBatch)
		if err != nil {
			return err
		}
		for _, after = range at {
			entry, err := e.opts.Store.Read(ctx, after)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
				continue
			}
			if err == nil {
				err = fn(&entry)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", after, err)
			}
		}
		if len(at) < lookupBatch {
			return nil
		}
	}
}
