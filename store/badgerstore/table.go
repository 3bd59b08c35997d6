package badgerstore

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

const stripes = 1024

// record is a change that Badger does not have yet.
type record struct {
	value   []byte
	at      store.Position
	deleted bool
}

// stripe is what the records of some subjects have in common.
type stripe struct {
	lock sync.Mutex // one Update of a subject at a time; held while fn runs
	tx   tx         // of the Update that holds the lock

	mu       sync.RWMutex // guards what follows; never held for long
	dirty    map[string]record
	flushing map[string]record // on its way to Badger
	epoch    uint64            // flushes completed: what Badger said before may be old
}

// table is the current state of all records: changes in memory, hot records
// in the cache, everything else in Badger.
type table struct {
	db      *state
	seed    uint64  // of the filter's hashes
	filter  *filter // of the keys Badger has
	cache   *cache
	stripes [stripes]stripe
	bytes   atomic.Int64 // of dirty and flushing records
}

func newTable(db *state, seed uint64, cacheBytes int64) *table {
	t := &table{db: db, seed: seed, filter: newFilter(), cache: newCache(cacheBytes)}
	for i := range t.stripes {
		t.stripes[i].dirty = make(map[string]record)
	}
	return t
}

// settle returns once every Update that has begun is through.
func (t *table) settle() {
	for i := range t.stripes {
		t.stripes[i].lock.Lock()
		t.stripes[i].lock.Unlock() //nolint:staticcheck // passing through is the point
	}
}

// stripe is chosen by bytes of the subject, which is random already or made so.
func (t *table) stripe(s store.Subject) *stripe {
	h := uint64(14695981039346656037)
	for _, b := range s {
		h = (h ^ uint64(b)) * 1099511628211 // FNV-1a
	}
	return &t.stripes[(h^h>>32)%stripes]
}

// Get implements store.Reader.
func (t *table) Get(key []byte) ([]byte, store.Position, error) {
	subject, ok := store.SubjectOf(key)
	if !ok {
		return nil, 0, nil
	}
	s := t.stripe(subject)
	r, found, epoch := s.get(key)
	if found {
		if r.deleted {
			return nil, 0, nil
		}
		return r.value, r.at, nil
	}
	if value, at, ok := t.cache.get(key); ok {
		return present(value, at)
	}
	if t.filter.absent(t.hash(key)) {
		return nil, 0, nil
	}
	value, at, err := t.load(key)
	if err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.epoch == epoch {
		t.cache.put(key, value, at) // also that there is nothing, at position 0
	}
	return present(value, at)
}

// hash stands for a record's key in the filter.
func (t *table) hash(key []byte) uint64 { return hashTerm(t.seed, key) }

// present is nil for what the cache remembers as absent.
func present(value []byte, at store.Position) ([]byte, store.Position, error) {
	if at == 0 {
		return nil, 0, nil
	}
	return value, at, nil
}

func (s *stripe) get(key []byte) (record, bool, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.dirty[string(key)]
	if !ok {
		r, ok = s.flushing[string(key)]
	}
	return r, ok, s.epoch
}

// load reads a record from Badger; position 0 if there is none.
func (t *table) load(key []byte) (value []byte, at store.Position, err error) {
	b, err := t.db.get(recordKey(key))
	if err != nil || b == nil {
		return nil, 0, err
	}
	if value, at, err = decodeRecord(b); err != nil {
		return nil, 0, fmt.Errorf("record %x: %w", key, err)
	}
	return value, at, nil
}

// apply takes the mutations of an entry in; the subject is locked.
func (t *table) apply(m store.Mutations, of store.Subject, at store.Position) {
	if len(m) == 0 {
		return
	}
	s := t.stripe(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range m {
		t.set(s, string(m[i].Key), record{m[i].Value, at, m[i].Delete})
	}
}

func (t *table) set(s *stripe, key string, r record) {
	size := int64(len(r.value))
	if old, ok := s.dirty[key]; ok {
		size -= int64(len(old.value))
	} else {
		size += int64(len(key) + recordOverhead)
	}
	s.dirty[key] = r
	t.bytes.Add(size)
}

// recordOverhead is about what a pending change costs in memory beside key and value.
const recordOverhead = 96

func cost(m map[string]record) (n int64) {
	for k, r := range m {
		n += int64(len(k)+len(r.value)) + recordOverhead
	}
	return n
}

// forget deletes all records of an erased subject; the subject is locked. It
// looks at the pending changes first: one that is flushed meanwhile is then found in Badger.
func (t *table) forget(of store.Subject, at store.Position) error {
	s := t.stripe(of)
	keys := s.pendingOf(of)
	if err := t.keysOf(of, keys); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range keys {
		t.set(s, k, record{at: at, deleted: true})
	}
	return nil
}

func (s *stripe) pendingOf(of store.Subject) map[string]struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	keys := make(map[string]struct{})
	for _, pending := range []map[string]record{s.flushing, s.dirty} {
		for k := range pending {
			if subject, _ := store.SubjectOf([]byte(k)); subject == of {
				keys[k] = struct{}{}
			}
		}
	}
	return keys
}

// keysOf adds the keys Badger has of a subject, in all tables.
func (t *table) keysOf(of store.Subject, keys map[string]struct{}) error {
	err := t.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyRecord}})
		defer it.Close()
		for kind := range 256 {
			prefix := recordKey(store.Key(byte(kind), of))
			for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
				keys[string(it.Item().Key()[1:])] = struct{}{}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list records of subject %x: %w", of, err)
	}
	return nil
}
