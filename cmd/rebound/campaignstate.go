package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// trials is a folder with a file per finished candidate of a tournament. A file
// is whole or not there, so that a killed run leaves nothing torn behind.
type trials struct {
	folder string
	files  []string
}

const trialPattern = "trial-*.bin"

func openTrials(folder string) (*trials, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(folder, trialPattern))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	return &trials{folder: folder, files: files}, nil
}

// resume reads the records one after the other.
func (t *trials) resume() io.Reader {
	readers := make([]io.Reader, len(t.files))
	for i, f := range t.files {
		readers[i] = &lazyFile{path: f}
	}
	return io.MultiReader(readers...)
}

// Write implements io.Writer: each call is one record.
func (t *trials) Write(record []byte) (int, error) {
	n := len(t.files)
	path := filepath.Join(t.folder, fmt.Sprintf("trial-%06d.bin", n))
	for slices.Contains(t.files, path) {
		n++
		path = filepath.Join(t.folder, fmt.Sprintf("trial-%06d.bin", n))
	}
	err := writeWhole(path, func(w io.Writer) error {
		_, err := w.Write(record)
		return err
	})
	if err != nil {
		return 0, err
	}
	t.files = append(t.files, path)
	return len(record), nil
}

// lazyFile opens its file at the first read and closes it at the end.
type lazyFile struct {
	path string
	file *os.File
}

func (l *lazyFile) Read(p []byte) (int, error) {
	if l.file == nil {
		f, err := os.Open(l.path)
		if err != nil {
			return 0, err
		}
		l.file = f
	}
	n, err := l.file.Read(p)
	if err != nil {
		l.file.Close() //nolint:errcheck // read only
	}
	return n, err
}
