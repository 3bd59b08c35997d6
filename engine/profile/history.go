package profile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// What a history record keeps: events at most Horizon older than the newest
// one, and of those the newest that fit MaxHistory bytes. What is older leaves
// no trace but the date of the first event and the last declared attributes,
// so that it makes no difference whether an old event came late or fell out.
const (
	Horizon    = 800 * 24 * time.Hour
	MaxHistory = 128 << 10 // 128 KiB
)

// Errors of records.
var (
	// ErrRecord is wrapped when a record's bytes are not what this package wrote.
	ErrRecord = errors.New("bad profile record")
	// ErrRecordVersion is wrapped when a record is of a version this build does not read.
	ErrRecordVersion = errors.New("profile record version not supported")
)

// A history record is a header and entries in ascending (time, hash):
//
//	0  u8 version, u8 flags (as attributes), u16 zero, u16 length of tier, u16 length of household
//	8  i64 time of the earliest event that was left out, math.MaxInt64 if none was
//	16 i64 time, u64 hash of the newest entry left out for want of room
//	32 time and hash of the events that set member, consent, tier and household last, of those left out
//	96 tier, household; then the entries
const (
	historyVersion = 1
	historyHead    = 96
)

// stamp orders entries: by time, then by hash.
type stamp struct {
	time int64
	hash uint64
}

func (a stamp) before(b stamp) bool {
	return a.time < b.time || a.time == b.time && a.hash < b.hash
}

// never is before every entry.
func never() stamp { return stamp{time: math.MinInt64} }

// register is the last declared value of one attribute.
type register struct {
	at    stamp
	truth bool
	text  []byte
}

func (r *register) set(at stamp, truth bool, text []byte) {
	if r.at.before(at) {
		*r = register{at: at, truth: truth, text: text}
	}
}

// registers are the declared attributes of a customer.
type registers struct{ member, consent, tier, household register }

func noRegisters() registers {
	unset := register{at: never()}
	return registers{unset, unset, unset, unset}
}

// apply takes over what an entry declares.
func (r *registers) apply(e entry) {
	if k := e.kind(); k != KindLoyaltyChange && k != KindAttributes {
		return
	}
	a, at := attributes(e.body()), stamp{e.time(), e.hash()}
	if a.flags()&statesMember != 0 {
		r.member.set(at, a.flags()&isMember != 0, nil)
	}
	if a.flags()&statesConsent != 0 {
		r.consent.set(at, a.flags()&hasConsent != 0, nil)
	}
	if len(a.tier()) > 0 {
		r.tier.set(at, false, a.tier())
	}
	if len(a.household()) > 0 {
		r.household.set(at, false, a.household())
	}
}

// history is a parsed record: the header, and the entries as they stand.
type history struct {
	first int64 // of what was left out
	floor stamp
	base  registers
	body  []byte
}

// parseHistory reads a record; nil is a customer nobody has seen. It checks
// that every entry lies within the record, so that readers need not.
func parseHistory(b []byte) (history, error) {
	h := history{first: math.MaxInt64, floor: never(), base: noRegisters()}
	if len(b) == 0 {
		return h, nil
	}
	if b[0] != historyVersion {
		return h, fmt.Errorf("history: %w: version %d, this build reads %d", ErrRecordVersion, b[0], historyVersion)
	}
	if len(b) < historyHead {
		return h, fmt.Errorf("history: %w: %d bytes are fewer than a header", ErrRecord, len(b))
	}
	tier, household := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if historyHead+tier+household > len(b) {
		return h, fmt.Errorf("history: %w: cut off in the header", ErrRecord)
	}
	h.first = int64(le.Uint64(b[8:]))
	h.floor = stampAt(b[16:])
	h.base.member = register{at: stampAt(b[32:]), truth: b[1]&isMember != 0}
	h.base.consent = register{at: stampAt(b[48:]), truth: b[1]&hasConsent != 0}
	h.base.tier = register{at: stampAt(b[64:]), text: b[historyHead:][:tier]}
	h.base.household = register{at: stampAt(b[80:]), text: b[historyHead+tier:][:household]}
	h.body = b[historyHead+tier+household:]
	return h, h.check()
}

func stampAt(b []byte) stamp { return stamp{int64(le.Uint64(b)), le.Uint64(b[8:])} }

// check walks the entries once.
func (h *history) check() error {
	last := never()
	for at := 0; at < len(h.body); {
		e, ok := entryAt(h.body, at)
		if !ok || !e.sound() || !last.before(stamp{e.time(), e.hash()}) {
			return fmt.Errorf("history: %w: entry at byte %d of %d", ErrRecord, at, len(h.body))
		}
		last = stamp{e.time(), e.hash()}
		at += len(e)
	}
	return nil
}

