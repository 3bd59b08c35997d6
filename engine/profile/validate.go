package profile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rebound-engine/rebound/internal/currency"
)

// Limits of an event.
const (
	MaxID       = 256     // bytes of an id, sku, style, size, category, tier or currency
	MaxText     = 1 << 10 // bytes of any other string
	MaxToken    = 4 << 10 // bytes of an offer token
	MaxLines    = 1000    // lines of a purchase or return
	MaxQuantity = 1 << 31 // items of a line, exclusive
	MaxMoney    = 1e15    // minor units of one amount

	earliest int64 = 315532800000  // 1980-01-01, Unix milliseconds
	latest   int64 = 5364662400000 // 2140-01-01, exclusive
)

// FieldError says which field of an event is wrong, what is wrong with it and how to mend it.
type FieldError struct {
	Path string // e.g. "lines[3].quantity"
	What string // e.g. "-2 is not positive"
	Fix  string // e.g. "give returns an event of their own"
}

func (e *FieldError) Error() string { return e.Path + ": " + e.What + "; " + e.Fix }

// maxProblems caps how many wrong fields of one event are reported.
const maxProblems = 20

// Validate checks an event before it is recorded. now is the business time of
// the server; an event may be at most maxSkew ahead of it. All wrong fields
// (the first 20) are reported at once, each a *FieldError, joined.
func Validate(e *Event, now time.Time, maxSkew time.Duration) error {
	c := checker{}
	c.header(e, now, maxSkew)
	switch e.Kind {
	case KindPurchase:
		c.purchase(e)
	case KindReturn:
		c.returned(e)
	case KindPresentation, KindRedemption, KindRelease:
		c.incentive(e)
	case KindLoyaltyChange:
		if e.LoyaltyMember == nil && e.LoyaltyTier == "" && e.PointsDelta == 0 {
			c.add("loyalty_member", "a loyalty change changes nothing", "set membership, tier or points")
		}
	case KindAttributes:
		if e.LoyaltyMember == nil && e.LoyaltyTier == "" && e.Consent == nil && e.Household == "" {
			c.add("consent", "no attribute is declared", "set enrolment, tier, consent or household")
		}
	default:
		c.add("kind", strconv.Itoa(int(e.Kind))+" is not a kind of event", "use purchase, return, presentation, redemption, loyalty_change, release or attributes")
	}
	return errors.Join(c.problems...)
}

type checker struct{ problems []error }

func (c *checker) add(path, what, fix string) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, &FieldError{Path: path, What: what, Fix: fix})
	}
}

func (c *checker) header(e *Event, now time.Time, maxSkew time.Duration) {
	c.need("id", e.ID, "give every event an id that is unique within the retailer")
	c.id("id", e.ID)
	c.need("customer.namespace", e.Customer.Namespace, "name the kind of identity, e.g. \"loyalty\"")
	c.id("customer.namespace", e.Customer.Namespace)
	c.need("customer.value", e.Customer.Value, "leave out events of unknown customers")
	c.id("customer.value", e.Customer.Value)
	c.id("store", e.Store)
	c.id("order_id", e.OrderID)
	c.id("return_id", e.ReturnID)
	c.id("decision_id", e.DecisionID)
	c.id("offer_id", e.OfferID)
	c.id("loyalty_tier", e.LoyaltyTier)
	c.id("household", e.Household)
	if len(e.Token) > MaxToken {
		c.add("token", fmt.Sprintf("%d bytes is too long", len(e.Token)), fmt.Sprintf("pass on the offer token, at most %d bytes", MaxToken))
	}
	if int(e.Channel) >= channels {
		c.add("channel", strconv.Itoa(int(e.Channel))+" is not a channel", "use a channel of the API")
	}
	c.time("time", e.Time, now.Add(maxSkew))
}

