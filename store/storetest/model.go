package storetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"sync"

	"github.com/rebound-engine/rebound/store"
)

// Kinds of the suite's entries.
const (
	KindPut    = 1 // chains the payload into record A of the subject
	KindBoth   = 2 // into A and B
	KindDelete = 3 // deletes A
	KindRefuse = 4 // the fold fails
	KindErase  = 5
)

// Tables of the suite's records.
const (
	TableA = 'a'
	TableB = 'b'
)

// ErrRefused is what Fold fails with for KindRefuse.
var ErrRefused = errors.New("refused by the fold")

var chain = crc64.MakeTable(crc64.ECMA)

// Fold is a fold whose records depend on every entry and on their order: a
// count and a checksum chained over the payloads.
func Fold(r store.Reader, e *store.Entry, w store.Writer) error {
	a, b := store.Key(TableA, e.Subject), store.Key(TableB, e.Subject)
	switch e.Kind {
	case KindRefuse:
		return ErrRefused
	case KindDelete:
		w.Delete(a)
		return nil
	case KindBoth:
		if err := link(r, w, b, e.Payload); err != nil {
			return err
		}
	}
	return link(r, w, a, e.Payload)
}

func link(r store.Reader, w store.Writer, key, payload []byte) error {
	old, _, err := r.Get(key)
	if err != nil {
		return err
	}
	w.Put(key, next(old, payload))
	return nil
}

// next is the record after the payload: count, chained checksum, 8 bytes each.
func next(old, payload []byte) []byte {
	var count, sum uint64
	if len(old) == 16 {
		count, sum = binary.BigEndian.Uint64(old), binary.BigEndian.Uint64(old[8:])
	}
	value := binary.BigEndian.AppendUint64(nil, count+1)
	return binary.BigEndian.AppendUint64(value, crc64.Update(sum, chain, payload))
}

// Count is how many payloads a record of Fold has taken in.
func Count(value []byte) uint64 {
	if len(value) != 16 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

// Index finds an entry by its whole payload ("p" + payload) and by its subject ("s" + subject).
func Index(e *store.Entry, t *store.Terms) {
	t.Add('s', string(e.Subject[:]))
	if n := len(e.Payload); n > 0 && n < 256 {
		t.Add('p', string(e.Payload))
	}
}

// Machine counts the entries and sums the lengths of their payloads, so that an
// entry lost, or applied twice, shows.
type Machine struct {
	mu             sync.Mutex
	Entries, Bytes uint64
	At             store.Position
}

// Do appends under the Machine's lock and counts the entry: what an engine does with its ledger.
func (m *Machine) Do(tx store.Tx, h store.Header, payload []byte) (store.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := tx.Append(h, payload)
	if err == nil {
		m.count(at, len(payload))
	}
	return at, err
}

func (m *Machine) count(at store.Position, bytes int) {
	m.Entries++
	m.Bytes += uint64(bytes)
	m.At = max(m.At, at)
}

// Sum returns entries and bytes counted so far.
func (m *Machine) Sum() (entries, bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Entries, m.Bytes
}

// Restore implements store.Machine.
func (m *Machine) Restore(snapshot []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Entries, m.Bytes, m.At = 0, 0, 0
	if snapshot == nil {
		return nil
	}
	if len(snapshot) != 24 {
		return fmt.Errorf("machine snapshot of %d bytes, want 24", len(snapshot))
	}
	m.Entries = binary.BigEndian.Uint64(snapshot)
	m.Bytes = binary.BigEndian.Uint64(snapshot[8:])
	m.At = store.Position(binary.BigEndian.Uint64(snapshot[16:]))
	return nil
}

// Apply implements store.Machine.
func (m *Machine) Apply(e *store.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(e.Position, len(e.Payload))
	return nil
}

// Snapshot implements store.Machine.
func (m *Machine) Snapshot() ([]byte, store.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := binary.BigEndian.AppendUint64(nil, m.Entries)
	b = binary.BigEndian.AppendUint64(b, m.Bytes)
	return binary.BigEndian.AppendUint64(b, uint64(m.At)), m.At
}

// Subject is a subject made of n; never nobody.
func Subject(n uint64) store.Subject {
	var s store.Subject
	s[0] = 1
	binary.BigEndian.PutUint64(s[8:], n)
	return s
}
