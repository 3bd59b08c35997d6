package server

import "sync"

// workers runs functions on a bounded number of goroutines.
type workers struct {
	slots chan struct{}
	wg    sync.WaitGroup
}

func newWorkers(n int) *workers { return &workers{slots: make(chan struct{}, n)} }

// run starts f as soon as a slot is free. Panics of f are the caller's to keep from happening.
func (w *workers) run(f func()) {
	w.slots <- struct{}{}
	w.wg.Go(func() {
		defer func() { <-w.slots }()
		f()
	})
}

func (w *workers) wait() { w.wg.Wait() }
