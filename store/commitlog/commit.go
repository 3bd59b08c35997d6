package commitlog

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// A new segment is zeroed in steps with pauses, and synced once its pages are
// on their way to the disk already, so that a commit never waits behind much of it.
const (
	fillStep  = 256 << 10 // 256 KiB
	fillPause = 2 * time.Millisecond
)

type nextSegment struct {
	file File
	err  error
}

// run is the committing goroutine: one group after the other, until Close.
func (l *Log) run() {
	defer close(l.stopped)
	for {
		select {
		case <-l.wake:
		case <-l.closing:
			l.commitNext()
			return
		}
		if l.opts.Mode == store.Bounded {
			l.gather()
		} else {
			l.assemble()
		}
		l.commitNext()
	}
}

// gather lets a bounded group grow for SyncEvery, unless somebody is in a hurry.
func (l *Log) gather() {
	t := time.NewTimer(l.opts.SyncEvery)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.hurry:
	case <-l.closing:
	}
}

// assemble lets those whom the last commit woke append before the next one
// begins: they would wait for a whole sync more. It yields for as long as entries come in.
func (l *Log) assemble() {
	for calm := 0; calm < 3; calm++ {
		before := l.appended.Load()
		runtime.Gosched()
		if l.appended.Load() != before {
			calm = 0
		}
	}
}

// commitNext writes the active group, if there is anything in it.
func (l *Log) commitNext() {
	g := l.swap()
	if g == nil {
		return
	}
	err := l.commit(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing, l.spare = nil, g
	if err != nil {
		l.fail(fmt.Errorf("%w: %w", store.ErrFailed, err), g.result)
		return
	}
	l.durable.Store(uint64(g.last))
	g.result.settle(nil)
	if l.opts.Mode == store.Lossless {
		l.moved()
	}
}

func (l *Log) swap() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active.first == 0 || l.failed != nil {
		return nil
	}
	g := l.active
	l.active, l.writing = l.spare, g
	l.active.reset()
	if l.space != nil {
		close(l.space)
		l.space = nil
	}
	return g
}

// fail ends all writing; the lock is held.
func (l *Log) fail(err error, waiting ...*result) {
	l.failed = err
	for _, r := range waiting {
		r.settle(err)
	}
	l.active.result.settle(err)
	if l.space != nil {
		close(l.space)
		l.space = nil
	}
	l.moved()
}

// commit makes the group durable, in a new segment if it does not fit.
func (l *Log) commit(g *group) error {
	s := l.current()
	i := s.snapshot()
	if i.Bytes+int64(len(g.buf))+sealSize > s.size || len(l.next) > 0 && l.outlived(&i) {
		var err error
		if s, err = l.roll(s, g.first); err != nil {
			return err
		}
		i = s.snapshot()
	}
	if err := s.writeAt(g.buf, i.Bytes); err != nil {
		return fmt.Errorf("write %d bytes to %s at %d: %w", len(g.buf), i.File, i.Bytes, err)
	}
	if err := s.datasync(); err != nil {
		return fmt.Errorf("sync %s: %w", i.File, err)
	}
	s.grow(g)
	if l.next == nil && (i.Bytes+int64(len(g.buf)) > s.size/4 || l.outlived(&i)) {
		l.prepare()
	}
	return nil
}

// outlived reports whether the segment has become too old to be written to. It
// is sealed once the next one is prepared: no commit waits for that.
func (l *Log) outlived(i *SegmentInfo) bool {
	return l.opts.SegmentAge > 0 && i.Last >= i.First && i.Began < l.opts.Clock().Add(-l.opts.SegmentAge).UnixMilli()
}

func (l *Log) current() *segment {
	all := l.list()
	return all[len(all)-1]
}

// roll seals the segment and begins the next one.
func (l *Log) roll(s *segment, first store.Position) (*segment, error) {
	if err := l.seal(s); err != nil {
		return nil, err
	}
	ready := l.prepared()
	if ready.err != nil {
		ready = l.prepared() // the disk may have had no room then
	}
	if ready.err != nil {
		return nil, ready.err
	}
	n, err := l.begin(ready.file, first)
	if err != nil {
		return nil, err
	}
	l.opts.Sealed(s.snapshot())
	return n, nil
}

