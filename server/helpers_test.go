package server_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

var sampleTime = time.Date(2026, 10, 5, 15, 0, 0, 0, time.UTC)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// request is a valid request, changed by edit.
func request(edit ...func(*pb.DecideRequest)) *pb.DecideRequest {
	m := &pb.DecideRequest{
		RequestId:   "q-1",
		CustomerIds: []*pb.CustomerId{{Namespace: "loyalty", Value: "77"}},
		Place:       &pb.DecideRequest_Scope{Scope: "us.ne.0412"},
		Channel:     pb.Channel_CHANNEL_BORIS,
		Phase:       pb.Phase_PHASE_REFUNDED,
		ItemReturn: &pb.ItemReturn{
			ReturnId: "r-1", OrderId: "o-1", Authorization: pb.Authorization_AUTHORIZATION_APPROVED, Tender: "CARD",
			Refund: &pb.Money{CurrencyCode: "USD", MinorUnits: 8000},
			Lines:  []*pb.ReturnLine{{Sku: "shoe-42", Style: "shoe", Size: "42", Category: "shoes", Quantity: 1, PaidMinorUnits: 8000, Reason: "SIZE"}},
		},
		Basket:       &pb.Basket{Total: &pb.Money{CurrencyCode: "USD", MinorUnits: 9000}},
		AssociateId:  "a-9",
		Jurisdiction: "US-NY",
	}
	for _, e := range edit {
		e(m)
	}
	return m
}

// sampleDecision has something in every field the API shows.
func sampleDecision() *engine.Decision {
	return &engine.Decision{
		ID: "d-1", RequestID: "q-1", Position: 17, Supersedes: "d-0", Time: sampleTime, Recorded: sampleTime.Add(time.Second),
		ReturnKey: "ab12", Scope: "us.ne.0412", Channel: 3, Phase: engine.PhaseRefunded, Currency: "USD", Exponent: 2, Consent: true, Personal: true,
		Outcome: engine.OutcomeOffer, Assigned: "pct-20", Delivered: "pct-20", Token: []byte{1, 2, 3}, Propensity: 0.9,
		Offer: &engine.Terms{
			OfferID: "pct-20", Kind: "percent_off", Params: []engine.Param{{Name: "category", Text: "basics", IsText: true}, {Name: "percent", Number: 0.2}},
			Ceiling: 3500, ValidFrom: sampleTime, Expires: sampleTime.Add(24 * time.Hour), Channels: []string{"STORE", "BORIS"}, Categories: []string{"basics"},
		},
		Disclosures: []engine.Disclosure{{ID: "ny-gbl-349a", Text: "SET BY AN ALGORITHM"}},
		Candidates: []engine.Candidate{
			{Offer: engine.None, Stage: engine.StageDraw, Fits: true, Scored: true, PChoice: 0.1, PShown: 0.145},
			{
				Offer: "pct-20", Kind: "percent_off", Stage: engine.StageChosen, Ceiling: 3500, LiabilityCost: 1800, Liability: 18, RedeemChance: 0.4, ExpectedCost: 7.2,
				Outcomes: []engine.OutcomeScore{{Outcome: "purchase", Without: 0.1, With: 0.4, Lower: 0.2, Upper: 0.4, Assumed: true, Rung: engine.RungPrior}},
				Goals:    []engine.GoalValue{{Goal: "traffic", Unit: "visit", Amount: 0.3, Value: 3.2, Weight: 1, Contribution: 0.96}},
				Charges:  []engine.Charge{{Budget: "company-month", Lambda: 0.5, Amount: 3.6}},
				Scored:   true, Score: 6.36, LowerScore: 1.5, Fits: true, PChoice: 0.9, PShown: 0.855,
			},
			{Offer: "bogo-basics", Kind: "bogo", Stage: engine.StageEligibility, Reason: "ABUSE_RISK", Detail: "0.93 is not below 0.85",
				Rule: engine.RuleRef{ID: "abuse-risk", File: "company.yaml", Line: 111, Column: 13}},
		},
		Budgets: []engine.BudgetUse{{Budget: "company-month", Guarantee: "hard", Pacing: "dual", Start: sampleTime, End: sampleTime.AddDate(0, 1, 0),
			Limit: 250000000, Reserved: 100, Settled: 50, Available: 249999850, Lambda: 0.5, Reserves: 3500}},
		Draw:       engine.Draw{Strategy: "inverse_gap", U: 1 << 63, Bucket: 1 << 31, Best: "pct-20", Gamma: 15, Scale: 10, Floor: 0.02, K: 2, Holdout: 0.05, HoldoutID: "global-2026"},
		Arms:       []engine.Arm{{Experiment: "global-2026", Arm: "treated", Bucket: 0.42}},
		Provenance: engine.Provenance{BundleName: "company", BundleVersion: 15, BundleDigest: "sha256:00", Scope: "us.ne.0412", ScopeExact: true, Chain: []string{"", "us.ne", "us.ne.0412"}, Models: []engine.ModelRef{{Outcome: "purchase", File: "models/baseline.rbm", Digest: "sha256:11"}}, ProfileVersion: 9, ProfileAge: time.Hour, Seed: "gh-2026"},
		Degraded:   []engine.Degradation{{Subject: "outcome purchase", Rung: engine.RungPrior, Cause: "model timed out"}},
		Timings:    engine.Timings{Total: 100, Profile: 1, Rules: 2, Scoring: 3, Ledger: 4, Append: 5},
		Variables: []engine.Variable{{Name: "customer.abuse_score", Type: engine.NumberValue, Number: 0.1}, {Name: "ret.has_incentivised_item", Type: engine.BoolValue},
			{Name: "ret.reason", Type: engine.StringValue, Text: "SIZE"}, {Name: "store.assortment", Type: engine.StringsValue, List: []string{"basics"}}},
	}
}

// wantError checks code and reason of a status, and that its details have the error info.
func wantError(t *testing.T, err error, code codes.Code, reason pb.ErrorReason) *status.Status {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code {
		t.Fatalf("code is %v (%s), want %v", s.Code(), s.Message(), code)
	}
	info := detail[*errdetails.ErrorInfo](s)
	if info == nil {
		t.Fatalf("no ErrorInfo in %v", s)
	}
	if got := "ERROR_REASON_" + info.GetReason(); got != reason.String() {
		t.Errorf("reason is %s, want %s", got, reason)
	}
	if info.GetDomain() != "rebound" {
		t.Errorf("domain is %q", info.GetDomain())
	}
	return s
}

// detail finds a detail of a status; nil if it has none of the type.
func detail[T proto.Message](s *status.Status) T {
	for _, d := range s.Details() {
		if m, ok := d.(T); ok {
			return m
		}
	}
	var none T
	return none
}
