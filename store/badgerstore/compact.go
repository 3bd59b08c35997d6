package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/rebound-engine/rebound/store"
)

// keyCompacted holds the newest erasure whose bytes Badger's files hold no more.
var keyCompacted = []byte("mcompacted")

// Compact opens the store in dir, finishes what Open has to finish, and closes
// it with Badger's tables rewritten: nothing that was deleted or erased is in
// its files any more. Close does the same where something was erased since the last time.
func Compact(dir string, o Options) error {
	s, err := Open(dir, o)
	if err != nil {
		return err
	}
	s.compact = true
	return s.Close()
}

// newestErasure is the newest finished erasure that Badger's older tables may
// still hold bytes of; 0 if there is none.
func (s *Store) newestErasure() (store.Position, error) {
	var newest store.Position
	err := eachItem(s.db, []byte{keyErasure}, func(_, value []byte) error {
		at, err := decodePosition(value)
		newest = max(newest, at)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look for erasures: %w", err)
	}
	b, err := s.db.get(keyCompacted)
	if err != nil || b == nil {
		return newest, err
	}
	if done, err := decodePosition(b); err != nil || newest <= done {
		return 0, err
	}
	return newest, nil
}

// closeState closes Badger, and rewrites its tables if that was asked for or
// somebody was erased.
func (s *Store) closeState() error {
	erased, err := s.newestErasure()
	if err = errors.Join(err, s.db.Close()); err != nil || erased == 0 && !s.compact {
		return err
	}
	if err := s.rewrite(erased); err != nil {
		return fmt.Errorf("compact %s, which may hold bytes of erased subjects until then: %w", dataFolder, err)
	}
	return nil
}

// rewrite compacts all levels of the closed Badger into one: a key's older
// versions and deleted keys go when they meet in the lowest. Opening turns what
// is in memtables into tables of the first level, which only Close compacts.
func (s *Store) rewrite(erased store.Position) error {
	folder := filepath.Join(s.dir, dataFolder)
	if err := s.roomFor(folder); err != nil {
		return err
	}
	first, err := openState(badgerOptions(folder, s.opts).WithCompactL0OnClose(true))
	if err != nil {
		return err
	}
	if err := first.Close(); err != nil {
		return err
	}
	db, err := openState(badgerOptions(folder, s.opts))
	if err != nil {
		return err
	}
	err = db.Flatten(1)
	if err == nil && erased > 0 {
		err = db.set(keyCompacted, encodePosition(erased))
	}
	return errors.Join(err, db.Close())
}

// roomFor refuses if the disk has no room for another copy of a folder.
func (s *Store) roomFor(folder string) error {
	size := s.opts.MinFree
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && filepath.Ext(d.Name()) == ".sst" {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	return roomIn(s.dir, size)
}
