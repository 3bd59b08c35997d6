package commitlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

var background = context.Background()

// small is a log whose segments fill up quickly.
func small() commitlog.Options { return commitlog.Options{SegmentSize: 64 << 10} }

func open(t testing.TB, dir string, o commitlog.Options) *commitlog.Log {
	t.Helper()
	l, cut, err := commitlog.Open(background, dir, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if cut != nil {
		t.Fatalf("open cut %+v", *cut)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func subject(n int) store.Subject { return store.Subject{1, byte(n >> 8), byte(n)} }

// payload of an entry says its position, in a length that varies.
func payload(at store.Position) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "entry %d;", at), 1+int(at)%40)
}

// fill appends entries, acknowledged one by one.
func fill(t testing.TB, l *commitlog.Log, n int) {
	t.Helper()
	for range n {
		next := l.Appended() + 1
		h := store.Header{Kind: 1, Subject: subject(int(next) % 7), Time: int64(next) * 10}
		at, _, err := l.Append(background, h, payload(next), false)
		if err != nil || at != next {
			t.Fatalf("append %d: position %d, %v", next, at, err)
		}
		if err := l.Wait(background, at); err != nil {
			t.Fatalf("wait for %d: %v", at, err)
		}
	}
}

// verify reads everything from the position, by Scan and by Read.
func verify(t testing.TB, l *commitlog.Log, from, to store.Position) {
	t.Helper()
	next := from
	err := l.Scan(background, from, func(e *store.Entry) error {
		if e.Position != next || !bytes.Equal(e.Payload, payload(next)) || e.Time != int64(next)*10 {
			return fmt.Errorf("entry %d is %d: %q", next, e.Position, e.Payload)
		}
		next++
		return nil
	})
	if err != nil || next != to+1 {
		t.Fatalf("scan from %d ended before %d, want %d: %v", from, next, to+1, err)
	}
	for at := from; at <= to; at += 1 + (to-from)/97 {
		e, err := l.Read(background, at)
		if err != nil || !bytes.Equal(e.Payload, payload(at)) {
			t.Fatalf("read %d: %q, %v", at, e.Payload, err)
		}
	}
}

func TestAppendReadReopen(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, small())
	for round := range 4 {
		fill(t, l, 500)
		verify(t, l, 1, store.Position(500*(round+1)))
		verify(t, l, 333, l.Last())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, small())
		verify(t, l, 1, store.Position(500*(round+1)))
	}
	all := l.Segments()
	if len(all) < 3 {
		t.Fatalf("%d segments, want several", len(all))
	}
	for i, s := range all {
		if s.MinTime != int64(s.First)*10 || s.MaxTime != int64(s.Last)*10 || s.Sealed != (i < len(all)-1) {
			t.Errorf("segment %+v", s)
		}
	}
}

func TestConcurrentAppenders(t *testing.T) {
	for _, mode := range []store.Mode{store.Lossless, store.Bounded} {
		o := small()
		o.Mode = mode
		l := open(t, t.TempDir(), o)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 200 {
					want := fmt.Appendf(nil, "%d/%d", w, i)
					at, _, err := l.Append(background, store.Header{Kind: 1}, want, false)
					if err == nil && mode == store.Lossless {
						err = l.Wait(background, at)
					}
					if err != nil {
						t.Errorf("append: %v", err)
						return
					}
					if e, err := l.Read(background, at); err != nil || !bytes.Equal(e.Payload, want) {
						t.Errorf("read %d: %q, %v", at, e.Payload, err)
					}
				}
			})
		}
		wg.Wait()
		if l.Last() != 1600 {
			t.Errorf("last is %d", l.Last())
		}
	}
}

// TestOldSegmentsAreSealed though there is room in them, also when the log was opened again meanwhile.
func TestOldSegmentsAreSealed(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Hour.Nanoseconds())
	dir, o := t.TempDir(), small()
	o.SegmentSize, o.SegmentAge, o.Clock = 1<<20, time.Hour, func() time.Time { return time.Unix(0, now.Load()) }
	l := open(t, dir, o)
	fill(t, l, 3)
	now.Add(int64(time.Hour))
	fill(t, l, 3)
	if n := len(l.Segments()); n != 1 {
		t.Fatalf("%d segments when the first entry is as old as it may be", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, o)
	now.Add(int64(time.Minute))
	for len(l.Segments()) == 1 {
		fill(t, l, 1)
	}
	s := l.Segments()
	if !s[0].Sealed || s[0].Last < 7 || s[0].Bytes > 512<<10 || s[1].First != s[0].Last+1 || s[1].Began-s[0].Began != (time.Hour+time.Minute).Milliseconds() {
		t.Errorf("segments %+v", s)
	}
	verify(t, l, 1, l.Last())
}

