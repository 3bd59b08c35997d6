package commitlog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"sync"

	"github.com/rebound-engine/rebound/store"
)

const (
	readFill = 16 << 10  // one entry
	scanFill = 256 << 10 // many
)

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readFill); return &b }}

// find returns the segment that holds the position.
func (l *Log) find(at store.Position) (*segment, int, error) {
	all := l.list()
	i := sort.Search(len(all), func(i int) bool { return all[i].info.First > at }) - 1
	if i < 0 {
		return nil, 0, fmt.Errorf("entry %d, the oldest kept is %d: %w", at, all[0].info.First, store.ErrNotFound)
	}
	return all[i], i, nil
}

// Read returns one entry, waiting for its commit if need be. The payload is the caller's.
func (l *Log) Read(ctx context.Context, at store.Position) (store.Entry, error) {
	if at == 0 || at > l.Appended() {
		return store.Entry{}, fmt.Errorf("read entry %d of %d: %w", at, l.Appended(), store.ErrNotFound)
	}
	if err := l.Wait(ctx, at); err != nil {
		return store.Entry{}, err
	}
	s, _, err := l.find(at)
	if err != nil {
		return store.Entry{}, err
	}
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	off, end := s.seek(at)
	c := l.cursor(s, off, end)
	c.buf, c.fill = (*buf)[:0], readFill
	e, err := l.readOne(c, s, at)
	if cap(c.buf) == readFill {
		*buf = c.buf
	}
	return e, err
}

func (l *Log) readOne(c *cursor, s *segment, at store.Position) (store.Entry, error) {
	for {
		f, err := c.header()
		if err != nil {
			return store.Entry{}, damage(s, c, at, err)
		}
		if f.Position < at {
			c.skip(&f)
			continue
		}
		if !f.Subject.IsZero() && l.Erased(f.Subject) > at {
			return store.Entry{}, fmt.Errorf("read entry %d: %w", at, store.ErrErased)
		}
		p, fits, err := c.payload(&f)
		if err == nil && (!fits || f.Position != at) {
			err = errFrame
		}
		if err != nil {
			return store.Entry{}, damage(s, c, at, err)
		}
		f.Payload = append(make([]byte, 0, len(p)), p...)
		return f.Entry, nil
	}
}

// damage tells what was found where an entry should have been.
func damage(s *segment, c *cursor, at store.Position, err error) error {
	if errors.Is(err, errFrame) || errors.Is(err, errEmpty) {
		return &CorruptError{File: s.info.File, From: c.off, To: c.off + headerSize, Reason: fmt.Sprintf("entry %d: %v", at, err)}
	}
	return fmt.Errorf("read entry %d from %s: %w", at, s.info.File, err)
}

func (l *Log) cursor(s *segment, off, end int64) *cursor {
	return &cursor{read: s.readAt, salt: l.salt, maxPayload: max(l.opts.MaxPayload, store.MaxPayload), off: off, end: end, fill: scanFill}
}

// Scan calls fn for the acknowledged entries at from and after, in order, without those erased.
// The entry is fn's only during the call. store.Stop ends it without an error.
func (l *Log) Scan(ctx context.Context, from store.Position, fn func(*store.Entry) error) error {
	return l.ScanAll(ctx, from, func(e *store.Entry, kind Standing) error {
		if kind == Gone {
			return nil
		}
		return fn(e)
	})
}

// Standing says what became of an entry.
type Standing uint8

const (
	// Kept entries are as they were appended.
	Kept Standing = iota
	// Erasing entries are kept too; they erased their subject.
	Erasing
	// Gone entries were erased; the payload may be overwritten (Payload is nil then) or not yet.
	Gone
)

// ScanAll is Scan with the erased entries.
func (l *Log) ScanAll(ctx context.Context, from store.Position, fn func(*store.Entry, Standing) error) error {
	last := l.Last()
	if last == 0 || from > last {
		return ctx.Err()
	}
	if err := l.Wait(ctx, last); err != nil {
		return err
	}
	from = max(from, l.First())
	_, i, err := l.find(from)
	if err != nil {
		return err
	}
	for _, s := range l.list()[i:] {
		if s.snapshot().First > last {
			break
		}
		err := l.scanSegment(ctx, s, from, last, fn)
		if errors.Is(err, store.Stop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) scanSegment(ctx context.Context, s *segment, from, last store.Position, fn func(*store.Entry, Standing) error) error {
	off, end := s.seek(from)
	c := l.cursor(s, off, end)
	for n := 0; ; n++ {
		f, err := c.header()
		if errors.Is(err, errEmpty) || err == nil && (f.seal() || f.Position > last) {
			return nil
		}
		if err != nil {
			return damage(s, c, from, err)
		}
		if n%64 == 0 && ctx.Err() != nil {
			return fmt.Errorf("scan at entry %d: %w", f.Position, ctx.Err())
		}
		if f.Position >= from {
			if err := l.give(c, s, &f, fn); err != nil {
				return err
			}
		}
		c.skip(&f)
	}
}

// give hands the frame at the cursor to fn.
func (l *Log) give(c *cursor, s *segment, f *frame, fn func(*store.Entry, Standing) error) error {
	p, fits, err := c.payload(f)
	if err != nil {
		return damage(s, c, f.Position, err)
	}
	kind := Kept
	if f.erasing() {
		kind = Erasing
	}
	if !f.Subject.IsZero() && l.Erased(f.Subject) > f.Position {
		kind = Gone
	}
	switch {
	case fits:
		f.Payload = p
	case kind != Gone:
		return damage(s, c, f.Position, errFrame)
	}
	return fn(&f.Entry, kind)
}

// Drop deletes the sealed segments that end before the position, oldest first,
// and returns how many.
func (l *Log) Drop(before store.Position) (int, error) {
	n := 0
	for {
		all := l.list()
		i := all[0].snapshot()
		if !i.Sealed || i.Last >= before || len(all) == 1 {
			return n, nil
		}
		if err := l.opts.FS.Remove(i.File); err != nil {
			return n, fmt.Errorf("drop segment: %w", err)
		}
		if err := l.opts.FS.SyncDir(filepath.Dir(i.File)); err != nil {
			return n, fmt.Errorf("drop segment: %w", err)
		}
		l.segMu.Lock()
		l.segments = append([]*segment(nil), l.segments[1:]...)
		l.segMu.Unlock()
		if err := all[0].close(); err != nil {
			return n, fmt.Errorf("drop segment: %w", err)
		}
		n++
	}
}
