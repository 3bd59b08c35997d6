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

// ErrInvalid is wrapped when an event cannot be folded.
var ErrInvalid = errors.New("not a valid event")

// Records are the two records of a customer. The slices are not changed afterwards.
type Records struct{ Features, History []byte }

// ParseRecords reads the profile of a customer, in whose memory both records
// lie; nil is a customer nobody has seen. The error wraps ErrRecord.
func ParseRecords(b []byte) (Records, error) {
	if len(b) == 0 {
		return Records{}, nil
	}
	if len(b) < 4 || int(le.Uint32(b)) > len(b)-4 {
		return Records{}, fmt.Errorf("profile: %w: cut off in the features", ErrRecord)
	}
	at := 4 + int(le.Uint32(b))
	return Records{Features: b[4:at:at], History: b[at:]}, nil
}

// Profile is both records as one: u32 length of the features, these, the history.
func (r Records) Profile() []byte {
	b := le.AppendUint32(make([]byte, 0, 4+len(r.Features)+len(r.History)), uint32(len(r.Features)))
	return append(append(b, r.Features...), r.History...)
}

// Folder folds events into records. The zero Folder is ready and
// safe for concurrent use; the records of one customer must be folded one after another.
type Folder struct{ builders sync.Pool }

// Event folds a valid event into the history record (nil: nobody has seen the
// customer) and returns both records anew, or none if it is a duplicate.
// The result does not depend on the order of events.
func (f *Folder) Event(history []byte, e *Event) (Records, Result, error) {
	h, err := parseHistory(history)
	if err != nil {
		return Records{}, Applied, err
	}
	added := appendEntry(nil, e)
	if !added.sound() {
		return Records{}, Applied, invalid(added)
	}
	result := h.insert(added)
	if result == Duplicate {
		return Records{}, Duplicate, nil
	}
	return f.records(&h), result, nil
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
