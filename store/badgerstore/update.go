package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// tx is one locked unit of work; it implements store.Tx.
type tx struct {
	s       *Store
	ctx     context.Context //nolint:containedctx // lives as long as the call it belongs to
	subject store.Subject
	last    store.Position
	read    struct { // the record read last: a fold mostly asks for what fn has looked at
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
	t := &tx{s: s, ctx: ctx, subject: of}
	err := t.run(fn)
	return t.last, err
}

// run holds the subject's lock around fn.
func (t *tx) run(fn func(store.Tx) error) error {
	l := &t.s.table.stripe(t.subject).lock
	l.Lock()
	defer l.Unlock()
	return fn(t)
}

// Acknowledged implements store.Store.
func (s *Store) Acknowledged(ctx context.Context, at store.Position) error {
	if s.opts.Mode == store.Bounded {
		return nil
	}
	return s.log.Wait(ctx, at)
}

func (t *tx) Get(key []byte) ([]byte, store.Position, error) {
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
	if h.Subject.IsZero() {
		t.s.nobody.Lock()
		defer t.s.nobody.Unlock()
	}
	m, err := t.s.fold(t, h, payload)
	if err != nil {
		return 0, err
	}
	at, recorded, err := t.s.log.Append(t.ctx, h, payload, false)
	if err != nil {
		return 0, err
	}
	t.last = at
	t.s.table.apply(m, h.Subject, at)
	t.read.key = t.read.key[:0]
	t.s.remember(&store.Entry{Header: h, Position: at, Recorded: recorded, Payload: payload})
	return at, nil
}

// fold returns what the entry changes.
func (s *Store) fold(r store.Reader, h store.Header, payload []byte) (store.Mutations, error) {
	if s.opts.Fold == nil {
		return nil, nil
	}
	var m store.Mutations
	if err := s.opts.Fold(r, &store.Entry{Header: h, Payload: payload}, &m); err != nil {
		return nil, fmt.Errorf("fold entry of kind %d: %w", h.Kind, err)
	}
	return m, m.Check(h.Subject)
}

// remember indexes an entry whose segment is not sealed yet.
func (s *Store) remember(e *store.Entry) {
	if s.opts.Index != nil {
		s.recent.add(s.opts.Index(e), e.Position, e.Subject)
	}
}
