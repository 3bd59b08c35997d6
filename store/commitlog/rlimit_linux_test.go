package commitlog_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

const limitEnv = "REBOUND_FILE_LIMIT_FOLDER"

// TestFileSizeLimit fills the log up to a limit of the system (RLIMIT_FSIZE) in
// a process of its own, and reads afterwards what that process had acknowledged.
func TestFileSizeLimit(t *testing.T) {
	if dir := os.Getenv(limitEnv); dir != "" {
		fillToLimit(t, dir)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(self, "-test.run=^TestFileSizeLimit$")
	cmd.Env = append(os.Environ(), limitEnv+"="+dir)
	out, err := cmd.Output()
	var acked store.Position
	if n, _ := fmt.Sscanf(string(out), "acknowledged %d", &acked); n != 1 || err != nil || acked == 0 {
		t.Fatalf("process with the limit: %s, %v", out, err)
	}
	l, _, err := commitlog.Open(background, dir, small())
	if err != nil || l.Last() < acked {
		t.Fatalf("open without the limit: %v", err)
	}
	defer l.Close()
	verify(t, l, 1, l.Last())
}

func fillToLimit(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	l := open(t, dir, small())
	limit := syscall.Rlimit{Cur: 32 << 10, Max: 32 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	for at := store.Position(1); ; at++ {
		_, _, err := l.Append(background, store.Header{Kind: 1, Time: int64(at) * 10}, payload(at), false)
		if err == nil {
			err = l.Wait(background, at)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrFailed) || !errors.Is(err, syscall.EFBIG) {
			t.Errorf("append beyond the limit: %v", err)
		}
		fmt.Printf("acknowledged %d\n", at-1)
		return
	}
}
