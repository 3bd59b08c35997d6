package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// tx is one locked unit of work; it implements store.Tx. A stripe has one, used
// again by each Update that holds the stripe's lock.
type tx struct {
	s       *Store
	ctx     context.Context //nolint:containedctx // lives as long as the call it belongs to
	subject store.Subject
	last    store.Position
	entry   store.Entry     // appended last
	changes store.Mutations // of it
	terms   store.Terms     // of it
	open    bool            // entry and changes are not taken over yet
	read    struct {        // the record read last: a fold mostly asks for what fn has looked at
		key   []byte
		value []byte
		at    store.Position
	}
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, of store.Subject, fn func(store.Tx) error) error {
	at, err := s.Apply(ctx, of, fn)
	if at == 0 {
		return err
	}
	return errors.Join(err, s.Acknowledged(ctx, at))
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, of store.Subject, fn func(store.Tx) error) (store.Position, error) {
	if err := s.usable(); err != nil {
		return 0, fmt.Errorf("update: %w", err)
	}
	defer s.release()
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("update subject %x: %w", of, err)
	}
	if err := s.admit(ctx); err != nil {
		return 0, fmt.Errorf("update subject %x: %w", of, err)
	}
	t := s.table.stripe(of)
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.tx.run(ctx, s, of, fn)
}

// run calls fn; the subject's lock is held.
func (t *tx) run(ctx context.Context, s *Store, of store.Subject, fn func(store.Tx) error) (store.Position, error) {
	t.s, t.ctx, t.subject, t.last = s, ctx, of, 0
	defer t.end()
	err := fn(t)
	return t.last, err
}

func (t *tx) end() {
	t.takeOver()
	t.read.key, t.read.value, t.ctx = t.read.key[:0], nil, nil
}

// Acknowledged implements store.Store.
func (s *Store) Acknowledged(ctx context.Context, at store.Position) error {
	if s.opts.Mode == store.Bounded {
		return nil
	}
	return s.log.Wait(ctx, at)
}

func (t *tx) Get(key []byte) ([]byte, store.Position, error) {
	t.takeOver()
	if len(t.read.key) > 0 && bytes.Equal(t.read.key, key) {
		return t.read.value, t.read.at, nil
	}
	value, at, err := t.s.table.Get(key)
	if of, ok := store.SubjectOf(key); err == nil && ok && of == t.subject && !of.IsZero() { // the others change meanwhile
		t.read.key, t.read.value, t.read.at = append(t.read.key[:0], key...), value, at
	}
	return value, at, err
}

func (t *tx) Last() store.Position { return t.s.log.Appended() }

// Append implements store.Tx.
func (t *tx) Append(h store.Header, payload []byte) (store.Position, error) {
	if err := store.CheckEntry(h, t.subject, payload); err != nil {
		return 0, err
	}
	t.takeOver()
	if h.Subject.IsZero() {
		t.s.nobody.Lock()
		defer t.s.nobody.Unlock()
		defer t.takeOver()
	}
	t.entry = store.Entry{Header: h, Payload: payload}
	if err := t.s.fold(t, &t.entry, &t.changes); err != nil {
		return 0, err
	}
	at, recorded, err := t.s.log.Append(t.ctx, h, payload, false)
	if err != nil {
		return 0, err
	}
	t.last, t.open = at, true
	t.entry.Position, t.entry.Recorded = at, recorded
	t.s.remember(&t.entry, &t.terms)
	t.entry.Payload = nil
	return at, nil
}

// takeOver makes the last entry's changes visible. It is put off until they are looked at or fn is
// through, for fn may have appended under a lock that others wait for.
func (t *tx) takeOver() {
	if !t.open {
		return
	}
	t.open = false
	t.s.table.apply(t.changes, t.entry.Subject, t.entry.Position)
	t.read.key = t.read.key[:0]
}

// fold collects what the entry changes in m.
func (s *Store) fold(r store.Reader, e *store.Entry, m *store.Mutations) error {
	clear(*m)
	*m = (*m)[:0]
	if s.opts.Fold == nil {
		return nil
	}
	if err := s.opts.Fold(r, e, m); err != nil {
		return fmt.Errorf("fold entry of kind %d: %w", e.Kind, err)
	}
	return m.Check(e.Subject)
}

// remember indexes an entry whose segment is not sealed yet; t is memory for its terms.
func (s *Store) remember(e *store.Entry, t *store.Terms) {
	if s.opts.Index == nil {
		return
	}
	t.Reset()
	s.opts.Index(e, t)
	s.recent.add(t, e.Position, e.Subject)
}
