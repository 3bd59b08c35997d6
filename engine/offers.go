package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
	"google.golang.org/protobuf/encoding/protowire"
)

// TableOffers is the first byte of the keys of offer records.
const TableOffers byte = 'o'

const (
	offersVersion = 1
	// capHorizon is how far back caps can look: longer windows do not load.
	capHorizon = 400 * 24 * time.Hour
	maxOffers  = 256 // decisions kept per customer, the newest
	// decisionLife is how long a decision without an offer stays live.
	decisionLife = 24 * time.Hour
)

// offerItem is one decision, or an offer shown by somebody else, as the
// customer's record keeps it: what caps count, which decision is live for a
// return key, and whether a token was redeemed. Times are Unix ms.
type offerItem struct {
	decision   string
	offer      string // empty: none
	returnKey  string // 8 bytes
	phase      Phase
	at         int64
	expires    int64 // of the offer; of the decision's life if there is none
	ghost      bool
	superseded bool
	released   bool
	presented  int64
	redeemed   int64
	associate  string
	household  string
	consent    bool // to its being remembered in the customer's features
}

// offerList is a customer's offer record (docs/formats/entry.md), oldest first.
type offerList []offerItem

// parseOffers appends the items of a record to l; they share its memory.
func parseOffers(l offerList, b []byte) (offerList, error) {
	if len(b) == 0 {
		return l, nil
	}
	if b[0] != offersVersion {
		return nil, fmt.Errorf("offer record: %w: version %d, this build reads %d", errWire, b[0], offersVersion)
	}
	r := fieldReader{b: b[1:]}
	for r.next() {
		if r.num != 1 {
			continue
		}
		l = append(l, offerItem{})
		if err := l[len(l)-1].parse(r.raw); err != nil {
			return nil, fmt.Errorf("offer record: %w", err)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("offer record: %w", r.err)
	}
	return l, nil
}

func (l offerList) append(b []byte) []byte {
	w := wire{append(b, offersVersion)}
	for i := range l {
		at := w.open(1)
		l[i].append(&w)
		w.close(at)
	}
	return w.b
}

func (o *offerItem) append(w *wire) {
	w.text(1, o.decision)
	w.text(2, o.offer)
	w.text(3, o.returnKey)
	w.uint(4, uint64(o.phase))
	for i, v := range o.times() {
		w.int(protowire.Number(5+i), *v)
	}
	w.bool(9, o.ghost)
	w.bool(10, o.superseded)
	w.bool(11, o.released)
	w.text(12, o.associate)
	w.text(13, o.household)
	w.bool(14, o.consent)
}

func (o *offerItem) times() [4]*int64 {
	return [...]*int64{&o.at, &o.expires, &o.presented, &o.redeemed}
}

func (o *offerItem) parse(b []byte) error {
	f := fieldReader{b: b}
	for f.next() {
		switch f.num {
		case 1:
			o.decision = f.shared()
		case 2:
			o.offer = f.shared()
		case 3:
			o.returnKey = f.shared()
		case 4:
			o.phase = Phase(f.v)
		case 5:
			o.at = f.int()
		case 6:
			o.expires = f.int()
		case 7:
			o.presented = f.int()
		case 8:
			o.redeemed = f.int()
		case 9:
			o.ghost = f.bool()
		case 10:
			o.superseded = f.bool()
		case 11:
			o.released = f.bool()
		case 12:
			o.associate = f.shared()
		case 13:
			o.household = f.shared()
		case 14:
			o.consent = f.bool()
		}
	}
	return f.err
}

// find returns the item of a decision, or nil.
func (l offerList) find(decision string) *offerItem {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].decision == decision {
			return &l[i]
		}
	}
	return nil
}

// live returns the decision that answers for a return key at now, or nil.
func (l offerList) live(returnKey string, now int64) *offerItem {
	for i := len(l) - 1; i >= 0; i-- {
		o := &l[i]
		if o.returnKey == returnKey && !o.superseded && !o.released && o.expires > now {
			return o
		}
	}
	return nil
}

