package engine

import (
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// EventStatus is what became of one recorded event.
type EventStatus uint8

// EventAccepted changed something, EventDuplicate was there before, EventRejected is not recorded.
const (
	EventAccepted EventStatus = iota + 1
	EventDuplicate
	EventRejected
)

var eventStatusNames = [...]string{"", "ACCEPTED", "DUPLICATE", "REJECTED"}

// String is the name on the wire, e.g. "ACCEPTED".
func (s EventStatus) String() string { return enumName(eventStatusNames[:], int(s)) }

// EventReason says why an event was rejected.
type EventReason string

// Reasons for rejecting an event.
const (
	EventInvalid         EventReason = "INVALID"
	EventTokenMissing    EventReason = "TOKEN_MISSING"
	EventTokenForged     EventReason = "TOKEN_FORGED"
	EventTokenExpired    EventReason = "TOKEN_EXPIRED"
	EventTokenCustomer   EventReason = "TOKEN_OF_ANOTHER_CUSTOMER"
	EventAboveCeiling    EventReason = "ABOVE_CEILING"
	EventAlreadyRedeemed EventReason = "ALREADY_REDEEMED"
	EventOfferReleased   EventReason = "OFFER_RELEASED"
	EventUnknownDecision EventReason = "UNKNOWN_DECISION"
)

// EventResult is the answer for one event, in the order of the request.
type EventResult struct {
	EventID  string
	Status   EventStatus
	Reason   EventReason // of a rejected one
	Detail   string
	Position store.Position // of the log entry; 0 if none
	Settled  int64          // redemptions: charged to the budgets, minor units
	Overrun  bool           // redemptions: the charge exceeds what its budgets had left
}

// Attributes are what a retailer declares about a customer; nil and empty fields stay as they are.
type Attributes struct {
	RequestID     string // becomes the event id
	Customer      profile.Identity
	Time          time.Time
	LoyaltyMember *bool
	LoyaltyTier   string
	Consent       *bool
	Household     string
}
