package server

import (
	"encoding/base64"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func fromIdentity(id profile.Identity) *pb.CustomerId {
	return &pb.CustomerId{Namespace: id.Namespace, Value: id.Value}
}

// fromProfile converts what is known of a customer.
func fromProfile(p *engine.ProfileView) *pb.Profile {
	m := &pb.Profile{CustomerId: fromIdentity(p.Customer), Version: uint64(p.Version), LastEventAt: fromTime(p.LastEvent)}
	for i := range p.Features {
		m.Features = append(m.Features, fromFeature(&p.Features[i]))
	}
	return m
}

func fromFeature(f *engine.ProfileFeature) *pb.ProfileFeature {
	m := &pb.ProfileFeature{Name: f.Name, Unit: f.Unit, Security: f.Security}
	switch {
	case f.Missing:
		m.Value = &pb.ProfileFeature_Missing{Missing: true}
	case f.Type == engine.NumberValue:
		m.Value = &pb.ProfileFeature_Number{Number: f.Number}
	case f.Type == engine.BoolValue:
		m.Value = &pb.ProfileFeature_Flag{Flag: f.Number != 0}
	case f.Type == engine.StringValue:
		m.Value = &pb.ProfileFeature_Text{Text: f.Text}
	case f.Type == engine.StringsValue:
		m.Value = &pb.ProfileFeature_Texts{Texts: &pb.TextList{Values: f.List}}
	}
	return m
}

// fromEvent converts an event as it was recorded.
func fromEvent(e *profile.Event) *pb.Event {
	_, offset := e.Time.Zone()
	m := &pb.Event{
		EventId: e.ID, CustomerIds: []*pb.CustomerId{fromIdentity(e.Customer)}, Time: fromTime(e.Time),
		UtcOffsetMinutes: int32(offset / 60), StoreId: e.Store, Channel: pb.Channel(e.Channel),
	}
	switch e.Kind {
	case profile.KindPurchase:
		m.Kind = &pb.Event_Purchase{Purchase: &pb.Purchase{OrderId: e.OrderID, CurrencyCode: e.Currency, Lines: fromPurchaseLines(e.Lines)}}
	case profile.KindReturn:
		m.Kind = &pb.Event_ItemReturn{ItemReturn: &pb.ItemReturn{ReturnId: e.ReturnID, OrderId: e.OrderID, Lines: fromReturnLines(e.Lines), Refund: money(e.Refund, e.Currency)}}
	case profile.KindPresentation:
		m.Kind = &pb.Event_Presentation{Presentation: &pb.Presentation{DecisionId: e.DecisionID, OfferId: e.OfferID}}
	case profile.KindRedemption:
		m.Kind = &pb.Event_Redemption{Redemption: &pb.Redemption{DecisionId: e.DecisionID, OrderId: e.OrderID,
			Token: base64.RawURLEncoding.EncodeToString(e.Token), Amount: money(e.Amount, e.Currency)}}
	case profile.KindLoyaltyChange:
		m.Kind = &pb.Event_LoyaltyChange{LoyaltyChange: &pb.LoyaltyChange{Member: e.LoyaltyMember, Tier: stated(e.LoyaltyTier), PointsDelta: e.PointsDelta}}
	case profile.KindRelease:
		m.Kind = &pb.Event_Release{Release: &pb.Release{DecisionId: e.DecisionID}}
	}
	return m
}

// stated is a text, or nil where an empty one says nothing.
func stated(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func fromPurchaseLines(lines []profile.Line) []*pb.PurchaseLine {
	out := make([]*pb.PurchaseLine, len(lines))
	for i := range lines {
		l := &lines[i]
		out[i] = &pb.PurchaseLine{
			Sku: l.SKU, Style: l.Style, Size: l.Size, Category: l.Category, Quantity: l.Quantity,
			PaidMinorUnits: l.Paid, DiscountMinorUnits: l.Discount, DecisionId: l.DecisionID,
		}
	}
	return out
}

func fromReturnLines(lines []profile.Line) []*pb.ReturnLine {
	out := make([]*pb.ReturnLine, len(lines))
	for i := range lines {
		l := &lines[i]
		out[i] = &pb.ReturnLine{
			Sku: l.SKU, Style: l.Style, Size: l.Size, Category: l.Category, Quantity: l.Quantity, PaidMinorUnits: l.Paid,
			Reason: l.Reason, Condition: l.Condition, PurchasedAt: fromTime(l.PurchasedAt), DecisionId: l.DecisionID,
		}
	}
	return out
}

// fromAttributes converts a declaration as it was recorded.
func fromAttributes(e *profile.Event) *pb.DeclaredAttributes {
	m := &pb.DeclaredAttributes{
		CustomerId: fromIdentity(e.Customer), LoyaltyMember: e.LoyaltyMember,
		LoyaltyTier: stated(e.LoyaltyTier), Household: stated(e.Household),
	}
	if e.Consent != nil {
		m.Consent = pb.Consent_CONSENT_DENIED
		if *e.Consent {
			m.Consent = pb.Consent_CONSENT_GRANTED
		}
	}
	return m
}