// mark is the item as caps count it.
func (o *offerItem) mark() mark {
	m := mark{decision: o.decision, at: o.at, expires: o.expires, redeemed: o.redeemed, presented: o.presented > 0 || o.ghost, ghost: o.ghost}
	if o.released || o.superseded {
		m.expires = 0
		m.presented = o.presented > 0
	}
	return m
}

// counted is how many of the customer's offers count against a cap.
func (l offerList) counted(q counting) int {
	n := 0
	for i := range l {
		if l[i].offer == "" {
			continue
		}
		if m := l[i].mark(); q.counts(&m) {
			n++
		}
	}
	return n
}

// prune drops what no cap reaches, and the oldest beyond maxOffers.
func (l offerList) prune() offerList {
	if len(l) == 0 {
		return l
	}
	oldest := l[len(l)-1].at - capHorizon.Milliseconds()
	l = slices.DeleteFunc(l, func(o offerItem) bool { return o.at < oldest })
	return l[max(len(l)-maxOffers, 0):]
}

// pruneAt is the size at which a record is searched for what no cap reaches.
const pruneAt = 8 << 10 // 8 KiB

// decidedRecord is a record with a decision added, and the one it supersedes marked.
func decidedRecord(old []byte, d *decisionHead) ([]byte, error) {
	o := d.item()
	if d.supersedes == "" && len(old) > 0 && len(old) < pruneAt {
		w := wire{append(make([]byte, 0, len(old)+128), old...)}
		at := w.open(1)
		o.append(&w)
		w.close(at)
		return w.b, nil
	}
	l, err := parseOffers(nil, old)
	if err != nil {
		return nil, err
	}
	if before := l.find(d.supersedes); d.supersedes != "" && before != nil {
		before.superseded = true
	}
	return append(l, o).prune().append(make([]byte, 0, len(old)+128)), nil
}

// item is what the record keeps of a decision.
func (d *decisionHead) item() offerItem {
	o := offerItem{
		decision: d.id, returnKey: string(returnKeyBytes(d.returnKey)), phase: d.phase, at: d.time,
		expires: d.time + decisionLife.Milliseconds(), associate: d.associate, household: d.household,
	}
	if d.reserves {
		o.offer, o.expires, o.ghost, o.consent = d.offer, d.expires, d.ghost, d.consent
	}
	return o
}

// known appends what the customer's features are made of: offers with events, and
// those that may still be redeemed, if the customer consents to their being remembered.
func (l offerList) known(dst []profile.Offer, now int64) []profile.Offer {
	for i := range l {
		o := &l[i]
		open := !o.ghost && !o.superseded
		ended := o.presented != 0 || o.redeemed != 0 || o.released
		if o.offer != "" && o.consent && (ended || open && o.expires > now) {
			dst = append(dst, profile.Offer{Decision: profile.HashID(o.decision), Made: o.at, Expires: o.expires, Open: open, Ended: ended})
		}
	}
	return dst
}

// happened notes an event about an offer. A decision that was lost, or made by
// somebody else, is added from what the event and its token say.
func (l offerList) happened(ev *profile.Event, t *redeemToken) offerList {
	o := l.find(ev.DecisionID)
	if o == nil {
		l = append(l, offerItem{decision: ev.DecisionID, offer: ev.OfferID, at: milli(ev.Time)})
		o = &l[len(l)-1]
		if t != nil {
			o.offer, o.at, o.expires = t.offer, t.issued, t.expires
		}
	}
	switch ev.Kind {
	case profile.KindPresentation:
		if o.presented == 0 {
			o.presented = milli(ev.Time)
		}
	case profile.KindRedemption:
		o.redeemed = max(milli(ev.Time), 1)
	case profile.KindRelease:
		o.released = true
	}
	return l.prune()
}

// readOffers reads a customer's offer record.
func readOffers(r store.Reader, s store.Subject) (offerList, error) {
	b, _, err := r.Get(store.Key(TableOffers, s))
	if err != nil {
		return nil, fmt.Errorf("read offer record: %w", err)
	}
	return parseOffers(nil, b)
}