func entryAt(body []byte, at int) (entry, bool) {
	rest := body[at:]
	if len(rest) < entryHead {
		return nil, false
	}
	n := int(le.Uint32(rest))
	if n < entryHead || n > len(rest) {
		return nil, false
	}
	return entry(rest[:n:n]), true
}

// sound reports whether time and channel are in range and the body is as long as its kind needs.
func (e entry) sound() bool {
	if e.time() < earliest || e.time() >= latest || int(e.channel()) >= channels {
		return false
	}
	b := e.body()
	switch e.kind() {
	case KindPurchase, KindReturn:
		return soundTrade(b)
	case KindPresentation, KindRedemption, KindRelease:
		return len(b) == 8
	case KindLoyaltyChange, KindAttributes:
		return len(b) >= 16 && len(b) == 16+int(le.Uint16(b[2:]))+int(le.Uint16(b[4:]))
	}
	return false
}

func soundTrade(b []byte) bool {
	if len(b) < tradeHead || len(b) < tradeHead+trade(b).lines()*lineSize {
		return false
	}
	rest := trade(b).categories()
	for range trade(b).cats() {
		if len(rest) < 2 || len(rest) < 2+int(le.Uint16(rest)) {
			return false
		}
		rest = rest[2+int(le.Uint16(rest)):]
	}
	return len(rest) == 0
}

// leaveOut keeps of an entry what outlives it.
func (h *history) leaveOut(e entry) {
	h.first = min(h.first, e.time())
	h.base.apply(e)
}

// insert puts a new entry into the body, leaves out what is beyond the horizon
// or does not fit, and says what became of the entry.
func (h *history) insert(added entry) Result {
	at, newest, result := h.place(added)
	if result == Duplicate {
		return Duplicate
	}
	newest = max(newest, added.time())
	horizon := newest - Horizon.Milliseconds()
	h.settle(horizon)
	if added.time() < horizon || !h.floor.before(stamp{added.time(), added.hash()}) {
		h.leaveOut(added)
		return Late
	}
	h.body = slices.Insert(slices.Clip(h.body), at, added...)
	h.trim(horizon)
	h.settle(horizon)
	if !h.floor.before(stamp{added.time(), added.hash()}) {
		return Late
	}
	return Applied
}

// place finds where an entry belongs, and the newest entry's time.
func (h *history) place(added entry) (at int, newest int64, result Result) {
	newest = math.MinInt64
	key, offset := stamp{added.time(), added.hash()}, 0
	for offset < len(h.body) {
		e := entry(h.body[offset:])
		if e.hash() == key.hash {
			return 0, 0, Duplicate
		}
		newest = e.time()
		n := int(le.Uint32(e))
		if (stamp{newest, e.hash()}).before(key) {
			at = offset + n
		}
		offset += n
	}
	return at, newest, Applied
}

// trim drops the oldest entries: those before the horizon, then those that
// do not fit. The newest entry always fits.
func (h *history) trim(horizon int64) {
	for len(h.body) > 0 {
		e, _ := entryAt(h.body, 0)
		full := len(h.body) > MaxHistory
		if e.time() >= horizon && !full {
			return
		}
		if full {
			h.floor = stamp{e.time(), e.hash()}
		}
		h.leaveOut(e)
		h.body = h.body[len(e):]
	}
}

// settle forgets a floor that the horizon has passed: the cut at the horizon
// says the same, whichever of the two dropped the entry first.
func (h *history) settle(horizon int64) {
	if h.floor.time < horizon {
		h.floor = never()
	}
}

// append writes the record.
func (h *history) append(b []byte) []byte {
	flags := uint8(0)
	if h.base.member.truth {
		flags |= isMember
	}
	if h.base.consent.truth {
		flags |= hasConsent
	}
	b = append(b, historyVersion, flags, 0, 0)
	b = le.AppendUint16(b, uint16(len(h.base.tier.text)))
	b = le.AppendUint16(b, uint16(len(h.base.household.text)))
	b = le.AppendUint64(b, uint64(h.first))
	for _, s := range [...]stamp{h.floor, h.base.member.at, h.base.consent.at, h.base.tier.at, h.base.household.at} {
		b = le.AppendUint64(b, uint64(s.time))
		b = le.AppendUint64(b, s.hash)
	}
	b = append(b, h.base.tier.text...)
	b = append(b, h.base.household.text...)
	return append(b, h.body...)
}