// prepared waits for the segment being prepared, and begins with it if there is none.
func (l *Log) prepared() nextSegment {
	if l.next == nil {
		l.prepare()
	}
	l.rush.Store(true)
	defer l.rush.Store(false)
	ready := <-l.next
	l.next = nil
	return ready
}

func (l *Log) seal(s *segment) error {
	i := s.snapshot()
	b := sealFrame(i, l.salt)
	if err := s.writeAt(b, i.Bytes); err != nil {
		return fmt.Errorf("seal %s: %w", i.File, err)
	}
	if err := s.datasync(); err != nil {
		return fmt.Errorf("seal %s: sync: %w", i.File, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info.Sealed = true
	s.info.Bytes += int64(len(b))
	return nil
}

// begin gives the prepared file its header and its name.
func (l *Log) begin(f File, first store.Position) (*segment, error) {
	from, name := filepath.Join(l.dir, prepared), segmentName(l.dir, first)
	if _, err := f.WriteAt(encodePage(l.id, first, l.opts.SegmentSize), 0); err != nil {
		return nil, fmt.Errorf("begin %s: %w", name, err)
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("begin %s: sync: %w", name, err)
	}
	if err := l.opts.FS.Rename(from, name); err != nil {
		return nil, fmt.Errorf("begin %s: %w", name, err)
	}
	if err := l.opts.FS.SyncDir(l.dir); err != nil {
		return nil, fmt.Errorf("begin %s: sync folder: %w", name, err)
	}
	s := &segment{
		file: f, size: l.opts.SegmentSize,
		info: SegmentInfo{File: name, First: first, Last: first - 1, Bytes: pageSize},
	}
	l.segMu.Lock()
	defer l.segMu.Unlock()
	l.segments = append(slices.Clip(l.segments), s)
	return s, nil
}

// prepare writes the next segment full of zeros, in the background: an
// fdatasync of a file whose blocks are written has no metadata to write.
func (l *Log) prepare() {
	l.next = make(chan nextSegment, 1)
	go func(out chan<- nextSegment) {
		f, err := l.zeroed(filepath.Join(l.dir, prepared))
		out <- nextSegment{f, err}
	}(l.next)
}

func (l *Log) zeroed(name string) (File, error) {
	f, err := l.opts.FS.Open(name, true)
	if err != nil {
		return nil, fmt.Errorf("prepare segment: %w", err)
	}
	if err := l.fill(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("prepare segment of %d bytes in %s: %w", l.opts.SegmentSize, l.dir, err)
	}
	return f, nil
}

func (l *Log) fill(f File) error {
	if err := f.Allocate(l.opts.SegmentSize); err != nil {
		return err
	}
	zeros := make([]byte, min(fillStep, l.opts.SegmentSize))
	for off := int64(0); off < l.opts.SegmentSize; off += int64(len(zeros)) {
		n := min(int64(len(zeros)), l.opts.SegmentSize-off)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		if err := f.Writeback(off, n); err != nil {
			return err
		}
		if !l.rush.Load() {
			time.Sleep(fillPause)
		}
	}
	return f.Sync()
}

// Close commits what is buffered and closes the files. Readers must be done.
func (l *Log) Close() error {
	l.mu.Lock()
	select {
	case <-l.closing:
		l.mu.Unlock()
		return nil
	default:
	}
	close(l.closing)
	l.mu.Unlock()
	<-l.stopped
	err := l.shut()
	for _, s := range l.list() {
		if cerr := s.close(); err == nil {
			err = cerr
		}
	}
	if l.next != nil {
		l.rush.Store(true)
		if ready := <-l.next; ready.file != nil {
			_ = ready.file.Close()
		}
	}
	return err
}

// shut refuses all further entries; it returns the failure the log ended with before, if any.
func (l *Log) shut() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.moved()
	if errors.Is(l.failed, store.ErrClosed) {
		return nil
	}
	if l.failed != nil {
		return fmt.Errorf("close commit log: %w", l.failed)
	}
	l.fail(fmt.Errorf("commit log: %w", store.ErrClosed))
	return nil
}
