package badgerstore

import (
	"math/rand/v2"
	"testing"
)

func TestFilterNeverForgets(t *testing.T) {
	f := &filter{words: make([]uint64, 1<<14)} // 1 MiB/8: 100,000 terms have about ten bits each
	r := rand.New(rand.NewPCG(1, 2))
	const n = 100_000
	known := make([]uint64, n)
	for i := range known {
		known[i] = r.Uint64()
		f.add(known[i])
	}
	if f.absent(r.Uint64()) {
		t.Error("it answers before it has everything")
	}
	f.ready.Store(true)
	for _, h := range known {
		if f.absent(h) {
			t.Fatalf("%016x is absent", h)
		}
	}
	wrong := 0
	for range n {
		if !f.absent(r.Uint64()) {
			wrong++
		}
	}
	if share := float64(wrong) / n; share > 0.03 {
		t.Errorf("wrong about %.1f %% of unknown terms, want at most 3 %%", 100*share)
	}
}
