package badgerstore

import (
	"cmp"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

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

func (r *recent) add(terms *store.Terms, at store.Position, of store.Subject) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range terms.All() {
		r.link(ref{at: at, subject: of, hash: hashTerm(r.seed, t)})
	}
}

func (r *recent) link(x ref) {
	head, ok := r.heads[x.hash]
	if !ok {
		head = -1
	}
	x.next = head
	r.heads[x.hash] = int32(len(r.refs))
	r.refs = append(r.refs, x)
}

// find returns the references of a term's hash in log order, and up to where Badger has them.
func (r *recent) find(hash uint64) ([]ref, store.Position) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []ref
	if i, ok := r.heads[hash]; ok {
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
	r.from, r.refs, r.heads = upTo, make([]ref, 0, len(old)), make(map[uint64]int32, len(r.heads)) // the next segment has about as many
	for _, x := range old {
		if x.at > upTo {
			r.link(x)
		}
	}
}

// upTo returns the references of entries up to a position in the order of Badger's pages.
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
