package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestFilesAreWholeOrAsBefore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "x.json")
	if err := replaceFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	broken := errors.New("broken")
	err := writeWhole(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "tw")
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want the writer's", err)
	}
	if b, err := os.ReadFile(path); string(b) != "one" || err != nil {
		t.Errorf("%q, %v after a broken write", b, err)
	}
	if err := writeWhole(path, func(w io.Writer) error { _, err := io.WriteString(w, "two"); return err }); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); string(b) != "two" || err != nil {
		t.Errorf("%q, %v after a write", b, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); len(left) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := writeWhole(dir, func(io.Writer) error { return nil }); err == nil {
		t.Error("a folder was replaced by a file")
	}
}
