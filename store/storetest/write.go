package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/rebound-engine/rebound/store"
)

func readYourWrites(b *bench) {
	key := store.Key(TableA, Subject(1))
	if v, at, err := b.Get(key); v != nil || at != 0 || err != nil {
		b.t.Fatalf("missing record is %x at %d, %v", v, at, err)
	}
	for i := range 50 {
		at := b.put(1, KindPut, fmt.Sprint("x", i))
		v, got, err := b.Get(key)
		if err != nil || got != at || Count(v) != uint64(i+1) {
			b.t.Fatalf("after entry %d the record has %d payloads at %d, %v", at, Count(v), got, err)
		}
		if b.Last() < at {
			b.t.Fatalf("entry %d is acknowledged, last is %d", at, b.Last())
		}
	}
	b.put(1, KindDelete, "")
	if v, at, err := b.Get(key); v != nil || at != 0 || err != nil {
		b.t.Fatalf("deleted record is %x at %d, %v", v, at, err)
	}
}

func severalEntries(b *bench) {
	s := Subject(2)
	boom := errors.New("boom")
	err := b.Update(context.Background(), s, func(tx store.Tx) error {
		for i := range 3 {
			at, err := b.machine.Do(tx, store.Header{Kind: KindBoth, Subject: s}, []byte{byte(i)})
			if err != nil {
				return err
			}
			v, got, err := tx.Get(store.Key(TableB, s))
			if err != nil || got != at || Count(v) != uint64(i+1) || tx.Last() < at {
				b.t.Errorf("inside: %d payloads at %d, last %d, %v; want %d at %d", Count(v), got, tx.Last(), err, i+1, at)
			}
		}
		return boom
	})
	if !errors.Is(err, boom) {
		b.t.Errorf("update returns %v, want the error of fn", err)
	}
	if v, at, _ := b.Get(store.Key(TableB, s)); Count(v) != 3 || at != 3 || b.Last() != 3 {
		b.t.Errorf("entries appended before fn failed: %d at %d, last %d; want 3 at 3", Count(v), at, b.Last())
	}
}

func refusedAppend(b *bench) {
	b.put(1, KindPut, "one")
	before := b.dump()
	if _, err := b.try(1, KindRefuse, "no"); !errors.Is(err, ErrRefused) {
		b.t.Errorf("append of an entry the fold refuses: %v", err)
	}
	if _, err := b.try(1, 0, "no"); err == nil {
		b.t.Error("kind 0 was taken")
	}
	err := b.Update(context.Background(), Subject(1), func(tx store.Tx) error {
		_, err := tx.Append(store.Header{Kind: KindPut, Subject: Subject(2)}, nil)
		return err
	})
	if err == nil {
		b.t.Error("an entry of a subject that is not locked was taken")
	}
	if b.Last() != 1 || fmt.Sprint(b.dump()) != fmt.Sprint(before) {
		b.t.Errorf("refused entries changed something: last %d, %v", b.Last(), b.dump())
	}
	if at := b.put(1, KindPut, "two"); at != 2 {
		b.t.Errorf("the position after a refused entry is %d, want 2", at)
	}
}

// foldOrder hammers one subject; Verify then refolds in log order, and the
// chained checksum shows any other order.
func foldOrder(b *bench) {
	b.parallel(8, 50, func(_, i int) (uint64, uint8) { return 7, KindPut + uint8(i%2) })
	if v, _, _ := b.Get(store.Key(TableA, Subject(7))); Count(v) != 400 {
		b.t.Errorf("%d payloads folded, want 400", Count(v))
	}
}

func concurrentSubjects(b *bench) {
	b.parallel(16, 50, func(w, i int) (uint64, uint8) {
		kind := uint8(KindBoth)
		if i%10 == 9 {
			kind = KindDelete
		}
		return uint64((w*31 + i) % 40), kind
	})
	if b.Last() != 800 {
		b.t.Errorf("last is %d, want 800", b.Last())
	}
}

// parallel runs workers × n appends and checks that every one is visible when acknowledged.
func (b *bench) parallel(workers, n int, what func(w, i int) (uint64, uint8)) {
	b.t.Helper()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range n {
				of, kind := what(w, i)
				at, err := b.try(of, kind, fmt.Sprintf("w%d-%d", w, i))
				if err != nil {
					b.t.Errorf("append: %v", err)
					return
				}
				if e, err := b.Read(context.Background(), at); err != nil || e.Position != at {
					b.t.Errorf("read acknowledged entry %d: %d, %v", at, e.Position, err)
				}
			}
		})
	}
	wg.Wait()
}

// entriesOfNobody are appended under the lock of any subject and still folded in log order.
func entriesOfNobody(b *bench) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			s := Subject(uint64(w))
			if w == 0 {
				s = store.Subject{}
			}
			for i := range 40 {
				err := b.Update(context.Background(), s, func(tx store.Tx) error {
					_, err := b.machine.Do(tx, store.Header{Kind: KindPut}, fmt.Appendf(nil, "n%d-%d", w, i))
					return err
				})
				if err != nil {
					b.t.Errorf("append for nobody: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if v, _, _ := b.Get(store.Key(TableA, store.Subject{})); Count(v) != 320 {
		b.t.Errorf("%d payloads folded for nobody, want 320", Count(v))
	}
}

func checkpointUnderLoad(b *bench) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := b.Checkpoint(context.Background()); err != nil {
				b.t.Errorf("checkpoint: %v", err)
				return
			}
		}
	})
	b.parallel(8, 60, func(w, i int) (uint64, uint8) { return uint64(w*i) % 20, KindBoth })
	close(done)
	wg.Wait()
}

// recoveryIsIdempotent reopens again and again, with and without a checkpoint; reopen compares.
func recoveryIsIdempotent(b *bench) {
	for round := range 4 {
		for i := range 30 {
			b.put(uint64(i%7), KindBoth, fmt.Sprintf("r%d-%d", round, i))
		}
		b.put(3, KindDelete, "")
		if round%2 == 1 {
			if err := b.Checkpoint(context.Background()); err != nil {
				b.t.Fatalf("checkpoint: %v", err)
			}
		}
		b.reopen()
		b.reopen()
		b.check()
	}
}

func tooLarge(b *bench) {
	if _, err := b.try(1, KindPut, strings.Repeat("x", store.MaxPayload+1)); !errors.Is(err, store.ErrTooLarge) {
		b.t.Errorf("payload above the limit: %v", err)
	}
	at := b.put(1, KindPut, strings.Repeat("y", store.MaxPayload))
	if e, err := b.Read(context.Background(), at); err != nil || len(e.Payload) != store.MaxPayload {
		b.t.Errorf("read the longest payload: %d bytes, %v", len(e.Payload), err)
	}
}

func cancelled(b *bench) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ran := false
	err := b.Update(ctx, Subject(1), func(store.Tx) error { ran = true; return nil })
	if !errors.Is(err, context.Canceled) || ran {
		b.t.Errorf("update with an ended context: ran %v, %v", ran, err)
	}
	if _, err := b.Erase(ctx, store.Header{Kind: KindErase, Subject: Subject(1)}, nil); !errors.Is(err, context.Canceled) {
		b.t.Errorf("erase with an ended context: %v", err)
	}
}
