package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/store"
)

func lookup(b *bench) {
	for i := range 25 {
		b.put(uint64(i%3), KindPut, fmt.Sprint("v", i/3))
	}
	term := append([]byte("s"), bytesOf(Subject(1))...)
	all := []store.Position{2, 5, 8, 11, 14, 17, 20, 23}
	if got := b.page(term, false, 3); !slices.Equal(got, all) {
		b.t.Errorf("oldest first by pages of 3: %v, want %v", got, all)
	}
	slices.Reverse(all)
	if got := b.page(term, true, 3); !slices.Equal(got, all) {
		b.t.Errorf("newest first by pages of 3: %v, want %v", got, all)
	}
	for _, c := range []struct {
		after  store.Position
		newest bool
		want   []store.Position
	}{
		{8, false, []store.Position{11, 14}}, {9, false, []store.Position{11, 14}},
		{8, true, []store.Position{5, 2}}, {9, true, []store.Position{8, 5}},
		{2, true, nil}, {23, false, nil},
	} {
		got, err := b.Lookup(context.Background(), term, c.after, c.newest, 2)
		if err != nil || !slices.Equal(got, c.want) {
			b.t.Errorf("lookup after %d, newest %v: %v, %v; want %v", c.after, c.newest, got, err, c.want)
		}
	}
	if got, err := b.Lookup(context.Background(), []byte("none"), 0, false, 9); len(got) != 0 || err != nil {
		b.t.Errorf("unknown term: %v, %v", got, err)
	}
	if got := b.page(append([]byte("s"), bytesOf(Subject(1))[:15]...), false, 9); len(got) != 0 {
		b.t.Errorf("the beginning of a term finds %v", got)
	}
}

func bytesOf(s store.Subject) []byte { return s[:] }

// page follows a term to its end.
func (b *bench) page(term []byte, newest bool, size int) []store.Position {
	b.t.Helper()
	var after store.Position
	var all []store.Position
	for {
		got, err := b.Lookup(context.Background(), term, after, newest, size)
		if err != nil {
			b.t.Fatalf("lookup: %v", err)
		}
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		after = got[len(got)-1]
	}
}

