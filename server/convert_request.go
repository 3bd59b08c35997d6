package server

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// noTime is the zero time: now, or not known.
var noTime time.Time

// toTime converts a timestamp; an unset one is noTime.
func toTime(t *timestamppb.Timestamp, field string) (time.Time, error) {
	if t == nil {
		return noTime, nil
	}
	if err := t.CheckValid(); err != nil {
		return noTime, newBadRequest(field, "is not a time between the years 1 and 9999")
	}
	return t.AsTime(), nil
}

// inside puts the field of a list's item before the fields err names.
func inside(err error, list string, i int) error {
	var bad *badRequestError
	if !errors.As(err, &bad) {
		return err
	}
	out := new(badRequestError)
	for _, f := range bad.fields {
		out.add(fmt.Sprintf("%s[%d].%s", list, i, f.GetField()), f.GetDescription())
	}
	return out
}

// question is what the engine is asked, in memory that is used again for the next call.
type question struct {
	request engine.Request
	basket  int64
}

// read takes over what Decide is asked. The question shares the message's strings and nothing else.
func (q *question) read(m *pb.DecideRequest) error {
	r := &q.request
	customers, lines := r.Customer[:0], r.Return.Lines[:0]
	*r = engine.Request{
		RequestID:    m.GetRequestId(),
		Customer:     customers,
		Consent:      engine.Consent(m.GetConsent()),
		Scope:        m.GetScope() + m.GetStoreId(), // one of the two
		Channel:      profile.Channel(m.GetChannel()),
		Phase:        engine.Phase(m.GetPhase()),
		Return:       toReturn(m.GetItemReturn()),
		Currency:     m.GetItemReturn().GetRefund().GetCurrencyCode(),
		AssociateID:  m.GetAssociateId(),
		Jurisdiction: m.GetJurisdiction(),
		DryRun:       m.GetDryRun(),
		Explain:      toExplain(m.GetExplain()),
	}
	for _, id := range m.GetCustomerIds() {
		r.Customer = append(r.Customer, toIdentity(id))
	}
	var err error
	if r.AsOf, err = toTime(m.GetAsOf(), "as_of"); err != nil {
		return err
	}
	if err := q.readBasket(m.GetBasket()); err != nil {
		return err
	}
	r.Return.Lines, err = appendReturnLines(lines, m.GetItemReturn())
	return err
}

func (q *question) readBasket(b *pb.Basket) error {
	if b == nil {
		return nil
	}
	if got := b.GetTotal().GetCurrencyCode(); got != q.request.Currency {
		return newBadRequest("basket.total.currency_code", fmt.Sprintf("%q is not the refund's currency %q", got, q.request.Currency))
	}
	q.basket = b.GetTotal().GetMinorUnits()
	q.request.Basket = &q.basket
	return nil
}

// forget lets go of all that belongs to the call, and keeps the memory.
func (q *question) forget() {
	customers, lines := q.request.Customer, q.request.Return.Lines
	clear(customers)
	clear(lines)
	q.request = engine.Request{Customer: customers[:0], Return: engine.Return{Lines: lines[:0]}}
}

func toExplain(e pb.Explain) engine.Explain {
	switch e {
	case pb.Explain_EXPLAIN_NONE:
		return engine.ExplainNone
	case pb.Explain_EXPLAIN_FULL:
		return engine.ExplainFull
	}
	return engine.ExplainReasons
}

func toIdentity(id *pb.CustomerId) profile.Identity {
	return profile.Identity{Namespace: id.GetNamespace(), Value: id.GetValue()}
}

// toReturn converts a return without its lines.
func toReturn(m *pb.ItemReturn) engine.Return {
	return engine.Return{
		ID:            m.GetReturnId(),
		OrderID:       m.GetOrderId(),
		Authorization: toAuthorization(m.GetAuthorization()),
		Refund:        m.GetRefund().GetMinorUnits(),
		Tender:        m.GetTender(),
	}
}

// toAuthorization gives the word policies use.
func toAuthorization(a pb.Authorization) string {
	switch a {
	case pb.Authorization_AUTHORIZATION_PENDING:
		return "PENDING"
	case pb.Authorization_AUTHORIZATION_APPROVED:
		return "APPROVED"
	case pb.Authorization_AUTHORIZATION_DENIED:
		return "DENIED"
	}
	return ""
}

func appendReturnLines(lines []profile.Line, m *pb.ItemReturn) ([]profile.Line, error) {
	lines = slices.Grow(lines, len(m.GetLines()))
	for i, l := range m.GetLines() {
		at, err := toTime(l.GetPurchasedAt(), "purchased_at")
		if err != nil {
			return lines, inside(err, "item_return.lines", i)
		}
		lines = append(lines, profile.Line{
			SKU: l.GetSku(), Style: l.GetStyle(), Size: l.GetSize(), Category: l.GetCategory(),
			Quantity: l.GetQuantity(), Paid: l.GetPaidMinorUnits(),
			Reason: l.GetReason(), Condition: l.GetCondition(), PurchasedAt: at, DecisionID: l.GetDecisionId(),
		})
	}
	return lines, nil
}

// toQuery converts the conditions on decisions.
func toQuery(f *pb.DecisionFilter) (*engine.Query, error) {
	q := &engine.Query{Customer: toIdentity(f.GetCustomerId()), Scope: f.GetScope(), Outcome: engine.OutcomeValue(f.GetOutcome())}
	var err error
	if q.From, err = toTime(f.GetFrom(), "filter.from"); err != nil {
		return nil, err
	}
	q.To, err = toTime(f.GetUntil(), "filter.until")
	return q, err
}
