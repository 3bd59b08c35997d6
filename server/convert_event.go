package server

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// toEvent converts what happened.
func toEvent(m *pb.Event) (*profile.Event, error) {
	at, err := toTime(m.GetTime(), "time")
	if err != nil {
		return nil, err
	}
	e := &profile.Event{
		ID:       m.GetEventId(),
		Customer: toIdentity(m.GetCustomerIds()[0]),
		Time:     at.In(zone(m.GetUtcOffsetMinutes())),
		Store:    m.GetStoreId(),
		Channel:  profile.Channel(m.GetChannel()),
	}
	return e, addKind(e, m)
}

// zone is the place's clock; UTC where the caller says nothing.
func zone(minutes int32) *time.Location {
	if minutes == 0 {
		return time.UTC
	}
	return time.FixedZone("", int(minutes)*60)
}

// addKind fills in what the kind of event has.
func addKind(e *profile.Event, m *pb.Event) (err error) {
	switch k := m.GetKind().(type) {
	case *pb.Event_Purchase:
		e.Kind = profile.KindPurchase
		e.OrderID, e.Currency = k.Purchase.GetOrderId(), k.Purchase.GetCurrencyCode()
		e.Lines = toPurchaseLines(k.Purchase.GetLines())
	case *pb.Event_ItemReturn:
		e.Kind = profile.KindReturn
		e.OrderID, e.ReturnID = k.ItemReturn.GetOrderId(), k.ItemReturn.GetReturnId()
		e.Currency, e.Refund = k.ItemReturn.GetRefund().GetCurrencyCode(), k.ItemReturn.GetRefund().GetMinorUnits()
		e.Lines, err = appendReturnLines(nil, k.ItemReturn)
	case *pb.Event_Presentation:
		e.Kind = profile.KindPresentation
		e.DecisionID, e.OfferID = k.Presentation.GetDecisionId(), k.Presentation.GetOfferId()
	case *pb.Event_Redemption:
		e.Kind = profile.KindRedemption
		e.DecisionID, e.OrderID = k.Redemption.GetDecisionId(), k.Redemption.GetOrderId()
		e.Currency, e.Amount = k.Redemption.GetAmount().GetCurrencyCode(), k.Redemption.GetAmount().GetMinorUnits()
		e.Token, err = toToken(k.Redemption.GetToken())
	case *pb.Event_LoyaltyChange:
		e.Kind = profile.KindLoyaltyChange
		e.LoyaltyMember, e.LoyaltyTier = k.LoyaltyChange.Member, k.LoyaltyChange.GetTier()
		e.PointsDelta = k.LoyaltyChange.GetPointsDelta()
	case *pb.Event_Release:
		e.Kind = profile.KindRelease
		e.DecisionID = k.Release.GetDecisionId()
	}
	return err
}

func toPurchaseLines(lines []*pb.PurchaseLine) []profile.Line {
	out := make([]profile.Line, len(lines))
	for i, l := range lines {
		out[i] = profile.Line{
			SKU: l.GetSku(), Style: l.GetStyle(), Size: l.GetSize(), Category: l.GetCategory(), Quantity: l.GetQuantity(),
			Paid: l.GetPaidMinorUnits(), Discount: l.GetDiscountMinorUnits(), DecisionID: l.GetDecisionId(),
		}
	}
	return out
}

func toToken(text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, newBadRequest("redemption.token", "is not an offer token; send it as Decide gave it")
	}
	return b, nil
}

// toAttributes converts declarations; each becomes an event named by the request and its place in it.
func toAttributes(m *pb.PutProfilesRequest) ([]engine.Attributes, error) {
	at, err := toTime(m.GetTime(), "time")
	if err != nil {
		return nil, err
	}
	out := make([]engine.Attributes, len(m.GetProfiles()))
	for i, p := range m.GetProfiles() {
		out[i] = engine.Attributes{
			RequestID: fmt.Sprintf("%s/%d", m.GetRequestId(), i), Customer: toIdentity(p.GetCustomerId()), Time: at,
			LoyaltyMember: p.LoyaltyMember, LoyaltyTier: p.GetLoyaltyTier(), Consent: toConsent(p.GetConsent()),
			Household: p.GetHousehold(),
		}
	}
	return out, nil
}

func toConsent(c pb.Consent) *bool {
	switch c {
	case pb.Consent_CONSENT_GRANTED:
		return new(true)
	case pb.Consent_CONSENT_DENIED:
		return new(false)
	}
	return nil
}

// currencies lists the currency of every event that has one.
func currencies(events []*pb.Event) []string {
	out := make([]string, len(events))
	for i, m := range events {
		out[i] = m.GetRedemption().GetAmount().GetCurrencyCode()
	}
	return out
}

// fromResults converts what became of events; currencies are those of redemptions, nil if there are none.
// It returns the highest position among them.
func fromResults(results []engine.EventResult, currencies []string) ([]*pb.EventResult, uint64) {
	out := make([]*pb.EventResult, len(results))
	var position uint64
	for i := range results {
		r := &results[i]
		out[i] = &pb.EventResult{
			EventId: r.EventID, Status: pb.EventStatus(r.Status), Reason: string(r.Reason), Detail: r.Detail,
			Position: uint64(r.Position), Overrun: r.Overrun,
		}
		if i < len(currencies) && currencies[i] != "" && r.Status == engine.EventAccepted {
			out[i].Settled = money(r.Settled, currencies[i])
		}
		position = max(position, uint64(r.Position))
	}
	return out, position
}
