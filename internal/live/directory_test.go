package live_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// TestWhatWinsAfterRestart plays a history, restarts, and starts with the directory again.
func TestWhatWinsAfterRestart(t *testing.T) {
	type step func(w *world, dir string)
	directory := func(files map[string][]byte) step {
		return func(w *world, dir string) {
			write(w.t, dir, files)
			if err := w.Directory(context.Background(), dir); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	edit := func(files map[string][]byte) step {
		return func(w *world, dir string) { write(w.t, dir, files) }
	}
	api := func(version int) step {
		return func(w *world, _ string) {
			if _, _, err := w.Activate(context.Background(), &server.Change{Files: bundle(version)}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	rollback := func(w *world, _ string) {
		if _, err := w.Rollback(context.Background(), &server.Change{}); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name    string
		history []step
		version int
		source  server.Source
	}{
		{"directory only", []step{directory(bundle(1))}, 1, server.SourceLog},
		{"API after the directory", []step{directory(bundle(1)), api(2)}, 2, server.SourceLog},
		{"rollback after the directory", []step{directory(bundle(1)), directory(bundle(2)), rollback}, 1, server.SourceLog},
		{"directory edited while down", []step{directory(bundle(1)), api(2), edit(bundle(3))}, 3, server.SourceDirectory},
		{"directory restored while down", []step{directory(bundle(1)), directory(bundle(2)), edit(bundle(1))}, 1, server.SourceDirectory},
		{"directory never seen holds what is active", []step{api(1), edit(bundle(1))}, 1, server.SourceDirectory},
		{"the same, and the API after it", []step{api(1), directory(bundle(1)), api(2)}, 2, server.SourceLog},
		{"directory broken while down", []step{directory(bundle(1)), edit(broken())}, 1, server.SourceLog},
		{"broken before the restart and repaired to what it was", []step{directory(bundle(1)), directory(broken()), api(2), edit(bundle(1))}, 2, server.SourceLog},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, dir := newWorld(t), t.TempDir()
			for _, s := range tc.history {
				s(w, dir)
			}
			if !w.restart() {
				t.Fatal("nothing resumed")
			}
			if err := w.Directory(context.Background(), dir); err != nil {
				t.Fatal(err)
			}
			s, _ := w.Active()
			if s.Version != tc.version || s.Source != tc.source {
				t.Errorf("version %d from source %d, want %d from %d", s.Version, s.Source, tc.version, tc.source)
			}
		})
	}
}

func TestStartFailsClosed(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	write(t, dir, broken())
	err := w.Directory(context.Background(), dir)
	var d *rules.DiagnosticsError
	if !errors.As(err, &d) || len(d.Diagnostics) != 2 {
		t.Errorf("broken directory with nothing to go on with: %v", err)
	}
	if err := w.Directory(context.Background(), filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if resumed := w.restart(); resumed {
		t.Error("resumed from an empty log")
	}
}

func TestWatch(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	write(t, dir, bundle(1))
	if err := w.Directory(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	w.Watch(dir)
	write(t, dir, bundle(2))
	w.waitFor("version 2", func() bool { return w.version() == 2 })
	if s, _ := w.Active(); s.Source != server.SourceWatch || s.By != "watch" {
		t.Errorf("status %+v", s)
	}

	write(t, dir, broken())
	for _, want := range []string{"policies refused", "code=RB2002", "code=RB1007", "file=company.yaml"} {
		w.waitFor(want, func() bool { return strings.Contains(w.log.String(), want) })
	}
	if w.version() != 2 {
		t.Errorf("version %d after a broken change", w.version())
	}
	if !w.restart() || w.version() != 2 {
		t.Fatalf("version %d after a restart beside a broken directory", w.version())
	}
	if err := w.Directory(context.Background(), dir); err != nil || w.version() != 2 {
		t.Fatalf("version %d, %v", w.version(), err)
	}

	w.Watch(dir)
	write(t, dir, bundle(1))
	w.waitFor("the restored version 1", func() bool { return w.version() == 1 })
}

// TestWatchActsOnChangesOnly leaves an API activation alone until the directory changes.
func TestWatchActsOnChangesOnly(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	write(t, dir, bundle(1))
	if err := w.Directory(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	w.Watch(dir)
	if _, _, err := w.Activate(context.Background(), &server.Change{Files: bundle(2)}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // several polls
	if w.version() != 2 {
		t.Fatalf("version %d: the unchanged directory took over", w.version())
	}
	write(t, dir, bundle(3))
	w.waitFor("version 3", func() bool { return w.version() == 3 })
}

// TestWatchSurvivesTheDirectory takes the directory away and brings it back.
func TestWatchSurvivesTheDirectory(t *testing.T) {
	w, parent := newWorld(t), t.TempDir()
	dir := filepath.Join(parent, "policies")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, bundle(1))
	w.Watch(dir)
	w.waitFor("version 1", func() bool { return w.version() == 1 })
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	w.waitFor("the complaint", func() bool { return strings.Contains(w.log.String(), "unreadable") })
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, bundle(2))
	w.waitFor("version 2", func() bool { return w.version() == 2 })
	if n := strings.Count(w.log.String(), "unreadable"); n > 2 {
		t.Errorf("%d complaints about one absence", n)
	}
}

func TestReadFiles(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, dir, bundle(1))
	write(t, outside, map[string][]byte{"secret.yaml": []byte("x")})
	for _, name := range []string{"reference/.hidden", "reference/old.yaml~"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "..data", "regions"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "..data", "regions", "us.yaml"), []byte("y"), 0o644); err != nil {
		t.Fatal(err)
	}
	link("..data/regions", "regions") // as a mounted config map does
	files, err := live.ReadFiles(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 || string(files["regions/us.yaml"]) != "y" {
		t.Errorf("files %v", keys(files))
	}
	for _, target := range []string{filepath.Join(outside, "secret.yaml"), "../" + filepath.Base(outside) + "/secret.yaml", "regions/../../x", "."} {
		link(target, "leak.yaml")
		if _, err := live.ReadFiles(os.DirFS(dir)); err == nil {
			t.Errorf("a link to %s was followed", target)
		} else if target != "." && !errors.Is(err, live.ErrLeavesRoot) {
			t.Errorf("a link to %s: %v", target, err)
		}
		if err := os.Remove(filepath.Join(dir, "leak.yaml")); err != nil {
			t.Fatal(err)
		}
	}
}

func keys(files map[string][]byte) (out []string) {
	for name := range files {
		out = append(out, name)
	}
	return out
}

// signed adds the signature of a bundle to its files.
func signed(t *testing.T, files map[string][]byte, key ed25519.PrivateKey) map[string][]byte {
	t.Helper()
	signature, err := rules.Sign(rules.Digest(files), key)
	if err != nil {
		t.Fatal(err)
	}
	files[rules.SignatureFile] = []byte(signature + "\n")
	return files
}

func TestSignatureRequired(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
	w, dir, ctx := newWorld(t), t.TempDir(), context.Background()
	w.activate(&server.Change{Files: bundle(1)})
	w.opts = append(w.opts, live.RequireSignature([]ed25519.PublicKey{key.Public().(ed25519.PublicKey)}))
	if w.restart() {
		t.Fatal("an unsigned bundle of the log was resumed")
	}
	if _, _, err := w.Activate(ctx, &server.Change{Files: bundle(2)}); !errors.Is(err, rules.ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	if _, _, err := w.Activate(ctx, &server.Change{Files: signed(t, bundle(2), other)}); !errors.Is(err, rules.ErrSignature) {
		t.Errorf("signed by somebody else: %v", err)
	}
	w.activate(&server.Change{Files: signed(t, bundle(2), key)})
	if _, err := w.Rollback(ctx, &server.Change{}); !errors.Is(err, rules.ErrUnsigned) || w.version() != 2 {
		t.Errorf("rollback to an unsigned bundle: %v", err)
	}

	write(t, dir, bundle(3))
	if err := w.Directory(ctx, dir); err != nil || w.version() != 2 {
		t.Fatalf("unsigned directory: version %d, %v", w.version(), err)
	}
	w.Watch(dir)
	write(t, dir, signed(t, bundle(3), key))
	w.waitFor("the signed version 3", func() bool { return w.version() == 3 })
	if !w.restart() || w.version() != 3 {
		t.Errorf("version %d after a restart", w.version())
	}
	if err := w.Directory(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if s, _ := w.Active(); s.Source != server.SourceLog {
		t.Errorf("the unchanged signed directory acted again: source %d", s.Source)
	}
}
