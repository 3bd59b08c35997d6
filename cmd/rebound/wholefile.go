package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// writeWhole writes a file, and the folders above it, so that it is whole or
// as it was before.
func writeWhole(path string, write func(io.Writer) error) error {
	return throughHidden(path, func(f *os.File) error { return write(f) })
}

// replaceFile is writeWhole with content and permissions known.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	return throughHidden(path, func(f *os.File) error {
		_, err := f.Write(data)
		return errors.Join(err, f.Chmod(mode))
	})
}

// throughHidden writes beside a file and renames. The name is hidden until
// then: whoever watches the directory does not see it.
func throughHidden(path string, write func(*os.File) error) error {
	folder, name := filepath.Split(path)
	if folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	hidden := folder + "." + name + ".new"
	f, err := os.Create(hidden)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(hidden))
	}
	return nil
}
