package profile

import (
	"time"
	"unsafe"
)

// Known reports whether any event of the customer was seen.
func (v View) Known() bool { _, ok := v.when(offFirst); return ok }

// First is the business time of the first event ever seen; ok is false if there was none.
func (v View) First() (t time.Time, ok bool) { return v.instant(offFirst) }

// Newest is the business time of the newest event.
func (v View) Newest() (t time.Time, ok bool) { return v.instant(offNewest) }

// LastPurchase is the business time of the last purchase.
func (v View) LastPurchase() (t time.Time, ok bool) { return v.instant(offLastBuy) }

// LastReturn is the business time of the last return.
func (v View) LastReturn() (t time.Time, ok bool) { return v.instant(offLastReturn) }

func (v View) instant(at int) (time.Time, bool) {
	ms, ok := v.when(at)
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

// Events is the number of events kept.
func (v View) Events() int {
	if v.b == nil {
		return 0
	}
	return int(le.Uint32(v.b[offEvents:]))
}

// Member reports loyalty enrolment; stated is false if nothing is known of it.
func (v View) Member() (member, stated bool) { return v.flag(isMember), v.flag(statesMember) }

// Consent reports consent to personal use; stated is false if it was never declared.
func (v View) Consent() (consent, stated bool) { return v.flag(hasConsent), v.flag(statesConsent) }

func (v View) flag(bit uint8) bool { return v.b != nil && v.b[offFlags]&bit != 0 }

// Tier is the loyalty tier, empty if unknown. It shares the record's memory.
func (v View) Tier() string { return v.text(v.textStart(), v.count16(offTier)) }

// Household is the declared household, empty if unknown. It shares the record's memory.
func (v View) Household() string {
	return v.text(v.textStart()+v.count16(offTier), v.count16(offHousehold))
}

// Points is the net change of loyalty points over the kept events.
func (v View) Points() int64 {
	if v.b == nil {
		return 0
	}
	return int64(le.Uint64(v.b[offPoints:]))
}

// Currency is that of the newest day with money; empty if there is none.
func (v View) Currency() string {
	for i := v.days() - 1; i >= 0; i-- {
		if c := v.day(i).currency(); c != 0 {
			return unpackCurrency(c)
		}
	}
	return ""
}

// unpackCurrency undoes packCurrency.
func unpackCurrency(packed uint16) string {
	letter := func(shift int) byte { return 'A' - 1 + byte(packed>>shift&31) }
	return string([]byte{letter(10), letter(5), letter(0)})
}

// text reads a string in place: records do not change, so it is safe to share.
func (v View) text(at, n int) string {
	if n == 0 {
		return ""
	}
	return unsafe.String(&v.b[at], n) //nolint:gosec // records are not changed once stored, and at+n is inside
}

// TopCategories appends the categories that make up at least a tenth of what
// the customer bought (180-day half life), greatest first, at most five. The
// strings share the record's memory.
func (v View) TopCategories(dst []string) []string {
	for i, at := 0, v.catText(); i < min(v.cats(), 5); i++ {
		if v.catShare(i) < 0.1 {
			break
		}
		dst = append(dst, v.text(at, v.catName(i)))
		at += v.catName(i)
	}
	return dst
}

// Affinity is the share of a category in what the customer bought (180-day
// half life); 0 if it is not among the eight greatest.
func (v View) Affinity(category string) float64 {
	for i, at := 0, v.catText(); i < v.cats(); i++ {
		if v.text(at, v.catName(i)) == category {
			return v.catShare(i)
		}
		at += v.catName(i)
	}
	return 0
}

func (v View) catText() int           { return v.textStart() + v.count16(offTier) + v.count16(offHousehold) }
func (v View) catName(i int) int      { return int(le.Uint16(v.cat(i)[4:])) }
func (v View) catShare(i int) float64 { return float64(le.Uint32(v.cat(i))) / 1e6 }

// HashID is the 64-bit name under which records keep an id.
func HashID(id string) uint64 { return hashID(id) }
