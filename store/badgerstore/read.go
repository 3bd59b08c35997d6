package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

// Get implements store.Reader.
func (s *Store) Get(key []byte) ([]byte, store.Position, error) {
	if err := s.usable(); err != nil {
		return nil, 0, fmt.Errorf("get record: %w", err)
	}
	defer s.release()
	return s.table.Get(key)
}

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, at store.Position) (store.Entry, error) {
	if err := s.usable(); err != nil {
		return store.Entry{}, fmt.Errorf("read entry %d: %w", at, err)
	}
	defer s.release()
	return s.log.Read(ctx, at)
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, from store.Position, fn func(*store.Entry) error) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("scan from entry %d: %w", from, err)
	}
	defer s.release()
	return s.log.Scan(ctx, from, fn)
}

// Last implements store.Store.
func (s *Store) Last() store.Position { return s.log.Last() }

// Changed implements store.Store; after Close the channel is closed at once.
func (s *Store) Changed() <-chan struct{} { return s.log.Changed() }

// Range implements store.Store.
func (s *Store) Range(ctx context.Context, prefix []byte, fn func(key, value []byte, at store.Position) error) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("range over records: %w", err)
	}
	defer s.release()
	err := s.table.walk(ctx, prefix, fn)
	if errors.Is(err, store.Stop) {
		return nil
	}
	return err
}

// overlay returns the pending changes under the prefix, as of some moment.
func (t *table) overlay(prefix []byte) map[string]record {
	out := make(map[string]record)
	for i := range t.stripes {
		t.stripes[i].overlay(prefix, out)
	}
	return out
}

func (s *stripe) overlay(prefix []byte, out map[string]record) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, m := range []map[string]record{s.flushing, s.dirty} {
		for k, r := range m {
			if bytes.HasPrefix([]byte(k), prefix) {
				out[k] = r
			}
		}
	}
}

// walk merges the pending changes with what Badger has.
func (t *table) walk(ctx context.Context, prefix []byte, fn func(key, value []byte, at store.Position) error) error {
	over := t.overlay(prefix)
	keys := slices.Sorted(maps.Keys(over))
	give := func(upTo string, all bool) error {
		for len(keys) > 0 && (all || keys[0] < upTo) {
			k, r := keys[0], over[keys[0]]
			keys = keys[1:]
			if r.deleted {
				continue
			}
			if err := fn([]byte(k), r.value, r.at); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	err := t.each(prefix, func(key, value []byte, at store.Position) error {
		if err := give(string(key), false); err != nil {
			return err
		}
		if r, ok := over[string(key)]; ok && r.at >= at {
			return nil // comes next from the overlay
		} else if ok {
			over[string(key)] = record{deleted: true} // flushed since
		}
		delete(over, string(key))
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == string(key) })
		return fn(key, value, at)
	})
	if err != nil {
		return err
	}
	return give("", true)
}

// each calls fn for the records Badger has, in key order.
func (t *table) each(prefix []byte, fn func(key, value []byte, at store.Position) error) error {
	return t.db.View(func(txn *badger.Txn) error {
		full := recordKey(prefix)
		it := txn.NewIterator(badger.IteratorOptions{Prefix: full, PrefetchValues: true, PrefetchSize: 100})
		defer it.Close()
		for it.Rewind(); it.ValidForPrefix(full); it.Next() {
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return fmt.Errorf("read from badger: %w", err)
			}
			value, at, err := decodeRecord(b)
			if err != nil {
				return fmt.Errorf("record %x: %w", it.Item().Key()[1:], err)
			}
			if err := fn(it.Item().KeyCopy(nil)[1:], value, at); err != nil {
				return err
			}
		}
		return nil
	})
}
