package badgerstore

import (
	"errors"
	"math/bits"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// filter tells most terms, or most keys of records, that Badger does not have, so
// that looking up a new request's id, or what a new customer has, costs one cache
// line: a blocked Bloom filter (Putze, Sanders, Singler 2007, section 3) of
// 64-bit words over hashes. It takes filterBytes and holds some 25 million at one
// false answer in fifty; with more it is wrong more often, never the other way round.
type filter struct {
	words []uint64
	ready atomic.Bool // it has all that was there when it was made
}

const (
	filterBytes = 32 << 20
	filterBits  = 5 // set per hash, in one word
)

func newFilter() *filter { return &filter{words: make([]uint64, filterBytes/8)} }

// spot is the word of a hash and its bits in it.
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

// absent reports that Badger has nothing of this hash.
func (f *filter) absent(hash uint64) bool {
	if !f.ready.Load() {
		return false
	}
	word, mask := f.spot(hash)
	return atomic.LoadUint64(word)&mask != mask
}

// fillFilters adds what Badger has; what is written meanwhile is added by who writes it.
func (s *Store) fillFilters() {
	defer s.running.Done()
	err := s.fill(s.table.filter, keyRecord, func(item *badger.Item) error {
		s.table.filter.add(s.table.hash(item.Key()[1:]))
		return nil
	})
	err = errors.Join(err, s.fill(s.filter, keyTerm, func(item *badger.Item) error {
		return item.Value(func(b []byte) error {
			for p, i := packed(b), 0; i < p.len(); i++ {
				s.filter.add(p.hash(i))
			}
			return nil
		})
	}))
	if err != nil {
		s.report("read what Badger has", err)
	}
}

// fill calls add for everything under a kind of keys; then the filter is ready.
func (s *Store) fill(f *filter, kind byte, add func(*badger.Item) error) error {
	return s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := add(it.Item()); err != nil {
				return err
			}
			select {
			case <-s.done:
				return nil
			default:
			}
		}
		f.ready.Store(true)
		return nil
	})
}
