package badgerstore_test

import (
	"path/filepath"
	"testing"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
	"github.com/rebound-engine/rebound/store/storetest"
)

// small keeps files and caches small, so that tests reach their limits.
func small() badgerstore.Options {
	return badgerstore.Options{SegmentSize: 16 << 20, MemTableSize: 16 << 20, CacheBytes: 32 << 20, MinFree: 1}
}

func TestContract(t *testing.T) {
	for name, mode := range map[string]store.Mode{"lossless": store.Lossless, "bounded": store.Bounded} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			storetest.Run(t, func(_ testing.TB, name string, c storetest.Config) (store.Store, error) {
				o := small()
				o.Mode, o.Fold, o.Machine, o.Index = mode, c.Fold, c.Machine, c.Index
				s, err := badgerstore.Open(filepath.Join(dir, name), o)
				if err != nil {
					return nil, err
				}
				return s, nil
			})
		})
	}
}
