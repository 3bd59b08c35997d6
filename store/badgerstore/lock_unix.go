//go:build unix

package badgerstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/rebound-engine/rebound/store"
)

// lock is the folder's: held by the file's flock, which ends with the process.
type lock struct{ f *os.File }

func acquire(name string) (*lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, held(f)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	host, err := os.Hostname()
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "pid %d on host %s\n", os.Getpid(), host), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return &lock{f}, nil
}

// held names who has the lock.
func held(f *os.File) error {
	b, err := io.ReadAll(io.LimitReader(f, 512))
	holder := strings.TrimSpace(string(b))
	if err != nil || holder == "" {
		holder = "another process"
	}
	return fmt.Errorf("%s: held by %s; talk to that process, or stop it: %w", f.Name(), holder, store.ErrLocked)
}

func (l *lock) release() error { return l.f.Close() }
