package badgerstore

import (
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/rebound-engine/rebound/store"
)

const (
	cacheShards = 64
	chunkSize   = 256 << 10 // 256 KiB
	entryHeader = 2 + 4 + 8 // key length, value length, position
)

// cache keeps hot records, and the absence of records (position 0), in a
// bounded number of bytes, almost without pointers: records lie one after the other in chunks, the index holds numbers.
// A chunk is never written over, so a value handed out stays valid; dropped
// chunks live on for as long as someone holds a value of theirs.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu     sync.RWMutex
	index  map[uint64]place
	chunks [][]byte // the last one is filled
	first  uint32   // number of chunks[0]
	limit  int      // chunks kept
}

type place struct{ chunk, off uint32 }

func newCache(bytes int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].index = make(map[uint64]place)
		c.shards[i].limit = max(2, int(bytes/(cacheShards*chunkSize)))
	}
	return c
}

func (c *cache) at(key []byte) (*cacheShard, uint64) {
	h := maphash.Bytes(c.seed, key)
	return &c.shards[h%cacheShards], h
}

// get returns the record; a hit that is about to be dropped is copied to the front.
func (c *cache) get(key []byte) (value []byte, at store.Position, ok bool) {
	s, h := c.at(key)
	s.mu.RLock()
	p, ok := s.index[h]
	if !ok {
		s.mu.RUnlock()
		return nil, 0, false
	}
	k, value, at := s.entry(p)
	aging := len(s.chunks) >= s.limit && p.chunk-s.first < uint32(s.limit/4)
	s.mu.RUnlock()
	if string(k) != string(key) {
		return nil, 0, false
	}
	if aging {
		s.promote(h, p, key, value, at)
	}
	return value, at, true
}

func (s *cacheShard) entry(p place) (key, value []byte, at store.Position) {
	b := s.chunks[p.chunk-s.first][p.off:]
	k, v := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint32(b[2:]))
	b, at = b[entryHeader:], store.Position(binary.LittleEndian.Uint64(b[6:]))
	return b[:k:k], b[k : k+v : k+v], at
}

// promote copies a record to the front unless it has moved or changed meanwhile.
func (s *cacheShard) promote(h uint64, p place, key, value []byte, at store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index[h] == p {
		s.add(h, key, value, at)
	}
}

// put takes a record in, or drops what it had of it if it is too large.
func (c *cache) put(key, value []byte, at store.Position) {
	s, h := c.at(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if entryHeader+len(key)+len(value) > chunkSize/8 {
		delete(s.index, h)
		return
	}
	s.add(h, key, value, at)
}

func (c *cache) drop(key []byte) {
	s, h := c.at(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.index, h)
}

func (s *cacheShard) add(h uint64, key, value []byte, at store.Position) {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1])+entryHeader+len(key)+len(value) > chunkSize {
		s.turn()
		n = len(s.chunks)
	}
	b := s.chunks[n-1]
	s.index[h] = place{s.first + uint32(n-1), uint32(len(b))}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	s.chunks[n-1] = append(append(b, key...), value...)
}

// turn begins a new chunk and forgets the oldest one above the limit.
func (s *cacheShard) turn() {
	if len(s.chunks) >= s.limit {
		gone := s.first
		s.chunks = append(make([][]byte, 0, s.limit), s.chunks[1:]...)
		s.first++
		for h, p := range s.index {
			if p.chunk == gone {
				delete(s.index, h)
			}
		}
	}
	s.chunks = append(s.chunks, make([]byte, 0, chunkSize))
}
