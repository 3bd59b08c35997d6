package badgerstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
	"github.com/rebound-engine/rebound/store/storetest"
)

// keeping is a store whose records are the newest payloads.
func keeping() badgerstore.Options {
	o := small()
	o.FlushEvery = 3 * time.Millisecond
	o.Fold = func(_ store.Reader, e *store.Entry, w store.Writer) error {
		w.Put(store.Key(storetest.TableA, e.Subject), e.Payload)
		return nil
	}
	return o
}

// told is what subject n tells in a round; long, so that Badger has several levels.
func told(n uint64, round int) []byte {
	return append(fmt.Appendf(nil, "<secret %d of round %d>", n, round), bytes.Repeat([]byte{byte(n)}, 100_000)...)
}

// layers opens, writes and closes a store again and again: every round leaves
// an older version of every record in Badger's tables.
func layers(t *testing.T, dir string, subjects uint64, rounds int) {
	t.Helper()
	for round := range rounds {
		s := opened(t, dir, keeping())
		for n := range subjects {
			of := storetest.Subject(n)
			err := s.Update(context.Background(), of, func(tx store.Tx) error {
				_, err := tx.Append(store.Header{Kind: 1, Subject: of}, told(n, round))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// holders are the files under dir that hold a word, by their endings.
func holders(t *testing.T, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(word)) {
			found = append(found, filepath.Ext(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestErasedRecordsLeaveTheDisk when the store is closed; those of others stay.
func TestErasedRecordsLeaveTheDisk(t *testing.T) {
	dir := t.TempDir()
	layers(t, dir, 120, 1)
	if err := badgerstore.Compact(dir, keeping()); err != nil { // so much in the lowest level that the next tables go above it
		t.Fatal(err)
	}
	layers(t, dir, 80, 1)
	if found := holders(t, dir, "<secret 77 of round"); !slices.Equal(found, []string{".seg", ".sst"}) {
		t.Fatalf("before the erasure the secret is in %q: this test looks in the wrong place", found)
	}
	s := opened(t, dir, keeping())
	if _, err := s.Erase(context.Background(), store.Header{Kind: storetest.KindErase, Subject: storetest.Subject(77)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found := holders(t, dir, "<secret 77 of round"); len(found) > 0 {
		t.Errorf("the erased secret is in files %q", found)
	}
	tables := func() []string { return glob(t, filepath.Join(dir, "state", "*.sst")) }
	before := tables()
	s = opened(t, dir, keeping())
	if v, _, err := s.Get(store.Key(storetest.TableA, storetest.Subject(78))); err != nil || !bytes.Equal(v, told(78, 0)) {
		t.Errorf("another subject has %.40q, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after := tables(); !slices.Equal(before, after) {
		t.Errorf("rewritten although nobody was erased: %q, before %q", after, before)
	}
}

// TestCompact also frees what nobody erased: older versions of records.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	layers(t, dir, 20, 3)
	if err := badgerstore.Compact(dir, keeping()); err != nil {
		t.Fatal(err)
	}
	if found := holders(t, filepath.Join(dir, "state"), "of round 1>"); len(found) > 0 {
		t.Errorf("an older version is in files %q", found)
	}
	if found := holders(t, filepath.Join(dir, "state"), "of round 2>"); len(found) == 0 {
		t.Error("the newest versions are gone")
	}
	r, err := badgerstore.Check(context.Background(), dir, keeping())
	if err != nil || !r.OK() || !r.Refolded || r.Records != 20 {
		t.Errorf("check: %+v, %v", r, err)
	}
}

// TestCompactNeedsRoom: with too little of it nothing is rewritten, and the store opens as before.
func TestCompactNeedsRoom(t *testing.T) {
	dir := t.TempDir()
	layers(t, dir, 2, 3)
	o := keeping()
	o.MinFree = 1 << 60
	if err := badgerstore.Compact(dir, o); err == nil {
		t.Error("compacted without room")
	}
	s := opened(t, dir, keeping())
	if v, _, err := s.Get(store.Key(storetest.TableA, storetest.Subject(1))); err != nil || !bytes.Equal(v, told(1, 2)) {
		t.Errorf("%.40q, %v", v, err)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
