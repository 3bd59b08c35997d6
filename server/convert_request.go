package server

import (
	"errors"
	"fmt"
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

// toRequest converts what Decide is asked. The result shares the message's strings and nothing else.
func toRequest(m *pb.DecideRequest) (*engine.Request, error) {
	r := &engine.Request{
		RequestID:    m.GetRequestId(),
		Consent:      engine.Consent(m.GetConsent()),
		Scope:        m.GetScope() + m.GetStoreId(), // one of the two
		Channel:      profile.Channel(m.GetChannel()),
		Phase:        engine.Phase(m.GetPhase()),
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
		return nil, err
	}
	if r.Basket, err = toBasket(m.GetBasket(), r.Currency); err != nil {
		return nil, err
	}
	r.Return, err = toReturn(m.GetItemReturn())
	return r, err
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

func toBasket(b *pb.Basket, currency string) (*int64, error) {
	if b == nil {
		return nil, nil
	}
	if got := b.GetTotal().GetCurrencyCode(); got != currency {
		return nil, newBadRequest("basket.total.currency_code", fmt.Sprintf("%q is not the refund's currency %q", got, currency))
	}
	total := b.GetTotal().GetMinorUnits()
	return &total, nil
}

func toReturn(m *pb.ItemReturn) (engine.Return, error) {
	lines, err := toReturnLines(m)
	return engine.Return{
		ID:            m.GetReturnId(),
		OrderID:       m.GetOrderId(),
		Authorization: toAuthorization(m.GetAuthorization()),
		Lines:         lines,
		Refund:        m.GetRefund().GetMinorUnits(),
		Tender:        m.GetTender(),
	}, err
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

func toReturnLines(m *pb.ItemReturn) ([]profile.Line, error) {
	lines := make([]profile.Line, len(m.GetLines()))
	for i, l := range m.GetLines() {
		at, err := toTime(l.GetPurchasedAt(), "purchased_at")
		if err != nil {
			return nil, inside(err, "item_return.lines", i)
		}
		lines[i] = profile.Line{
			SKU: l.GetSku(), Style: l.GetStyle(), Size: l.GetSize(), Category: l.GetCategory(),
			Quantity: l.GetQuantity(), Paid: l.GetPaidMinorUnits(),
			Reason: l.GetReason(), Condition: l.GetCondition(), PurchasedAt: at, DecisionID: l.GetDecisionId(),
		}
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
