package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStoreCheck passes on a sound store, changes nothing, and names the place of damage.
func TestStoreCheck(t *testing.T) {
	s := newShop(t, receipts(3000))
	must(t, s.args()...)
	out := squeeze(must(t, "store", "check", s.store))
	for _, want := range []string{"entries 3000 (0 erased)", "log folded again and compared true"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	for name, v := range decoded[map[string]any](t, "store", "check", s.store) {
		if name != strings.ToLower(name) || v == nil {
			t.Errorf("json: %s is %v", name, v)
		}
	}
	segment := slices.Min(segments(t, s.store))
	data := fileText(t, segment)
	at := strings.Index(data, "customer-1234")
	if at < 0 {
		t.Fatal("the log does not hold its customers in the clear; choose another byte to flip")
	}
	flipped := []byte(data)
	flipped[at] ^= 0x40
	putFile(t, segment, string(flipped))
	out, errOut, code := cli(t, "store", "check", s.store)
	if code != exitFailed || !strings.Contains(out, "PROBLEM") || !strings.Contains(out, filepath.Base(segment)) || !strings.Contains(out, "byte") || !strings.Contains(errOut, s.store) {
		t.Errorf("flipped byte: exit %d\n%s%s", code, out, errOut)
	}
	refused(t, exitFailed, []string{filepath.Base(segment), "byte"}, s.args()...)
	if fileText(t, segment) != string(flipped) {
		t.Error("refusing to open changed the segment")
	}
	putFile(t, segment, data)
	mustHold(t, s.store, 3000)
	if fileText(t, segment) != data {
		t.Error("store check changed the segment")
	}
}

// TestStoreCheckTornEnd: the rest of an interrupted write is announced by check and cut by the next open; all before it stays.
func TestStoreCheckTornEnd(t *testing.T) {
	s := newShop(t, receipts(600))
	must(t, s.args()...)
	segment := slices.Max(segments(t, s.store))
	data := []byte(fileText(t, segment))
	end := bytes.LastIndexFunc(data, func(r rune) bool { return r != 0 })/8*8 + 8 // records are padded to 8 bytes
	copy(data[end:], data[end-64:end-8])
	putFile(t, segment, string(data))
	out, _, _ := cli(t, "store", "check", s.store)
	if !strings.Contains(out, "the next open cuts") || !strings.Contains(out, filepath.Base(segment)) {
		t.Errorf("check:\n%s", out)
	}
	if got := decoded[ingestReport](t, s.args()...); got.Accepted != 0 || got.Duplicates != 600 {
		t.Errorf("%d accepted again, %d were there", got.Accepted, got.Duplicates)
	}
	mustHold(t, s.store, 600)
}

// TestStoreCompact takes room away and nothing else.
func TestStoreCompact(t *testing.T) {
	s := newShop(t, receipts(300))
	must(t, s.args()...)
	got := decoded[compactReport](t, "store", "compact", s.store)
	if got.Before <= 0 || got.After <= 0 || got.After > got.Before {
		t.Errorf("%+v", got)
	}
	mustHold(t, s.store, 300)
	refused(t, exitFailed, []string{"no such file"}, "store", "compact", newStore(t))
	refused(t, exitFailed, []string{"empty"}, "store", "compact", t.TempDir())
}

func segments(t testing.TB, store string) []string {
	t.Helper()
	var out []string
	for _, name := range names(t, filepath.Join(store, "log")) {
		out = append(out, filepath.Join(store, "log", name))
	}
	return out
}

// TestFoldersThatCannotBeOpened shows what a user reads, and that no file is touched.
func TestFoldersThatCannotBeOpened(t *testing.T) {
	s := newShop(t, shopTable)
	must(t, s.args()...)
	refused(t, exitFailed, []string{"no store"}, "store", "check", newStore(t))

	t.Run("another process holds it", func(t *testing.T) {
		holder, err := openSession(t.Context(), configOf(s.store), quietLog())
		if err != nil {
			t.Fatal(err)
		}
		defer holder.Close()
		pid := fmt.Sprintf("held by pid %d on host", os.Getpid())
		refused(t, exitFailed, []string{pid, "--addr"}, s.args()...)
		refused(t, exitFailed, []string{pid, "--addr"}, "budget", "--store", s.store)
		refused(t, exitFailed, []string{pid}, "store", "check", s.store)
		refused(t, exitFailed, []string{pid}, "train", "--store", s.store, "--currency", "USD", "--out", filepath.Join(t.TempDir(), "m.rbm"))
	})
	t.Run("newer format", func(t *testing.T) {
		format := filepath.Join(s.store, "FORMAT")
		was := fileText(t, format)
		putFile(t, format, "rebound-store 99\n")
		words := []string{"version 99", "version 3", "newer"}
		refused(t, exitFailed, words, s.args()...)
		refused(t, exitFailed, words, "store", "check", s.store)
		putFile(t, format, was)
		mustHold(t, s.store, 3)
	})
	t.Run("no store", func(t *testing.T) {
		other := s
		other.store = t.TempDir()
		putFile(t, filepath.Join(other.store, "holiday.jpg"), "")
		refused(t, exitFailed, []string{other.store, "holiday.jpg", "no store"}, other.args()...)
		refused(t, exitFailed, []string{other.store, "no store"}, "store", "check", other.store)
		if files := names(t, other.store); !slices.Equal(files, []string{"holiday.jpg"}) {
			t.Errorf("the folder was written to: %v", files)
		}
	})
	t.Run("verbs that look make no store", func(t *testing.T) {
		absent, empty := newStore(t), t.TempDir()
		for _, args := range [][]string{
			{"budget"}, {"journal", "query"}, {"journal", "tail"}, {"profile", "get", "shop:anna"}, {"profile", "export", "shop:anna"},
			{"profile", "erase", "shop:anna", "--yes"}, {"train", "--currency", "USD", "--out", filepath.Join(t.TempDir(), "m")},
		} {
			refused(t, exitFailed, []string{absent}, append(args, "--store", absent)...)
			refused(t, exitFailed, []string{empty, "empty"}, append(args, "--store", empty)...)
		}
		if _, err := os.Stat(absent); !os.IsNotExist(err) || len(names(t, empty)) > 0 {
			t.Errorf("a store was made: %v", names(t, empty))
		}
	})
}
