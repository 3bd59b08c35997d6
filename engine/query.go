package engine

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

const (
	defaultPage = 100
	maxPage     = 1000
	lookupBatch = 256
)

// Query returns one page of decisions, newest first unless asked otherwise.
// The error wraps ErrPageToken for a token of another query.
func (e *Engine) Query(ctx context.Context, q *Query) (*Page, error) {
	size := q.PageSize
	if size <= 0 {
		size = defaultPage
	}
	size = min(size, maxPage)
	after, err := q.resume()
	if err != nil {
		return nil, err
	}
	page := &Page{}
	for {
		at, err := e.candidates(ctx, q, after)
		if err != nil {
			return nil, fmt.Errorf("query decisions: %w", err)
		}
		for _, pos := range at {
			if len(page.Decisions) == size {
				page.NextToken = q.token(after)
				return page, nil
			}
			after = pos
			d, err := e.matching(ctx, q, pos)
			if err != nil {
				return nil, fmt.Errorf("query decisions: %w", err)
			}
			if d != nil {
				page.Decisions = append(page.Decisions, d)
			}
		}
		if len(at) < lookupBatch {
			return page, nil
		}
	}
}

// candidates lists up to lookupBatch entries that may match, by the narrowest
// term of the index the query allows, or by walking the log.
func (e *Engine) candidates(ctx context.Context, q *Query, after store.Position) ([]store.Position, error) {
	switch {
	case q.Customer != profile.Identity{}:
		s := profile.SubjectOf(q.Customer)
		return e.opts.Store.Lookup(ctx, term(termSubject, string(s[:])), after, !q.Oldest, lookupBatch)
	case q.Scope != "":
		return e.opts.Store.Lookup(ctx, term(termScope, q.Scope), after, !q.Oldest, lookupBatch)
	case q.Oldest:
		return e.decisionsAfter(ctx, after, lookupBatch)
	}
	return e.decisionsBefore(ctx, after, lookupBatch)
}

// matching reads a decision if it matches; nil if it does not, is gone, or if the
// entry is none: a customer's term finds events too.
func (e *Engine) matching(ctx context.Context, q *Query, at store.Position) (*Decision, error) {
	entry, err := e.opts.Store.Read(ctx, at)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if entry.Kind != KindDecision {
		return nil, nil
	}
	head, err := parseDecisionHead(&entry)
	if err != nil || !q.matches(&head) {
		return nil, err
	}
	return DecodeDecision(&entry)
}

func (q *Query) matches(d *decisionHead) bool {
	switch {
	case q.Customer != profile.Identity{} && d.customer() != q.Customer,
		!q.From.IsZero() && d.time < milli(q.From),
		!q.To.IsZero() && d.time >= milli(q.To),
		q.Outcome != 0 && d.outcome != q.Outcome:
		return false
	}
	return within(d.scope, q.Scope)
}

// within reports whether a scope is another one or below it.
func within(scope, of string) bool {
	return of == "" || scope == of || strings.HasPrefix(scope, of+".")
}

// token names the position a page ended at, tied to its query.
func (q *Query) token(at store.Position) string {
	b := binary.BigEndian.AppendUint64(nil, q.fingerprint())
	b = binary.AppendUvarint(b, uint64(at))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (q *Query) resume() (store.Position, error) {
	if q.PageToken == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.PageToken)
	if err != nil || len(b) < 9 || binary.BigEndian.Uint64(b) != q.fingerprint() {
		return 0, ErrPageToken
	}
	at, n := binary.Uvarint(b[8:])
	if n != len(b)-8 {
		return 0, ErrPageToken
	}
	return store.Position(at), nil
}

func (q *Query) fingerprint() uint64 {
	w := wire{}
	w.text(1, q.Customer.Namespace)
	w.text(2, q.Customer.Value)
	w.time(3, q.From)
	w.time(4, q.To)
	w.text(5, q.Scope)
	w.uint(6, uint64(q.Outcome))
	w.bool(7, q.Oldest)
	return xxhash.Sum64(w.b)
}

// Tail calls fn with the decisions after a position that match the query, then
// with new ones as they are acknowledged, until fn fails or ctx is done.
// Position 0 begins with the next decision.
func (e *Engine) Tail(ctx context.Context, q *Query, after store.Position, fn func(*Decision) error) error {
	s := e.opts.Store
	if after == 0 {
		after = s.Last()
	}
	for {
		changed := s.Changed()
		err := s.Scan(ctx, after+1, func(entry *store.Entry) error {
			after = entry.Position
			if entry.Kind != KindDecision {
				return nil
			}
			head, err := parseDecisionHead(entry)
			if err != nil || !q.matches(&head) {
				return err
			}
			d, err := DecodeDecision(entry)
			if err != nil {
				return err
			}
			return fn(d)
		})
		if err != nil {
			return fmt.Errorf("tail decisions: %w", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// Export calls fn with every logged event and decision of a customer, oldest
// first; one of the two is nil. The error wraps ErrNotFound if there is nothing.
func (e *Engine) Export(ctx context.Context, id profile.Identity, fn func(*profile.Event, *Decision) error) error {
	found := false
	err := e.entriesOf(ctx, profile.SubjectOf(id), func(entry *store.Entry) error {
		found = true
		return exportEntry(entry, fn)
	})
	if err != nil {
		return fmt.Errorf("export profile: %w", err)
	}
	if !found {
		return fmt.Errorf("export profile: %w", ErrNotFound)
	}
	return nil
}

func exportEntry(entry *store.Entry, fn func(*profile.Event, *Decision) error) error {
	if entry.Kind == KindDecision {
		d, err := DecodeDecision(entry)
		if err != nil {
			return err
		}
		return fn(nil, d)
	}
	ev, err := decodeEvent(entry)
	if err != nil {
		return err
	}
	return fn(&ev, nil)
}

// Erase removes a customer: records are deleted, earlier entries no longer
// readable. A repeated request changes nothing and gives the same position.
func (e *Engine) Erase(ctx context.Context, id profile.Identity, requestID string) (store.Position, error) {
	at, err := e.opts.Store.Lookup(ctx, term(termErasure, requestID), 0, false, 1)
	if err != nil {
		return 0, fmt.Errorf("erase profile: %w", err)
	}
	if len(at) > 0 && requestID != "" {
		return at[0], nil
	}
	w := wire{[]byte{entryVersion}}
	w.text(1, requestID)
	h := store.Header{Kind: KindErasure, Subject: profile.SubjectOf(id), Time: milli(e.businessNow(e.opts.Clock()))}
	pos, err := e.opts.Store.Erase(ctx, h, w.b)
	if err != nil {
		return 0, fmt.Errorf("erase profile: %w", err)
	}
	return pos, nil
}

func erasureRequest(payload []byte) (id string) {
	err := payloadFields(payload, "erasure", func(f field) error {
		if f.num == 1 {
			id = f.text()
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return id
}
