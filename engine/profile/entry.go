package profile

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// An entry is one event as the history record keeps it. Its bytes
// never change once written, docs/formats/profile.md:
//
//	0  u32 length of the whole entry
//	4  i16 zone offset in minutes
//	6  u8  kind
//	7  u8  channel
//	8  i64 time, Unix milliseconds
//	16 u64 hash of the event id
//	24     body, by kind
type entry []byte

const (
	entryHead = 24
	tradeHead = 48 // of a purchase or return, before its lines
	lineSize  = 32
)

var le = binary.LittleEndian

func (e entry) kind() Kind     { return Kind(e[6]) }
func (e entry) channel() uint8 { return e[7] }
func (e entry) zone() int64    { return int64(int16(le.Uint16(e[4:]))) }
func (e entry) time() int64    { return int64(le.Uint64(e[8:])) }
func (e entry) hash() uint64   { return le.Uint64(e[16:]) }
func (e entry) body() []byte   { return e[entryHead:] }

// Flags of a purchase or return.
const (
	tradeIncentivised = 1 << iota // a line was bought with an incentive
	tradeBracket                  // a style in more than one size
)

// trade reads the body of a purchase or return:
//
//	0  u16 currency, u16 number of lines, u8 number of categories, u8 flags, u16 zero
//	8  u64 order, 16 u64 return, 24 i64 paid or refunded, 32 i64 discount, 40 i64 items
//	48     lines of 32 bytes: u32 sku, style, size, quantity; i64 paid; u8 category index, u8 flags, 6 zero
//	       categories: u16 length and text each
type trade []byte

func (t trade) currency() uint16    { return le.Uint16(t) }
func (t trade) lines() int          { return int(le.Uint16(t[2:])) }
func (t trade) cats() int           { return int(t[4]) }
func (t trade) flags() uint8        { return t[5] }
func (t trade) order() uint64       { return le.Uint64(t[8:]) }
func (t trade) returnID() uint64    { return le.Uint64(t[16:]) }
func (t trade) money() int64        { return int64(le.Uint64(t[24:])) }
func (t trade) discount() int64     { return int64(le.Uint64(t[32:])) }
func (t trade) items() int64        { return int64(le.Uint64(t[40:])) }
func (t trade) line(i int) lineView { return lineView(t[tradeHead+i*lineSize:][:lineSize]) }

// categories returns the bytes of the category texts.
func (t trade) categories() []byte { return t[tradeHead+t.lines()*lineSize:] }

type lineView []byte

func (l lineView) sku() uint32        { return le.Uint32(l) }
func (l lineView) style() uint32      { return le.Uint32(l[4:]) }
func (l lineView) size() uint32       { return le.Uint32(l[8:]) }
func (l lineView) quantity() int64    { return int64(le.Uint32(l[12:])) }
func (l lineView) category() uint8    { return l[24] }
func (l lineView) incentivised() bool { return l[25] != 0 }

// maxCategories is how many different categories one event keeps; the rest have none.
const maxCategories = 32

// noCategory is the index of a line without one.
const noCategory = 255

func appendHead(b []byte, kind Kind, channel Channel, ms int64, zone int16, hash uint64) []byte {
	b = le.AppendUint32(b, 0)
	b = le.AppendUint16(b, uint16(zone))
	b = append(b, byte(kind), byte(channel))
	b = le.AppendUint64(b, uint64(ms))
	return le.AppendUint64(b, hash)
}

// seal writes the entry's length.
func seal(b []byte) entry {
	le.PutUint32(b, uint32(len(b)))
	return b
}

// appendEntry encodes a valid event as an entry.
func appendEntry(b []byte, e *Event) entry {
	b = appendHead(b, e.Kind, e.Channel, e.Time.UnixMilli(), offsetMinutes(e.Time), hashID(e.ID))
	switch e.Kind {
	case KindPurchase, KindReturn:
		b = appendTrade(b, e)
	case KindPresentation, KindRedemption, KindRelease:
		b = le.AppendUint64(b, hashID(e.DecisionID))
	case KindLoyaltyChange, KindAttributes:
		b = appendAttributes(b, e)
	}
	return seal(b)
}

