package badgerstore

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// state is Badger with timestamps of our own (its managed mode): a read takes
// the newest version of a key and never waits for a commit under way, as reads
// at a timestamp of Badger's do. A read may then see one part of a transaction
// and not the other, which nothing here minds: what is being written behind is
// read from the table until it is all in Badger. Two writers never write the
// same key at a time.
type state struct {
	*badger.DB
	last atomic.Uint64 // timestamp given last
}

func newState(db *badger.DB) *state {
	s := &state{DB: db}
	s.last.Store(db.MaxVersion())
	db.SetDiscardTs(math.MaxUint64) // nobody reads older versions
	return s
}

// begin returns a transaction to write; commit ends it.
func (s *state) begin() *badger.Txn { return s.NewTransactionAt(math.MaxUint64, true) }

func (s *state) commit(txn *badger.Txn) error { return txn.CommitAt(s.last.Add(1), nil) }

// commitThen commits and calls done from another goroutine, exactly once.
func (s *state) commitThen(txn *badger.Txn, done func(error)) {
	_ = txn.CommitAt(s.last.Add(1), done) // nil: done is told
}

// batch returns a batch of writes.
func (s *state) batch() *badger.WriteBatch { return s.NewWriteBatchAt(s.last.Add(1)) }

// set writes one key.
func (s *state) set(key, value []byte) error {
	txn := s.begin()
	defer txn.Discard()
	if err := txn.Set(key, value); err != nil {
		return err
	}
	return s.commit(txn)
}

// get returns a copy of what there is, nil if nothing.
func (s *state) get(key []byte) (value []byte, err error) {
	err = s.View(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err == nil {
			value, err = item.ValueCopy(make([]byte, 0, item.ValueSize()))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read from badger: %w", err)
	}
	return value, nil
}
