package badgerstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// recover brings records, Machine and index up to the end of the log.
func (s *Store) recover(ctx context.Context) error {
	c, err := loadCheckpoint(s.db)
	if err != nil {
		return err
	}
	if err := s.fits(c); err != nil {
		return err
	}
	s.saved, s.recent = c, newRecent(s.log.ID(), c.indexed)
	if err := s.restore(c); err != nil {
		return err
	}
	if err := s.dropStray(c); err != nil {
		return err
	}
	if err := s.dropStrayTerms(c.indexed); err != nil {
		return err
	}
	return s.replay(ctx, c)
}

// replay takes the entries in that the checkpoint does not include.
func (s *Store) replay(ctx context.Context, c checkpoint) error {
	s.recovery.From = max(c.replayFrom(), s.log.First())
	return s.db.View(func(txn *badger.Txn) error {
		r := &replay{s: s, c: c, complete: newComplete(txn)}
		defer r.complete.close()
		if err := s.log.ScanAll(ctx, s.recovery.From, r.entry); err != nil {
			return fmt.Errorf("replay from entry %d: %w", s.recovery.From, err)
		}
		s.recovery.Replayed = r.n
		return nil
	})
}

// loadCheckpoint returns the zero checkpoint if none was ever taken.
func loadCheckpoint(db *state) (checkpoint, error) {
	b, err := db.get(keyCheckpoint)
	if err != nil || b == nil {
		return checkpoint{}, err
	}
	return decodeCheckpoint(b)
}

// fits refuses a log and a state that do not belong together.
func (s *Store) fits(c checkpoint) error {
	first, last := s.log.First(), s.log.Appended()
	switch {
	case c == checkpoint{} && first > 1:
		return fmt.Errorf("%s has no checkpoint, but the log begins at entry %d only; restore the folder from a backup: %w", dataFolder, first, store.ErrCorrupt)
	case c == checkpoint{}:
		return nil
	case c.logID != s.log.ID():
		return fmt.Errorf("%s belongs to log %016x, but %s is log %016x; restore both from one backup: %w", dataFolder, c.logID, logFolder, s.log.ID(), store.ErrCorrupt)
	case max(c.records, c.machine, c.indexed) > last:
		return fmt.Errorf("%s includes entry %d, but the log ends at %d; restore both from one backup: %w", dataFolder, max(c.records, c.machine, c.indexed), last, store.ErrCorrupt)
	case min(c.records, c.machine)+1 < first:
		return fmt.Errorf("%s includes entries up to %d, but the log begins at %d only; restore both from one backup: %w", dataFolder, min(c.records, c.machine), first, store.ErrCorrupt)
	}
	return nil
}

// restore hands the Machine its snapshot.
func (s *Store) restore(c checkpoint) error {
	if s.opts.Machine == nil {
		return nil
	}
	var snapshot []byte
	if c.chunks > 0 {
		snapshot = []byte{}
	}
	for n := range c.chunks {
		part, err := s.db.get(machineKey(c.machine, n))
		if err != nil {
			return err
		}
		if part == nil {
			return fmt.Errorf("machine snapshot at entry %d: part %d of %d is missing: %w", c.machine, n, c.chunks, store.ErrCorrupt)
		}
		snapshot = append(snapshot, part...)
	}
	if err := s.opts.Machine.Restore(snapshot); err != nil {
		return fmt.Errorf("restore machine at entry %d: %w", c.machine, err)
	}
	return nil
}

// dropStray deletes snapshots whose checkpoint a crash kept from being written.
func (s *Store) dropStray(c checkpoint) error {
	var stray [][]byte
	current := machineKey(c.machine, 0)
	err := eachItem(s.db, prefixMachine, func(key, _ []byte) error {
		if c.chunks == 0 || !bytes.HasPrefix(key, current[:len(current)-4]) {
			stray = append(stray, key)
		}
		return nil
	})
	if err != nil || len(stray) == 0 {
		return err
	}
	w := s.db.batch()
	defer w.Cancel()
	for _, key := range stray {
		if err := w.Delete(key); err != nil {
			return err
		}
	}
	return w.Flush()
}

// dropStrayTerms deletes what was indexed after the checkpoint: it will be again, in other batches.
func (s *Store) dropStrayTerms(indexed store.Position) error {
	w := s.db.batch()
	defer w.Cancel()
	for page := range uint16(pages) {
		err := s.db.chunks(page, indexed+1, false, func(key []byte, _ packed) (bool, error) {
			return true, w.Delete(slices.Clone(key))
		})
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// replay is one run over entries.
type replay struct {
	s        *Store
	c        checkpoint
	complete *complete
	changes  store.Mutations
	terms    store.Terms
	n        int
}

func (r *replay) entry(e *store.Entry, k commitlog.Standing) error {
	r.n++
	if err := r.machine(e, k); err != nil {
		return fmt.Errorf("entry %d: %w", e.Position, err)
	}
	if err := r.records(e, k); err != nil {
		return fmt.Errorf("entry %d: %w", e.Position, err)
	}
	if k != commitlog.Gone && e.Position > r.c.indexed {
		r.s.remember(e, &r.terms)
	}
	if r.s.table.bytes.Load() > r.s.opts.PendingBytes/2 {
		_, err := r.s.flush(context.Background())
		return err
	}
	return nil
}

func (r *replay) machine(e *store.Entry, k commitlog.Standing) error {
	if r.s.opts.Machine == nil || e.Position <= r.c.machine {
		return nil
	}
	if k == commitlog.Gone && e.Payload == nil {
		return fmt.Errorf("its payload was overwritten, but the machine's snapshot is of entry %d; restore %s from the same backup as %s: %w",
			r.c.machine, dataFolder, logFolder, store.ErrCorrupt)
	}
	return r.s.opts.Machine.Apply(e)
}

func (r *replay) records(e *store.Entry, k commitlog.Standing) error {
	if e.Position <= r.c.records || k == commitlog.Gone {
		return nil
	}
	included, err := r.complete.to(e.Subject)
	if err != nil || e.Position <= included {
		return err
	}
	if k == commitlog.Erasing {
		return r.s.table.forget(e.Subject, e.Position)
	}
	folded := store.Entry{Header: e.Header, Payload: e.Payload} // a fold sees neither position nor time of recording
	if err := r.s.fold(r.s.table, &folded, &r.changes); err != nil {
		return err
	}
	r.s.table.apply(r.changes, e.Subject, e.Position)
	return nil
}
