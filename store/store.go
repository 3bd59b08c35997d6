// Package store is the contract between the engine and whatever keeps its
// state: one commit log of opaque entries, and the records a fold builds from
// them. An entry is acknowledged when the log has it; records follow.
//
// It refuses to know what an entry means. The caller hands over a Fold that
// turns entries into record mutations, a Machine (the ledger) that lives in
// memory and is rebuilt from snapshot and log, and an Index that names the terms an
// entry is found by; the same three serve live use and recovery.
package store

import (
	"context"
	"errors"
)

// Position numbers the entries of a log, from 1, without gaps. 0 is before the first.
type Position uint64

// Subject names whose data an entry or record holds; the zero Subject is nobody.
// Entries of one subject are applied in log order under one lock.
type Subject [16]byte

// IsZero reports whether s is nobody.
func (s Subject) IsZero() bool { return s == Subject{} }

// Header is what the store and a later erasure need to know of an entry.
type Header struct {
	Kind    uint8   // the caller's; 0 is reserved
	Subject Subject // whose personal data the payload holds
	KeyID   uint32  // the key the payload is encrypted with; 0: plain
	Time    int64   // business time, Unix milliseconds
}

// Entry is one record of the commit log.
type Entry struct {
	Header
	Position Position // set by the store
	Recorded int64    // wall time of the append, Unix milliseconds; set by the store
	Payload  []byte
}

// Reader reads records.
type Reader interface {
	// Get returns the current value of key, including what is acknowledged but
	// not yet written behind, and the position of the last entry folded into
	// it. The value is shared: it must not be changed, and stays valid.
	// A missing key is (nil, 0, nil).
	Get(key []byte) (value []byte, at Position, err error)
}

// Writer takes the mutations of a fold. The store keeps value: it must not be changed afterwards.
type Writer interface {
	Put(key, value []byte)
	Delete(key []byte)
}

// Fold turns one entry into mutations of the records it touches. It is pure:
// the same entry over the same records gives the same mutations, and folding an
// entry that a record already includes (its position is at or below the
// record's) is never asked for. Every key it touches must belong to the
// entry's subject: the key begins with a one-byte table and the 16 bytes of the subject
// (see Key). It is called before the entry is appended, so that an entry it
// refuses never gets into the log: Position and Recorded are 0, here and in
// recovery, and no record can depend on them. r shows the records as they were
// before the entry; e is Fold's only during the call. An erasing entry is not folded.
type Fold func(r Reader, e *Entry, w Writer) error

// Machine is state that lives in memory, changes only together with appends,
// and is rebuilt from a snapshot and the entries after it.
type Machine interface {
	// Restore replaces the state by a snapshot; nil means empty.
	Restore(snapshot []byte) error
	// Apply applies an entry during recovery, in log order. It is also called
	// live, by Erase, with the erasing entry (e.g. to forget the caps of the
	// subject); then appends of other subjects go on, so it takes the Machine's lock.
	Apply(e *Entry) error
	// Snapshot returns the state and the position of the last entry it
	// includes: the store appends nothing the Machine has to see between the two.
	// Appends go on meanwhile. Entries the Machine ignores need not move the
	// position: the store knows when it has been offered everything before it.
	Snapshot() (snapshot []byte, at Position)
}

// Index adds the terms an entry can be looked up by, e.g. its request id. It is pure.
type Index func(e *Entry, t *Terms)

// Tx is one locked unit of work on a subject.
type Tx interface {
	Reader
	// Append adds an entry for the locked subject (or for none) to the log's
	// buffer, numbers it and folds it. Nothing is on disk yet. On error nothing has changed.
	// The store keeps no reference to payload. Entries for nobody may come from
	// Updates of any subjects at once: each is folded in log order, but what fn
	// read of nobody's records before may have changed. Append may be called under a
	// lock of the caller's (the Machine's): it waits for no other Update.
	Append(h Header, payload []byte) (Position, error)
	// Last is the position of the last entry of the whole log, on disk or not.
	Last() Position
}

