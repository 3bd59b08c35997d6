// Package commitlog is the one log everything acknowledged goes through:
// numbered, checksummed entries in segments written beforehand with zeros,
// committed in groups by one fdatasync.
//
// It owns the bytes of the segments, their recovery, retention and the
// overwriting of what was erased. It refuses to know what an entry means, and
// keeps no state beside the log.
package commitlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// Options of a log. The zero value is ready to use.
type Options struct {
	FS   FS // OS if nil
	Mode store.Mode
	// SegmentSize is the size of a segment file in bytes; 64 MiB if 0. It bounds Queue.
	SegmentSize int64
	// SegmentAge is how old its first entry may get before a segment is sealed, with
	// the next entries, though it is not full; 0 for any age.
	SegmentAge time.Duration
	// Queue is how many bytes may wait for the disk before appends have to
	// wait; 8 MiB if 0, at most half a segment.
	Queue int
	// MaxPayload is the longest payload taken; store.MaxPayload if 0, at most a quarter of Queue.
	MaxPayload int
	// SyncEvery is how long the bounded mode lets entries gather; 5 ms if 0.
	SyncEvery time.Duration
	// Clock is wall time; time.Now if nil.
	Clock func() time.Time
	// ID names a new log; a random number if 0. An existing log keeps its own.
	ID uint64
	// Sealed is called, by the committing goroutine, after a segment was sealed. It must not block.
	Sealed func(SegmentInfo)
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = 64 << 20
	}
	if o.Queue == 0 {
		o.Queue = int(min(8<<20, o.SegmentSize/2))
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = min(store.MaxPayload, o.Queue/2)
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = 5 * time.Millisecond
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sealed == nil {
		o.Sealed = func(SegmentInfo) {}
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.SegmentSize < 64<<10 || o.SegmentSize > 1<<32 || o.SegmentSize%pageSize != 0:
		return fmt.Errorf("segment size %d: want a multiple of %d from 64 KiB to 4 GiB", o.SegmentSize, pageSize)
	case o.SegmentAge < 0:
		return fmt.Errorf("segment age %s is negative", o.SegmentAge)
	case int64(o.Queue) > o.SegmentSize/2 || o.Queue < pageSize:
		return fmt.Errorf("queue of %d bytes: want %d to half a segment, %d", o.Queue, pageSize, o.SegmentSize/2)
	case o.MaxPayload > o.Queue/2 || o.MaxPayload < 1:
		return fmt.Errorf("longest payload %d: want 1 to half the queue, %d", o.MaxPayload, o.Queue/2)
	}
	return nil
}

// group is what is written and synced together. Its buffers are used again, its result is not.
type group struct {
	buf         []byte
	first, last store.Position
	min, max    int64 // business time
	recorded    int64 // wall time of the last entry
	marks       []mark
	result      *result
}

// result is what those wait for whose entries are in a group.
type result struct {
	done chan struct{} // closed when on disk or failed
	err  error         // set before done is closed
}

func (r *result) settle(err error) {
	r.err = err
	close(r.done)
}

func (g *group) reset() {
	g.buf, g.marks = g.buf[:0], g.marks[:0]
	g.first, g.last = 0, 0
	g.result = &result{done: make(chan struct{})}
}

// Log is an open commit log, safe for concurrent use.
type Log struct {
	dir  string
	opts Options
	id   uint64
	salt uint32

	mu      sync.Mutex // guards all to the blank line
	active  *group     // takes appends
	writing *group     // is being written; nil if none
	spare   *group
	space   chan struct{} // closed when active has room again; nil if nobody waits
	changed chan struct{} // closed when Last moves; nil if nobody waits
	failed  error         // wraps store.ErrFailed, or store.ErrClosed
	ended   bool          // closed

	erasedMu sync.RWMutex // guards erased
	erased   map[store.Subject]store.Position

	appended atomic.Uint64 // last position given out
	durable  atomic.Uint64 // last position on disk

	segMu    sync.RWMutex // guards segments, a slice that is replaced, never changed
	segments []*segment   // oldest first; the last is written to

	wake    chan struct{} // something to write
	hurry   chan struct{} // do not wait for SyncEvery
	closing chan struct{}
	stopped chan struct{}
	next    chan nextSegment // the segment being prepared; nil if none
	rush    atomic.Bool      // somebody waits for next
}

// Append puts the entry into the buffer and returns its position and time of
// recording. If the buffer is full it waits until ctx is done (ErrOverloaded).
// An erasing entry makes the earlier entries of its subject unreadable.
func (l *Log) Append(ctx context.Context, h store.Header, payload []byte, erasing bool) (store.Position, int64, error) {
	if h.Kind == 0 {
		return 0, 0, errors.New("append to commit log: kind 0 is reserved")
	}
	if len(payload) > l.opts.MaxPayload {
		return 0, 0, fmt.Errorf("append %d bytes to commit log, at most %d: %w", len(payload), l.opts.MaxPayload, store.ErrTooLarge)
	}
	f := frame{Entry: store.Entry{Header: h, Recorded: l.opts.Clock().UnixMilli()}, sum: payloadSum(payload)}
	if erasing {
		f.flags = flagErasing
	}
	if err := l.reserve(ctx, frameSize(len(payload))); err != nil {
		return 0, 0, err
	}
	defer l.mu.Unlock()
	l.add(&f, payload)
	return f.Position, f.Recorded, nil
}

