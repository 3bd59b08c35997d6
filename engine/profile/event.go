package profile

import "time"

// Kind is the kind of an event.
type Kind uint8

const (
	KindPurchase Kind = iota + 1
	KindReturn
	KindPresentation
	KindRedemption
	KindLoyaltyChange
	KindRelease    // an outstanding offer was given up before its expiry
	KindAttributes // declared attributes: enrolment, consent, household
)

// Channel is where a transaction or return takes place.
type Channel uint8

const (
	ChannelStore Channel = iota + 1
	ChannelMail
	ChannelBORIS
	ChannelBOPIS
	ChannelCurbside
	ChannelLocker
	ChannelThirdParty
	ChannelOnline
)

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
	Time     time.Time // business time, millisecond precision
	Store    string    // scope or store id; empty if none
	Channel  Channel
	Currency string // ISO 4217
	OrderID  string
	ReturnID string // of a return
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
