package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// recent holds the terms of entries whose segment is not in Badger's index yet,
// without pointers: terms by a 64-bit hash with a secret seed, positions chained in a slice.
type recent struct {
	seed maphash.Seed

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

func newRecent(from store.Position) *recent {
	return &recent{seed: maphash.MakeSeed(), from: from, heads: make(map[uint64]int32)}
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
		r.link(ref{at: at, subject: of, hash: maphash.Bytes(r.seed, t)})
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
	h := maphash.Bytes(r.seed, term)
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
		if err := s.indexSealed(context.Background()); err != nil {
			s.report("index sealed segments", err)
		}
	}
}

func (s *Store) indexSealed(ctx context.Context) error {
	s.erasureMu.Lock() // what is erased meanwhile must not get into the index again
	defer s.erasureMu.Unlock()
	for _, g := range s.log.Segments() {
		if !g.Sealed || g.Last <= s.recent.indexed() {
			continue
		}
		if err := s.room(); err != nil {
			return err
		}
		if err := s.indexSegment(ctx, g); err != nil {
			return fmt.Errorf("index segment %s: %w", g.File, err)
		}
		s.recent.drop(g.Last)
	}
	return nil
}

func (s *Store) indexSegment(ctx context.Context, g commitlog.SegmentInfo) error {
	if s.opts.Index == nil {
		return nil
	}
	x := &indexing{s: s}
	err := s.log.ScanAll(ctx, g.First, func(e *store.Entry, k commitlog.Standing) error {
		if e.Position > g.Last {
			return store.Stop
		}
		if k == commitlog.Gone {
			return nil
		}
		return x.entry(e)
	})
	if err != nil {
		return err
	}
	return x.write()
}

// indexTogether is how many terms are sorted at a time.
const indexTogether = 1 << 17

// indexing gathers terms, for written in their order they cost a fraction.
type indexing struct {
	s     *Store
	terms []indexTerm
}

type indexTerm struct {
	key []byte
	of  store.Subject
}

func (x *indexing) entry(e *store.Entry) error {
	for _, t := range x.s.opts.Index(e) {
		if indexable(t) {
			x.terms = append(x.terms, indexTerm{termKey(t, e.Position), e.Subject})
		}
	}
	if len(x.terms) < indexTogether {
		return nil
	}
	return x.write()
}

func (x *indexing) write() (err error) {
	slices.SortFunc(x.terms, func(a, b indexTerm) int { return bytes.Compare(a.key, b.key) })
	w := newWriter(x.s.db)
	defer func() { err = w.finish(err) }()
	for i := range x.terms {
		if err := w.set(x.terms[i].key, x.terms[i].of[:]); err != nil {
			return err
		}
	}
	x.terms = x.terms[:0]
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
	prefix := termPrefix(q.term)
	start := min(q.after, from) + 1
	if q.newest {
		if start = from; q.after > 0 {
			start = min(q.after-1, from)
		}
	}
	err := q.s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix, Reverse: q.newest, PrefetchValues: true, PrefetchSize: min(q.limit, 100)})
		defer it.Close()
		for it.Seek(termKey(q.term, start)); it.ValidForPrefix(prefix); it.Next() {
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
