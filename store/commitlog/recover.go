package commitlog

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/rebound-engine/rebound/store"
)

// Cut says what recovery took away from the last segment: the remains of a
// group that was being written when the process ended, never acknowledged in lossless mode.
type Cut struct {
	File     string         `json:"file"`
	From     int64          `json:"from"` // the bytes that were zeroed
	To       int64          `json:"to"`
	Position store.Position `json:"position"` // the first position lost, which will be given out again
}

// Open opens the log in dir, creating it if there is none, and verifies every
// byte of it. The Cut is nil if the log ended cleanly. Damage elsewhere is a *CorruptError.
func Open(ctx context.Context, dir string, o Options) (*Log, *Cut, error) {
	l, cut, err := load(ctx, dir, o.withDefaults())
	if err != nil {
		return nil, nil, fmt.Errorf("open commit log: %w", err)
	}
	if err := l.writable(cut); err != nil {
		l.closeFiles()
		return nil, nil, fmt.Errorf("open commit log: %w", err)
	}
	go l.run()
	return l, cut, nil
}

// Verify reads the log in dir without changing a byte of it, and returns it for
// reading only, and what Open would cut. The caller closes the log.
func Verify(ctx context.Context, dir string, o Options) (*Log, *Cut, error) {
	l, cut, err := load(ctx, dir, o.withDefaults())
	if err != nil {
		return nil, nil, fmt.Errorf("verify commit log: %w", err)
	}
	l.failed = fmt.Errorf("opened for reading only: %w", store.ErrClosed)
	close(l.stopped)
	return l, cut, nil
}

// load reads all segments.
func load(ctx context.Context, dir string, o Options) (*Log, *Cut, error) {
	if err := o.validate(); err != nil {
		return nil, nil, err
	}
	l := &Log{
		dir: dir, opts: o, active: &group{}, spare: &group{}, erased: make(map[store.Subject]store.Position),
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	l.active.reset()
	cut, err := l.readSegments(ctx)
	if err != nil {
		l.closeFiles()
		return nil, nil, err
	}
	return l, cut, nil
}

func (l *Log) closeFiles() {
	for _, s := range l.segments {
		_ = s.close()
	}
}

func (l *Log) readSegments(ctx context.Context) (*Cut, error) {
	names, err := l.opts.FS.List(l.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range names {
		first, ok := firstOf(name)
		if !ok {
			continue
		}
		if err := l.attach(filepath.Join(l.dir, name), first); err != nil {
			return nil, err
		}
	}
	return l.verify(ctx)
}

// attach opens a segment and reads its header page.
func (l *Log) attach(name string, first store.Position) error {
	f, err := l.opts.FS.Open(name, false)
	if err != nil {
		return err
	}
	s := &segment{file: f, info: SegmentInfo{File: name, First: first, Last: first - 1, Bytes: pageSize}}
	l.segments = append(l.segments, s)
	page := make([]byte, headerSize)
	if err := readFull(f, page, 0); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	id, at, size, err := decodePage(name, page)
	if err != nil {
		return err
	}
	if len(l.segments) == 1 {
		l.id, l.salt = id, salt(id)
	}
	if id != l.id || at != first {
		return &CorruptError{File: name, From: 8, To: 24, Reason: fmt.Sprintf("it is segment %d of log %016x, not segment %d of log %016x", at, id, first, l.id)}
	}
	s.size = size
	return nil
}

// verify walks all segments in order and sets the log's positions.
func (l *Log) verify(ctx context.Context) (*Cut, error) {
	var cut *Cut
	walks := make([]*walk, len(l.segments))
	for i, s := range l.segments {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i > 0 && s.info.First != l.segments[i-1].info.Last+1 {
			return nil, &CorruptError{File: s.info.File, From: 16, To: 24, Reason: fmt.Sprintf(
				"it begins at position %d, but the segment before ends at %d", s.info.First, l.segments[i-1].info.Last)}
		}
		w := &walk{log: l, s: s}
		if err := w.run(); err != nil {
			return nil, err
		}
		if i < len(l.segments)-1 && !s.info.Sealed {
			return nil, w.corrupt(w.stop)
		}
		walks[i] = w
	}
	for i, w := range walks {
		c, err := w.judge(i == len(walks)-1)
		if err != nil {
			return nil, err
		}
		cut = c
	}
	if n := len(l.segments); n > 0 {
		l.appended.Store(uint64(l.segments[n-1].info.Last))
		l.durable.Store(l.appended.Load())
	}
	l.forgetCut()
	return cut, nil
}

// forgetCut drops erasures that were in the part to be cut.
func (l *Log) forgetCut() {
	for s, at := range l.Erasures() {
		if at > l.Appended() {
			delete(l.erased, s)
		}
	}
}

// writable zeroes what is cut and makes sure there is a segment to write to.
func (l *Log) writable(cut *Cut) error {
	if err := l.opts.FS.MkdirAll(l.dir); err != nil {
		return err
	}
	if err := l.opts.FS.Remove(filepath.Join(l.dir, prepared)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n := len(l.segments); n > 0 {
		s := l.segments[n-1]
		if err := s.mend(cut); err != nil {
			return err
		}
		if !s.info.Sealed {
			return nil
		}
	} else if err := l.name(); err != nil {
		return err
	}
	l.rush.Store(true)
	defer l.rush.Store(false)
	f, err := l.zeroed(filepath.Join(l.dir, prepared))
	if err != nil {
		return err
	}
	if _, err = l.begin(f, l.Appended()+1); err != nil {
		_ = f.Close()
	}
	return err
}

// name gives a new log its id.
func (l *Log) name() error {
	l.id = l.opts.ID
	if l.id == 0 {
		var b [8]byte
		if _, err := crand.Read(b[:]); err != nil {
			return err
		}
		l.id = binary.LittleEndian.Uint64(b[:])
	}
	l.salt = salt(l.id)
	return nil
}

// mend zeroes the cut bytes, so that they can never pass for an entry again,
// and gives a file that was cut short its length back.
func (s *segment) mend(cut *Cut) error {
	have, err := s.file.Size()
	if err != nil {
		return err
	}
	if have < s.size {
		if err := s.file.Truncate(s.size); err != nil {
			return fmt.Errorf("extend %s to %d bytes: %w", s.info.File, s.size, err)
		}
	}
	if cut == nil && have >= s.size {
		return nil
	}
	if cut != nil {
		if _, err := s.file.WriteAt(make([]byte, cut.To-cut.From), cut.From); err != nil {
			return fmt.Errorf("cut %s at byte %d: %w", s.info.File, cut.From, err)
		}
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("cut %s: sync: %w", s.info.File, err)
	}
	return nil
}
