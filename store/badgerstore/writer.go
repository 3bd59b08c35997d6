package badgerstore

import (
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

const (
	// writeTogether is how many keys go into a transaction, about. Badger inserts
	// those of one transaction in random order: few keys that are neighbours find
	// the same part of its memtable in the processor's caches.
	writeTogether = 64
	// writesInFlight is how many transactions wait to be written at a time.
	writesInFlight = 16
)

// writer writes keys in small transactions, each whole or not at all, several
// at a time. Whoever gives it keys in their order pays least.
type writer struct {
	db    *state
	txn   *badger.Txn
	n     int64
	size  int64
	slots chan struct{}

	mu  sync.Mutex
	err error // the first
}

func newWriter(db *state) *writer {
	return &writer{db: db, slots: make(chan struct{}, writesInFlight)}
}

// subject writes the changes of a subject, in one transaction. What they include
// is told by the position of the newest record; a deletion leaves none, so that a key says it.
func (w *writer) subject(all []change) error {
	var size int64
	var last store.Position
	deleted := false
	for i := range all {
		c := &all[i]
		size += int64(len(c.key)+len(c.value)) + 64
		last = max(last, c.at)
		deleted = deleted || c.deleted
	}
	if err := w.fit(int64(len(all))+1, size+64); err != nil {
		return err
	}
	for i := range all {
		if err := w.record(&all[i]); err != nil {
			return fmt.Errorf("write record %x behind: %w", all[i].key, err)
		}
	}
	if !deleted {
		return nil
	}
	return w.txn.Set(append([]byte{keySubject}, all[0].subject()...), encodePosition(last))
}

func (w *writer) record(c *change) error {
	key := recordKey([]byte(c.key))
	if c.deleted {
		return w.txn.Delete(key)
	}
	return w.txn.Set(key, encodeRecord(c.value, c.at))
}

// set writes one key.
func (w *writer) set(key, value []byte) error {
	if err := w.fit(1, int64(len(key)+len(value))+64); err != nil {
		return err
	}
	return w.txn.Set(key, value)
}

// fit makes room in the transaction, sending it off if it has enough.
func (w *writer) fit(n, size int64) error {
	if w.txn != nil && (w.n+n > min(writeTogether, w.db.MaxBatchCount()/2) || w.size+size > w.db.MaxBatchSize()/2) {
		if err := w.send(); err != nil {
			return err
		}
	}
	if w.txn == nil {
		w.txn, w.n, w.size = w.db.begin(), 0, 0
	}
	w.n, w.size = w.n+n, w.size+size
	return nil
}

// send commits the transaction without waiting for it, unless too many are on their way.
func (w *writer) send() error {
	txn := w.txn
	w.txn = nil
	w.slots <- struct{}{}
	if err := w.failed(); err != nil {
		<-w.slots
		txn.Discard()
		return err
	}
	w.db.commitThen(txn, w.sent)
	return nil
}

func (w *writer) sent(err error) {
	w.mu.Lock()
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("write to badger: %w", err)
	}
	w.mu.Unlock()
	<-w.slots
}

func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// finish sends what is left, unless something failed, and waits for all that
// was sent. It returns the first error.
func (w *writer) finish(err error) error {
	if w.txn != nil && err == nil {
		err = w.send()
	} else if w.txn != nil {
		w.txn.Discard()
	}
	for range writesInFlight {
		w.slots <- struct{}{}
	}
	if err == nil {
		err = w.failed()
	}
	return err
}
