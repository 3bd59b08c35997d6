package splitmix_test

import (
	"fmt"
	"testing"

	"github.com/rebound-engine/rebound/internal/splitmix"
)

// The first numbers of the reference implementation (Vigna, splitmix64.c) with
// state 1234567: number i is Sum64 of the state after i steps.
func TestSum64IsSplitMix64(t *testing.T) {
	state := uint64(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := splitmix.Sum64(state); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
		state += 0x9E3779B97F4A7C15
	}
}

// A row is in the test half if the first bit of its hash is set.
func ExampleSum64() {
	for row := range uint64(4) {
		fmt.Println(row, splitmix.Sum64(row)>>63 == 1)
	}
	// Output:
	// 0 true
	// 1 true
	// 2 true
	// 3 false
}
