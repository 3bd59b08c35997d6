package profile

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrEncoding is wrapped by every error of DecodeEvent.
var ErrEncoding = errors.New("bad event encoding")

// eventVersion is the first byte of an encoded event.
const eventVersion = 1

// Field numbers of the event format, docs/formats/event.md. Never reused.
const (
	fID protowire.Number = iota + 1
	fKind
	fNamespace
	fValue
	fTime
	fOffset
	fStore
	fChannel
	fCurrency
	fOrder
	fReturn
	fLine
	fRefund
	fDecision
	fOffer
	fToken
	fAmount
	fMember
	fTier
	fPoints
	fConsent
	fHousehold
)

// Field numbers of a line.
const (
	lSKU protowire.Number = iota + 1
	lStyle
	lSize
	lCategory
	lQuantity
	lPaid
	lDiscount
	lReason
	lCondition
	lPurchasedAt
	lDecision
)

// AppendEvent appends the binary form of an event: a version byte, then
// protobuf wire format in field order. Equal events give equal bytes; times
// keep milliseconds and the zone's offset in minutes.
func AppendEvent(b []byte, e *Event) []byte {
	b = append(b, eventVersion)
	b = appendString(b, fID, e.ID)
	b = appendUint(b, fKind, uint64(e.Kind))
	b = appendString(b, fNamespace, e.Customer.Namespace)
	b = appendString(b, fValue, e.Customer.Value)
	b = appendTime(b, fTime, e.Time)
	b = appendInt(b, fOffset, int64(offsetMinutes(e.Time)))
	b = appendString(b, fStore, e.Store)
	b = appendUint(b, fChannel, uint64(e.Channel))
	b = appendString(b, fCurrency, e.Currency)
	b = appendString(b, fOrder, e.OrderID)
	b = appendString(b, fReturn, e.ReturnID)
	for i := range e.Lines {
		b = appendLine(b, &e.Lines[i])
	}
	b = appendInt(b, fRefund, e.Refund)
	b = appendString(b, fDecision, e.DecisionID)
	b = appendString(b, fOffer, e.OfferID)
	b = appendString(b, fToken, string(e.Token))
	b = appendInt(b, fAmount, e.Amount)
	b = appendBool(b, fMember, e.LoyaltyMember)
	b = appendString(b, fTier, e.LoyaltyTier)
	b = appendInt(b, fPoints, e.PointsDelta)
	b = appendBool(b, fConsent, e.Consent)
	return appendString(b, fHousehold, e.Household)
}

func appendLine(b []byte, l *Line) []byte {
	b = protowire.AppendTag(b, fLine, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(sizeLine(l)))
	b = appendString(b, lSKU, l.SKU)
	b = appendString(b, lStyle, l.Style)
	b = appendString(b, lSize, l.Size)
	b = appendString(b, lCategory, l.Category)
	b = appendInt(b, lQuantity, l.Quantity)
	b = appendInt(b, lPaid, l.Paid)
	b = appendInt(b, lDiscount, l.Discount)
	b = appendString(b, lReason, l.Reason)
	b = appendString(b, lCondition, l.Condition)
	b = appendTime(b, lPurchasedAt, l.PurchasedAt)
	return appendString(b, lDecision, l.DecisionID)
}

func sizeLine(l *Line) int {
	n := 0
	for _, s := range [...]string{l.SKU, l.Style, l.Size, l.Category, l.Reason, l.Condition, l.DecisionID} {
		if s != "" {
			n += 1 + protowire.SizeBytes(len(s))
		}
	}
	for _, v := range [...]int64{l.Quantity, l.Paid, l.Discount} {
		if v != 0 {
			n += 1 + protowire.SizeVarint(protowire.EncodeZigZag(v))
		}
	}
	if !l.PurchasedAt.IsZero() {
		n += 1 + protowire.SizeVarint(protowire.EncodeZigZag(l.PurchasedAt.UnixMilli()))
	}
	return n
}

func appendString(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func appendUint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendInt(b []byte, n protowire.Number, v int64) []byte {
	return appendUint(b, n, protowire.EncodeZigZag(v))
}

// appendTime keeps the zero time apart from 1970 by leaving it out.
func appendTime(b []byte, n protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), protowire.EncodeZigZag(t.UnixMilli()))
}

// appendBool keeps an unset value apart from false: 1 is false, 2 is true.
func appendBool(b []byte, n protowire.Number, v *bool) []byte {
	switch {
	case v == nil:
		return b
	case *v:
		return appendUint(b, n, 2)
	}
	return appendUint(b, n, 1)
}

func offsetMinutes(t time.Time) int16 {
	_, seconds := t.Zone()
	return int16(seconds / 60)
}

// DecodeEvent reads what AppendEvent wrote; the event shares no memory with b.
// The error wraps ErrEncoding and names the field, also for fields and versions
// this build does not know: an event is read whole or not at all.
func DecodeEvent(b []byte) (Event, error) {
	r, err := newWireReader(b, "event")
	if err != nil {
		return Event{}, err
	}
	e := Event{}
	offset, ms, timed := int64(0), int64(0), false
	for r.next() {
		switch r.field {
		case fID:
			e.ID = r.string()
		case fKind:
			e.Kind = Kind(r.upTo(255))
		case fNamespace:
			e.Customer.Namespace = r.string()
		case fValue:
			e.Customer.Value = r.string()
		case fTime:
			ms, timed = r.int(), true
		case fOffset:
			offset = r.int()
		case fStore:
			e.Store = r.string()
		case fChannel:
			e.Channel = Channel(r.upTo(255))
		case fCurrency:
			e.Currency = r.string()
		case fOrder:
			e.OrderID = r.string()
		case fReturn:
			e.ReturnID = r.string()
		case fLine:
			e.Lines = append(e.Lines, r.line())
		case fRefund:
			e.Refund = r.int()
		case fDecision:
			e.DecisionID = r.string()
		case fOffer:
			e.OfferID = r.string()
		case fToken:
			e.Token = []byte(r.string())
		case fAmount:
			e.Amount = r.int()
		case fMember:
			e.LoyaltyMember = r.bool()
		case fTier:
			e.LoyaltyTier = r.string()
		case fPoints:
			e.PointsDelta = r.int()
		case fConsent:
			e.Consent = r.bool()
		case fHousehold:
			e.Household = r.string()
		default:
			r.unknown()
		}
	}
	if r.err != nil {
		return Event{}, r.err
	}
	if timed {
		if e.Time, err = zoned(ms, offset); err != nil {
			return Event{}, err
		}
	}
	return e, nil
}

// zoned is the instant ms in the zone of an offset in minutes.
func zoned(ms, offset int64) (time.Time, error) {
	switch {
	case offset == 0:
		return time.UnixMilli(ms).UTC(), nil
	case offset < -26*60 || offset > 26*60:
		return time.Time{}, fmt.Errorf("event: %w: zone offset of %d minutes", ErrEncoding, offset)
	}
	return time.UnixMilli(ms).In(time.FixedZone("", int(offset)*60)), nil
}
