package badgerstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
	"github.com/rebound-engine/rebound/store/storetest"
)

const profiles = 200_000 // of 1 kB

// BenchmarkStore loads profiles by entries and reads them: from the cache (hot)
// and from Badger (cold, pages resident).
func BenchmarkStore(b *testing.B) {
	o := badgerstore.Options{Mode: store.Bounded, Fold: keepPayload, CacheBytes: 320 << 20}
	dir := filepath.Join(b.TempDir(), "s")
	s := benchOpen(b, dir, o)
	start := time.Now()
	for n := range uint64(profiles) {
		put(b, s, n)
	}
	if err := s.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d profiles loaded and checkpointed in %v", profiles, time.Since(start))
	b.Run("get=hot", func(b *testing.B) { benchGet(b, s, 10_000) })
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	start = time.Now()
	o.CacheBytes = 1
	s = benchOpen(b, dir, o)
	b.Logf("opened in %v, %d entries replayed", time.Since(start), s.Recovery().Replayed)
	b.Run("get=cold", func(b *testing.B) { benchGet(b, s, profiles) })
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			put(b, s, rand.Uint64N(profiles))
		}
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchOpen(b *testing.B, dir string, o badgerstore.Options) *badgerstore.Store {
	b.Helper()
	s, err := badgerstore.Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func keepPayload(_ store.Reader, e *store.Entry, w store.Writer) error {
	w.Put(store.Key('p', e.Subject), slices.Clone(e.Payload))
	return nil
}

func put(b *testing.B, s *badgerstore.Store, n uint64) {
	b.Helper()
	of := storetest.Subject(n)
	payload := make([]byte, 1000)
	binary.BigEndian.PutUint64(payload, n)
	err := s.Update(context.Background(), of, func(tx store.Tx) error {
		_, err := tx.Append(store.Header{Kind: 1, Subject: of}, payload)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func benchGet(b *testing.B, s *badgerstore.Store, of uint64) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range of { // warm
		if _, _, err := s.Get(store.Key('p', storetest.Subject(n))); err != nil {
			b.Fatal(err)
		}
	}
	times := make([]time.Duration, 0, 1<<20)
	b.ResetTimer()
	b.ReportAllocs()
	for b.Loop() {
		n := rng.Uint64N(of)
		key := store.Key('p', storetest.Subject(n))
		start := time.Now()
		v, _, err := s.Get(key)
		times = append(times, time.Since(start))
		if err != nil || len(v) != 1000 || binary.BigEndian.Uint64(v) != n {
			b.Fatal(fmt.Errorf("profile %d: %d bytes, %w", n, len(v), err))
		}
	}
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1e3, "p99-µs")
}
