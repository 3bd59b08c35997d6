package breaker_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/internal/breaker"
)

var errDown = errors.New("down")

type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func take(t *testing.T, b *breaker.Breaker) breaker.Call {
	t.Helper()
	c, err := b.Take()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refused(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	if _, err := b.Take(); !errors.Is(err, breaker.ErrOpen) || !errors.Is(err, errDown) {
		t.Fatalf("refused with %v", err)
	}
}

func TestOpensAfterFailuresInARow(t *testing.T) {
	c := &clock{now: time.Unix(0, 0)}
	b := breaker.New(breaker.Config{Failures: 3, Wait: time.Second, MaxWait: 3 * time.Second, Clock: c.time})
	for range 2 {
		take(t, b).Failed(errDown)
	}
	take(t, b).Succeeded()
	for range 3 {
		take(t, b).Failed(errDown)
	}
	refused(t, b)
	waits := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}
	for _, w := range waits {
		c.now = c.now.Add(w - time.Nanosecond)
		refused(t, b)
		c.now = c.now.Add(time.Nanosecond)
		try := take(t, b)
		if !try.Try {
			t.Fatal("the call after the wait is no try")
		}
		refused(t, b)
		try.Failed(errDown)
	}
	c.now = c.now.Add(3 * time.Second)
	take(t, b).Succeeded()
	if b.Open() {
		t.Fatal("open after a successful try")
	}
	take(t, b).Failed(errDown)
	if b.Open() {
		t.Fatal("one failure opened it")
	}
}

// TestLateResultsDoNotCount ends calls that were begun before it opened.
func TestLateResultsDoNotCount(t *testing.T) {
	c := &clock{now: time.Unix(0, 0)}
	b := breaker.New(breaker.Config{Failures: 1, Wait: time.Second, MaxWait: time.Minute, Clock: c.time})
	slow, slower := take(t, b), take(t, b)
	take(t, b).Failed(errDown)
	slow.Succeeded()
	slower.Failed(errDown)
	refused(t, b)
	c.now = c.now.Add(time.Second)
	take(t, b).Dropped()
	take(t, b).Succeeded()
	if b.Open() {
		t.Fatal("open after a successful try")
	}
}

func TestOneTryAtATime(t *testing.T) {
	c := &clock{now: time.Unix(0, 0)}
	b := breaker.New(breaker.Config{Failures: 1, Wait: time.Second, MaxWait: time.Minute, Clock: c.time})
	take(t, b).Failed(errDown)
	c.now = c.now.Add(time.Hour)
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 50 {
		wg.Go(func() {
			if _, err := b.Take(); err == nil {
				mu.Lock()
				passed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if passed != 1 {
		t.Fatalf("%d calls passed an open breaker", passed)
	}
}

func Example() {
	now := time.Unix(0, 0)
	b := breaker.New(breaker.Config{Failures: 1, Wait: time.Second, MaxWait: time.Minute, Clock: func() time.Time { return now }})
	call, err := b.Take()
	if err == nil {
		call.Failed(errors.New("no answer"))
	}
	_, err = b.Take()
	fmt.Println(err)
	// Output: is not asked for a while after failures, the last: no answer
}
