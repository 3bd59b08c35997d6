// Package storetest is the suite every implementation of the store contract
// passes, with the fold, machine and index it passes it with.
//
// It owns what the contract means in behaviour. It refuses to know how a store
// keeps its data: whatever only one implementation can do (files, crashes) is tested beside it.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/rebound-engine/rebound/store"
)

// Config is what a store under test is opened with.
type Config struct {
	Fold    store.Fold
	Machine store.Machine
	Index   store.Index
}

// Open opens the store that belongs to name, which is unique to a test; opened
// again after Close, it recovers what was there.
type Open func(t testing.TB, name string, c Config) (store.Store, error)

// bench is one test's store with the suite's fold, machine and index.
type bench struct {
	t       *testing.T
	open    Open
	name    string
	machine *Machine
	store.Store
}

func (b *bench) start() {
	b.t.Helper()
	b.machine = new(Machine)
	s, err := b.open(b.t, b.name, Config{Fold: Fold, Machine: b.machine, Index: Index})
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.Store = s
}

// reopen closes and recovers, and fails the test if anything differs.
func (b *bench) reopen() {
	b.t.Helper()
	before, last := b.dump(), b.Last()
	entries, size := b.machine.Sum()
	b.stop()
	b.start()
	if b.Last() != last {
		b.t.Fatalf("last after reopening is %d, was %d", b.Last(), last)
	}
	if after := b.dump(); !maps.Equal(before, after) {
		b.t.Fatalf("records after reopening differ:\n%v\nwere\n%v", after, before)
	}
	if n, m := b.machine.Sum(); n != entries || m != size {
		b.t.Fatalf("machine after reopening counts %d entries of %d bytes, was %d of %d", n, m, entries, size)
	}
}

func (b *bench) stop() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatalf("close: %v", err)
	}
}

// dump is every record as text, with its position.
func (b *bench) dump() map[string]string {
	b.t.Helper()
	out := make(map[string]string)
	var previous []byte
	err := b.Range(context.Background(), nil, func(key, value []byte, at store.Position) error {
		if previous != nil && bytes.Compare(previous, key) >= 0 {
			return fmt.Errorf("key %x after %x", key, previous)
		}
		previous = bytes.Clone(key)
		out[string(key)] = fmt.Sprintf("%x@%d", value, at)
		return nil
	})
	if err != nil {
		b.t.Fatalf("range: %v", err)
	}
	return out
}

// put appends one entry through the machine and returns its position.
func (b *bench) put(of uint64, kind uint8, payload string) store.Position {
	b.t.Helper()
	at, err := b.try(of, kind, payload)
	if err != nil {
		b.t.Fatalf("append %q: %v", payload, err)
	}
	return at
}

func (b *bench) try(of uint64, kind uint8, payload string) (at store.Position, err error) {
	h := store.Header{Kind: kind, Subject: Subject(of), Time: int64(1000 + of)}
	err = b.Update(context.Background(), h.Subject, func(tx store.Tx) (err error) {
		at, err = b.machine.Do(tx, h, []byte(payload))
		return err
	})
	return at, err
}

func (b *bench) scan(from store.Position) []store.Entry {
	b.t.Helper()
	var all []store.Entry
	err := b.Scan(context.Background(), from, func(e *store.Entry) error {
		c := *e
		c.Payload = bytes.Clone(e.Payload)
		all = append(all, c)
		return nil
	})
	if err != nil {
		b.t.Fatalf("scan from %d: %v", from, err)
	}
	return all
}

// check is the consistency check every test ends with: the log is in order, its
// refolding is byte for byte what the store holds, and every term is found.
func (b *bench) check() {
	b.t.Helper()
	if err := Verify(context.Background(), b.Store); err != nil {
		b.t.Errorf("consistency: %v", err)
	}
}

