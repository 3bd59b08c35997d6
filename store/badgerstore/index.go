package badgerstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/store"
)

// indexer is the goroutine that moves the terms of sealed segments to Badger.
func (s *Store) indexer() {
	defer s.running.Done()
	for {
		select {
		case <-s.sealed:
		case <-s.done:
			return
		}
		if err := s.indexSealed(); err != nil {
			s.report("index sealed segments", err)
		}
	}
}

// indexSealed writes the terms of all sealed segments that are not in Badger yet.
func (s *Store) indexSealed() error {
	s.erasureMu.Lock() // what is erased meanwhile must not get into the index again
	defer s.erasureMu.Unlock()
	last := s.recent.indexed()
	for _, g := range s.log.Segments() {
		if g.Sealed {
			last = max(last, g.Last)
		}
	}
	if last == s.recent.indexed() {
		return nil
	}
	if err := s.room(); err != nil {
		return err
	}
	s.table.settle()
	if err := s.writeTerms(s.recent.upTo(last), last); err != nil {
		return err
	}
	s.recent.drop(last)
	return nil
}

// writeTerms writes the references, in the order of pages, as a batch of its own.
func (s *Store) writeTerms(refs []ref, last store.Position) (err error) {
	w := newWriter(s.db)
	defer func() { err = w.finish(err) }()
	refs = slices.DeleteFunc(refs, func(r ref) bool { return s.log.Erased(r.subject) > r.at })
	for _, r := range refs {
		s.filter.add(r.hash)
	}
	for len(refs) > 0 {
		page, n := pageOf(refs[0].hash), 1
		for n < len(refs) && pageOf(refs[n].hash) == page {
			n++
		}
		for chunk := uint16(0); n > 0; chunk++ {
			k := min(n, chunkRefs)
			if err := w.set(chunkKey(page, last, chunk), pack(refs[:k])); err != nil {
				return err
			}
			refs, n = refs[k:], n-k
		}
	}
	return nil
}

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, term []byte, after store.Position, newest bool, limit int) ([]store.Position, error) {
	if err := s.usable(); err != nil {
		return nil, fmt.Errorf("look up term: %w", err)
	}
	defer s.release()
	if len(term) == 0 || len(term) > store.MaxTerm || limit <= 0 {
		return nil, nil
	}
	hash := hashTerm(s.recent.seed, term)
	refs, from := s.recent.find(hash)
	q := &query{s: s, hash: hash, after: after, newest: newest, limit: limit}
	if newest {
		slices.Reverse(refs)
		q.memory(refs, from)
		return q.out, q.badger(ctx, from)
	}
	if err := q.badger(ctx, from); err != nil {
		return nil, err
	}
	q.memory(refs, from)
	return q.out, nil
}

// query collects a page of positions.
type query struct {
	s      *Store
	hash   uint64
	after  store.Position
	newest bool
	limit  int
	out    []store.Position
}

// take adds the position if it is wanted and reports whether to go on.
func (q *query) take(at store.Position, of store.Subject) bool {
	switch {
	case q.newest && q.after > 0 && at >= q.after, !q.newest && at <= q.after:
	case !of.IsZero() && q.s.log.Erased(of) > at:
	case at < q.s.log.First():
	default:
		q.out = append(q.out, at)
	}
	return len(q.out) < q.limit
}

func (q *query) memory(refs []ref, from store.Position) {
	for _, r := range refs {
		if len(q.out) >= q.limit {
			return
		}
		if r.at > from && !q.take(r.at, r.subject) {
			return
		}
	}
}

// badger takes positions up to from out of the index.
func (q *query) badger(ctx context.Context, from store.Position) error {
	if len(q.out) >= q.limit || from == 0 {
		return nil
	}
	if q.s.filter.absent(q.hash) {
		return nil
	}
	start := min(q.after, from) + 1
	if q.newest {
		if start = from; q.after > 0 {
			start = min(q.after-1, from)
		}
	}
	err := q.s.db.chunks(pageOf(q.hash), start, q.newest, func(_ []byte, p packed) (bool, error) {
		lo, hi := p.of(q.hash)
		for n := range hi - lo {
			r := p.ref(lo + n)
			if q.newest {
				r = p.ref(hi - 1 - n)
			}
			if r.at <= from && !q.take(r.at, r.subject) {
				return false, nil
			}
		}
		return true, ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("look up term: %w", err)
	}
	return nil
}