func appendTrade(b []byte, e *Event) []byte {
	order := lineOrder(e.Lines)
	names, index := eventCategories(e.Lines, order)
	flags := uint8(0)
	money, discount, items := int64(0), int64(0), int64(0)
	for i := range e.Lines {
		l := &e.Lines[i]
		money, discount, items = money+l.Paid, discount+l.Discount, items+l.Quantity
		if l.DecisionID != "" {
			flags |= tradeIncentivised
		}
	}
	if hasBracket(e.Lines, order) {
		flags |= tradeBracket
	}
	if e.Kind == KindReturn {
		money = e.Refund
	}
	b = le.AppendUint16(b, packCurrency(e.Currency))
	b = le.AppendUint16(b, uint16(len(e.Lines)))
	b = append(b, byte(len(names)), flags, 0, 0)
	b = le.AppendUint64(b, hashID(e.OrderID))
	b = le.AppendUint64(b, hashID(e.ReturnID))
	b = le.AppendUint64(b, uint64(money))
	b = le.AppendUint64(b, uint64(discount))
	b = le.AppendUint64(b, uint64(items))
	for _, i := range order {
		b = appendTradeLine(b, &e.Lines[i], index[i])
	}
	for _, name := range names {
		b = le.AppendUint16(b, uint16(len(name)))
		b = append(b, name...)
	}
	return b
}

func appendTradeLine(b []byte, l *Line, category uint8) []byte {
	b = le.AppendUint32(b, hashWord(l.SKU))
	b = le.AppendUint32(b, hashWord(l.Style))
	b = le.AppendUint32(b, hashWord(l.Size))
	b = le.AppendUint32(b, uint32(l.Quantity))
	b = le.AppendUint64(b, uint64(l.Paid))
	incentivised := uint8(0)
	if l.DecisionID != "" {
		incentivised = 1
	}
	return append(b, category, incentivised, 0, 0, 0, 0, 0, 0)
}

// lineOrder sorts the lines by style, size and sku, so that the lines of one style stand together.
func lineOrder(lines []Line) []int {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &lines[i], &lines[j]
		return cmp.Or(cmp.Compare(a.Style, b.Style), cmp.Compare(a.Size, b.Size), cmp.Compare(a.SKU, b.SKU))
	})
	return order
}

// hasBracket reports whether a style stands in more than one size.
func hasBracket(lines []Line, order []int) bool {
	for k := 1; k < len(order); k++ {
		a, b := &lines[order[k-1]], &lines[order[k]]
		if a.Style != "" && a.Style == b.Style && a.Size != "" && a.Size != b.Size {
			return true
		}
	}
	return false
}

// eventCategories lists the first maxCategories different categories in line
// order, and the index of each line's category.
func eventCategories(lines []Line, order []int) (names []string, index []uint8) {
	index = make([]uint8, len(lines))
	for _, i := range order {
		index[i] = noCategory
		name := lines[i].Category
		if name == "" {
			continue
		}
		at := slices.Index(names, name)
		if at < 0 && len(names) < maxCategories {
			names, at = append(names, name), len(names)
		}
		if at >= 0 {
			index[i] = uint8(at)
		}
	}
	return names, index
}

// Flags of attributes: whether a value is stated, and which.
const (
	statesMember = 1 << iota
	isMember
	statesConsent
	hasConsent
)

// attributes reads the body of a loyalty change or of declared attributes:
//
//	0 u8 flags, u8 zero, u16 length of tier, u16 length of household, u16 zero; 8 i64 points; 16 tier, household
type attributes []byte

func (a attributes) flags() uint8      { return a[0] }
func (a attributes) points() int64     { return int64(le.Uint64(a[8:])) }
func (a attributes) tier() []byte      { return a[16:][:le.Uint16(a[2:])] }
func (a attributes) household() []byte { return a[16+int(le.Uint16(a[2:])):][:le.Uint16(a[4:])] }

func appendAttributes(b []byte, e *Event) []byte {
	flags := uint8(0)
	if e.LoyaltyMember != nil {
		flags |= statesMember
		if *e.LoyaltyMember {
			flags |= isMember
		}
	}
	if e.Consent != nil {
		flags |= statesConsent
		if *e.Consent {
			flags |= hasConsent
		}
	}
	b = append(b, flags, 0)
	b = le.AppendUint16(b, uint16(len(e.LoyaltyTier)))
	b = le.AppendUint16(b, uint16(len(e.Household)))
	b = append(b, 0, 0)
	b = le.AppendUint64(b, uint64(e.PointsDelta))
	b = append(b, e.LoyaltyTier...)
	return append(b, e.Household...)
}

// incentive reads the body of a presentation, redemption or release: u64 decision.
type incentive []byte

func (i incentive) decision() uint64 { return le.Uint64(i) }

// packCurrency keeps three letters in 15 bits; 0 is none.
func packCurrency(code string) uint16 {
	if len(code) != 3 {
		return 0
	}
	packed := uint16(0)
	for i := range 3 {
		packed = packed<<5 | uint16(code[i]-'A'+1)&31
	}
	return packed
}