// Verify compares a store opened with Fold and Index against its own log.
func Verify(ctx context.Context, s store.Store) error {
	want := make(refolded)
	terms := make(map[string][]store.Position)
	var previous store.Position
	err := s.Scan(ctx, 1, func(e *store.Entry) error {
		if e.Position <= previous || e.Position > s.Last() {
			return fmt.Errorf("entry %d after %d, last is %d", e.Position, previous, s.Last())
		}
		previous = e.Position
		for t := range store.Index(Index).Of(e) {
			terms[string(t)] = append(terms[string(t)], e.Position)
		}
		return want.take(e)
	})
	if err != nil {
		return err
	}
	if err := want.compare(ctx, s); err != nil {
		return err
	}
	return verifyTerms(ctx, s, terms)
}

func verifyTerms(ctx context.Context, s store.Store, terms map[string][]store.Position) error {
	for _, t := range slices.Sorted(maps.Keys(terms)) {
		got, err := s.Lookup(ctx, []byte(t), 0, false, len(terms[t])+1)
		if err != nil {
			return err
		}
		if !slices.Equal(got, terms[t]) {
			return fmt.Errorf("term %q finds %v, the log has %v", t, got, terms[t])
		}
	}
	return nil
}

// refolded is the state a log should have built.
type refolded map[string]folded

type folded struct {
	value []byte
	at    store.Position
}

func (m refolded) Get(key []byte) ([]byte, store.Position, error) {
	f := m[string(key)]
	return f.value, f.at, nil
}

func (m refolded) take(e *store.Entry) error {
	if e.Kind == KindErase {
		return nil
	}
	var w store.Mutations
	if err := Fold(m, e, &w); err != nil {
		return fmt.Errorf("refold entry %d: %w", e.Position, err)
	}
	for _, c := range w {
		if c.Delete {
			delete(m, string(c.Key))
			continue
		}
		m[string(c.Key)] = folded{c.Value, e.Position}
	}
	return nil
}

func (m refolded) compare(ctx context.Context, s store.Store) error {
	found := 0
	err := s.Range(ctx, nil, func(key, value []byte, at store.Position) error {
		found++
		want, ok := m[string(key)]
		if !ok || !bytes.Equal(want.value, value) || want.at != at {
			return fmt.Errorf("record %x is %x at %d, the log says %x at %d", key, value, at, want.value, want.at)
		}
		got, gotAt, err := s.Get(key)
		if err != nil || !bytes.Equal(got, value) || gotAt != at {
			return fmt.Errorf("record %x is %x at %d by Get, %x at %d by Range (%w)", key, got, gotAt, value, at, err)
		}
		return nil
	})
	if err == nil && found != len(m) {
		err = fmt.Errorf("%d records, the log says %d", found, len(m))
	}
	return err
}

// Run runs the suite.
func Run(t *testing.T, open Open) {
	cases := []struct {
		name string
		run  func(*bench)
	}{
		{"ReadYourWrites", readYourWrites},
		{"SeveralEntriesInOneUpdate", severalEntries},
		{"RefusedAppendChangesNothing", refusedAppend},
		{"FoldOrder", foldOrder},
		{"ConcurrentSubjects", concurrentSubjects},
		{"EntriesOfNobody", entriesOfNobody},
		{"Lookup", lookup},
		{"LookupInsideUpdate", lookupInsideUpdate},
		{"ScanAndRead", scanAndRead},
		{"RangeByPrefix", rangeByPrefix},
		{"Changed", changed},
		{"Erase", erase},
		{"EraseKeepsMachine", eraseKeepsMachine},
		{"RecoveryIsIdempotent", recoveryIsIdempotent},
		{"CheckpointUnderLoad", checkpointUnderLoad},
		{"TooLarge", tooLarge},
		{"Cancelled", cancelled},
		{"Closed", closed},
		{"Locked", locked},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{t: t, open: open, name: t.Name()}
			b.start()
			c.run(b)
			b.check()
			b.reopen()
			b.check()
			b.stop()
		})
	}
}
