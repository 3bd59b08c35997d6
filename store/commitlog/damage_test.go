package commitlog_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// edit changes the bytes of a file.
func edit(t *testing.T, name string, fn func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, fn(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(off int64) func([]byte) []byte {
	return func(b []byte) []byte { b[off] ^= 0x10; return b }
}

// TestNamedDamage opens logs of 1,000 entries, each acknowledged alone, after
// something happened to the files. kept is how many must be left, -1 for ErrCorrupt.
func TestNamedDamage(t *testing.T) {
	cases := []struct {
		name   string
		damage func(t *testing.T, dir string, all []commitlog.SegmentInfo)
		kept   int
		err    error
	}{
		{"nothing", func(*testing.T, string, []commitlog.SegmentInfo) {}, 1000, nil},
		{"last entry torn by a shorter file", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			last := all[len(all)-1]
			edit(t, last.File, func(b []byte) []byte { return b[:last.Bytes-30] })
		}, 999, nil},
		{"file shorter, but only by zeros", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			last := all[len(all)-1]
			edit(t, last.File, func(b []byte) []byte { return b[:last.Bytes+100] })
		}, 1000, nil},
		{"half an entry behind the last", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			last := all[len(all)-1]
			edit(t, last.File, func(b []byte) []byte { copy(b[last.Bytes:], b[4096:4096+70]); return b })
		}, 1000, nil},
		{"flipped byte in the last entry", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			last := all[len(all)-1]
			edit(t, last.File, flip(last.Bytes-40))
		}, 999, nil},
		{"flipped payload byte inside the last segment", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[len(all)-1].File, flip(4096+70))
		}, 0, store.ErrCorrupt},
		{"flipped header byte inside the last segment", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[len(all)-1].File, flip(4096+9))
		}, 0, store.ErrCorrupt},
		{"zeroed sectors inside the last segment", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[len(all)-1].File, func(b []byte) []byte { clear(b[5120:6656]); return b })
		}, 0, store.ErrCorrupt},
		{"flipped payload byte in an older segment", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[1].File, flip(4096+70))
		}, 0, store.ErrCorrupt},
		{"flipped header byte in an older segment", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[0].File, flip(4096+20))
		}, 0, store.ErrCorrupt},
		{"last entry of an older segment flipped", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[0].File, flip(all[0].Bytes-64-40-20))
		}, 0, store.ErrCorrupt},
		{"seal of an older segment flipped", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[0].File, flip(all[0].Bytes-10))
		}, 0, store.ErrCorrupt},
		{"older segment cut short", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[1].File, func(b []byte) []byte { return b[:20000] })
		}, 0, store.ErrCorrupt},
		{"older segment gone", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			if err := os.Remove(all[1].File); err != nil {
				t.Fatal(err)
			}
		}, 0, store.ErrCorrupt},
		{"segment header flipped", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[1].File, flip(17))
		}, 0, store.ErrCorrupt},
		{"empty last segment file", func(t *testing.T, _ string, all []commitlog.SegmentInfo) {
			edit(t, all[len(all)-1].File, func([]byte) []byte { return nil })
		}, 0, store.ErrCorrupt},
		{"segment of another log", func(t *testing.T, dir string, _ []commitlog.SegmentInfo) {
			other := open(t, t.TempDir(), small())
			fill(t, other, 1000)
			name := other.Segments()[1].File
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			edit(t, filepath.Join(dir, filepath.Base(name)), func([]byte) []byte { return b })
		}, 0, store.ErrCorrupt},
		{"remains of a segment being prepared", func(t *testing.T, dir string, _ []commitlog.SegmentInfo) {
			if err := os.WriteFile(filepath.Join(dir, "next.tmp"), []byte("zeros"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 1000, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, small())
			fill(t, l, 1000)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.damage(t, dir, l.Segments())
			before := snapshot(t, dir)
			again, cut, err := commitlog.Open(background, dir, small())
			if c.err != nil {
				refused(t, err, c.err, before, snapshot(t, dir))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if lost := 1000 - c.kept; (cut != nil) != (lost > 0 || c.name == "half an entry behind the last") {
				t.Errorf("cut is %+v", cut)
			}
			verify(t, again, 1, store.Position(c.kept))
			fill(t, again, 50)
			verify(t, again, 1, store.Position(c.kept+50))
		})
	}
}

