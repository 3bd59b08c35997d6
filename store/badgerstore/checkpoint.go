package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

const chunkBytes = 512 << 10 // of a Machine's snapshot in one value

// checkpointer is the goroutine that keeps recovery short.
func (s *Store) checkpointer() {
	defer s.running.Done()
	tick := time.NewTicker(s.opts.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.done:
			return
		}
		if err := s.Checkpoint(context.Background()); err != nil && !errors.Is(err, store.ErrClosed) {
			s.report("checkpoint", err)
			continue
		}
		if err := s.retain(context.Background()); err != nil && !errors.Is(err, store.ErrClosed) {
			s.report("drop old segments", err)
		}
	}
}

// Checkpoint implements store.Store. The order is the proof that nothing is
// replayed too little: records and snapshot are written, Badger's files are
// synced, and only then the checkpoint that says so is written and synced.
func (s *Store) Checkpoint(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer s.release()
	s.checkpointMu.Lock()
	defer s.checkpointMu.Unlock()
	c, err := s.stage(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if c == s.saved {
		return nil
	}
	if err := s.save(c); err != nil {
		return fmt.Errorf("checkpoint at entry %d: %w", c.records, err)
	}
	old := s.saved
	s.saved = c
	if old.machine == c.machine {
		return nil
	}
	return s.dropSnapshot(old)
}

// stage writes records and snapshot behind and says what they include.
func (s *Store) stage(ctx context.Context) (checkpoint, error) {
	s.erasing.Lock()
	defer s.erasing.Unlock()
	c := checkpoint{logID: s.log.ID(), indexed: s.recent.indexed()}
	complete, err := s.flush(ctx)
	if err != nil {
		return c, err
	}
	c.records, c.machine = complete, complete
	if s.opts.Machine == nil {
		return c, nil
	}
	// flush has passed through every subject's lock: what the Machine had to see
	// of the entries up to complete it has seen.
	snapshot, at := s.opts.Machine.Snapshot()
	c.machine = max(at, complete)
	if c.machine == s.saved.machine {
		c.chunks = s.saved.chunks
		return c, nil
	}
	if err := s.log.Wait(ctx, c.machine); err != nil {
		return c, err
	}
	c.chunks, err = s.writeSnapshot(c.machine, snapshot)
	return c, err
}

func (s *Store) writeSnapshot(at store.Position, snapshot []byte) (chunks uint32, err error) {
	w := s.db.batch()
	defer w.Cancel()
	for part := range slices.Chunk(snapshot, chunkBytes) {
		if err := w.Set(machineKey(at, chunks), part); err != nil {
			return 0, err
		}
		chunks++
	}
	if chunks == 0 { // an empty snapshot is not the same as none
		chunks = 1
		if err := w.Set(machineKey(at, 0), nil); err != nil {
			return 0, err
		}
	}
	return chunks, w.Flush()
}

func (s *Store) save(c checkpoint) error {
	folder := filepath.Join(s.dir, dataFolder)
	if err := syncFolder(folder); err != nil {
		return err
	}
	err := s.db.set(keyCheckpoint, c.encode())
	if err != nil {
		return err
	}
	return syncFolder(folder)
}

func (s *Store) dropSnapshot(c checkpoint) error {
	w := s.db.batch()
	defer w.Cancel()
	for n := range c.chunks {
		if err := w.Delete(machineKey(c.machine, n)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// syncFolder makes everything Badger has written durable. DB.Sync does not: it
// covers the active memtable's log, not those waiting to become tables. A file
// that goes away meanwhile was replaced by a table; so it looks again until it
// has synced all the files there are.
func syncFolder(dir string) error {
	synced := make(map[string]bool)
	for {
		names, err := commitlog.OS{}.List(dir)
		if err != nil {
			return err
		}
		fresh := false
		for _, name := range names {
			if synced[name] {
				continue
			}
			synced[name], fresh = true, true
			if err := syncFile(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		if !fresh {
			return commitlog.OS{}.SyncDir(dir)
		}
	}
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
