package bucket_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/rebound-engine/rebound/internal/bucket"
)

type vector struct {
	Salt   string   `json:"salt"`
	Parts  []string `json:"parts"`
	Hash   string   `json:"hash"` // hex, 16 digits
	Bucket uint32   `json:"bucket"`
	Of10   uint64   `json:"of_10"`
}

func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 8 {
		t.Fatalf("%d vectors, want at least 8", len(vectors))
	}
	for _, v := range vectors {
		parts := make([][]byte, len(v.Parts))
		for i, p := range v.Parts {
			parts[i] = []byte(p)
		}
		h := bucket.Hash(v.Salt, parts...)
		if got := fmt.Sprintf("%016x", h); got != v.Hash || bucket.Of(h) != v.Bucket || bucket.Index(h, 10) != v.Of10 {
			t.Errorf("salt %q parts %q: hash %s bucket %d of ten %d, want %s %d %d",
				v.Salt, v.Parts, got, bucket.Of(h), bucket.Index(h, 10), v.Hash, v.Bucket, v.Of10)
		}
	}
}

// Buckets are even: no tenth of 10^6 units is off by more than five standard deviations.
func TestEven(t *testing.T) {
	const n, tenths = 1_000_000, 10
	var counts [tenths]int
	for i := range n {
		counts[bucket.Index(bucket.Hash("even", fmt.Appendf(nil, "customer-%d", i)), tenths)]++
	}
	for i, c := range counts {
		if d := c - n/tenths; d > 1500 || d < -1500 {
			t.Errorf("tenth %d holds %d of %d", i, c, n)
		}
	}
}

func TestWidth(t *testing.T) {
	for _, c := range []struct {
		share float64
		want  uint64
	}{{0, 0}, {-1, 0}, {0.05, 214748364}, {0.5, 1 << 31}, {1, 1 << 32}, {2, 1 << 32}} {
		if got := bucket.Width(c.share); got != c.want {
			t.Errorf("Width(%v) = %d, want %d", c.share, got, c.want)
		}
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	p := []byte("0123456789abcdef")
	if n := testing.AllocsPerRun(100, func() { bucket.Hash("gh-2026", p) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleHash() {
	h := bucket.Hash("gh-2026", []byte("loyalty"), []byte("12345"))
	held := uint64(bucket.Of(h)) < bucket.Width(0.05)
	fmt.Println(bucket.Of(h), held)
	// Output: 1363128173 false
}
