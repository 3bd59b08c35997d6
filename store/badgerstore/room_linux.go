package badgerstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// room refuses to write to Badger when the disk is nearly full.
func (s *Store) room() error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return fmt.Errorf("look for room on the disk of %s: %w", s.dir, err)
	}
	free := int64(st.Bavail) * st.Bsize
	if free < s.opts.MinFree {
		return fmt.Errorf("disk of %s has %d bytes left, %d are the least to go on with; make room: %w", s.dir, free, s.opts.MinFree, unix.ENOSPC)
	}
	return nil
}
