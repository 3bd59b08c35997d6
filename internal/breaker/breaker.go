// Package breaker stops asking what keeps failing. It owns the count of
// failures and the time to wait, and refuses to know what is asked.
package breaker

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Config of a breaker.
type Config struct {
	Failures int              // in a row that open it; at least 1
	Wait     time.Duration    // before one call may try again; doubles with each failed try
	MaxWait  time.Duration    // the longest wait
	Clock    func() time.Time // wall clock
}

// Breaker is closed (calls pass), open (calls are refused at once) or trying
// (one call passes, its result decides). It is safe for concurrent use.
type Breaker struct {
	config Config

	mu       sync.Mutex
	failures int           // in a row
	wait     time.Duration // the present one; 0 while closed
	until    time.Time     // end of the wait
	trying   bool
	epoch    int   // changes when it opens or closes: results of calls begun before count no more
	last     error // the failure that opened it
}

// New makes a closed breaker.
func New(c Config) *Breaker { return &Breaker{config: c} }

// Call is one permitted call. Exactly one of its methods must be called once.
type Call struct {
	b     *Breaker
	epoch int
	// Try is set on the one call that passes an open breaker.
	Try bool
}

// ErrOpen is wrapped by the refusal of an open breaker, with the failure that opened it.
var ErrOpen = errors.New("is not asked for a while after failures")

// Take permits a call or refuses it with an error that wraps ErrOpen.
func (b *Breaker) Take() (Call, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == 0 {
		return Call{b: b, epoch: b.epoch}, nil
	}
	if b.trying || b.config.Clock().Before(b.until) {
		return Call{}, fmt.Errorf("%w, the last: %w", ErrOpen, b.last)
	}
	b.trying = true
	return Call{b: b, epoch: b.epoch, Try: true}, nil
}

// Open reports whether calls are refused or one is being tried.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wait > 0
}

// Succeeded closes the breaker.
func (c Call) Succeeded() {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.epoch != c.b.epoch {
		return
	}
	c.b.failures = 0
	if c.Try {
		c.b.wait, c.b.trying, c.b.last = 0, false, nil
		c.b.epoch++
	}
}

// Failed counts a failure and opens the breaker after enough of them.
func (c Call) Failed(cause error) {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.epoch != b.epoch {
		return
	}
	b.failures++
	if !c.Try && b.failures < b.config.Failures {
		return
	}
	b.wait = min(max(b.config.Wait, 2*b.wait), b.config.MaxWait)
	b.until, b.trying, b.last, b.failures = b.config.Clock().Add(b.wait), false, cause, 0
	b.epoch++
}

// Dropped says that the call ended without telling anything, e.g. because its caller left.
func (c Call) Dropped() {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.Try && c.epoch == c.b.epoch {
		c.b.trying = false
	}
}
