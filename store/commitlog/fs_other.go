//go:build !linux

package commitlog

import (
	"os"
	"runtime"
)

func allocate(*os.File, int64) error { return nil }

func writeback(*os.File, int64, int64) error { return nil }

func datasync(f *os.File) error { return f.Sync() }

// syncDir does nothing on Windows, where a directory cannot be synced.
func syncDir(d *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return d.Sync()
}
