package badgerstore

import (
	"math/bits"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// filter tells most terms that Badger's index does not have, so that looking up
// a new request's id costs one cache line: a blocked Bloom filter (Putze,
// Sanders, Singler 2007, section 3) of 64-bit words over the terms' hashes. It
// takes filterBytes and holds some 25 million terms at one false answer in
// fifty; with more it is wrong more often, never the other way round.
type filter struct {
	words []uint64
	ready atomic.Bool // it has all terms that were there when it was made
}

const (
	filterBytes = 32 << 20
	filterBits  = 5 // set per term, in one word
)

func newFilter() *filter { return &filter{words: make([]uint64, filterBytes/8)} }

// spot is the word of a term and its bits in it.
func (f *filter) spot(hash uint64) (word *uint64, mask uint64) {
	at, rest := bits.Mul64(hash, uint64(len(f.words)))
	for range filterBits {
		mask |= 1 << (rest >> 58)
		rest *= 0x9e3779b97f4a7c15
	}
	return &f.words[at], mask
}

func (f *filter) add(hash uint64) {
	word, mask := f.spot(hash)
	atomic.OrUint64(word, mask)
}

// absent reports that Badger's index has nothing of the term.
func (f *filter) absent(hash uint64) bool {
	if !f.ready.Load() {
		return false
	}
	word, mask := f.spot(hash)
	return atomic.LoadUint64(word)&mask != mask
}

// fillFilter adds the terms Badger has; those written meanwhile are added by who writes them.
func (s *Store) fillFilter() {
	defer s.running.Done()
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyTerm}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			err := it.Item().Value(func(b []byte) error {
				for p, i := packed(b), 0; i < p.len(); i++ {
					s.filter.add(p.hash(i))
				}
				return nil
			})
			if err != nil {
				return err
			}
			select {
			case <-s.done:
				return nil
			default:
			}
		}
		s.filter.ready.Store(true)
		return nil
	})
	if err != nil {
		s.report("read the index", err)
	}
}
