package engine

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rebound-engine/rebound/engine/profile"
)

// Limits of a request; those of its lines are an event's.
const maxRequestID = 256

// validate checks what the steps rely on. The first wrong field is a *FieldError.
func (e *Engine) validate(r *Request) error {
	v := validator{}
	if !r.DryRun {
		v.need("request_id", r.RequestID, "give every request an id of its own; a retry keeps it")
	}
	v.text("request_id", r.RequestID, maxRequestID)
	if len(r.Customer) > 1 {
		v.fail("customer_ids", "give one id; merging several names of a customer is not there yet")
	}
	for _, id := range r.Customer {
		v.need("customer_ids[0].namespace", id.Namespace, "name the kind of identity, e.g. \"loyalty\"")
		v.need("customer_ids[0].value", id.Value, "leave the customer out if it is not known")
		v.text("customer_ids[0].namespace", id.Namespace, profile.MaxID)
		v.text("customer_ids[0].value", id.Value, profile.MaxID)
	}
	v.text("scope", r.Scope, profile.MaxID)
	v.text("associate_id", r.AssociateID, profile.MaxID)
	v.text("jurisdiction", r.Jurisdiction, profile.MaxID)
	v.need("currency", r.Currency, "state the currency of the amounts, e.g. \"USD\"")
	if r.Channel == 0 || r.Channel > profile.ChannelThirdParty {
		v.fail("channel", "use one of "+strings.Join(channelNames(), ", "))
	}
	if r.Phase == 0 || r.Phase > PhaseAfter {
		v.fail("phase", "use one of "+strings.Join(phaseNames[1:], ", "))
	}
	if !r.AsOf.IsZero() && !r.DryRun && !e.opts.EventClock {
		v.fail("as_of", "leave it out; only dry runs and servers on the event clock take it")
	}
	if r.Basket != nil {
		v.amount("basket", *r.Basket)
	}
	v.returned(&r.Return)
	return v.err()
}

// validator keeps the first wrong field.
type validator struct{ first *FieldError }

func (v *validator) err() error {
	if v.first == nil {
		return nil
	}
	return v.first
}

func (v *validator) fail(field, hint string) {
	if v.first == nil {
		v.first = &FieldError{Field: field, Hint: hint}
	}
}

func (v *validator) need(field, value, hint string) {
	if value == "" {
		v.fail(field, "is missing; "+hint)
	}
}

func (v *validator) text(field, value string, limit int) {
	switch {
	case len(value) > limit:
		v.fail(field, fmt.Sprintf("%d bytes is too long; use at most %d", len(value), limit))
	case !utf8.ValidString(value):
		v.fail(field, "is not valid UTF-8; encode text as UTF-8")
	case strings.IndexByte(value, 0) >= 0:
		v.fail(field, "contains a NUL byte; remove it")
	}
}

func (v *validator) amount(field string, minor int64) {
	if minor < 0 || minor > profile.MaxMoney {
		v.fail(field, fmt.Sprintf("%d is not an amount from 0 to 10^15 minor units; give what was paid or refunded, positive", minor))
	}
}

func (v *validator) returned(r *Return) {
	v.text("item_return.id", r.ID, profile.MaxID)
	v.text("item_return.order_id", r.OrderID, profile.MaxID)
	v.text("item_return.authorization", r.Authorization, profile.MaxID)
	v.text("item_return.tender", r.Tender, profile.MaxID)
	v.amount("item_return.refund", r.Refund)
	if len(r.Lines) > profile.MaxLines {
		v.fail("item_return.lines", fmt.Sprintf("%d lines are too many; a return takes at most %d", len(r.Lines), profile.MaxLines))
		return
	}
	for i := range r.Lines {
		v.line(i, &r.Lines[i])
	}
}

func (v *validator) line(i int, l *profile.Line) {
	for _, x := range [...]struct {
		name, value string
		limit       int
	}{
		{"sku", l.SKU, profile.MaxID}, {"style", l.Style, profile.MaxID}, {"size", l.Size, profile.MaxID}, {"category", l.Category, profile.MaxID},
		{"reason", l.Reason, profile.MaxText}, {"condition", l.Condition, profile.MaxText}, {"decision_id", l.DecisionID, profile.MaxID},
	} {
		if len(x.value) > x.limit || !utf8.ValidString(x.value) || strings.IndexByte(x.value, 0) >= 0 {
			v.text(lineField(i, x.name), x.value, x.limit)
		}
	}
	if l.Quantity <= 0 || l.Quantity >= profile.MaxQuantity {
		v.fail(lineField(i, "quantity"), fmt.Sprintf("%d is not a positive quantity below 2^31", l.Quantity))
	}
	if l.Paid < 0 || l.Paid > profile.MaxMoney || l.Discount < 0 || l.Discount > profile.MaxMoney {
		v.amount(lineField(i, "paid"), l.Paid)
		v.amount(lineField(i, "discount"), l.Discount)
	}
}

func lineField(i int, name string) string {
	return "item_return.lines[" + strconv.Itoa(i) + "]." + name
}
