package badgerstore

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/rebound-engine/rebound/store"
)

// retain drops the segments the retention does not keep.
func (s *Store) retain(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return err
	}
	defer s.release()
	before := s.droppable()
	first := s.log.First()
	if before <= first {
		return nil
	}
	if err := s.keep(ctx, before); err != nil {
		return err
	}
	if err := s.dropIndex(before); err != nil {
		return fmt.Errorf("take entries %d to %d out of the index: %w", first, before-1, err)
	}
	n, err := s.log.Drop(before)
	if err != nil {
		return err
	}
	s.opts.Logger.Info("store: dropped old segments", "segments", n, "first", uint64(s.log.First()))
	return nil
}

// keep has the owner log again what it needs of the entries before a position,
// and waits until that is on disk.
func (s *Store) keep(ctx context.Context, before store.Position) error {
	if s.opts.Retention.Keep == nil {
		return nil
	}
	if err := s.opts.Retention.Keep(ctx, before); err != nil {
		return fmt.Errorf("keep what is needed before entry %d: %w", before, err)
	}
	return s.log.Wait(ctx, s.log.Appended())
}

// droppable is the first position that has to be kept.
func (s *Store) droppable() store.Position {
	s.checkpointMu.Lock()
	included := s.saved.replayFrom()
	s.checkpointMu.Unlock()
	all := s.log.Segments()
	var newer int64
	for _, g := range all {
		newer += g.Bytes
	}
	keep := all[0].First
	for _, g := range all {
		newer -= g.Bytes
		if !g.Sealed || g.Last >= included || !s.expired(g.Recorded, newer) {
			break
		}
		keep = g.Last + 1
	}
	return keep
}

func (s *Store) expired(recorded, newer int64) bool {
	r := s.opts.Retention
	old := r.Age > 0 && recorded < s.opts.Clock().Add(-r.Age).UnixMilli()
	return old || r.Bytes > 0 && newer >= r.Bytes
}

// dropIndex takes the references to entries out that are about to go; durably,
// so that none outlives its entry.
func (s *Store) dropIndex(before store.Position) error {
	if s.opts.Index == nil {
		return nil
	}
	s.erasureMu.Lock()
	defer s.erasureMu.Unlock()
	w := s.db.batch()
	defer w.Cancel()
	for page := range uint16(pages) {
		if err := s.db.prune(w, page, 0, before, func(r *ref) bool { return r.at < before }); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return syncFolder(filepath.Join(s.dir, dataFolder))
}