func TestDropKeepsWhatFollows(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, small())
	fill(t, l, 1500)
	second := l.Segments()[1]
	n, err := l.Drop(second.Last + 1)
	if err != nil || n != 2 || l.First() != second.Last+1 {
		t.Fatalf("dropped %d segments, first is %d, %v; want 2 and %d", n, l.First(), err, second.Last+1)
	}
	if _, err := l.Read(background, second.Last); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("read a dropped entry: %v", err)
	}
	if n, _ := l.Drop(1 << 40); n != len(l.Segments())-1+n-0 && len(l.Segments()) != 1 {
		t.Errorf("%d segments left, want the one being written", len(l.Segments()))
	}
	first := l.First()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, small())
	fill(t, l, 10)
	verify(t, l, first, 1510)
}

func TestErasedEntriesAreOverwritten(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, small())
	fill(t, l, 1200)
	secret := store.Subject{9}
	var mine []store.Position
	for range 5 {
		at, _, err := l.Append(background, store.Header{Kind: 2, Subject: secret, Time: int64(l.Appended()+1) * 10}, []byte("SECRET-WORD"), false)
		if err != nil {
			t.Fatal(err)
		}
		mine = append(mine, at)
		fill(t, l, 300)
	}
	at, _, err := l.Append(background, store.Header{Kind: 3, Subject: secret}, nil, true)
	if err != nil || l.Wait(background, at) != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := l.Visit(background, secret, at, func(*store.Entry) error { seen++; return nil }); err != nil || seen != 5 {
		t.Errorf("visited %d entries, %v", seen, err)
	}
	for range 2 {
		if err := l.Scrub(background, secret, at); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		for _, p := range mine {
			if _, err := l.Read(background, p); !errors.Is(err, store.ErrErased) {
				t.Errorf("read erased entry %d: %v", p, err)
			}
		}
		n := 0
		if err := l.Scan(background, 1, func(*store.Entry) error { n++; return nil }); err != nil || n != int(at)-5 {
			t.Errorf("scan finds %d entries, want %d: %v", n, at-5, err)
		}
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if names := grep(t, dir, "SECRET-WORD"); len(names) > 0 {
		t.Errorf("the erased plaintext is in %v", names)
	}
	l = open(t, dir, small())
	check()
}

func grep(t testing.TB, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(word)) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestScrubNeedsAnErasure(t *testing.T) {
	l := open(t, t.TempDir(), small())
	fill(t, l, 10)
	if err := l.Scrub(background, subject(1), 10); err == nil {
		t.Error("entries were overwritten without an erasing entry")
	}
	verify(t, l, 1, 10)
}

func TestChangedAndBoundedSync(t *testing.T) {
	o := small()
	o.Mode, o.SyncEvery = store.Bounded, time.Hour
	l := open(t, t.TempDir(), o)
	c := l.Changed()
	if _, _, err := l.Append(background, store.Header{Kind: 1, Time: 10}, payload(1), false); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c:
	default:
		t.Error("bounded: Changed did not fire at the append")
	}
	if l.Last() != 1 || l.Durable() != 0 {
		t.Errorf("bounded: last %d, on disk %d; want 1, 0", l.Last(), l.Durable())
	}
	// A reader is in a hurry and does not wait for the hour.
	e, err := l.Read(background, 1)
	if err != nil || !bytes.Equal(e.Payload, payload(1)) || l.Durable() != 1 {
		t.Errorf("read of a bounded entry: %q, %v, on disk %d", e.Payload, err, l.Durable())
	}
}

func TestCloseCommitsWhatIsBuffered(t *testing.T) {
	o := small()
	o.Mode, o.SyncEvery = store.Bounded, time.Hour
	dir := t.TempDir()
	l := open(t, dir, o)
	for i := range 20 {
		if _, _, err := l.Append(background, store.Header{Kind: 1, Time: int64(i+1) * 10}, payload(store.Position(i+1)), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Append(background, store.Header{Kind: 1}, nil, false); !errors.Is(err, store.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	verify(t, open(t, dir, o), 1, 20)
}

func Example() {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // scratch
	ctx := context.Background()
	l, _, err := commitlog.Open(ctx, dir, commitlog.Options{SegmentSize: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	at, _, err := l.Append(ctx, store.Header{Kind: 1}, []byte("a return"), false)
	if err == nil {
		err = l.Wait(ctx, at) // now it is on disk
	}
	e, _ := l.Read(ctx, at)
	fmt.Println(at, string(e.Payload), err)
	// Output: 1 a return <nil>
}
