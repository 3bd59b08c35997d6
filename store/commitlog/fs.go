package commitlog

import (
	"io"
	"os"
	"path/filepath"
	"slices"
)

// FS is the file layer under the log, so that tests can fill the disk, cut
// writes short and fail syncs. Names are whole paths.
type FS interface {
	MkdirAll(dir string) error
	// Open opens a file for reading and writing; create truncates or creates it.
	Open(name string, create bool) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// List returns the names, without dir, of the files in dir, sorted.
	List(dir string) ([]string, error)
	// SyncDir makes creations, renames and removals in dir durable.
	SyncDir(dir string) error
}

// File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the length in bytes.
	Size() (int64, error)
	// Allocate reserves room for the first size bytes, where the system can.
	Allocate(size int64) error
	// Truncate cuts the file, or extends it by zeros.
	Truncate(size int64) error
	// Writeback hands n bytes at off to the disk, without making them durable. It may do nothing.
	Writeback(off, n int64) error
	// Datasync makes the data durable, and of the metadata only what reading it needs.
	Datasync() error
	// Sync makes data and metadata durable.
	Sync() error
}

// OS is the operating system's file layer.
type OS struct{}

// MkdirAll implements FS.
func (OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o750) }

// Open implements FS.
func (OS) Open(name string, create bool) (File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return syncDir(d)
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Allocate(size int64) error { return allocate(f.File, size) }

func (f osFile) Writeback(off, n int64) error { return writeback(f.File, off, n) }

func (f osFile) Datasync() error { return datasync(f.File) }
