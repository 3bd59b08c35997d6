package badgerstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

// recent holds the terms of entries whose segment is not in Badger's index yet,
// without pointers: a term by its hash, positions chained in a slice.
type recent struct {
	seed uint64 // of the hash; the log's id

	mu    sync.RWMutex
	from  store.Position // terms up to here are in Badger
	heads map[uint64]int32
	refs  []ref
}

type ref struct {
	at      store.Position
	subject store.Subject
	hash    uint64
	next    int32 // -1 at the end
}

func newRecent(seed uint64, from store.Position) *recent {
	return &recent{seed: seed, from: from, heads: make(map[uint64]int32)}
}

// hashTerm stands for a term in the index. The seed keeps a caller from choosing
// terms that share one; by chance two of 10^9 do once in 37 stores.
func hashTerm(seed uint64, term []byte) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	_, _ = d.Write(term) // never fails
	return d.Sum64()
}

func (r *recent) add(terms [][]byte, at store.Position, of store.Subject) {
	if len(terms) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range terms {
		if !indexable(t) {
			continue
		}
		r.link(ref{at: at, subject: of, hash: hashTerm(r.seed, t)})
	}
}

// indexable reports whether a term is of a length the index takes.
func indexable(t []byte) bool { return len(t) > 0 && len(t) <= store.MaxTerm }

func (r *recent) link(x ref) {
	head, ok := r.heads[x.hash]
	if !ok {
		head = -1
	}
	x.next = head
	r.heads[x.hash] = int32(len(r.refs))
	r.refs = append(r.refs, x)
}

// find returns the references of a term in log order, and up to where Badger has them.
func (r *recent) find(term []byte) ([]ref, store.Position) {
	h := hashTerm(r.seed, term)
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []ref
	if i, ok := r.heads[h]; ok {
		for ; i >= 0; i = r.refs[i].next {
			out = append(out, r.refs[i])
		}
	}
	slices.SortFunc(out, func(a, b ref) int { return int(int64(a.at) - int64(b.at)) })
	return slices.CompactFunc(out, func(a, b ref) bool { return a.at == b.at }), r.from
}

// drop forgets what Badger has now.
func (r *recent) drop(upTo store.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.refs
	r.from, r.refs, r.heads = upTo, nil, make(map[uint64]int32)
	for _, x := range old {
		if x.at > upTo {
			r.link(x)
		}
	}
}

// upTo returns the references of entries up to a position in the order of Badger's keys.
func (r *recent) upTo(last store.Position) []ref {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]ref, 0, len(r.refs))
	for _, x := range r.refs {
		if x.at <= last {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b ref) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
	return out
}

func (r *recent) indexed() store.Position {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.from
}

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
	if err := s.writeTerms(s.recent.upTo(last)); err != nil {
		return err
	}
	s.recent.drop(last)
	return nil
}

func (s *Store) writeTerms(refs []ref) (err error) {
	w := newWriter(s.db)
	defer func() { err = w.finish(err) }()
	for i := range refs {
		if r := &refs[i]; r.subject.IsZero() || s.log.Erased(r.subject) <= r.at {
			s.filter.add(r.hash)
			if err := w.set(termKey(r.hash, r.at), r.subject[:]); err != nil {
				return err
			}
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
	if !indexable(term) || limit <= 0 {
		return nil, nil
	}
	q := &query{s: s, term: term, after: after, newest: newest, limit: limit}
	refs, from := s.recent.find(term)
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
	term   []byte
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
	hash := hashTerm(q.s.recent.seed, q.term)
	if q.s.filter.absent(hash) {
		return nil
	}
	prefix := termPrefix(hash)
	start := min(q.after, from) + 1
	if q.newest {
		if start = from; q.after > 0 {
			start = min(q.after-1, from)
		}
	}
	err := q.s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix, Reverse: q.newest, PrefetchValues: true, PrefetchSize: min(q.limit, 100)})
		defer it.Close()
		for it.Seek(termKey(hash, start)); it.ValidForPrefix(prefix); it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			at, of, err := termItem(it.Item())
			if err != nil {
				return err
			}
			if at > from || !q.take(at, of) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up term: %w", err)
	}
	return nil
}

var errIndexValue = errors.New("index value is no subject")

func termItem(item *badger.Item) (at store.Position, of store.Subject, err error) {
	if _, at, err = splitTerm(item.Key()); err != nil {
		return 0, of, err
	}
	err = item.Value(func(b []byte) error {
		if copy(of[:], b) != len(of) || len(b) != len(of) {
			return fmt.Errorf("%w: %w", errIndexValue, store.ErrCorrupt)
		}
		return nil
	})
	return at, of, err
}
