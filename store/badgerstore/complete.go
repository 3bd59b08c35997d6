package badgerstore

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
)

// complete says which entries Badger's records of a subject include, as of the
// moment it was made: all changes of a subject are written in one transaction,
// so the newest of its records, or of its deletions, tells.
type complete struct {
	txn    *badger.Txn
	it     *badger.Iterator
	tables []byte
	known  map[store.Subject]store.Position
}

func newComplete(txn *badger.Txn) *complete {
	c := &complete{txn: txn, it: txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyRecord}}), known: make(map[store.Subject]store.Position)}
	for table := 0; table < 256; table++ {
		if c.it.Seek([]byte{keyRecord, byte(table)}); !c.it.Valid() {
			break
		}
		table = int(c.it.Item().Key()[1])
		c.tables = append(c.tables, byte(table))
	}
	return c
}

func (c *complete) close() { c.it.Close() }

func (c *complete) to(of store.Subject) (store.Position, error) {
	at, ok := c.known[of]
	if ok {
		return at, nil
	}
	at, err := c.deleted(of)
	if err != nil {
		return 0, fmt.Errorf("subject %x: %w", of, err)
	}
	for _, table := range c.tables {
		prefix := recordKey(store.Key(table, of))
		for c.it.Seek(prefix); c.it.ValidForPrefix(prefix); c.it.Next() {
			err := c.it.Item().Value(func(b []byte) error {
				_, newest, err := decodeRecord(b)
				at = max(at, newest)
				return err
			})
			if err != nil {
				return 0, fmt.Errorf("record %x: %w", c.it.Item().Key()[1:], err)
			}
		}
	}
	c.known[of] = at
	return at, nil
}

// deleted is the position of the subject's last deletion; 0 if there was none.
func (c *complete) deleted(of store.Subject) (at store.Position, err error) {
	item, err := c.txn.Get(subjectKey(keySubject, of))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	err = item.Value(func(b []byte) error {
		at, err = decodePosition(b)
		return err
	})
	return at, err
}
