package profile

import "time"

// Kind is the kind of an event.
type Kind uint8

// The kinds of event. Their numbers are part of the event format.
const (
	KindPurchase Kind = iota + 1
	KindReturn
	KindPresentation
	KindRedemption
	KindLoyaltyChange
	KindRelease    // an outstanding offer was given up before its expiry
	KindAttributes // declared attributes: enrolment, consent, household
)

// String returns the kind's name in lower case.
func (k Kind) String() string {
	switch k {
	case KindPurchase:
		return "purchase"
	case KindReturn:
		return "return"
	case KindPresentation:
		return "presentation"
	case KindRedemption:
		return "redemption"
	case KindLoyaltyChange:
		return "loyalty_change"
	case KindRelease:
		return "release"
	case KindAttributes:
		return "attributes"
	}
	return "unknown"
}

// Channel is where a transaction or return takes place.
type Channel uint8

// The channels. 0 is unknown. Their numbers are part of the event format.
const (
	ChannelStore Channel = iota + 1
	ChannelMail
	ChannelBORIS // bought online, returned in store
	ChannelBOPIS // bought online, picked up in store
	ChannelCurbside
	ChannelLocker
	ChannelThirdParty
	ChannelOnline
)

// channels is the number of channels with 0, unknown.
const channels = int(ChannelOnline) + 1

// String returns the channel's name as policies write it.
func (c Channel) String() string {
	switch c {
	case ChannelStore:
		return "STORE"
	case ChannelMail:
		return "MAIL"
	case ChannelBORIS:
		return "BORIS"
	case ChannelBOPIS:
		return "BOPIS"
	case ChannelCurbside:
		return "CURBSIDE"
	case ChannelLocker:
		return "LOCKER"
	case ChannelThirdParty:
		return "THIRD_PARTY"
	case ChannelOnline:
		return "ONLINE"
	}
	return "UNKNOWN"
}

// Identity is one name a retailer has for a customer, e.g. {"loyalty", "12345"}.
type Identity struct{ Namespace, Value string }

// Line is one line of a purchase or return. Money is in minor units of the event's currency.
type Line struct {
	SKU, Style, Size, Category string
	Quantity                   int64     // always positive
	Paid                       int64     // for the whole line, after discounts
	Discount                   int64     // for the whole line
	Reason, Condition          string    // returns
	PurchasedAt                time.Time // returns: zero if unknown
	DecisionID                 string    // the decision whose incentive it was bought with; empty if none
}

// Event is one thing that happened to a customer. ID is unique within the
// retailer: an event that comes twice changes nothing.
type Event struct {
	ID       string
	Kind     Kind
	Customer Identity
	Time     time.Time // business time, millisecond precision; its zone gives the local hour and weekday
	Store    string    // scope or store id; empty if none
	Channel  Channel
	Currency string // ISO 4217
	OrderID  string
	ReturnID string // of a return; a later event of the same return replaces the earlier one
	Lines    []Line // purchases and returns
	Refund   int64  // returns, minor units

	// Presentations, redemptions and releases.
	DecisionID string
	OfferID    string
	Token      []byte // redemptions: the signed offer token
	Amount     int64  // redemptions: what the incentive cost, minor units

	// Loyalty changes and attributes.
	LoyaltyMember *bool
	LoyaltyTier   string
	PointsDelta   int64
	Consent       *bool
	Household     string
}

// Decision is what the profile remembers of one decision: enough for caps, for
// outstanding offers and to find the live decision of a return key.
type Decision struct {
	ID        string
	OfferID   string    // empty: no offer
	At        time.Time // business time of the decision
	Expires   time.Time // end of the offer's validity, or of the decision's life if there is no offer
	ReturnKey uint64    // ReturnKey(order, day); 0 if the return has none
	Position  uint64    // of the decision in the commit log
	Shown     bool      // false: a ghost, recorded for a held-out customer and not shown
}
