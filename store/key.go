package store

import "fmt"

// What a store takes at most, in bytes.
const (
	// MaxTerm is the longest index term.
	MaxTerm = 1 << 10
	// MaxPayload is the longest payload of an entry.
	MaxPayload = 4 << 20 // 4 MiB
	// MaxRecord is the longest value of a record.
	MaxRecord = 1<<20 - 1<<10 // 1 MiB less 1 KiB for what a store adds
	// MaxKey is the longest key of a record.
	MaxKey = 1 << 10
)

// Key builds the key of a record: table, subject, and what tells several
// records of one subject and table apart.
func Key(table byte, s Subject, rest ...byte) []byte {
	k := make([]byte, 0, 1+len(s)+len(rest))
	k = append(k, table)
	k = append(k, s[:]...)
	return append(k, rest...)
}

// SubjectOf returns whose record the key names; false if it is too short for a key.
func SubjectOf(key []byte) (Subject, bool) {
	var s Subject
	if len(key) < 1+len(s) {
		return s, false
	}
	copy(s[:], key[1:])
	return s, true
}

// Mutation is one change a fold asks for.
type Mutation struct {
	Key    []byte
	Value  []byte
	Delete bool
}

// Mutations collects what a fold writes; every implementation applies them only
// after the entry is in the log. The zero value is empty and ready.
type Mutations []Mutation

// Put implements Writer.
func (m *Mutations) Put(key, value []byte) {
	*m = append(*m, Mutation{Key: key, Value: value})
}

// Delete implements Writer.
func (m *Mutations) Delete(key []byte) {
	*m = append(*m, Mutation{Key: key, Delete: true})
}

// Check refuses keys that do not belong to the subject, and keys and values
// that are too long (ErrTooLarge).
func (m Mutations) Check(s Subject) error {
	for i := range m {
		of, ok := SubjectOf(m[i].Key)
		switch {
		case !ok:
			return fmt.Errorf("record key %x: shorter than table and subject", m[i].Key)
		case of != s:
			return fmt.Errorf("record key %x: belongs to subject %x, the entry to %x", m[i].Key, of, s)
		case len(m[i].Key) > MaxKey:
			return fmt.Errorf("record key of %d bytes, at most %d: %w", len(m[i].Key), MaxKey, ErrTooLarge)
		case len(m[i].Value) > MaxRecord:
			return fmt.Errorf("record %x of %d bytes, at most %d: %w", m[i].Key, len(m[i].Value), MaxRecord, ErrTooLarge)
		}
	}
	return nil
}

// CheckEntry refuses what no log takes: kind 0, a subject other than the locked
// one or nobody, and a payload above MaxPayload (ErrTooLarge).
func CheckEntry(h Header, locked Subject, payload []byte) error {
	switch {
	case h.Kind == 0:
		return fmt.Errorf("append entry: kind 0 is reserved")
	case h.Subject != locked && !h.Subject.IsZero():
		return fmt.Errorf("append entry: subject %x, but %x is locked", h.Subject, locked)
	case len(payload) > MaxPayload:
		return fmt.Errorf("append entry of %d bytes, at most %d: %w", len(payload), MaxPayload, ErrTooLarge)
	}
	return nil
}
