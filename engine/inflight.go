package engine

import (
	"hash/maphash"
	"sync"
)

const inflightShards = 64

// inflight knows the requests being decided, so that a concurrent duplicate
// waits for the first.
type inflight struct {
	seed   maphash.Seed
	shards [inflightShards]struct {
		sync.Mutex
		calls map[string]*call
	}
}

// call is one request being decided. Its result may be read once done is closed.
type call struct {
	body     [16]byte
	done     chan struct{} // made by the first who waits, guarded by the shard; nil if nobody does
	decision *Decision
	err      error
}

func (f *inflight) init() {
	f.seed = maphash.MakeSeed()
	for i := range f.shards {
		f.shards[i].calls = map[string]*call{}
	}
}

// enter returns the call of a request id, and whether the caller is the first.
func (f *inflight) enter(id string, body [16]byte) (*call, bool) {
	s := &f.shards[maphash.String(f.seed, id)%inflightShards]
	s.Lock()
	defer s.Unlock()
	if c := s.calls[id]; c != nil {
		if c.done == nil {
			c.done = make(chan struct{})
		}
		return c, false
	}
	c := &call{body: body}
	s.calls[id] = c
	return c, true
}

// leave hands the result to those who wait.
func (f *inflight) leave(id string, c *call, d *Decision, err error) {
	s := &f.shards[maphash.String(f.seed, id)%inflightShards]
	s.Lock()
	delete(s.calls, id)
	s.Unlock()
	if c.done == nil {
		return
	}
	if d != nil {
		d.keep()
	}
	c.decision, c.err = d, err
	close(c.done)
}