// Mode says when an append is acknowledged.
type Mode uint8

const (
	// Lossless: after its group is on disk.
	Lossless Mode = iota
	// Bounded: at once; synced every few milliseconds. A crash may lose the last few.
	Bounded
)

// Store is the whole contract. Implementations are safe for concurrent use.
type Store interface {
	Reader
	// Update locks the subject, runs fn, unlocks, and waits until what fn
	// appended is acknowledged in the store's mode. If fn fails after a
	// successful Append the entry stays. If the log fails, the error wraps
	// ErrFailed and the store refuses all further appends until reopened.
	// When the queue is full, Append waits until ctx is done, then wraps ErrOverloaded.
	// When ctx ends while Update waits for the acknowledgement, it returns the
	// error of ctx and the entry stays: whether it is on disk is not known yet.
	// fn must not call Update, Erase or Checkpoint.
	Update(ctx context.Context, s Subject, fn func(Tx) error) error
	// Apply is Update without the wait: it returns the position of the last entry fn appended, 0 for
	// none. A caller with many subjects applies them one after another and waits once, by Acknowledged.
	Apply(ctx context.Context, s Subject, fn func(Tx) error) (Position, error)
	// Acknowledged waits until the entries up to at are acknowledged in the store's mode.
	Acknowledged(ctx context.Context, at Position) error
	// Read returns one entry; ErrNotFound if retention dropped it, ErrErased if its subject was erased.
	// An entry that is appended but not acknowledged is waited for.
	Read(ctx context.Context, at Position) (Entry, error)
	// Scan calls fn for the acknowledged entries at from and after, in order, until fn fails
	// (Stop ends it without an error) or the end of the log. Erased entries are left out.
	// The entry is fn's only during the call.
	Scan(ctx context.Context, from Position, fn func(*Entry) error) error
	// Lookup returns up to limit positions of the term's entries after (before, if newest)
	// the given one, in log order (reversed if newest; then after = 0 means from the end).
	// Entries that are appended but not acknowledged yet are among them.
	Lookup(ctx context.Context, term []byte, after Position, newest bool, limit int) ([]Position, error)
	// Range calls fn for every record whose key has the prefix, in key order.
	Range(ctx context.Context, prefix []byte, fn func(key, value []byte, at Position) error) error
	// Erase removes the subject: an entry of the given header is appended, its records are
	// deleted, its earlier entries are no longer readable, and index terms do not find them.
	// The Machine gets the entry through Apply. When Erase returns, the earlier
	// payloads are overwritten in the log. Later entries of the subject are kept as usual.
	Erase(ctx context.Context, h Header, payload []byte) (Position, error)
	// Last is the position of the last acknowledged entry.
	Last() Position
	// Changed returns a channel that is closed when Last moves.
	Changed() <-chan struct{}
	// Checkpoint writes behind everything acknowledged and saves the Machine, so that the next Open replays nothing before it.
	Checkpoint(ctx context.Context) error
	Close() error
}

// Errors a caller branches on.
var (
	ErrNotFound   = errors.New("not found")
	ErrErased     = errors.New("erased")
	ErrOverloaded = errors.New("commit log queue is full")
	ErrFailed     = errors.New("commit log failed; restart to go on")
	ErrClosed     = errors.New("store is closed")
	ErrTooLarge   = errors.New("entry is larger than the log takes")
	// ErrLocked: another process holds the folder.
	ErrLocked = errors.New("store folder is in use")
	// ErrCorrupt: damage that recovery must not cut away.
	ErrCorrupt = errors.New("store is corrupt")
	// ErrVersion: the folder was written in a format this build does not read.
	ErrVersion = errors.New("store format not supported")
	// Stop ends a Scan or Range without an error.
	Stop = errors.New("stop") //nolint:errname,staticcheck // no failure: a signal between caller and callee, as fs.SkipAll is
)
