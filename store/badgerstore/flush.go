package badgerstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

// batch is what one flush moves to Badger: at a moment when nobody holds a
// subject's lock, all of its changes, so that Badger's records of a subject
// are always as of one entry.
type batch struct {
	stripes  []*stripe
	complete store.Position // every entry up to here is in this batch or in Badger
	upTo     store.Position // no change in the batch is of a later entry
}

// behind is the goroutine that writes behind.
func (s *Store) behind() {
	defer s.running.Done()
	tick := time.NewTicker(s.opts.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.flushNow:
		case <-s.done:
			return
		}
		if _, err := s.flush(context.Background()); err != nil {
			s.report("write behind", err)
		}
	}
}

// flush writes all pending changes to Badger and returns the position up to
// which it has everything. It does not make them durable there.
func (s *Store) flush(ctx context.Context) (store.Position, error) {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	if s.pending != nil { // the last flush could not write
		if err := s.write(ctx, s.pending); err != nil {
			return 0, err
		}
	}
	s.pending = s.collect()
	complete := s.pending.complete
	return complete, s.write(ctx, s.pending)
}

// collect takes the dirty records of every stripe. Passing through each lock,
// it knows that all entries before it began are through their Update.
func (s *Store) collect() *batch {
	b := &batch{complete: s.log.Appended()}
	for i := range s.table.stripes {
		t := &s.table.stripes[i]
		t.lock.Lock()
		s.nobody.Lock()
		t.mu.Lock()
		if len(t.dirty) > 0 {
			t.flushing, t.dirty = t.dirty, make(map[string]record)
			b.stripes = append(b.stripes, t)
		}
		t.mu.Unlock()
		s.nobody.Unlock()
		t.lock.Unlock()
	}
	b.upTo = s.log.Appended()
	return b
}

// write moves a batch to Badger once its entries are in the log for good.
func (s *Store) write(ctx context.Context, b *batch) error {
	if err := s.log.Wait(ctx, b.upTo); err != nil {
		return err
	}
	if err := s.room(); err != nil {
		return err
	}
	w := &writer{db: s.db}
	defer w.discard()
	for _, t := range b.stripes {
		if err := w.stripe(t.flushing); err != nil {
			return err
		}
	}
	if err := w.commit(); err != nil {
		return err
	}
	for _, t := range b.stripes {
		s.settled(t)
	}
	s.pending = nil
	s.relieve()
	return nil
}

// settled hands the flushed records of a stripe over to the cache.
func (s *Store) settled(t *stripe) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, r := range t.flushing {
		if r.deleted {
			s.table.cache.drop([]byte(k))
		} else {
			s.table.cache.put([]byte(k), r.value, r.at)
		}
	}
	s.table.bytes.Add(-cost(t.flushing))
	t.flushing = nil
	t.epoch++
}

// writer packs changes into transactions, never parting those of a subject.
type writer struct {
	db   *state
	txn  *badger.Txn
	size int64
	n    int64
}

// stripe adds the changes of a stripe, subject by subject.
func (w *writer) stripe(m map[string]record) error {
	bySubject := make(map[store.Subject][]string)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		subject, _ := store.SubjectOf([]byte(k))
		bySubject[subject] = append(bySubject[subject], k)
	}
	for _, subject := range slices.SortedFunc(maps.Keys(bySubject), compareSubjects) {
		if err := w.subject(subject, bySubject[subject], m); err != nil {
			return err
		}
	}
	return nil
}

func compareSubjects(a, b store.Subject) int { return slices.Compare(a[:], b[:]) }

func (w *writer) subject(of store.Subject, keys []string, m map[string]record) error {
	var size int64
	var last store.Position
	for _, k := range keys {
		size += int64(len(k)+len(m[k].value)) + 64
		last = max(last, m[k].at)
	}
	if err := w.fit(int64(len(keys))+1, size+64); err != nil {
		return err
	}
	for _, k := range keys {
		r := m[k]
		var err error
		if r.deleted {
			err = w.txn.Delete(recordKey([]byte(k)))
		} else {
			err = w.txn.Set(recordKey([]byte(k)), encodeRecord(r.value, r.at))
		}
		if err != nil {
			return fmt.Errorf("write record %x behind: %w", k, err)
		}
	}
	return w.txn.Set(subjectKey(keySubject, of), encodePosition(last))
}

// fit makes room in the transaction, committing it if it is half full.
func (w *writer) fit(n, size int64) error {
	if w.txn != nil && (w.n+n > w.db.MaxBatchCount()/2 || w.size+size > w.db.MaxBatchSize()/2) {
		if err := w.commit(); err != nil {
			return err
		}
	}
	if w.txn == nil {
		w.txn, w.n, w.size = w.db.begin(), 0, 0
	}
	w.n, w.size = w.n+n, w.size+size
	return nil
}

func (w *writer) commit() error {
	if w.txn == nil {
		return nil
	}
	txn := w.txn
	w.txn = nil
	if err := w.db.commit(txn); err != nil {
		return fmt.Errorf("write records behind: %w", err)
	}
	return nil
}

func (w *writer) discard() {
	if w.txn != nil {
		w.txn.Discard()
	}
}

// admit waits while too much is pending.
func (s *Store) admit(ctx context.Context) error {
	for s.table.bytes.Load() > s.opts.PendingBytes {
		s.reliefMu.Lock()
		relief := s.relief
		s.reliefMu.Unlock()
		if s.table.bytes.Load() <= s.opts.PendingBytes {
			return nil
		}
		poke(s.flushNow)
		select {
		case <-relief:
		case <-s.done:
			return store.ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("%d bytes of records wait to be written behind: %w (%w)", s.table.bytes.Load(), store.ErrOverloaded, ctx.Err())
		}
	}
	if s.table.bytes.Load() > s.opts.PendingBytes/4 {
		poke(s.flushNow)
	}
	return nil
}

// relieve wakes those admit keeps waiting.
func (s *Store) relieve() {
	s.reliefMu.Lock()
	defer s.reliefMu.Unlock()
	close(s.relief)
	s.relief = make(chan struct{})
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
