package commitlog

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate reserves blocks; a file system that cannot is left to allocate on write.
func allocate(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func syncDir(d *os.File) error { return d.Sync() }
