package badgerstore

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// TestAbsent follows a key the cache remembers as absent until it has a record,
// on its way through memory into Badger.
func TestAbsent(t *testing.T) {
	of := store.Subject{1}
	key := store.Key('p', of)
	s, err := Open(t.TempDir(), Options{Mode: store.Bounded, MemTableSize: 16 << 20, Fold: func(_ store.Reader, e *store.Entry, w store.Writer) error {
		w.Put(store.Key('p', e.Subject), slices.Clone(e.Payload))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	want := func(step, value string) {
		t.Helper()
		got, at, err := s.Get(key)
		if err != nil || string(got) != value || (got == nil) != (value == "") || (at == 0) != (value == "") {
			t.Errorf("%s: got %q at %d, %v, want %q", step, got, at, err, value)
		}
	}
	for !s.table.filter.ready.Load() {
		time.Sleep(time.Millisecond)
	}
	want("denied by the filter", "")
	if _, _, ok := s.table.cache.get(key); ok {
		t.Error("what the filter denies is in the cache")
	}
	s.table.filter.ready.Store(false) // as if it were wrong
	want("before", "")
	if _, at, ok := s.table.cache.get(key); !ok || at != 0 {
		t.Errorf("the cache does not remember that there is nothing: %v at %d", ok, at)
	}
	want("remembered", "")
	err = s.Update(context.Background(), of, func(tx store.Tx) error {
		_, err := tx.Append(store.Header{Kind: 1, Subject: of}, []byte("x"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want("in memory", "x")
	if err := s.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	want("in Badger", "x")
	s.table.filter.ready.Store(true)
	want("known to the filter", "x")
}
