package commitlog_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// BenchmarkAppend measures acknowledged appends of 370 bytes: entries per
// second and the time to the acknowledgement.
func BenchmarkAppend(b *testing.B) {
	for _, mode := range []store.Mode{store.Lossless, store.Bounded} {
		for _, appenders := range []int{1, 16, 64} {
			name := map[store.Mode]string{store.Lossless: "lossless", store.Bounded: "bounded"}[mode]
			b.Run(fmt.Sprintf("mode=%s/appenders=%d", name, appenders), func(b *testing.B) {
				benchAppend(b, mode, appenders)
			})
		}
	}
}

func benchAppend(b *testing.B, mode store.Mode, appenders int) {
	l, _, err := commitlog.Open(context.Background(), b.TempDir(), commitlog.Options{Mode: mode})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	record := make([]byte, 370-64)
	times := make([][]time.Duration, appenders)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range appenders {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				start := time.Now()
				at, _, err := l.Append(context.Background(), store.Header{Kind: 1}, record, false)
				if err == nil && mode == store.Lossless {
					err = l.Wait(context.Background(), at)
				}
				if err != nil {
					b.Error(err)
					return
				}
				times[w] = append(times[w], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(times...)
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// BenchmarkBuffer measures what the request path pays: one entry into the buffer.
func BenchmarkBuffer(b *testing.B) {
	for _, size := range []int{370, 2000} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l, _, err := commitlog.Open(context.Background(), b.TempDir(), commitlog.Options{Mode: store.Bounded, SegmentSize: 1 << 30, Queue: 400 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			record := make([]byte, size-64)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := l.Append(context.Background(), store.Header{Kind: 1}, record, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	l, _, err := commitlog.Open(context.Background(), b.TempDir(), commitlog.Options{Mode: store.Bounded})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for range 100_000 {
		if _, _, err := l.Append(context.Background(), store.Header{Kind: 1}, make([]byte, 2000), false); err != nil {
			b.Fatal(err)
		}
	}
	at := store.Position(0)
	for b.Loop() {
		at = (at + 7919) % 100_000
		if _, err := l.Read(context.Background(), at+1); err != nil {
			b.Fatal(err)
		}
	}
}