// reserve returns with the lock held and room for n bytes, or with an error and no lock.
func (l *Log) reserve(ctx context.Context, n int64) error {
	for {
		l.mu.Lock()
		if l.failed != nil {
			defer l.mu.Unlock()
			return fmt.Errorf("append to commit log: %w", l.failed)
		}
		g := l.active
		if int64(len(g.buf))+n <= int64(l.opts.Queue) && (g.first == 0 || g.last-g.first < maxGroup) {
			return nil
		}
		if l.space == nil {
			l.space = make(chan struct{})
		}
		space := l.space
		l.mu.Unlock()
		l.poke(l.hurry)
		select {
		case <-space:
		case <-ctx.Done():
			return fmt.Errorf("append to commit log: %w (%w)", store.ErrOverloaded, ctx.Err())
		}
	}
}

// add numbers the frame and writes it to the active group.
func (l *Log) add(f *frame, payload []byte) {
	g := l.active
	f.Position = store.Position(l.appended.Load() + 1)
	if g.first == 0 {
		g.first, g.min, g.max = f.Position, f.Time, f.Time
		g.marks = append(g.marks, mark{f.Position, 0})
	}
	f.back = uint16(f.Position - g.first)
	if off := int64(len(g.buf)); off-g.marks[len(g.marks)-1].off >= markEvery {
		g.marks = append(g.marks, mark{f.Position, off})
	}
	g.buf = appendFrame(g.buf, f, payload, l.salt)
	g.last, g.min, g.max = f.Position, min(g.min, f.Time), max(g.max, f.Time)
	g.recorded = f.Recorded
	if f.erasing() {
		l.markErased(f.Subject, f.Position)
	}
	l.appended.Store(uint64(f.Position))
	if g.first == g.last {
		l.poke(l.wake)
	}
	if l.opts.Mode == store.Bounded {
		l.moved()
	}
}

// poke wakes whoever listens on c, now or next.
func (l *Log) poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// moved tells those who wait for Changed; the lock is held.
func (l *Log) moved() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Wait returns when the entry is on disk, the log has failed, or ctx is done.
func (l *Log) Wait(ctx context.Context, at store.Position) error {
	if uint64(at) <= l.durable.Load() {
		return nil
	}
	r, err := l.resultOf(at)
	if err != nil || r == nil {
		return err
	}
	if l.opts.Mode == store.Bounded {
		l.poke(l.hurry)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return fmt.Errorf("wait for commit of entry %d: %w", at, ctx.Err())
	}
	if r.err != nil {
		return fmt.Errorf("commit entry %d: %w", at, r.err)
	}
	return nil
}

// resultOf returns what to wait for; nil if the entry is on disk already.
func (l *Log) resultOf(at store.Position) (*result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case at <= l.Durable():
		return nil, nil
	case l.failed != nil:
		return nil, fmt.Errorf("commit entry %d: %w", at, l.failed)
	case at > l.Appended():
		return nil, fmt.Errorf("wait for entry %d of %d: %w", at, l.Appended(), store.ErrNotFound)
	case l.writing != nil && at <= l.writing.last:
		return l.writing.result, nil
	}
	return l.active.result, nil
}

// Last is the last acknowledged position: on disk when lossless, appended when bounded.
func (l *Log) Last() store.Position {
	if l.opts.Mode == store.Bounded {
		return l.Appended()
	}
	return l.Durable()
}

// Appended is the last position given out.
func (l *Log) Appended() store.Position { return store.Position(l.appended.Load()) }

// Durable is the last position on disk.
func (l *Log) Durable() store.Position { return store.Position(l.durable.Load()) }

// First is the oldest position retention has kept; Appended+1 for an empty log.
func (l *Log) First() store.Position { return l.list()[0].snapshot().First }

// ID is the log's number, the same in all its segments.
func (l *Log) ID() uint64 { return l.id }

// Err is nil while the log takes entries, else what it refuses them with.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Changed returns a channel that is closed when Last moves, or the log is closed.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		over := make(chan struct{})
		close(over)
		return over
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// Erased returns the position of the last entry that erased the subject, 0 if none.
func (l *Log) Erased(s store.Subject) store.Position {
	l.erasedMu.RLock()
	defer l.erasedMu.RUnlock()
	return l.erased[s]
}

func (l *Log) markErased(s store.Subject, at store.Position) {
	l.erasedMu.Lock()
	defer l.erasedMu.Unlock()
	l.erased[s] = at
}

// Erasures returns, for every erased subject the log still names, the last erasing entry.
func (l *Log) Erasures() map[store.Subject]store.Position {
	l.erasedMu.RLock()
	defer l.erasedMu.RUnlock()
	return maps.Clone(l.erased)
}

func (l *Log) list() []*segment {
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	return l.segments
}

// Segments describes the segments, oldest first.
func (l *Log) Segments() []SegmentInfo {
	var out []SegmentInfo
	for _, s := range l.list() {
		out = append(out, s.snapshot())
	}
	return out
}
