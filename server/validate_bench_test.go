package server

import (
	"testing"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func benchRequest() *pb.DecideRequest {
	line := func() *pb.ReturnLine {
		return &pb.ReturnLine{Sku: "runner-blue-41", Style: "runner-blue", Size: "41", Category: "shoes", Quantity: 1, PaidMinorUnits: 4000, Reason: "SIZE", Condition: "UNWORN"}
	}
	return &pb.DecideRequest{
		RequestId: "req-1", CustomerIds: []*pb.CustomerId{{Namespace: "loyalty", Value: "77"}}, Consent: pb.Consent_CONSENT_GRANTED,
		Place: &pb.DecideRequest_Scope{Scope: "us.ne.0412"}, Channel: pb.Channel_CHANNEL_STORE, Phase: pb.Phase_PHASE_REFUNDED,
		ItemReturn: &pb.ItemReturn{ReturnId: "r", OrderId: "o", Refund: &pb.Money{CurrencyCode: "USD", MinorUnits: 12000}, Lines: []*pb.ReturnLine{line(), line(), line()}},
		Basket:     &pb.Basket{Total: &pb.Money{CurrencyCode: "USD", MinorUnits: 9000}}, AssociateId: "a", Jurisdiction: "US-NY",
	}
}

func BenchmarkValidate(b *testing.B) {
	v, err := newValidator()
	if err != nil {
		b.Fatal(err)
	}
	m := benchRequest()
	b.Run("rules", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := v.rules.Validate(m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		plan := v.texts[m.ProtoReflect().Descriptor().FullName()]
		for b.Loop() {
			if path := plan.invalid(m.ProtoReflect()); path != "" {
				b.Fatal(path)
			}
		}
	})
}
