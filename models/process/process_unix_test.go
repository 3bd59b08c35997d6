//go:build unix

package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/process"
)

// pidOf finds the running process.
func pidOf(t *testing.T, m *process.Model) int {
	t.Helper()
	eventually(t, "up", func() bool { up, _ := m.Up(); return up })
	return m.Process()
}

// alive reports whether a process runs (a zombie does not).
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// TestStoppedProcessIsReplaced stops the process as a debugger would: it hangs
// without ending. Nobody waits longer than the deadline, and another one takes over.
func TestStoppedProcessIsReplaced(t *testing.T) {
	o := options(t)
	o.Beat = 100 * time.Millisecond
	m, err := process.Open(t.Context(), config(t, "good", "failures: 1\nretry_after: 10m\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	pid := pidOf(t, m)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool { _, err := ask(m, good); return err == nil && m.Process() != pid })
	if alive(pid) {
		t.Errorf("the stopped process %d is still there", pid)
	}
}

// TestKilledProcessComesBack kills it under load.
func TestKilledProcessComesBack(t *testing.T) {
	m := open(t, "good", "")
	for range 3 {
		pid := pidOf(t, m)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "back", func() bool {
			var err error
			atOnce(t, func() { _, err = ask(m, good) })
			if err != nil && !errors.Is(err, models.ErrUnscorable) {
				t.Fatal(err)
			}
			return err == nil && m.Process() != pid
		})
	}
}

func TestFoldersAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	m, err := process.Open(t.Context(), config(t, "good", ""), options(t))
	if err != nil {
		t.Fatal(err)
	}
	during, err := os.ReadDir(os.TempDir())
	if err != nil || len(during) != 1 {
		t.Errorf("%v, %v", during, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadDir(os.TempDir()); err != nil || len(after) != 0 {
		t.Errorf("left %v, %v", after, err)
	}
}
