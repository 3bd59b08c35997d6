package badgerstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// TestHeal pins the trap and the cure: with an empty .mem or .vlog file, which a
// kill during its creation leaves, Badger itself does not open; openBadger does.
func TestHeal(t *testing.T) {
	for _, name := range []string{"00007.mem", "000007.vlog"} {
		dir := t.TempDir()
		o := Options{MemTableSize: 16 << 20}.withDefaults()
		db, err := openBadger(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.set([]byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		empty := filepath.Join(dir, name)
		if err := os.WriteFile(empty, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if plain, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil)); err == nil {
			t.Logf("%s: this badger opens by itself", name)
			if err := plain.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			t.Logf("%s: badger says: %v", name, err)
		}
		if err := os.WriteFile(empty, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if db, err = openBadger(dir, o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v, err := db.get([]byte("k")); err != nil || string(v) != "v" {
			t.Errorf("%s: value is %q, %v", name, v, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
