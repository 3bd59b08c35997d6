package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dirtyPages counts the pages of a folder's files that are not on disk yet;
// false if the system cannot say (before Linux 6.5).
func dirtyPages(t *testing.T, dir string) (uint64, bool) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var dirty uint64
	for _, name := range names {
		fd, err := unix.Open(name, unix.O_RDONLY, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var stat unix.Cachestat_t
		err = unix.Cachestat(uint(fd), &unix.CachestatRange{}, &stat, 0)
		_ = unix.Close(fd)
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
			return 0, false
		}
		if err != nil {
			t.Fatal(err)
		}
		dirty += stat.Dirty + stat.Writeback
	}
	return dirty, true
}

// TestCheckpointIsDurable asks the system which pages of Badger's files are
// still in memory only: none after syncFolder, whatever memtables wait to be flushed.
func TestCheckpointIsDurable(t *testing.T) {
	dir := t.TempDir()
	o := Options{MemTableSize: 16 << 20}.withDefaults()
	db, err := openBadger(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var afterSync uint64
	for round := range 12 {
		write(t, db, round)
		if err := db.Sync(); err != nil {
			t.Fatal(err)
		}
		left, ok := dirtyPages(t, dir)
		if !ok {
			t.Log("this system cannot count dirty pages; only the sync itself is tested")
		}
		afterSync += left
		if err := syncFolder(dir); err != nil {
			t.Fatal(err)
		}
		if left := settled(t, dir); left > 0 {
			t.Errorf("round %d: %d pages not on disk after syncFolder", round, left)
		}
	}
	t.Logf("pages DB.Sync left in memory, over 12 rounds: %d", afterSync)
}

// settled counts dirty pages for up to ten seconds, for Badger may be writing a
// table from what is durable already. The system itself leaves pages alone for longer.
func settled(t *testing.T, dir string) (left uint64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if left, _ = dirtyPages(t, dir); left == 0 {
			return 0
		}
	}
	return left
}

// write fills more than one memtable.
func write(t *testing.T, db *state, round int) {
	t.Helper()
	w := db.batch()
	defer w.Cancel()
	for i := range 20_000 {
		if err := w.Set(fmt.Appendf(nil, "r%d/%d", round, i), bytes.Repeat([]byte{byte(i)}, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}
