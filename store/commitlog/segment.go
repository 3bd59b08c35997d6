package commitlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rebound-engine/rebound/store"
)

// A segment file begins with a page of its own:
//
//	0 "RBLG"  4 u32 format version  8 u64 log id  16 u64 first position  24 u64 file size  60 u32 CRC32C of 0..60
//
// then frames; a sealed one ends with a seal frame (kind 0) whose payload sums the segment up.
const (
	magic      = "RBLG"
	pageSize   = 4096
	suffix     = ".seg"
	prepared   = "next.tmp"
	markEvery  = 32 << 10 // bytes between two marks of the sparse index
	sealFields = 5

	// Version is the format of the segments this package writes and reads.
	Version = 1
)

var sealSize = frameSize(8 * sealFields)

// mark says where an entry begins.
type mark struct {
	at  store.Position
	off int64
}

// SegmentInfo describes a segment.
type SegmentInfo struct {
	File             string
	First, Last      store.Position // Last is First-1 if it is empty
	MinTime, MaxTime int64          // business time of its entries, Unix milliseconds
	Began, Recorded  int64          // wall time of its first group and of its last entry, Unix milliseconds
	Bytes            int64          // used, header and seal included
	Sealed           bool
}

type segment struct {
	mu    sync.RWMutex // guards what follows; file is nil after it was dropped
	info  SegmentInfo
	file  File
	size  int64
	marks []mark
}

func (s *segment) snapshot() SegmentInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.info
}

// grow takes in what a group added.
func (s *segment) grow(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range g.marks {
		s.marks = append(s.marks, mark{m.at, s.info.Bytes + m.off})
	}
	s.info.Bytes += int64(len(g.buf))
	s.span(g.min, g.max, g.recorded)
	s.info.Last = g.last
}

// span widens the times; to be called before Last moves.
func (s *segment) span(lo, hi, recorded int64) {
	s.info.Recorded = recorded
	if s.info.Last < s.info.First {
		s.info.MinTime, s.info.MaxTime, s.info.Began = lo, hi, recorded
		return
	}
	s.info.MinTime, s.info.MaxTime = min(s.info.MinTime, lo), max(s.info.MaxTime, hi)
}

// seek returns the offset of an entry at or shortly before at, and where to stop reading.
func (s *segment) seek(at store.Position) (off, end int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, found := slices.BinarySearchFunc(s.marks, at, func(m mark, at store.Position) int {
		switch {
		case m.at < at:
			return -1
		case m.at > at:
			return 1
		}
		return 0
	})
	switch {
	case found:
		off = s.marks[i].off
	case i > 0:
		off = s.marks[i-1].off
	default:
		off = pageSize
	}
	return off, s.info.Bytes
}

// readAt fills b; what lies past the end of a cut file reads as zeros.
func (s *segment) readAt(b []byte, off int64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.file == nil {
		return fmt.Errorf("segment %s was dropped by retention: %w", s.info.File, store.ErrNotFound)
	}
	return readFull(s.file, b, off)
}

func (s *segment) writeAt(b []byte, off int64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.file == nil {
		return fmt.Errorf("segment %s was dropped by retention: %w", s.info.File, store.ErrNotFound)
	}
	_, err := s.file.WriteAt(b, off)
	return err
}

func (s *segment) datasync() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.file == nil {
		return nil
	}
	return s.file.Datasync()
}

func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

func segmentName(dir string, first store.Position) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, suffix))
}

func firstOf(name string) (store.Position, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return store.Position(n), err == nil && n > 0
}

func encodePage(id uint64, first store.Position, size int64) []byte {
	p := make([]byte, headerSize)
	copy(p, magic)
	le := binary.LittleEndian
	le.PutUint32(p[4:], Version)
	le.PutUint64(p[8:], id)
	le.PutUint64(p[16:], uint64(first))
	le.PutUint64(p[24:], uint64(size))
	le.PutUint32(p[60:], crc32.Checksum(p[:60], castagnoli))
	return p
}

// decodePage reads the beginning of a segment.
func decodePage(file string, p []byte) (id uint64, first store.Position, size int64, err error) {
	le := binary.LittleEndian
	if string(p[:4]) != magic || le.Uint32(p[60:]) != crc32.Checksum(p[:60], castagnoli) {
		return 0, 0, 0, &CorruptError{File: file, From: 0, To: headerSize, Reason: "segment header damaged"}
	}
	if v := le.Uint32(p[4:]); v > Version {
		return 0, 0, 0, fmt.Errorf("segment %s has format version %d, this build reads up to %d; use a newer rebound: %w", file, v, Version, store.ErrVersion)
	}
	size = int64(le.Uint64(p[24:]))
	if size < pageSize {
		return 0, 0, 0, &CorruptError{File: file, From: 24, To: 32, Reason: "segment header names an impossible size"}
	}
	return le.Uint64(p[8:]), store.Position(le.Uint64(p[16:])), size, nil
}

// sealFrame sums a segment up: first, last, earliest and latest time, bytes before the seal.
func sealFrame(i SegmentInfo, salt uint32) []byte {
	p := make([]byte, 0, 8*sealFields)
	for _, v := range [sealFields]uint64{uint64(i.First), uint64(i.Last), uint64(i.MinTime), uint64(i.MaxTime), uint64(i.Bytes)} {
		p = binary.LittleEndian.AppendUint64(p, v)
	}
	f := frame{flags: flagSeal, sum: payloadSum(p)}
	f.Position = i.Last
	return appendFrame(nil, &f, p, salt)
}

// sealFits reports whether the seal's payload says what was read.
func sealFits(p []byte, i SegmentInfo) bool {
	if len(p) != 8*sealFields {
		return false
	}
	for n, v := range [sealFields]uint64{uint64(i.First), uint64(i.Last), uint64(i.MinTime), uint64(i.MaxTime), uint64(i.Bytes)} {
		if binary.LittleEndian.Uint64(p[8*n:]) != v {
			return false
		}
	}
	return true
}
