package profile

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
)

// Result says what the fold did with an event.
type Result uint8

// Results of a fold.
const (
	Applied   Result = iota // the event is in the records
	Duplicate               // its id was there; nothing changed
	// Late: older than the horizon behind the newest event, or than what a full
	// history keeps. Only the date of the first event and declared attributes may have changed.
	Late
)

// ErrInvalid is wrapped when an event or decision cannot be folded.
var ErrInvalid = errors.New("not a valid event")

// Records are the two records of a customer. The slices are new and are not changed afterwards.
type Records struct{ Features, History []byte }

// Folder folds events and decisions into records. The zero Folder is ready and
// safe for concurrent use; the records of one customer must be folded one after another.
type Folder struct{ builders sync.Pool }

// Event folds a valid event into the history record (nil: nobody has seen the
// customer) and returns both records anew, or none if it is a duplicate.
// The result does not depend on the order of events.
func (f *Folder) Event(history []byte, e *Event) (Records, Result, error) {
	return f.fold(history, appendEntry(nil, e))
}

// Decision folds a decision; one that comes twice changes nothing.
func (f *Folder) Decision(history []byte, d *Decision) (Records, Result, error) {
	return f.fold(history, appendDecision(nil, d))
}

// Events folds a batch of events of one customer and builds the records once.
// counts is indexed by Result.
func (f *Folder) Events(history []byte, events []*Event) (r Records, counts [3]int, err error) {
	h, err := parseHistory(history)
	if err != nil {
		return Records{}, counts, err
	}
	for _, e := range events {
		added := appendEntry(nil, e)
		if !added.sound() {
			return Records{}, counts, invalid(added)
		}
		counts[h.insert(added)]++
	}
	return f.records(&h), counts, nil
}

func (f *Folder) fold(record []byte, added entry) (Records, Result, error) {
	h, err := parseHistory(record)
	if err != nil {
		return Records{}, Applied, err
	}
	if !added.sound() {
		return Records{}, Applied, invalid(added)
	}
	result := h.insert(added)
	if result == Duplicate {
		return Records{}, Duplicate, nil
	}
	return f.records(&h), result, nil
}

// invalid is the error for what Validate would not have let through.
func invalid(e entry) error {
	return fmt.Errorf("fold %s: %w: time %d ms or channel %d out of range, or unknown kind; Validate events before folding them",
		e.kind(), ErrInvalid, e.time(), e.channel())
}

func (f *Folder) records(h *history) Records {
	b, ok := f.builders.Get().(*builder)
	if !ok {
		b = &builder{}
	}
	defer f.builders.Put(b)
	b.buffer = b.build(b.buffer[:0], h, math.MaxInt64, 0)
	return Records{
		Features: bytes.Clone(b.buffer),
		History:  h.append(make([]byte, 0, historyHead+len(h.base.tier.text)+len(h.base.household.text)+len(h.body))),
	}
}
