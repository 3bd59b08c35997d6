package memstore

import (
	"context"
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// tx is one locked unit of work; it implements store.Tx.
type tx struct {
	s       *Store
	subject store.Subject
	last    store.Position
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, of store.Subject, fn func(store.Tx) error) error {
	_, err := s.Apply(ctx, of, fn)
	return err
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, of store.Subject, fn func(store.Tx) error) (store.Position, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("update subject %x: %w", of, err)
	}
	if err := s.usable("update"); err != nil {
		return 0, err
	}
	l := s.lock(of)
	l.Lock()
	defer l.Unlock()
	t := &tx{s: s, subject: of}
	err := fn(t)
	return t.last, err
}

// Acknowledged implements store.Store: memory is acknowledged at once.
func (s *Store) Acknowledged(context.Context, store.Position) error { return nil }

// Erase implements store.Store.
func (s *Store) Erase(ctx context.Context, h store.Header, payload []byte) (store.Position, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("erase subject %x: %w", h.Subject, err)
	}
	if h.Subject.IsZero() {
		return 0, fmt.Errorf("erase: the subject is nobody")
	}
	if err := store.CheckEntry(h, h.Subject, payload); err != nil {
		return 0, err
	}
	s.erasing.RLock()
	defer s.erasing.RUnlock()
	l := s.lock(h.Subject)
	l.Lock()
	defer l.Unlock()
	e, err := s.append(h, payload, nil, true)
	if err != nil || s.opts.Machine == nil {
		return e.Position, err
	}
	if err := s.opts.Machine.Apply(&e); err != nil {
		return e.Position, fmt.Errorf("apply erasing entry %d: %w", e.Position, err)
	}
	return e.Position, nil
}

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
	e, err := t.s.append(h, payload, m, false)
	if err == nil {
		t.last = e.Position
	}
	return e.Position, err
}

func (t *tx) Get(key []byte) ([]byte, store.Position, error) { return t.s.Get(key) }

func (t *tx) Last() store.Position { return t.s.Last() }

// append numbers the entry and applies what it does, all at once.
func (s *Store) append(h store.Header, payload []byte, m store.Mutations, erasing bool) (store.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Entry{}, fmt.Errorf("append: %w", store.ErrClosed)
	}
	e := store.Entry{
		Header: h, Position: s.last() + 1, Recorded: s.opts.Clock().UnixMilli(),
		Payload: append([]byte(nil), payload...),
	}
	s.img.entries = append(s.img.entries, logged{e, erasing})
	if erasing {
		s.forget(e.Subject, e.Position)
	}
	s.apply(m, e.Position)
	s.addTerms(&e)
	close(s.changed)
	s.changed = make(chan struct{})
	return e, nil
}

// forget drops the subject's records; gone hides its earlier entries from now on.
func (s *Store) forget(of store.Subject, at store.Position) {
	s.erased[of] = at
	for key := range s.records {
		if subject, _ := store.SubjectOf([]byte(key)); subject == of {
			delete(s.records, key)
		}
	}
}
