package live

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/rebound-engine/rebound/rules"
)

// Limits of a bundle on disk, those of rules.
const (
	maxFiles = 20_000
	maxBytes = 256 << 20 // 256 MiB
	maxDepth = 16        // folders; deeper ones are a link to their own parent
	maxLinks = 16        // symbolic links on the way to one file
)

// ErrLeavesRoot: a symbolic link of a bundle points outside of it.
var ErrLeavesRoot = errors.New("symbolic link leaves the bundle")

// ReadFiles reads the files of a bundle by path. Hidden files (.git, editors' copies)
// are left out, symbolic links are followed inside the root only.
func ReadFiles(fsys fs.FS) (map[string][]byte, error) {
	r := &reader{fsys: fsys, files: map[string][]byte{}}
	if err := r.folder(".", 0); err != nil {
		return nil, err
	}
	return r.files, nil
}

// maxSignature is more than any signature takes.
const maxSignature = 4 << 10 // 4 KiB

// ReadSignature reads the signature beside a bundle; empty if there is none.
func ReadSignature(fsys fs.FS) (signature string, err error) {
	r := &reader{fsys: fsys, files: map[string][]byte{}, total: maxBytes - maxSignature}
	err = r.file(rules.SignatureFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(r.files[rules.SignatureFile]), err
}

type reader struct {
	fsys  fs.FS
	files map[string][]byte
	total int
}

func (r *reader) folder(dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d folders deep; does a symbolic link point to its own parent?", dir, maxDepth)
	}
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := path.Join(dir, e.Name()); !hidden(name) {
			if err := r.entry(name, e, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) entry(name string, e fs.DirEntry, depth int) error {
	if e.Type()&fs.ModeSymlink != 0 {
		if err := r.insideRoot(name); err != nil {
			return err
		}
	}
	info, err := fs.Stat(r.fsys, name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return r.folder(name, depth+1)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is no regular file", name)
	}
	return r.file(name)
}

func (r *reader) file(name string) (err error) {
	if len(r.files) == maxFiles {
		return fmt.Errorf("%s: more than %d files; is this the right directory?", name, maxFiles)
	}
	f, err := r.fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, int64(maxBytes-r.total)+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if r.total += len(data); r.total > maxBytes {
		return fmt.Errorf("%s: more than %d MiB; is this the right directory?", name, maxBytes>>20)
	}
	r.files[name] = data
	return nil
}

// insideRoot follows a symbolic link part by part and refuses to leave the root.
func (r *reader) insideRoot(name string) error {
	at, rest := ".", strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if next == ".." || strings.HasPrefix(next, "../") {
			return fmt.Errorf("%s: %w", name, ErrLeavesRoot)
		}
		info, err := fs.Lstat(r.fsys, next)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := fs.ReadLink(r.fsys, next)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if links++; path.IsAbs(target) || links > maxLinks {
			return fmt.Errorf("%s: %w", name, ErrLeavesRoot)
		}
		rest = append(strings.Split(path.Clean(target), "/"), rest...)
	}
	return nil
}
