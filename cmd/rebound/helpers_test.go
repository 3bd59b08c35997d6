package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

// piped runs the command line with something on standard input.
func piped(t testing.TB, in string, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(in), &o, &e)
	return o.String(), e.String(), code
}

// must runs the command line and expects success.
func must(t testing.TB, args ...string) string {
	t.Helper()
	out, errOut, code := cli(t, args...)
	if code != exitOK {
		t.Fatalf("rebound %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

// refused runs the command line and expects an exit code and words on standard error.
func refused(t testing.TB, want int, words []string, args ...string) {
	t.Helper()
	_, errOut, code := cli(t, args...)
	if code != want {
		t.Errorf("rebound %s: exit %d, want %d: %s", strings.Join(args, " "), code, want, errOut)
	}
	for _, w := range words {
		if !strings.Contains(errOut, w) {
			t.Errorf("rebound %s: lacks %q: %s", strings.Join(args, " "), w, errOut)
		}
	}
}

// decoded runs the command line with -o json and reads the answer.
func decoded[T any](t testing.TB, args ...string) (v T) {
	t.Helper()
	out := must(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("rebound %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// subprocess is the command line in a process of its own, which a test may kill.
func subprocess(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill() //nolint:errcheck // it may have ended meanwhile
			cmd.Wait()         //nolint:errcheck // it was killed
		}
	})
	return cmd
}

// newStore is the path of a folder that is not there yet.
func newStore(t testing.TB) string { return filepath.Join(t.TempDir(), "store") }

// configOf opens a folder as the verbs with --store do.
func configOf(store string) nodeConfig {
	cfg := defaultNodeConfig()
	cfg.Store = store
	return cfg
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// checked runs store check.
func checked(t testing.TB, store string) (r badgerstore.Report) {
	t.Helper()
	out, errOut, _ := cli(t, "store", "check", store, "-o", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("store check: %v\n%s%s", err, out, errOut)
	}
	return r
}

// number is a feature of a profile.
func number(t testing.TB, profile *pb.Profile, name string) float64 {
	t.Helper()
	for _, f := range profile.GetFeatures() {
		if f.GetName() == name {
			return f.GetNumber()
		}
	}
	t.Fatalf("no feature %s", name)
	return 0
}

// names are the files of a folder.
func names(t testing.TB, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// holding are the files under a folder that contain a word.
func holding(t testing.TB, dir, word string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(fileText(t, name), word) {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fileText(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func putFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

// squeeze makes every run of spaces one.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// sample is a file beside the repository; a test without it skips.
func sample(t testing.TB, path ...string) string {
	t.Helper()
	file := filepath.Join(append([]string{"..", "..", "..", "shared"}, path...)...)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("shared data is absent: %v", err)
	}
	return file
}
