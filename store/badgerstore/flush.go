package badgerstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	if err := s.writeRecords(b.stripes); err != nil {
		return err
	}
	for _, t := range b.stripes {
		s.settled(t)
	}
	s.pending = nil
	s.relieve()
	return nil
}

func (s *Store) writeRecords(all []*stripe) (err error) {
	w := newWriter(s.db)
	defer func() { err = w.finish(err) }()
	for changes := changesOf(all); len(changes) > 0; {
		n := 1
		for n < len(changes) && changes[n].subject() == changes[0].subject() {
			n++
		}
		for i := range changes[:n] {
			s.table.filter.add(s.table.hash([]byte(changes[i].key)))
		}
		if err := w.subject(changes[:n]); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// change is a record to be written.
type change struct {
	key string
	record
}

// subject is the part of the key that names it.
func (c *change) subject() string { return c.key[1 : 1+len(store.Subject{})] }

// changesOf lists what is being flushed by subject, in the order of Badger's
// keys: writing neighbours one after the other is several times cheaper.
func changesOf(all []*stripe) []change {
	n := 0
	for _, t := range all {
		n += len(t.flushing)
	}
	out := make([]change, 0, n)
	for _, t := range all {
		for k, r := range t.flushing {
			out = append(out, change{k, r})
		}
	}
	slices.SortFunc(out, func(a, b change) int {
		return cmp.Or(strings.Compare(a.subject(), b.subject()), strings.Compare(a.key, b.key))
	})
	return out
}

func compareSubjects(a, b store.Subject) int { return slices.Compare(a[:], b[:]) }

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

// room refuses to write to Badger when the disk is nearly full.
func (s *Store) room() error { return roomIn(s.dir, s.opts.MinFree) }

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
