package sim

import "github.com/rebound-engine/rebound/engine/profile"

// The kinds of item, in the order in which they leave the queue at one time.
const (
	newDay     = iota
	unprompted // purchase
	prompted   // purchase
	ready      // event
)

// item is something that happens at a time.
type item struct {
	at       int64 // Unix milliseconds
	sequence uint64
	kind     int
	who      int // customer; zone of a new day
	event    *profile.Event
}

func (r *Retailer) push(it item) {
	if it.event != nil {
		it.kind = ready
	}
	it.sequence = r.sequence
	r.sequence++
	r.queue.push(it)
}

// queue is a binary heap by time, then kind, then age.
type queue []item

func (q queue) less(i, j int) bool {
	a, b := &q[i], &q[j]
	if a.at != b.at {
		return a.at < b.at
	}
	if a.kind != b.kind {
		return a.kind < b.kind
	}
	return a.sequence < b.sequence
}

func (q *queue) push(it item) {
	*q = append(*q, it)
	for i := len(*q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		(*q)[i], (*q)[up] = (*q)[up], (*q)[i]
		i = up
	}
}

// pop removes the first item; there must be one.
func (q *queue) pop() item {
	h := *q
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], item{}
	h = h[:last]
	*q = h
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return first
		}
		if down+1 < last && h.less(down+1, down) {
			down++
		}
		if !h.less(down, i) {
			return first
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
