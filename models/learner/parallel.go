package learner

import (
	"sync"
	"sync/atomic"
)

// parallel calls f(0..n-1) on up to threads goroutines. Each call must write
// only what is its own; then the result does not depend on threads.
func parallel(threads, n int, f func(i int)) {
	threads = min(threads, n)
	if threads <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	for range threads - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// rowChunk is the fixed unit of row-parallel work: sums are formed per chunk
// and added in chunk order, so that they are the same for any thread count.
const rowChunk = 8192

// parallelRows calls f for consecutive row ranges of rowChunk.
func parallelRows(threads, n int, f func(chunk, from, to int)) {
	chunks := (n + rowChunk - 1) / rowChunk
	parallel(threads, chunks, func(c int) {
		f(c, c*rowChunk, min((c+1)*rowChunk, n))
	})
}
