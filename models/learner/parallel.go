package learner

import (
	"sync"
	"sync/atomic"
)

// crew bounds how many goroutines work at once, however calls of parallel nest:
// whoever finds an idle hand may give it work. Nobody helps who has no crew.
type crew struct{ idle atomic.Int32 }

func newCrew(threads int) *crew {
	c := &crew{}
	c.idle.Store(int32(max(threads, 1) - 1))
	return c
}

// hire takes an idle hand, if there is one.
func (c *crew) hire() bool {
	for {
		n := c.idle.Load()
		if n <= 0 {
			return false
		}
		if c.idle.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// hands is how many could work right now, the caller included.
func (c *crew) hands() int {
	if c == nil {
		return 1
	}
	return int(c.idle.Load()) + 1
}

// parallel calls f(0..n-1), helped by idle hands. Each call must write only
// what is its own; then the result does not depend on the crew.
func parallel(c *crew, n int, f func(i int)) {
	if n < 2 || c.hands() == 1 {
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
	for range n - 1 {
		if !c.hire() {
			break
		}
		wg.Go(func() {
			work()
			c.idle.Add(1)
		})
	}
	work()
	wg.Wait()
}

// parallelTry is parallel for steps that may err; it returns the error of the
// first step, in their order, that has one.
func parallelTry(c *crew, n int, f func(i int) error) error {
	errs := make([]error, n)
	parallel(c, n, func(i int) { errs[i] = f(i) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// rowChunk is the fixed unit of row-parallel work: sums are formed per chunk
// and added in chunk order, so that they are the same for any crew.
const rowChunk = 8192

// parallelRows calls f for consecutive row ranges of rowChunk.
func parallelRows(c *crew, n int, f func(chunk, from, to int)) {
	chunks := (n + rowChunk - 1) / rowChunk
	parallel(c, chunks, func(k int) {
		f(k, k*rowChunk, min((k+1)*rowChunk, n))
	})
}

// pool recycles what goroutines need for a while.
type pool[T any] struct {
	mu   sync.Mutex
	free []T
	make func() T
}

func (p *pool[T]) get() T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		v := p.free[n-1]
		p.free = p.free[:n-1]
		return v
	}
	return p.make()
}

func (p *pool[T]) put(v T) {
	p.mu.Lock()
	p.free = append(p.free, v)
	p.mu.Unlock()
}
