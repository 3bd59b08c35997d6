package badgerstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
	"github.com/rebound-engine/rebound/store/commitlog"
	"github.com/rebound-engine/rebound/store/commitlog/faultfs"
	"github.com/rebound-engine/rebound/store/storetest"
)

func opened(t *testing.T, dir string, o badgerstore.Options) *badgerstore.Store {
	t.Helper()
	s, err := badgerstore.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func filled(t *testing.T, dir string, n int) {
	t.Helper()
	m := new(storetest.Machine)
	s := opened(t, dir, busy(m))
	fillMore(t, s, m, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func fillMore(t *testing.T, s *badgerstore.Store, m *storetest.Machine, n int) {
	t.Helper()
	for i := range n {
		if err := add(s, m, storetest.Subject(uint64(i%9)), numbered(i%9, uint64(s.Last())+1)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFolderDamage opens folders something happened to.
func TestFolderDamage(t *testing.T) {
	touch := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := []struct {
		name   string
		damage func(*testing.T, string)
		err    error
		says   string
	}{
		{"empty memtable file left by a kill", touch("state/00099.mem"), nil, ""},
		{"empty value log file left by a kill", touch("state/000099.vlog"), nil, ""},
		{"state lost, log complete: built again", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
		{"log lost", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "belongs to log"},
		{"newer format", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("rebound-store 9\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrVersion, "newer one"},
		{"format file damaged", touch("FORMAT"), store.ErrCorrupt, "want \"rebound-store 3\""},
		{"flipped byte in an older segment", func(t *testing.T, dir string) {
			name := filepath.Join(dir, "log", fmt.Sprintf("%020d.seg", 1))
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b[5000] ^= 1
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "00000000000000000001.seg, bytes 4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "s")
			filled(t, dir, 900)
			c.damage(t, dir)
			m := new(storetest.Machine)
			s, err := badgerstore.Open(dir, busy(m))
			if c.err != nil {
				if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("open: %v; want %v saying %q", err, c.err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := storetest.Verify(context.Background(), s); err != nil {
				t.Error(err)
			}
			if n, _ := m.Sum(); n != 900 || s.Last() != 900 {
				t.Errorf("machine counts %d, last is %d; want 900", n, s.Last())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if r := checked(t, dir); !r.Refolded || r.Entries != 900 {
				t.Errorf("check: %+v", r)
			}
		})
	}
}

func TestForeignFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letters.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := badgerstore.Open(dir, small()); err == nil || !strings.Contains(err.Error(), "letters.txt") {
		t.Errorf("open a folder of something else: %v", err)
	}
	if _, err := badgerstore.Check(context.Background(), filepath.Join(dir, "none"), small()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("check of no folder: %v", err)
	}
}

func TestLockNamesHolder(t *testing.T) {
	dir := t.TempDir()
	opened(t, dir, small())
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("pid %d on host %s", os.Getpid(), host)
	if _, err := badgerstore.Open(dir, small()); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("second open: %v; want %q", err, want)
	}
	if _, err := badgerstore.Check(context.Background(), dir, small()); !errors.Is(err, store.ErrLocked) {
		t.Errorf("check of an open store: %v", err)
	}
}

// TestCheckFinds damages what only Badger has, and what Check is for.
func TestCheckFinds(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 300)
	o := busy(nil)
	o.Fold = func(r store.Reader, e *store.Entry, w store.Writer) error {
		if e.Subject == storetest.Subject(3) {
			return nil
		}
		return storetest.Fold(r, e, w)
	}
	r, err := badgerstore.Check(context.Background(), dir, o)
	if err != nil || len(r.Problems) != 2 || !strings.Contains(r.Problems[0], "the log says there is none") {
		t.Errorf("records the log does not fold to: %v, %v", r.Problems, err)
	}
	o = busy(nil)
	o.Index = func(*store.Entry, *store.Terms) {}
	if r, err = badgerstore.Check(context.Background(), dir, o); err != nil || r.Terms > 0 && r.OK() {
		t.Errorf("terms the entries do not have: %v, %v", r.Problems, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "log", fmt.Sprintf("%020d.seg", 1)))
	if err != nil {
		t.Fatal(err)
	}
	b[9000] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "log", fmt.Sprintf("%020d.seg", 1)), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = badgerstore.Check(context.Background(), dir, busy(nil)); err != nil || r.OK() || !strings.Contains(r.Problems[0], ".seg, bytes") {
		t.Errorf("flipped byte: %+v, %v", r, err)
	}
}

// TestFullDiskUnderLog: when the log cannot write, nothing more is taken, what
// was acknowledged stays readable, and after making room all of it is there.
func TestFullDiskUnderLog(t *testing.T) {
	dir := t.TempDir()
	full := false
	o := busy(nil)
	o.FS = &faultfs.FS{FS: commitlog.OS{}, Decide: func(op faultfs.Op) faultfs.Fault {
		if full && op.Call == faultfs.Write {
			return faultfs.Fault{Err: syscall.ENOSPC, Bytes: 17}
		}
		return faultfs.Fault{}
	}}
	m := new(storetest.Machine)
	o.Machine = m
	s := opened(t, dir, o)
	fillMore(t, s, m, 100)
	full = true
	for range 2 {
		err := add(s, m, storetest.Subject(1), []byte("x"))
		if !errors.Is(err, store.ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("append to a full disk: %v", err)
		}
	}
	if e, err := s.Read(context.Background(), 100); err != nil || e.Position != 100 {
		t.Errorf("read while the disk is full: %v", err)
	}
	if err := s.Close(); !errors.Is(err, store.ErrFailed) {
		t.Errorf("close after a failure: %v", err)
	}
	m = new(storetest.Machine)
	s = opened(t, dir, busy(m))
	if err := storetest.Verify(context.Background(), s); err != nil || s.Last() < 100 {
		t.Errorf("after making room: last %d, %v", s.Last(), err)
	}
	fillMore(t, s, m, 10)
}

// TestFullDiskUnderBadger: with too little room nothing is written behind;
// updates go on in memory and in the log until too much is pending, then are refused.
func TestFullDiskUnderBadger(t *testing.T) {
	dir := t.TempDir()
	m := new(storetest.Machine)
	o := busy(m)
	o.MinFree, o.PendingBytes = 1<<60, 1<<20
	s := opened(t, dir, o)
	var err error
	n := uint64(0)
	for ; !errors.Is(err, store.ErrOverloaded) && n < 1<<16; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		of := storetest.Subject(n)
		err = s.Update(ctx, of, func(tx store.Tx) error {
			_, err := m.Do(tx, store.Header{Kind: storetest.KindBoth, Subject: of}, []byte("x"))
			return err
		})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	last := s.Last()
	if !errors.Is(err, store.ErrOverloaded) {
		t.Fatalf("after %d updates: %v", n, err)
	}
	if err := s.Checkpoint(context.Background()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("checkpoint: %v", err)
	}
	_ = s.Close()
	m = new(storetest.Machine)
	s = opened(t, dir, busy(m))
	if err := storetest.Verify(context.Background(), s); err != nil || s.Last() < last {
		t.Errorf("after making room: last %d, want %d: %v", s.Last(), last, err)
	}
}

// TestRetention drops old segments, their terms with them, and still recovers.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	m := new(storetest.Machine)
	o := busy(m)
	o.Retention.Bytes = 2 << 20
	s := opened(t, dir, o)
	fillMore(t, s, m, 4000)
	for deadline := time.Now().Add(time.Minute); s.Stats().First == 1 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	first := s.Stats().First
	if first == 1 {
		t.Fatalf("nothing was dropped: %+v", s.Stats())
	}
	if _, err := s.Read(context.Background(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("read a dropped entry: %v", err)
	}
	of := storetest.Subject(0)
	got, err := s.Lookup(context.Background(), append([]byte("s"), of[:]...), 0, false, 1)
	if err != nil || len(got) != 1 || got[0] < first {
		t.Errorf("lookup finds %v, the oldest entry is %d: %v", got, first, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := checked(t, dir); r.Refolded || r.First < first {
		t.Errorf("check: %+v", r)
	}
	m = new(storetest.Machine)
	s = opened(t, dir, busy(m))
	if n, _ := m.Sum(); n != 4000 {
		t.Errorf("machine counts %d entries, want 4000", n)
	}
	v, _, err := s.Get(store.Key(storetest.TableA, storetest.Subject(2)))
	if err != nil || storetest.Count(v) != 445 {
		t.Errorf("record counts %d payloads, want 445: %v", storetest.Count(v), err)
	}
}

func TestErasedBytesAreGone(t *testing.T) {
	dir := t.TempDir()
	m := new(storetest.Machine)
	s := opened(t, dir, busy(m))
	of := storetest.Subject(77)
	for range 5 {
		if err := add(s, m, of, secret(77)); err != nil {
			t.Fatal(err)
		}
		fillMore(t, s, m, 500)
	}
	if _, err := s.Erase(context.Background(), store.Header{Kind: storetest.KindErase, Subject: of}, nil); err != nil {
		t.Fatal(err)
	}
	if len(s.Log().Segments()) < 3 {
		t.Error("the log has too few segments for this test")
	}
	noSecrets(t, filepath.Join(dir, "log"), []uint64{77})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	noSecrets(t, filepath.Join(dir, "log"), []uint64{77})
	if r := checked(t, dir); r.Erased != 5 {
		t.Errorf("check: %+v", r)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // scratch
	count := func(r store.Reader, e *store.Entry, w store.Writer) error {
		key := store.Key('n', e.Subject)
		old, _, err := r.Get(key)
		if err == nil {
			w.Put(key, append(slices.Clip(old), '|'))
		}
		return err
	}
	for range 2 { // the second time it recovers
		s, err := badgerstore.Open(filepath.Join(dir, "s"), badgerstore.Options{Fold: count, SegmentSize: 16 << 20})
		if err != nil {
			fmt.Println(err)
			return
		}
		anna := store.Subject{1}
		err = s.Update(context.Background(), anna, func(tx store.Tx) error {
			_, err := tx.Append(store.Header{Kind: 1, Subject: anna}, []byte("a return"))
			return err
		})
		value, at, _ := s.Get(store.Key('n', anna))
		fmt.Println(string(value), at, err)
		if err := s.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// | 1 <nil>
	// || 2 <nil>
}
