package badgerstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// roomIn refuses when the disk of a folder has fewer than need bytes left.
func roomIn(dir string, need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look for room on the disk of %s: %w", dir, err)
	}
	free := int64(st.Bavail) * st.Bsize
	if free < need {
		return fmt.Errorf("disk of %s has %d bytes left, %d are the least to go on with; make room: %w", dir, free, need, unix.ENOSPC)
	}
	return nil
}
