package commitlog_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// memFiles is a folder of files in memory, for reading.
type memFiles []memFile

type memFile struct {
	name string
	data []byte
}

func (m memFiles) clone() memFiles {
	out := slices.Clone(m)
	for i := range out {
		out[i].data = slices.Clone(out[i].data)
	}
	return out
}

func (m memFiles) Open(name string, _ bool) (commitlog.File, error) {
	for _, f := range m {
		if f.name == filepath.Base(name) {
			return f, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (m memFiles) List(string) (names []string, err error) {
	for _, f := range m {
		names = append(names, f.name)
	}
	return names, nil
}

func (memFiles) MkdirAll(string) error       { return nil }
func (memFiles) Rename(string, string) error { return fs.ErrPermission }
func (memFiles) Remove(string) error         { return fs.ErrPermission }
func (memFiles) SyncDir(string) error        { return nil }

func (f memFile) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (memFile) WriteAt([]byte, int64) (int, error) { return 0, fs.ErrPermission }
func (memFile) Close() error                       { return nil }
func (f memFile) Size() (int64, error)             { return int64(len(f.data)), nil }
func (memFile) Allocate(int64) error               { return fs.ErrPermission }
func (memFile) Truncate(int64) error               { return fs.ErrPermission }
func (memFile) Writeback(int64, int64) error       { return fs.ErrPermission }
func (memFile) Datasync() error                    { return fs.ErrPermission }
func (memFile) Sync() error                        { return fs.ErrPermission }

// sample is a log of one small segment, the payloads in it, and where it ends.
func sample(t testing.TB) (files memFiles, entries []string, end int64) {
	t.Helper()
	dir := t.TempDir()
	l, _, err := commitlog.Open(background, dir, commitlog.Options{
		SegmentSize: 64 << 10, ID: 42, Clock: func() time.Time { return time.UnixMilli(77) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"one", "", "three and some more", "four"} {
		at, _, err := l.Append(background, store.Header{Kind: 1, Subject: subject(3), Time: 5}, []byte(p), false)
		if err != nil || l.Wait(background, at) != nil {
			t.Fatal(err)
		}
		entries = append(entries, p)
	}
	i := l.Segments()[0]
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(i.File)
	if err != nil {
		t.Fatal(err)
	}
	return memFiles{{filepath.Base(i.File), b}}, entries, i.Bytes
}
