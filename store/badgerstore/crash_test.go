package badgerstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
	"github.com/rebound-engine/rebound/store/storetest"
)

const (
	crashEnv = "REBOUND_CRASH_FOLDER" // set: this process is the one to be killed
	killsEnv = "REBOUND_KILLS"        // how often; 8 if not set
	workers  = 8
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		if err := load(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// busy is a store that seals, flushes and checkpoints all the time.
func busy(machine store.Machine) badgerstore.Options {
	o := small()
	o.SegmentSize, o.Queue = 1<<20, 256<<10
	o.FlushEvery, o.CheckpointEvery = 3*time.Millisecond, 20*time.Millisecond
	o.Fold, o.Machine, o.Index = storetest.Fold, machine, storetest.Index
	return o
}

// load is the process to be killed: every worker appends numbered entries to a
// subject of its own and writes a line per acknowledgement; one also erases.
func load(dir string) error {
	m := new(storetest.Machine)
	s, err := badgerstore.Open(dir, busy(m))
	if err != nil {
		return err
	}
	errs := make(chan error)
	for w := range workers {
		go func() { errs <- work(s, m, w) }()
	}
	go func() { errs <- eraseAll(s, m) }()
	return <-errs
}

func work(s *badgerstore.Store, m *storetest.Machine, w int) error {
	of := storetest.Subject(uint64(w))
	value, _, err := s.Get(store.Key(storetest.TableA, of))
	if err != nil {
		return err
	}
	for n := storetest.Count(value) + 1; ; n++ {
		if err := add(s, m, of, numbered(w, n)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(os.Stdout, "add %d %d\n", w, n); err != nil {
			return err
		}
	}
}

// numbered is the n-th payload of a worker; some are too long for one page.
func numbered(w int, n uint64) []byte {
	return append(fmt.Appendf(nil, "%d/%d/", w, n), bytes.Repeat([]byte{'x'}, int(n*797%3000))...)
}

func add(s *badgerstore.Store, m *storetest.Machine, of store.Subject, payload []byte) error {
	return s.Update(context.Background(), of, func(tx store.Tx) error {
		_, err := m.Do(tx, store.Header{Kind: storetest.KindBoth, Subject: of}, payload)
		return err
	})
}

// eraseAll writes secrets and erases them again.
func eraseAll(s *badgerstore.Store, m *storetest.Machine) error {
	for n := uint64(s.Last()) + 1000; ; n++ {
		of := storetest.Subject(n)
		if err := add(s, m, of, secret(n)); err != nil {
			return err
		}
		if _, err := s.Erase(context.Background(), store.Header{Kind: storetest.KindErase, Subject: of}, nil); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(os.Stdout, "erase %d\n", n); err != nil {
			return err
		}
	}
}

func secret(n uint64) []byte { return fmt.Appendf(nil, "<secret %d>", n) }

// TestKill kills a loaded store again and again: whatever it acknowledged is
// there, whatever it erased is not, and it always opens.
func TestKill(t *testing.T) {
	kills := 8
	if v := os.Getenv(killsEnv); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("%s: %v", killsEnv, err)
		}
		kills = n
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	acked := make(map[int]uint64)
	var erased []uint64
	for round := range kills {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), crashEnv+"="+dir)
		cmd.Stderr = os.Stderr
		for _, line := range storetest.Kill(t, cmd, rng, 400*time.Millisecond) {
			var w int
			var n uint64
			if c, _ := fmt.Sscanf(line, "add %d %d", &w, &n); c == 2 {
				acked[w] = max(acked[w], n)
			} else if c, _ := fmt.Sscanf(line, "erase %d", &n); c == 1 {
				erased = append(erased, n)
			} else {
				t.Fatalf("round %d: line %q", round, line)
			}
		}
		survive(t, dir, acked, erased)
	}
	total := uint64(0)
	for _, n := range acked {
		total += n
	}
	t.Logf("%d kills, %d entries and %d erasures acknowledged, none lost", kills, total, len(erased))
}

// survive opens the folder after a crash and compares it with what was acknowledged.
func survive(t *testing.T, dir string, acked map[int]uint64, erased []uint64) {
	t.Helper()
	ctx := context.Background()
	m := new(storetest.Machine)
	s, err := badgerstore.Open(dir, busy(m))
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	if err := storetest.Verify(ctx, s); err != nil {
		t.Errorf("after a kill: %v", err)
	}
	seen := make(map[int]uint64)
	entries := uint64(0)
	err = s.Scan(ctx, 1, func(e *store.Entry) error {
		entries++
		var w int
		var n uint64
		if c, _ := fmt.Sscanf(string(e.Payload), "%d/%d/", &w, &n); c == 2 {
			if n != seen[w]+1 {
				return fmt.Errorf("worker %d: entry %d after %d", w, n, seen[w])
			}
			seen[w] = n
		}
		return nil
	})
	if err != nil {
		t.Errorf("after a kill: %v", err)
	}
	for w, n := range acked {
		if seen[w] < n {
			t.Errorf("worker %d: %d acknowledged, %d found", w, n, seen[w])
		}
	}
	if n, _ := m.Sum(); n != uint64(s.Last()) {
		t.Errorf("machine counts %d entries, the log has %d", n, s.Last())
	}
	for _, n := range erased {
		if v, _, err := s.Get(store.Key(storetest.TableB, storetest.Subject(n))); v != nil || err != nil {
			t.Errorf("erased subject %d has a record: %x, %v", n, v, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close after a kill: %v", err)
	}
	noSecrets(t, filepath.Join(dir, "log"), erased[max(0, len(erased)-50):])
	checked(t, dir)
}

// noSecrets looks for erased words in the bytes of the log.
func noSecrets(t *testing.T, dir string, erased []uint64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		for _, n := range erased {
			if bytes.Contains(b, secret(n)) {
				t.Errorf("%s holds the erased %q", name, secret(n))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checked(t *testing.T, dir string) *badgerstore.Report {
	t.Helper()
	r, err := badgerstore.Check(context.Background(), dir, busy(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Errorf("check finds %d problems: %s", len(r.Problems), strings.Join(r.Problems, "\n"))
	}
	return r
}
