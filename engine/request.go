package engine

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/engine/profile"
)

// Phase is how far a return has come.
type Phase uint8

// Phases of a return, in order.
const (
	PhaseStarted Phase = iota + 1
	PhaseAuthorized
	PhaseRefunded
	PhaseAfter
)

var phaseNames = [...]string{"", "STARTED", "AUTHORIZED", "REFUNDED", "AFTER"}

// String is the name policies use, e.g. "REFUNDED"; empty if unset.
func (p Phase) String() string { return enumName(phaseNames[:], int(p)) }

// ParsePhase is the inverse of Phase.String.
func ParsePhase(s string) (Phase, bool) {
	i := enumIndex(phaseNames[:], s)
	return Phase(i), i > 0
}

// Consent is what the caller says of the customer's consent to personal data.
type Consent uint8

// ConsentUnset leaves it to what the profile declares; without a declaration it is denied.
const (
	ConsentUnset Consent = iota
	ConsentGranted
	ConsentDenied
)

// Explain says how much of the trace an answer carries.
type Explain uint8

// ExplainReasons (the default) names stage and reason of every candidate,
// ExplainNone leaves candidates out, ExplainFull adds all that is needed to redo the arithmetic.
const (
	ExplainReasons Explain = iota
	ExplainNone
	ExplainFull
)

// Request asks for one decision. Money is in minor units of Currency.
type Request struct {
	// RequestID makes the call idempotent: the same id and body give the same
	// answer. Required unless DryRun.
	RequestID string
	// Customer lists the ids the caller has for the customer, most canonical
	// first; empty for an anonymous return.
	Customer     []profile.Identity
	Consent      Consent
	Scope        string // "" company, "us.ne", "us.ne.0412"; or a bare store id that names a leaf, "0412"
	StrictScope  bool   // an unknown scope is ErrUnknownScope instead of its nearest ancestor
	Channel      profile.Channel
	Phase        Phase
	Return       Return
	Basket       *int64 // gross value of the basket in hand; nil: none
	Currency     string // ISO 4217; must be the policy's
	AssociateID  string
	Jurisdiction string    // e.g. "US-NY"
	AsOf         time.Time // business time; only for dry runs and servers on the event clock
	DryRun       bool
	Explain      Explain
}

// Return is what comes back.
type Return struct {
	ID            string
	OrderID       string
	Authorization string // "APPROVED", "DENIED", "PENDING" or empty
	Time          time.Time
	Lines         []profile.Line
	Refund        int64
	Tender        string // how it is refunded, e.g. "CARD"
}

func enumName(names []string, i int) string {
	if i >= len(names) {
		return ""
	}
	return names[i]
}

func enumIndex(names []string, s string) int {
	for i := 1; i < len(names); i++ {
		if names[i] == s {
			return i
		}
	}
	return 0
}

// append writes the request in wire format, for its digest.
func (r *Request) append(w *wire) {
	w.text(1, r.RequestID)
	for _, id := range r.Customer {
		at := w.open(2)
		w.text(1, id.Namespace)
		w.text(2, id.Value)
		w.close(at)
	}
	w.uint(3, uint64(r.Consent))
	w.text(4, r.Scope)
	w.bool(5, r.StrictScope)
	w.uint(6, uint64(r.Channel))
	w.uint(7, uint64(r.Phase))
	at := w.open(8)
	r.Return.append(w)
	w.close(at)
	if r.Basket != nil {
		w.int(9, *r.Basket)
		w.bool(10, true)
	}
	w.text(11, r.Currency)
	w.text(12, r.AssociateID)
	w.text(13, r.Jurisdiction)
	w.time(14, r.AsOf)
	w.uint(15, uint64(r.Explain))
}

func (r *Return) append(w *wire) {
	w.text(1, r.ID)
	w.text(2, r.OrderID)
	w.text(3, r.Authorization)
	w.time(4, r.Time)
	for i := range r.Lines {
		l := &r.Lines[i]
		at := w.open(5)
		for n, v := range [...]string{l.SKU, l.Style, l.Size, l.Category, l.Reason, l.Condition, l.DecisionID} {
			w.text(protowire.Number(n+1), v)
		}
		w.int(8, l.Quantity)
		w.int(9, l.Paid)
		w.int(10, l.Discount)
		w.time(11, l.PurchasedAt)
		w.close(at)
	}
	w.int(6, r.Refund)
	w.text(7, r.Tender)
}
