package badgerstore

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

// The index in Badger is cut into pages by the first bits of the terms' hashes. What
// is indexed together, a segment as a rule, is a batch: of each page it writes
// chunks of references, ordered by hash and position. So a segment costs a
// thousand writes instead of one per reference, and looking up a term reads
// one page of every batch.
const (
	pageBits  = 10
	pages     = 1 << pageBits
	refSize   = 8 + 8 + 16 // hash, position, subject
	chunkRefs = 2048       // 64 KiB
)

func pageOf(hash uint64) uint16 { return uint16(hash >> (64 - pageBits)) }

// pagePrefix is the key of a page's chunks without batch and number.
func pagePrefix(page uint16) []byte {
	return binary.BigEndian.AppendUint16(append(make([]byte, 0, chunkKeySize), keyTerm), page)
}

const chunkKeySize = 1 + 2 + 8 + 2

// chunkKey names a chunk by its batch, which holds nothing behind the position last.
func chunkKey(page uint16, last store.Position, chunk uint16) []byte {
	b := binary.BigEndian.AppendUint64(pagePrefix(page), uint64(last))
	return binary.BigEndian.AppendUint16(b, chunk)
}

// splitChunk takes a chunk's key apart.
func splitChunk(key []byte) (page uint16, last store.Position, err error) {
	if len(key) != chunkKeySize || key[0] != keyTerm {
		return 0, 0, fmt.Errorf("index key %x has not the form of one: %w", key, store.ErrCorrupt)
	}
	return binary.BigEndian.Uint16(key[1:]), store.Position(binary.BigEndian.Uint64(key[3:])), nil
}

// packed is a chunk's value.
type packed []byte

func pack(refs []ref) packed {
	b := make(packed, 0, len(refs)*refSize)
	for i := range refs {
		b = b.append(&refs[i])
	}
	return b
}

func (p packed) append(r *ref) packed {
	b := binary.BigEndian.AppendUint64(p, r.hash)
	return append(binary.BigEndian.AppendUint64(b, uint64(r.at)), r.subject[:]...)
}

func (p packed) len() int { return len(p) / refSize }

func (p packed) hash(i int) uint64 { return binary.BigEndian.Uint64(p[i*refSize:]) }

func (p packed) ref(i int) ref {
	b := p[i*refSize:]
	return ref{hash: p.hash(i), at: store.Position(binary.BigEndian.Uint64(b[8:])), subject: store.Subject(b[16:refSize])}
}

// of returns the range of a hash.
func (p packed) of(hash uint64) (from, to int) {
	from = sort.Search(p.len(), func(i int) bool { return p.hash(i) >= hash })
	for to = from; to < p.len() && p.hash(to) == hash; {
		to++
	}
	return from, to
}

// without returns the chunk without some references; itself if it has none of them.
func (p packed) without(gone func(*ref) bool) packed {
	var kept packed
	for i := range p.len() {
		if r := p.ref(i); !gone(&r) {
			kept = kept.append(&r)
		}
	}
	if len(kept) == len(p) {
		return p
	}
	return kept
}

// chunks calls fn for a page's chunks: those of the batch that holds the entry
// at from, then those of later batches, or, if newest, of earlier ones. The key and the chunk are fn's
// only during the call; it ends the walk by returning false.
func (s *state) chunks(page uint16, from store.Position, newest bool, fn func(key []byte, p packed) (bool, error)) error {
	return s.View(func(txn *badger.Txn) error {
		prefix, start := pagePrefix(page), chunkKey(page, from, 0)
		if newest {
			start = lastChunk(txn, prefix, start)
		}
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix, Reverse: newest})
		defer it.Close()
		for it.Seek(start); it.ValidForPrefix(prefix); it.Next() {
			more := false
			err := it.Item().Value(func(b []byte) (err error) {
				if len(b)%refSize != 0 {
					return fmt.Errorf("index page of %d bytes: %w", len(b), store.ErrCorrupt)
				}
				more, err = fn(it.Item().Key(), b)
				return err
			})
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// lastChunk is the key to walk backwards from: above all chunks of the batch that start falls into.
func lastChunk(txn *badger.Txn, prefix, start []byte) []byte {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	if it.Seek(start); it.ValidForPrefix(prefix) {
		start = it.Item().KeyCopy(nil)
	}
	return binary.BigEndian.AppendUint16(start[:len(start)-2], 0xffff)
}

// prune takes references out of a page, from the batch that holds the entry at
// from to the one that holds upTo.
func (s *state) prune(w *badger.WriteBatch, page uint16, from, upTo store.Position, gone func(*ref) bool) error {
	var end store.Position // of the last batch
	return s.chunks(page, from, false, func(key []byte, p packed) (bool, error) {
		_, last, err := splitChunk(key)
		if err != nil || end != 0 && last > end {
			return false, err
		}
		if last >= upTo {
			end = last
		}
		switch kept := p.without(gone); {
		case len(kept) == 0:
			err = w.Delete(slices.Clone(key))
		case len(kept) < len(p):
			err = w.Set(slices.Clone(key), kept)
		}
		return true, err
	})
}
