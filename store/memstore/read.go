package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/rebound-engine/rebound/store"
)

// Get implements store.Reader.
func (s *Store) Get(key []byte) ([]byte, store.Position, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, 0, fmt.Errorf("get record: %w", store.ErrClosed)
	}
	r := s.records[string(key)]
	return r.value, r.at, nil
}

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, at store.Position) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, fmt.Errorf("read entry %d: %w", at, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return store.Entry{}, fmt.Errorf("read entry %d: %w", at, store.ErrClosed)
	case at == 0 || at > s.last():
		return store.Entry{}, fmt.Errorf("read entry %d of %d: %w", at, s.last(), store.ErrNotFound)
	case s.gone(at):
		return store.Entry{}, fmt.Errorf("read entry %d: %w", at, store.ErrErased)
	}
	return s.img.entries[at-1].Entry, nil
}

// gone reports whether the entry's subject was erased after it.
func (s *Store) gone(at store.Position) bool {
	e := &s.img.entries[at-1]
	return !e.Subject.IsZero() && s.erased[e.Subject] > at
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, from store.Position, fn func(*store.Entry) error) error {
	end := s.Last()
	for at := max(from, 1); at <= end; at++ {
		e, err := s.Read(ctx, at)
		if errors.Is(err, store.ErrErased) {
			continue
		}
		if err != nil {
			return err
		}
		if err := fn(&e); err != nil {
			return stopped(err)
		}
	}
	return nil
}

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, term []byte, after store.Position, newest bool, limit int) ([]store.Position, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look up term: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, fmt.Errorf("look up term: %w", store.ErrClosed)
	}
	all := s.terms[string(term)]
	var out []store.Position
	take := func(at store.Position) bool {
		if len(out) < limit && !s.gone(at) {
			out = append(out, at)
		}
		return len(out) < limit
	}
	if newest {
		for i := before(all, after) - 1; i >= 0 && take(all[i]); i-- {
		}
		return out, nil
	}
	for i := before(all, after+1); i < len(all) && take(all[i]); i++ {
	}
	return out, nil
}

// before counts the positions below at; all of them for 0.
func before(all []store.Position, at store.Position) int {
	if at == 0 {
		return len(all)
	}
	return sort.Search(len(all), func(i int) bool { return all[i] >= at })
}

// Range implements store.Store.
func (s *Store) Range(ctx context.Context, prefix []byte, fn func(key, value []byte, at store.Position) error) error {
	for _, key := range s.keys(prefix) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("range over records: %w", err)
		}
		value, at, err := s.Get([]byte(key))
		if err != nil {
			return err
		}
		if at == 0 {
			continue // deleted since
		}
		if err := fn([]byte(key), value, at); err != nil {
			return stopped(err)
		}
	}
	return nil
}

func (s *Store) keys(prefix []byte) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(func(yield func(string) bool) {
		for key := range maps.Keys(s.records) {
			if bytes.HasPrefix([]byte(key), prefix) && !yield(key) {
				return
			}
		}
	})
}

func stopped(err error) error {
	if errors.Is(err, store.Stop) {
		return nil
	}
	return err
}
