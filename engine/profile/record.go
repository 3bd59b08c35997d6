package profile

import (
	"fmt"
	"math"
)

// A features record is flat and little-endian, docs/formats/profile.md: a head
// at fixed offsets, then sections of fixed-size rows whose numbers the head
// gives, then texts. View reads it in place.
const (
	recordVersion = 1

	offFlags      = 1  // u8, as attributes
	offDays       = 2  // u16 number of day rows
	offCats       = 4  // u8 number of category rows
	offOffers     = 5  // u8 number of offer rows
	offOfferDays  = 6  // u16 number of offer-day rows
	offTier       = 10 // u16 length of tier
	offHousehold  = 12 // u16 length of household
	offEvents     = 16 // u32 number of kept events
	offFirst      = 24 // i64 first event ever
	offNewest     = 32 // i64 newest entry
	offFirstBuy   = 40 // i64 first kept purchase
	offLastBuy    = 48 // i64 last purchase
	offLastReturn = 56 // i64 last return
	offPoints     = 64 // i64 loyalty points, net
	offHours      = 72 // 24 x u16 purchases by local hour
	offWeekdays   = 120
	offBuys       = 134 // 9 x u16 purchases by channel
	offReturns    = 152 // 9 x u16 returns by channel
	recordHead    = 176

	daySize      = 48
	catSize      = 8
	offerSize    = 40
	offerDaySize = 8
)

// Bounds of a features record.
const (
	maxCats = 8 // categories with the greatest weight
	// RecentOffers is how many offers with events a profile counts exactly; older ones are counted by day.
	RecentOffers = 32
)

// none stands for a time that never was.
const none = math.MinInt64

// View reads a features record in place. The zero View is a customer nobody
// has seen. It shares the record's memory, which must not change.
type View struct{ b []byte }

// Open checks a record's version and that its sections fill it exactly.
// Nil or empty is a customer nobody has seen. The error wraps ErrRecord or ErrRecordVersion.
func Open(b []byte) (View, error) {
	if len(b) == 0 {
		return View{}, nil
	}
	if b[0] != recordVersion {
		return View{}, fmt.Errorf("features: %w: version %d, this build reads %d", ErrRecordVersion, b[0], recordVersion)
	}
	if len(b) < recordHead {
		return View{}, fmt.Errorf("features: %w: %d bytes are fewer than a header", ErrRecord, len(b))
	}
	v := View{b}
	at := v.textStart()
	if at > len(b) {
		return View{}, fmt.Errorf("features: %w: cut off in a section", ErrRecord)
	}
	at += int(le.Uint16(b[offTier:])) + int(le.Uint16(b[offHousehold:]))
	for i := range v.cats() {
		at += int(le.Uint16(v.cat(i)[4:]))
	}
	if at != len(b) {
		return View{}, fmt.Errorf("features: %w: %d bytes where the sections need %d", ErrRecord, len(b), at)
	}
	return v, nil
}

func (v View) days() int      { return v.count16(offDays) }
func (v View) offerDays() int { return v.count16(offOfferDays) }
func (v View) cats() int      { return v.count8(offCats) }
func (v View) offers() int    { return v.count8(offOffers) }

func (v View) count16(at int) int {
	if v.b == nil {
		return 0
	}
	return int(le.Uint16(v.b[at:]))
}

func (v View) count8(at int) int {
	if v.b == nil {
		return 0
	}
	return int(v.b[at])
}

func (v View) catStart() int      { return recordHead + v.days()*daySize }
func (v View) offerStart() int    { return v.catStart() + v.cats()*catSize }
func (v View) offerDayStart() int { return v.offerStart() + v.offers()*offerSize }
func (v View) textStart() int     { return v.offerDayStart() + v.offerDays()*offerDaySize }

func (v View) day(i int) dayRow     { return dayRow(v.b[recordHead+i*daySize:][:daySize]) }
func (v View) cat(i int) []byte     { return v.b[v.catStart()+i*catSize:][:catSize] }
func (v View) offer(i int) offerRow { return offerRow(v.b[v.offerStart()+i*offerSize:][:offerSize]) }
func (v View) offerDay(i int) []byte {
	return v.b[v.offerDayStart()+i*offerDaySize:][:offerDaySize]
}

// when reads a time of the head; ok is false if it never was.
func (v View) when(at int) (ms int64, ok bool) {
	if v.b == nil {
		return 0, false
	}
	ms = int64(le.Uint64(v.b[at:]))
	return ms, ms != none
}

// dayRow is one day of one currency:
//
//	0 u16 UTC day since 1970, 2 u16 currency, 4 u16 purchases, 6 u16 returns,
//	8 u16 size brackets bought, 10 u16 of them mostly returned, 12 u16 returns of incentivised items, 14 u16 purchases with an incentive,
//	16 u32 items bought, 20 u32 items returned, 24 i64 paid, 32 i64 discount, 40 i64 refunded
type dayRow []byte

func (d dayRow) day() int64        { return int64(le.Uint16(d)) }
func (d dayRow) currency() uint16  { return le.Uint16(d[2:]) }
func (d dayRow) n(field int) int64 { return int64(le.Uint16(d[4+2*field:])) }
func (d dayRow) items() int64      { return int64(le.Uint32(d[16:])) }
func (d dayRow) itemsBack() int64  { return int64(le.Uint32(d[20:])) }
func (d dayRow) money(f int) int64 { return int64(le.Uint64(d[24+8*f:])) }

// Fields of dayRow.n.
const (
	nBuys = iota
	nReturns
	nBrackets
	nBracketed
	nLoops
	nIncentivised
	dayCounts
)

// Fields of dayRow.money.
const (
	mPaid = iota
	mDiscount
	mRefund
	dayMoneys
)

// offerRow is what events said of one offer:
//
//	0 u64 decision, 8 i64 first event, 16 i64 presented, 24 i64 redeemed, 32 u64 1 if released
type offerRow []byte

func (o offerRow) decision() uint64 { return le.Uint64(o) }
func (o offerRow) made() int64      { return int64(le.Uint64(o[8:])) }
func (o offerRow) presented() int64 { return int64(le.Uint64(o[16:])) }
func (o offerRow) redeemed() int64  { return int64(le.Uint64(o[24:])) }
func (o offerRow) released() bool   { return o[32] != 0 }