// refused checks an error that must name file and bytes, and that no byte changed.
func refused(t *testing.T, err, want error, before, after map[string]string) {
	t.Helper()
	var damage *commitlog.CorruptError
	if !errors.Is(err, want) || !errors.As(err, &damage) {
		t.Fatalf("open: %v, want %v", err, want)
	}
	if damage.File == "" || damage.To <= damage.From {
		t.Errorf("the error names no bytes: %v", err)
	}
	for name, b := range before {
		if after[name] != b {
			t.Errorf("%s changed though the log was refused", name)
		}
	}
}

func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, small())
	fill(t, l, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, l.Segments()[0].File, func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[4:], commitlog.Version+1)
		binary.LittleEndian.PutUint32(b[60:], commitlog.Checksum(b[:60]))
		return b
	})
	if _, _, err := commitlog.Open(background, dir, small()); !errors.Is(err, store.ErrVersion) {
		t.Errorf("open a newer version: %v", err)
	}
}

// TestPowerLossInsideGroup: pages of the last, unsynced group may reach the disk in any
// order. What is left is a hole of zeros before good entries: cut, not corrupt.
func TestPowerLossInsideGroup(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, small())
	fill(t, l, 40)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := small()
	o.Mode, o.SyncEvery = store.Bounded, time.Hour
	l = open(t, dir, o)
	start := l.Segments()[0].Bytes
	for range 60 {
		next := l.Appended() + 1
		if _, _, err := l.Append(background, store.Header{Kind: 1, Time: int64(next) * 10}, payload(next), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	hole := (start/4096 + 1) * 4096
	edit(t, l.Segments()[0].File, func(b []byte) []byte { clear(b[hole : hole+4096]); return b })
	l, cut, err := commitlog.Open(background, dir, small())
	if err != nil || cut == nil {
		t.Fatalf("open: cut %+v, %v", cut, err)
	}
	defer l.Close()
	if l.Last() < 40 || l.Last() >= 100 || cut.Position != l.Last()+1 {
		t.Errorf("last is %d, cut %+v", l.Last(), *cut)
	}
	kept := l.Last()
	verify(t, l, 1, kept)
	fill(t, l, 30)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, open(t, dir, small()), 1, kept+30)
}

// TestEveryFlippedByte flips each byte of a small log: it is refused or, in the
// last entry alone, cut; never does anything wrong come out.
func TestEveryFlippedByte(t *testing.T) {
	files, entries, end := sample(t)
	for off := range end {
		if off >= 64 && off < 4096 {
			continue // unused
		}
		damaged := files.clone()
		damaged[0].data[off] ^= 1
		l, _, err := commitlog.Verify(background, "log", commitlog.Options{FS: damaged, SegmentSize: 64 << 10})
		if err != nil {
			continue
		}
		if l.Last() != store.Position(len(entries)-1) {
			t.Fatalf("byte %d flipped: %d of %d entries and no error", off, l.Last(), len(entries))
		}
		prefix(t, l, entries)
		_ = l.Close()
	}
}

// prefix fails unless the log holds nothing but the first of the entries.
func prefix(t *testing.T, l *commitlog.Log, entries []string) {
	t.Helper()
	n := 0
	err := l.Scan(background, 1, func(e *store.Entry) error {
		if n >= len(entries) || string(e.Payload) != entries[n] || int(e.Position) != n+1 {
			t.Fatalf("entry %d is %d: %q", n+1, e.Position, e.Payload)
		}
		n++
		return nil
	})
	if err != nil || n != int(l.Last()) {
		t.Fatalf("scan gives %d of %d entries: %v", n, l.Last(), err)
	}
}

func FuzzSegment(f *testing.F) {
	files, entries, end := sample(f)
	f.Add([]byte{1}, uint16(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint16(4096))
	f.Add(files[0].data[4096:4200], uint16(end))
	f.Fuzz(func(t *testing.T, b []byte, off uint16) {
		damaged := files.clone()
		for i, c := range b {
			if at := int(off) + i; at < len(damaged[0].data) {
				damaged[0].data[at] ^= c
			}
		}
		l, cut, err := commitlog.Verify(background, "log", commitlog.Options{FS: damaged, SegmentSize: 64 << 10})
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrVersion) {
				t.Fatalf("unexpected kind of error: %v", err)
			}
			return
		}
		defer l.Close()
		if cut != nil && (cut.From >= cut.To || cut.Position != l.Last()+1) {
			t.Fatalf("cut %+v after entry %d", *cut, l.Last())
		}
		prefix(t, l, entries)
	})
}