func (c *checker) time(path string, t, limit time.Time) {
	const layout = time.RFC3339
	switch text := t.UTC().Format(layout); {
	case t.IsZero():
		c.add(path, "is missing", "give the business time of the event")
	case t.UnixMilli() < earliest || t.UnixMilli() >= latest:
		c.add(path, text+" is out of range", "use a time from 1980 to 2139")
	case t.After(limit):
		c.add(path, text+" is in the future", "correct the sender's clock; the latest time taken now is "+limit.UTC().Format(layout))
	}
}

func (c *checker) purchase(e *Event) {
	c.money(e)
	c.lines(e)
	if e.Refund != 0 {
		c.add("refund", "a purchase has no refund", "send the return as an event of its own")
	}
}

func (c *checker) returned(e *Event) {
	c.money(e)
	c.lines(e)
	c.need("return_id", e.ReturnID, "give every return an id; its re-scans share it")
	c.amount("refund", e.Refund)
}

func (c *checker) incentive(e *Event) {
	c.need("decision_id", e.DecisionID, "name the decision the offer came from")
	if e.Kind == KindPresentation {
		c.need("offer_id", e.OfferID, "name the offer that was shown")
	}
	c.amount("amount", e.Amount)
	if e.Kind == KindRedemption {
		c.money(e)
	} else if e.Amount != 0 {
		c.add("amount", "only a redemption costs something", "leave it out")
	}
}

func (c *checker) money(e *Event) {
	if _, ok := currency.Exponent(e.Currency); !ok {
		c.add("currency", quote(e.Currency)+" is not an ISO 4217 currency", "use a code such as \"USD\"")
	}
}

func (c *checker) lines(e *Event) {
	switch {
	case len(e.Lines) == 0:
		c.add("lines", "are missing", "give at least one line")
	case len(e.Lines) > MaxLines:
		c.add("lines", fmt.Sprintf("%d lines are too many", len(e.Lines)), fmt.Sprintf("split the event; it takes at most %d", MaxLines))
		return
	}
	for i := range e.Lines {
		if len(c.problems) == maxProblems {
			return
		}
		c.line("lines["+strconv.Itoa(i)+"].", &e.Lines[i], e)
	}
}

func (c *checker) line(path string, l *Line, e *Event) {
	c.need(path+"sku", l.SKU, "name the item")
	c.id(path+"sku", l.SKU)
	c.id(path+"style", l.Style)
	c.id(path+"size", l.Size)
	c.id(path+"category", l.Category)
	c.id(path+"decision_id", l.DecisionID)
	c.text(path+"reason", l.Reason, MaxText)
	c.text(path+"condition", l.Condition, MaxText)
	if l.Quantity <= 0 || l.Quantity >= MaxQuantity {
		c.add(path+"quantity", strconv.FormatInt(l.Quantity, 10)+" is not a positive quantity below 2^31", "send what came back as a return with positive quantities")
	}
	c.amount(path+"paid", l.Paid)
	c.amount(path+"discount", l.Discount)
	if !l.PurchasedAt.IsZero() {
		c.time(path+"purchased_at", l.PurchasedAt, e.Time)
	}
}

func (c *checker) amount(path string, minor int64) {
	if minor < 0 || minor > MaxMoney {
		c.add(path, strconv.FormatInt(minor, 10)+" is not an amount from 0 to 10^15 minor units", "give what was paid or refunded, positive")
	}
}

func (c *checker) need(path, value, fix string) {
	if value == "" {
		c.add(path, "is missing", fix)
	}
}

func (c *checker) id(path, value string) { c.text(path, value, MaxID) }

func (c *checker) text(path, value string, limit int) {
	switch {
	case len(value) > limit:
		c.add(path, fmt.Sprintf("%d bytes is too long", len(value)), fmt.Sprintf("use at most %d", limit))
	case !utf8.ValidString(value):
		c.add(path, quote(value)+" is not valid UTF-8", "encode text as UTF-8")
	case strings.IndexByte(value, 0) >= 0:
		c.add(path, quote(value)+" contains a NUL byte", "remove it")
	}
}

func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strconv.QuoteToASCII(s)
}
