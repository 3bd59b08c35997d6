package learner

import (
	"sync/atomic"
	"testing"
	"time"
)

// Every step is done once and before parallel returns, however calls nest and
// whether hands are new, still waiting or gone.
func TestParallelDoesEveryStepOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		c := newCrew(threads)
		for round := range 200 {
			var done [7][5]atomic.Int32
			parallel(c, len(done), func(i int) {
				parallel(c, len(done[i]), func(k int) { done[i][k].Add(1) })
			})
			for i := range done {
				for k := range done[i] {
					if n := done[i][k].Load(); n != 1 {
						t.Fatalf("%d threads, round %d: step %d of %d was done %d times", threads, round, k, i, n)
					}
				}
			}
			if round%50 == 0 {
				time.Sleep(time.Millisecond) // hands leave
			}
		}
	}
}

// No more goroutines work at once than the crew has hands.
func TestParallelBounded(t *testing.T) {
	const threads = 3
	c := newCrew(threads)
	var now, most atomic.Int32
	parallel(c, 20, func(int) {
		parallel(c, 20, func(int) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(100 * time.Microsecond)
			now.Add(-1)
		})
	})
	if n := most.Load(); n > threads {
		t.Errorf("%d goroutines at once, the crew has %d hands", n, threads)
	}
}
