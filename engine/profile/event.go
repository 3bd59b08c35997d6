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

// Offer is a decision's offer as the engine knows it. Events tell the profile
// what became of an offer; this tells it of those that nothing was heard of yet,
// and when the others were made. Times are Unix milliseconds.
type Offer struct {
	Decision      uint64 // HashID of the decision's id
	Made, Expires int64
	Open          bool // delivered, and not replaced by a later decision
	Ended         bool // an event presented, redeemed or released it
}
