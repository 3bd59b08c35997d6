package learner

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// crew bounds how many goroutines work at once, however calls of parallel nest:
// whoever finds an idle hand may give it work. Nobody helps who has no crew.
type crew struct{ helpers []hand }

// hand is one goroutine's place: nobody there (nil), waiting for a job, or at one.
type hand struct {
	at atomic.Pointer[job]
	_  [56]byte // a cache line of its own: others watch theirs
}

// waiting is where a hand is that has done its job and stays for the next.
var waiting = new(job)

func newCrew(threads int) *crew {
	return &crew{helpers: make([]hand, max(threads, 1)-1)}
}

// hire gives the job to at most n idle hands, first to those that wait for one.
func (c *crew) hire(j *job, n int) {
	for k := range c.helpers {
		if n > 0 && c.helpers[k].at.CompareAndSwap(waiting, j) {
			n--
		}
	}
	for k := range c.helpers {
		if n > 0 && c.helpers[k].at.CompareAndSwap(nil, j) {
			n--
			go c.helpers[k].help()
		}
	}
}

// hands is how many could work right now, the caller included.
func (c *crew) hands() int {
	if c == nil {
		return 1
	}
	n := 1
	for k := range c.helpers {
		if at := c.helpers[k].at.Load(); at == nil || at == waiting {
			n++
		}
	}
	return n
}

// help does the job at hand, and others that are given soon after.
func (h *hand) help() {
	given := func() bool { return h.at.Load() != waiting }
	for {
		h.at.Load().work()
		h.at.Store(waiting)
		if !soon(given) && h.at.CompareAndSwap(waiting, nil) {
			return
		}
	}
}

// job is one call of parallel.
type job struct {
	step  func(i int)
	steps int64
	next  atomic.Int64
	open  atomic.Int64 // steps not done
	done  sync.WaitGroup
}

func newJob(n int, step func(i int)) *job {
	j := &job{step: step, steps: int64(n)}
	j.open.Store(j.steps)
	j.done.Add(1)
	return j
}

// work does steps until all are taken. Who comes late finds none, and nobody
// waits for him.
func (j *job) work() {
	n := int64(0)
	for i := j.next.Add(1) - 1; i < j.steps; i = j.next.Add(1) - 1 {
		j.step(int(i))
		n++
	}
	if n > 0 && j.open.Add(-n) == 0 {
		j.done.Done()
	}
}

func (j *job) wait() {
	if !soon(func() bool { return j.open.Load() == 0 }) {
		j.done.Wait()
	}
}

// soon watches for something expected within the time that parking a goroutine
// and waking it would take, some tens of microseconds: many steps are shorter.
func soon(happened func() bool) bool {
	for range 8 {
		for range 4096 {
			if happened() {
				return true
			}
		}
		runtime.Gosched()
	}
	return false
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
	j := newJob(n, f)
	c.hire(j, n-1)
	j.work()
	j.wait()
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
