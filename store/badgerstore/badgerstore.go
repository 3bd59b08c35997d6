// Package badgerstore is the store contract on disk: everything acknowledged
// is in one commit log, and the records built from it are in Badger, written behind.
//
// It owns the folder: lock, format, log, Badger and what recovery makes of
// them. It is the only importer of badger, and it refuses to know what entries
// and records mean: Fold, Machine and Index say.
package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// Retention says which part of the log is kept. A segment is dropped whole,
// when all of it is older than Age, or more than Bytes of log are newer; never
// before its entries are in the records, the Machine and the index. 0: no limit.
// With an Age segments are sealed, by the entries that follow, at a quarter of it.
type Retention struct {
	Age   time.Duration // by wall time of recording
	Bytes int64
	// Keep is called before the entries before a position are dropped. It appends
	// again what is still needed of them; on an error nothing is dropped. It may
	// be called as soon as the store is open. nil: nothing is needed.
	Keep func(ctx context.Context, before store.Position) error
}

// Options of a store. Fold, Machine and Index must be the same at every Open.
type Options struct {
	Mode      store.Mode
	Fold      store.Fold
	Machine   store.Machine
	Index     store.Index
	Retention Retention
	// Clock is wall time; time.Now if nil.
	Clock func() time.Time
	// Logger gets what went on outside of calls; discarded if nil.
	Logger *slog.Logger

	// SegmentSize and Queue of the log, in bytes; see commitlog.Options.
	SegmentSize int64
	Queue       int
	// SyncEvery is how long the bounded mode gathers entries.
	SyncEvery time.Duration
	// CacheBytes bounds the cache of hot records; 256 MiB if 0, at least 32 MiB.
	CacheBytes int64
	// PendingBytes bounds the records that wait to be written behind; 128 MiB if 0.
	PendingBytes int64
	// MemTableSize is Badger's; 64 MiB if 0, at least 16 MiB.
	MemTableSize int64
	// FlushEvery is how often records are written behind; a second if 0.
	FlushEvery time.Duration
	// CheckpointEvery bounds what the next Open replays; one minute if 0.
	CheckpointEvery time.Duration
	// MinFree is the room on the disk, in bytes, below which nothing is written
	// to Badger, whose files are mapped: a full disk would end the process. 256 MiB if 0.
	MinFree int64
	// FS is the file layer under the log; the system's if nil.
	FS commitlog.FS
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = commitlog.OS{}
	}
	setDefault(&o.CacheBytes, 256<<20)
	setDefault(&o.PendingBytes, 128<<20)
	setDefault(&o.MemTableSize, 64<<20)
	setDefault(&o.MinFree, 256<<20)
	setDefault(&o.FlushEvery, time.Second)
	setDefault(&o.CheckpointEvery, time.Minute)
	return o
}

func setDefault[T int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func (o Options) validate() error {
	var errs []error
	if o.MemTableSize < 16<<20 {
		errs = append(errs, fmt.Errorf("MemTableSize %d: want at least 16 MiB", o.MemTableSize))
	}
	if o.CacheBytes < 0 || o.PendingBytes < 1<<20 {
		errs = append(errs, fmt.Errorf("CacheBytes %d, PendingBytes %d: want 0 and 1 MiB at least", o.CacheBytes, o.PendingBytes))
	}
	if o.FlushEvery < 0 || o.CheckpointEvery < 0 || o.Retention.Age < 0 || o.Retention.Bytes < 0 {
		errs = append(errs, errors.New("FlushEvery, CheckpointEvery and Retention must not be negative"))
	}
	return errors.Join(errs...)
}

// Store implements store.Store on a folder. Use Open.
type Store struct {
	dir    string
	opts   Options
	lock   *lock
	log    *commitlog.Log
	db     *state
	table  *table
	recent *recent
	filter *filter

	nobody    sync.Mutex   // around each append for nobody
	erasing   sync.RWMutex // Erase reads, Checkpoint writes: no snapshot between an erasing entry and its Apply
	erasureMu sync.Mutex   // one at a time removes, or adds, index terms of entries

	flushMu  sync.Mutex
	pending  *batch // collected but not written yet; guarded by flushMu
	reliefMu sync.Mutex
	relief   chan struct{} // closed after a flush

	checkpointMu sync.Mutex
	saved        checkpoint // guarded by checkpointMu

	flushNow, sealed chan struct{}
	done             chan struct{}
	running          sync.WaitGroup
	users            atomic.Int64 // calls in progress; negative once closed
	recovery         Recovery
	compact          bool // rewrite Badger's tables when closing
}

var _ store.Store = (*Store)(nil)

// Recovery says what Open did.
type Recovery struct {
	From     store.Position // the first entry looked at
	Replayed int            // entries
	Cut      *commitlog.Cut // what a crash left of a group that was never on disk as a whole
	Took     time.Duration
}

// Recovery returns what Open did.
func (s *Store) Recovery() Recovery { return s.recovery }

// Stats is the state of the store at a moment.
type Stats struct {
	First, Last  store.Position
	Unsynced     uint64 // acknowledged but not on disk yet; only in bounded mode
	Segments     int
	LogBytes     int64
	PendingBytes int64          // records to be written behind, in memory
	Checkpoint   store.Position // the next Open replays what is after it
}

// Stats returns the store's state.
func (s *Store) Stats() Stats {
	st := Stats{
		First: s.log.First(), Last: s.log.Last(), PendingBytes: s.table.bytes.Load(),
	}
	st.Unsynced = uint64(st.Last - min(st.Last, s.log.Durable()))
	for _, g := range s.log.Segments() {
		st.Segments++
		st.LogBytes += g.Bytes
	}
	s.checkpointMu.Lock()
	defer s.checkpointMu.Unlock()
	st.Checkpoint = s.saved.replayFrom() - 1
	return st
}

// usable enters a call; release leaves it.
func (s *Store) usable() error {
	if s.users.Add(1) < 0 {
		s.release()
		return store.ErrClosed
	}
	return nil
}

func (s *Store) release() { s.users.Add(-1) }

// Close takes a checkpoint, waits for the calls in progress and closes the folder.
func (s *Store) Close() error {
	if s.users.Load() < 0 {
		return nil
	}
	err := s.Checkpoint(context.Background())
	if errors.Is(err, store.ErrClosed) {
		return nil
	}
	if !s.shut() {
		return nil
	}
	return s.end(err)
}

// shut refuses new calls and waits for those in progress; false if another Close did.
func (s *Store) shut() bool {
	for {
		n := s.users.Load()
		if n < 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+math.MinInt64) {
			break
		}
	}
	close(s.done)
	for s.users.Load() != math.MinInt64 {
		time.Sleep(time.Millisecond)
	}
	return true
}

// end stops the goroutines and closes what Open opened.
func (s *Store) end(err error) error {
	s.running.Wait()
	logErr := s.log.Close()
	if errors.Is(err, store.ErrFailed) && errors.Is(logErr, store.ErrFailed) {
		logErr = nil // said already
	}
	err = errors.Join(err, logErr, s.closeState(), s.lock.release())
	if err != nil {
		return fmt.Errorf("close store %s: %w", s.dir, err)
	}
	return nil
}

// report logs what went wrong where no caller is.
func (s *Store) report(step string, err error) {
	s.opts.Logger.Error("store upkeep failed", "step", step, "error", err.Error())
}