// lookupInsideUpdate is what makes a request id idempotent: the second caller
// finds the entry of the first even before it is acknowledged, and Read waits for it.
func lookupInsideUpdate(b *bench) {
	s := Subject(1)
	err := b.Update(context.Background(), s, func(tx store.Tx) error {
		at, err := b.machine.Do(tx, store.Header{Kind: KindPut, Subject: s}, []byte("once"))
		if err != nil {
			return err
		}
		got, err := b.Lookup(context.Background(), []byte("ponce"), 0, true, 1)
		if err != nil || len(got) != 1 || got[0] != at {
			b.t.Errorf("lookup of an entry just appended: %v, %v", got, err)
		}
		e, err := b.Read(context.Background(), at)
		if err != nil || string(e.Payload) != "once" {
			b.t.Errorf("read of an entry just appended: %q, %v", e.Payload, err)
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
}

func scanAndRead(b *bench) {
	for i := range 200 {
		b.put(uint64(i%5), KindPut, fmt.Sprint("e", i))
	}
	for _, from := range []store.Position{0, 1, 57, 200, 201} {
		got := b.scan(from)
		if want := 200 - int(max(from, 1)) + 1; len(got) != want {
			b.t.Errorf("scan from %d gives %d entries, want %d", from, len(got), want)
		}
		for i, e := range got {
			at := max(from, 1) + store.Position(i)
			if e.Position != at || string(e.Payload) != fmt.Sprint("e", at-1) || e.Kind != KindPut || e.Recorded == 0 {
				b.t.Fatalf("scan from %d: entry %d is %+v", from, at, e)
			}
			r, err := b.Read(context.Background(), at)
			if err != nil || string(r.Payload) != string(e.Payload) || r.Header != e.Header || r.Recorded != e.Recorded {
				b.t.Fatalf("read %d: %+v, %v; scan says %+v", at, r, err, e)
			}
		}
	}
	n := 0
	boom := errors.New("boom")
	if err := b.Scan(context.Background(), 1, func(*store.Entry) error { n++; return store.Stop }); err != nil || n != 1 {
		b.t.Errorf("stopped scan: %d entries, %v", n, err)
	}
	if err := b.Scan(context.Background(), 1, func(*store.Entry) error { return boom }); !errors.Is(err, boom) {
		b.t.Errorf("failed scan: %v", err)
	}
	for _, at := range []store.Position{0, 201} {
		if _, err := b.Read(context.Background(), at); !errors.Is(err, store.ErrNotFound) {
			b.t.Errorf("read %d: %v, want ErrNotFound", at, err)
		}
	}
}

func rangeByPrefix(b *bench) {
	for i := range 30 {
		b.put(uint64(i), KindBoth, "x")
	}
	b.put(4, KindDelete, "")
	count := func(prefix []byte) (n int) {
		err := b.Range(context.Background(), prefix, func(_, _ []byte, _ store.Position) error { n++; return nil })
		if err != nil {
			b.t.Errorf("range %x: %v", prefix, err)
		}
		return n
	}
	if a, bb, one := count([]byte{TableA}), count([]byte{TableB}), count(store.Key(TableB, Subject(4))); a != 29 || bb != 30 || one != 1 {
		b.t.Errorf("records by prefix: %d, %d, %d; want 29, 30, 1", a, bb, one)
	}
	n := 0
	if err := b.Range(context.Background(), nil, func(_, _ []byte, _ store.Position) error { n++; return store.Stop }); err != nil || n != 1 {
		b.t.Errorf("stopped range: %d records, %v", n, err)
	}
}

// changed tails the log the way a stream does: take the channel, read to the end, wait.
func changed(b *bench) {
	done := make(chan int)
	go func() {
		seen := store.Position(0)
		for seen < 100 {
			c := b.Changed()
			_ = b.Scan(context.Background(), seen+1, func(e *store.Entry) error { seen = e.Position; return nil })
			if seen < 100 {
				<-c
			}
		}
		done <- int(seen)
	}()
	for i := range 100 {
		b.put(uint64(i%3), KindPut, fmt.Sprint(i))
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		b.t.Error("a reader that waits for Changed never saw the last entry")
	}
}

func erase(b *bench) {
	ctx := context.Background()
	for i := range 12 {
		b.put(uint64(i%3), KindBoth, fmt.Sprint("secret", i))
	}
	at, err := b.Erase(ctx, store.Header{Kind: KindErase, Subject: Subject(1), Time: 5}, []byte("why"))
	if err != nil || at != 13 {
		b.t.Fatalf("erase: position %d, %v", at, err)
	}
	later := b.put(1, KindPut, "afterwards")
	b.checkErased(at, later)
	b.reopen()
	b.checkErased(at, later)
	if err := b.Checkpoint(ctx); err != nil {
		b.t.Error(err)
	}
	b.reopen()
	b.checkErased(at, later)
	if _, err := b.Erase(ctx, store.Header{Kind: KindErase}, nil); err == nil {
		b.t.Error("nobody was erased")
	}
}

func (b *bench) checkErased(at, later store.Position) {
	b.t.Helper()
	for _, p := range []store.Position{2, 5, 8, 11} {
		if _, err := b.Read(context.Background(), p); !errors.Is(err, store.ErrErased) {
			b.t.Errorf("read erased entry %d: %v", p, err)
		}
		if got := b.page(fmt.Append(nil, "psecret", p-1), false, 2); len(got) != 0 {
			b.t.Errorf("term of erased entry %d finds %v", p, got)
		}
	}
	if got := b.page(append([]byte("s"), bytesOf(Subject(1))...), false, 5); !slices.Equal(got, []store.Position{at, later}) {
		b.t.Errorf("entries of the erased subject: %v, want %d and %d", got, at, later)
	}
	if got := len(b.scan(1)); got != 10 {
		b.t.Errorf("scan after erasing gives %d entries, want 10", got)
	}
	if v, _, _ := b.Get(store.Key(TableB, Subject(1))); v != nil {
		b.t.Errorf("record of the erased subject: %x", v)
	}
	if v, p, _ := b.Get(store.Key(TableA, Subject(1))); Count(v) != 1 || p != later {
		b.t.Errorf("record begun after erasing: %d payloads at %d, want 1 at %d", Count(v), p, later)
	}
}

// eraseKeepsMachine erases under load: what the machine counted stays counted, also after recovery.
func eraseKeepsMachine(b *bench) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 6 {
			if _, err := b.Erase(context.Background(), store.Header{Kind: KindErase, Subject: Subject(uint64(i))}, []byte("e")); err != nil {
				b.t.Errorf("erase: %v", err)
			}
		}
	}()
	var want uint64
	for i := range 60 {
		b.put(uint64(i%6), KindPut, "12345")
		want += 5
	}
	<-done
	if n, size := b.machine.Sum(); n != 66 || size != want+6 {
		b.t.Errorf("machine counts %d entries of %d bytes, want 66 of %d", n, size, want+6)
	}
	b.reopen()
}

func closed(b *bench) {
	b.put(1, KindPut, "x")
	if err := b.Close(); err != nil {
		b.t.Fatalf("close: %v", err)
	}
	ctx := context.Background()
	_, putErr := b.try(1, KindPut, "y")
	_, _, getErr := b.Get(store.Key(TableA, Subject(1)))
	_, readErr := b.Read(ctx, 1)
	_, lookErr := b.Lookup(ctx, []byte("px"), 0, false, 1)
	_, eraseErr := b.Erase(ctx, store.Header{Kind: KindErase, Subject: Subject(1)}, nil)
	for step, err := range map[string]error{
		"update": putErr, "get": getErr, "read": readErr, "lookup": lookErr, "erase": eraseErr,
		"checkpoint": b.Checkpoint(ctx),
		"scan":       b.Scan(ctx, 1, func(*store.Entry) error { return nil }),
		"range":      b.Range(ctx, nil, func(_, _ []byte, _ store.Position) error { return nil }),
	} {
		if !errors.Is(err, store.ErrClosed) {
			b.t.Errorf("%s after close: %v, want ErrClosed", step, err)
		}
	}
	if err := b.Close(); err != nil {
		b.t.Errorf("second close: %v", err)
	}
	b.start()
}

func locked(b *bench) {
	_, err := b.open(b.t, b.name, Config{Fold: Fold, Machine: new(Machine), Index: Index})
	if !errors.Is(err, store.ErrLocked) {
		b.t.Errorf("second open: %v, want ErrLocked", err)
	}
}
