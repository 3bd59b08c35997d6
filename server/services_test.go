package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/server/servertest"
	"github.com/rebound-engine/rebound/store"
)

// The engine is what these services are made for.
var (
	_ server.Decisions = (*engine.Engine)(nil)
	_ server.Events    = (*engine.Engine)(nil)
	_ server.Profiles  = (*engine.Engine)(nil)
	_ server.Journal   = (*engine.Engine)(nil)
	_ server.Budgets   = (*engine.Engine)(nil)
	_ server.Models    = (*engine.Engine)(nil)
)

// keeper keeps events in memory and gives them back.
type keeper struct{ events []*profile.Event }

func (k *keeper) Record(_ context.Context, events []*profile.Event) ([]engine.EventResult, error) {
	out := make([]engine.EventResult, len(events))
	for i, e := range events {
		switch e.ID {
		case "twice":
			out[i] = engine.EventResult{EventID: e.ID, Status: engine.EventDuplicate, Position: 1}
		case "forged":
			out[i] = engine.EventResult{EventID: e.ID, Status: engine.EventRejected, Reason: engine.EventTokenForged, Detail: "signature does not match"}
		default:
			k.events = append(k.events, e)
			out[i] = engine.EventResult{EventID: e.ID, Status: engine.EventAccepted, Position: store.Position(len(k.events)), Settled: e.Amount}
		}
	}
	return out, nil
}

func (k *keeper) Profile(_ context.Context, id profile.Identity, _ time.Time) (*engine.ProfileView, error) {
	if id.Value != "77" {
		return nil, engine.ErrNotFound
	}
	return &engine.ProfileView{Customer: id, Version: 3, LastEvent: sampleTime, Features: []engine.ProfileFeature{
		{Variable: engine.Variable{Name: "recency_days", Type: engine.NumberValue, Number: 4}, Unit: "days"},
		{Variable: engine.Variable{Name: "tenure_days"}, Missing: true, Unit: "days", Security: true},
	}}, nil
}

func (k *keeper) Declare(ctx context.Context, all []engine.Attributes) ([]engine.EventResult, error) {
	events := make([]*profile.Event, len(all))
	for i, a := range all {
		events[i] = &profile.Event{ID: a.RequestID, Kind: profile.KindAttributes, Customer: a.Customer, Time: a.Time, LoyaltyMember: a.LoyaltyMember, LoyaltyTier: a.LoyaltyTier, Consent: a.Consent, Household: a.Household}
	}
	return k.Record(ctx, events)
}

func (k *keeper) Export(_ context.Context, _ profile.Identity, fn func(*profile.Event, *engine.Decision) error) error {
	for _, e := range k.events {
		if err := fn(e, nil); err != nil {
			return err
		}
	}
	return fn(nil, sampleDecision())
}

func (k *keeper) Erase(context.Context, profile.Identity, string) (store.Position, error) {
	return 8, nil
}

func sampleEvents() []*pb.Event {
	id := []*pb.CustomerId{{Namespace: "loyalty", Value: "77"}}
	at := timestamppb.New(sampleTime)
	money := func(n int64) *pb.Money { return &pb.Money{CurrencyCode: "USD", MinorUnits: n} }
	return []*pb.Event{
		{EventId: "e1", CustomerIds: id, Time: at, UtcOffsetMinutes: -240, StoreId: "0412", Channel: pb.Channel_CHANNEL_STORE, Kind: &pb.Event_Purchase{Purchase: &pb.Purchase{OrderId: "o", CurrencyCode: "USD",
			Lines: []*pb.PurchaseLine{{Sku: "s", Style: "st", Size: "M", Category: "c", Quantity: 2, PaidMinorUnits: 100, DiscountMinorUnits: 5, DecisionId: "d"}}}}},
		{EventId: "e2", CustomerIds: id, Time: at, Kind: &pb.Event_ItemReturn{ItemReturn: &pb.ItemReturn{ReturnId: "r", OrderId: "o", Refund: money(50),
			Lines: []*pb.ReturnLine{{Sku: "s", Quantity: 1, PaidMinorUnits: 50, Reason: "SIZE", Condition: "NEW", PurchasedAt: at}}}}},
		{EventId: "e3", CustomerIds: id, Time: at, Kind: &pb.Event_Presentation{Presentation: &pb.Presentation{DecisionId: "d", OfferId: "pct-10"}}},
		{EventId: "e4", CustomerIds: id, Time: at, Kind: &pb.Event_Redemption{Redemption: &pb.Redemption{DecisionId: "d", Token: "AQID", Amount: money(12), OrderId: "o2"}}},
		{EventId: "e5", CustomerIds: id, Time: at, Kind: &pb.Event_LoyaltyChange{LoyaltyChange: &pb.LoyaltyChange{Member: new(false), Tier: new("gold"), PointsDelta: -3}}},
		{EventId: "e6", CustomerIds: id, Time: at, Kind: &pb.Event_Release{Release: &pb.Release{DecisionId: "d"}}},
	}
}

// TestEventsComeBackAsTheyWent records every kind of event and exports it again.
func TestEventsComeBackAsTheyWent(t *testing.T) {
	k := new(keeper)
	s := servertest.Start(t, server.Services{Events: k, Profiles: k})
	sent := sampleEvents()
	resp, err := pb.NewEventServiceClient(s.Conn).RecordEvents(testContext(t), &pb.RecordEventsRequest{Events: sent})
	if err != nil {
		t.Fatal(err)
	}
	if resp.GetPosition() != 6 || resp.GetResults()[3].GetSettled().GetMinorUnits() != 12 || resp.GetResults()[2].GetSettled() != nil {
		t.Errorf("answer is %v", resp)
	}
	profiles := pb.NewProfileServiceClient(s.Conn)
	declared := &pb.DeclaredAttributes{CustomerId: sent[0].GetCustomerIds()[0], Consent: pb.Consent_CONSENT_DENIED, LoyaltyMember: new(true), Household: new("h")}
	if _, err := profiles.PutProfiles(testContext(t), &pb.PutProfilesRequest{RequestId: "p", Profiles: []*pb.DeclaredAttributes{declared}}); err != nil {
		t.Fatal(err)
	}
	if id := k.events[6].ID; id != "p/0" {
		t.Errorf("declaration becomes the event %q", id)
	}
	stream, err := profiles.ExportProfile(testContext(t), &pb.ExportProfileRequest{CustomerId: declared.GetCustomerId()})
	if err != nil {
		t.Fatal(err)
	}
	var events []*pb.Event
	var last *pb.ExportProfileResponse
	for {
		m, err := stream.Recv()
		if err != nil {
			break
		}
		if m.GetEvent() != nil {
			events = append(events, m.GetEvent())
		}
		if a := m.GetAttributes(); a != nil {
			if diff := cmp.Diff(declared, a, protocmp.Transform()); diff != "" {
				t.Errorf("declared (-want +got):\n%s", diff)
			}
		}
		last = m
	}
	if diff := cmp.Diff(sent, events, protocmp.Transform()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if d := last.GetDecision(); d.GetPosition() != 17 || d.GetDecision().GetOffer().GetToken() != "" || d.GetDecision().GetExplanation() == nil {
		t.Errorf("exported decision is %v", d)
	}
}

func TestStreamEventsAcknowledges(t *testing.T) {
	s := servertest.Start(t, server.Services{Events: new(keeper)})
	stream, err := pb.NewEventServiceClient(s.Conn).StreamEvents(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	batch := sampleEvents()[:3]
	batch[1].EventId, batch[2].EventId = "twice", "forged"
	for n := range uint64(2) {
		if err := stream.Send(&pb.StreamEventsRequest{Events: batch}); err != nil {
			t.Fatal(err)
		}
		ack, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if ack.GetBatch() != n+1 || ack.GetPosition() != n+1 || ack.GetAccepted() != 1 || ack.GetDuplicates() != 1 || ack.GetRejected()[0].GetReason() != "TOKEN_FORGED" {
			t.Errorf("batch %d is acknowledged %v", n+1, ack)
		}
	}
	batch[0].Time = nil
	if err := stream.Send(&pb.StreamEventsRequest{Events: batch}); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD)
}

func TestProfiles(t *testing.T) {
	s := servertest.Start(t, server.Services{Profiles: new(keeper)})
	c := pb.NewProfileServiceClient(s.Conn)
	p, err := c.GetProfile(testContext(t), &pb.GetProfileRequest{CustomerId: &pb.CustomerId{Namespace: "loyalty", Value: "77"}})
	if err != nil {
		t.Fatal(err)
	}
	if f := p.GetProfile().GetFeatures(); f[0].GetNumber() != 4 || !f[1].GetMissing() || !f[1].GetSecurity() || f[0].GetUnit() != "days" {
		t.Errorf("features are %v", f)
	}
	_, err = c.GetProfile(testContext(t), &pb.GetProfileRequest{CustomerId: &pb.CustomerId{Namespace: "loyalty", Value: "nobody@example.org"}})
	if st := wantError(t, err, codes.NotFound, pb.ErrorReason_ERROR_REASON_PROFILE_NOT_FOUND); cmp.Diff(`no profile "loyalty"`, st.Message()) != "" {
		t.Errorf("message is %q", st.Message())
	}
	if e, err := c.EraseProfile(testContext(t), &pb.EraseProfileRequest{RequestId: "x", CustomerId: &pb.CustomerId{Namespace: "n", Value: "v"}}); err != nil || e.GetPosition() != 8 {
		t.Errorf("erase: %v, %v", e, err)
	}
}

// shelf holds budgets and decisions.
type shelf struct{ asked *engine.Query }

func (s *shelf) Budgets(_ context.Context, scope string) ([]engine.Budget, error) {
	all := []engine.Budget{{ID: "company-month", Currency: "USD", Limit: 100, OverrunChance: 0.5}, {ID: "zz", Currency: "USD"}, {ID: "ne-week", Scope: "us.ne", Currency: "USD"}}
	if scope != "" {
		return all[2:], nil
	}
	return all, nil
}

func (s *shelf) Query(_ context.Context, q *engine.Query) (*engine.Page, error) {
	s.asked = q
	if q.PageToken == "foreign" {
		return nil, engine.ErrPageToken
	}
	return &engine.Page{Decisions: []*engine.Decision{sampleDecision()}, NextToken: "more"}, nil
}

func (s *shelf) Tail(ctx context.Context, _ *engine.Query, after store.Position, fn func(*engine.Decision) error) error {
	d := sampleDecision()
	d.Position = after + 1
	if err := fn(d); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestBudgetsComeInPages(t *testing.T) {
	s := servertest.Start(t, server.Services{Budgets: new(shelf)})
	c := pb.NewBudgetServiceClient(s.Conn)
	var got []string
	for token := ""; ; {
		page, err := c.ListBudgets(testContext(t), &pb.ListBudgetsRequest{PageSize: 1, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.GetBudgets() {
			got = append(got, b.GetScope()+"/"+b.GetBudgetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"/company-month", "/zz", "us.ne/ne-week"}, got); diff != "" {
		t.Errorf("budgets (-want +got):\n%s", diff)
	}
	_, err := c.ListBudgets(testContext(t), &pb.ListBudgetsRequest{PageToken: "%%%"})
	wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BAD_PAGE_TOKEN)
	b, err := c.GetBudget(testContext(t), &pb.GetBudgetRequest{BudgetId: "ne-week", Scope: "us.ne"})
	if err != nil || b.GetBudget().GetLimit().GetCurrencyCode() != "USD" {
		t.Errorf("budget is %v, %v", b, err)
	}
	_, err = c.GetBudget(testContext(t), &pb.GetBudgetRequest{BudgetId: "gone"})
	wantError(t, err, codes.NotFound, pb.ErrorReason_ERROR_REASON_BUDGET_NOT_FOUND)
}

func TestJournal(t *testing.T) {
	shelf := new(shelf)
	s := servertest.Start(t, server.Services{Journal: shelf})
	c := pb.NewJournalServiceClient(s.Conn)
	page, err := c.QueryDecisions(testContext(t), &pb.QueryDecisionsRequest{PageSize: 7, OldestFirst: true, Filter: &pb.DecisionFilter{
		CustomerId: &pb.CustomerId{Namespace: "n", Value: "v"}, From: timestamppb.New(sampleTime), Scope: "us", Outcome: pb.Outcome_OUTCOME_HOLDOUT}})
	if err != nil {
		t.Fatal(err)
	}
	want := &engine.Query{Customer: profile.Identity{Namespace: "n", Value: "v"}, From: sampleTime, Scope: "us", Outcome: engine.OutcomeHoldout, Oldest: true, PageSize: 7}
	if diff := cmp.Diff(want, shelf.asked); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if e := page.GetEntries(); len(e) != 1 || e[0].GetDecision().GetOffer().GetToken() != "" || page.GetNextPageToken() != "more" {
		t.Errorf("page is %v", page)
	}
	_, err = c.QueryDecisions(testContext(t), &pb.QueryDecisionsRequest{PageToken: "foreign"})
	wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BAD_PAGE_TOKEN)
}

// TestTailEndsWithTheServer: a tail is not waited for as calls under way are.
func TestTailEndsWithTheServer(t *testing.T) {
	s := servertest.Start(t, server.Services{Journal: new(shelf)}, servertest.WithConfig(func(cfg *server.Config) { cfg.DrainTimeout = time.Hour }))
	stream, err := pb.NewJournalServiceClient(s.Conn).TailDecisions(testContext(t), &pb.TailDecisionsRequest{AfterPosition: 4})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetEntry().GetPosition() != 5 {
		t.Fatalf("first is %v, %v", m, err)
	}
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantError(t, err, codes.Unavailable, pb.ErrorReason_ERROR_REASON_NOT_SERVING)
}

// cabinet takes one bundle and knows its digest.
type cabinet struct{ files map[string][]byte }

func (c *cabinet) Validate(_ context.Context, files map[string][]byte) (string, []rules.Diagnostic, error) {
	if _, ok := files["company.yaml"]; !ok {
		return "", []rules.Diagnostic{{Code: "RB1001", Severity: rules.SeverityError, Message: "company.yaml is missing", Position: rules.Position{File: "company.yaml", Line: 1}}}, nil
	}
	return "sha256:aa", nil, nil
}

func (c *cabinet) Activate(ctx context.Context, change *server.Change) (server.BundleStatus, []rules.Diagnostic, error) {
	if change.Expected != "" && change.Expected != "sha256:old" {
		return server.BundleStatus{}, nil, &server.StaleError{Want: change.Expected, Got: "sha256:old"}
	}
	digest, found, _ := c.Validate(ctx, change.Files)
	if len(found) > 0 {
		return server.BundleStatus{}, nil, &rules.DiagnosticsError{Diagnostics: found}
	}
	c.files = change.Files
	return server.BundleStatus{Activation: engine.Activation{Digest: digest, Name: "company", Version: 15, At: sampleTime, Position: 4, Previous: "sha256:old"}, Source: server.SourceAPI}, nil, nil
}

func (c *cabinet) Rollback(_ context.Context, change *server.Change) (server.BundleStatus, error) {
	if change.Digest != "" {
		return server.BundleStatus{}, server.ErrBundleNotFound
	}
	return server.BundleStatus{}, server.ErrNoEarlierBundle
}

func (c *cabinet) Effective(_ context.Context, scope string) (*server.Effective, error) {
	if c.files == nil {
		return nil, engine.ErrNoBundle
	}
	return &server.Effective{Chain: []string{"", scope}, Exact: true, Values: []server.EffectiveValue{{Path: "bounds.max_liability", Value: "40.00", Position: rules.Position{File: "company.yaml", Line: 127}}}}, nil
}

func TestPolicies(t *testing.T) {
	s := servertest.Start(t, server.Services{Policies: new(cabinet)})
	c := pb.NewPolicyServiceClient(s.Conn)
	bundle := func(paths ...string) *pb.Bundle {
		b := new(pb.Bundle)
		for _, p := range paths {
			b.Files = append(b.Files, &pb.BundleFile{Path: p, Content: []byte("x")})
		}
		return b
	}
	_, err := c.GetEffectivePolicy(testContext(t), &pb.GetEffectivePolicyRequest{})
	wantError(t, err, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_NO_BUNDLE)

	v, err := c.ValidateBundle(testContext(t), &pb.ValidateBundleRequest{Bundle: bundle("other.yaml")})
	if err != nil || v.GetValid() || v.GetDiagnostics()[0].GetPosition().GetLine() != 1 {
		t.Errorf("validation is %v, %v", v, err)
	}
	_, err = c.ActivateBundle(testContext(t), &pb.ActivateBundleRequest{RequestId: "a", Bundle: bundle("other.yaml")})
	refused := wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BUNDLE_REFUSED)
	if d := detail[*pb.ValidateBundleResponse](refused).GetDiagnostics(); len(d) != 1 || d[0].GetCode() != "RB1001" {
		t.Errorf("diagnostics are %v", d)
	}
	_, err = c.ActivateBundle(testContext(t), &pb.ActivateBundleRequest{RequestId: "a", Bundle: bundle("company.yaml", "company.yaml")})
	wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD)
	_, err = c.ActivateBundle(testContext(t), &pb.ActivateBundleRequest{RequestId: "a", Bundle: bundle("company.yaml"), ExpectedDigest: "sha256:older"})
	wantError(t, err, codes.Aborted, pb.ErrorReason_ERROR_REASON_STALE_DIGEST)

	a, err := c.ActivateBundle(testContext(t), &pb.ActivateBundleRequest{RequestId: "a", Bundle: bundle("company.yaml"), ExpectedDigest: "sha256:old"})
	if err != nil || a.GetStatus().GetSource() != pb.BundleSource_BUNDLE_SOURCE_API || a.GetPreviousDigest() != "sha256:old" || a.GetStatus().GetPosition() != 4 {
		t.Errorf("activation is %v, %v", a, err)
	}
	e, err := c.GetEffectivePolicy(testContext(t), &pb.GetEffectivePolicyRequest{Scope: "us"})
	if err != nil || e.GetValues()[0].GetValue() != "40.00" || e.GetScopeFallback() {
		t.Errorf("effective policy is %v, %v", e, err)
	}
	_, err = c.RollbackBundle(testContext(t), &pb.RollbackBundleRequest{RequestId: "b"})
	wantError(t, err, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_NO_EARLIER_BUNDLE)
	_, err = c.RollbackBundle(testContext(t), &pb.RollbackBundleRequest{RequestId: "b", Digest: "sha256:zz"})
	wantError(t, err, codes.NotFound, pb.ErrorReason_ERROR_REASON_BUNDLE_NOT_FOUND)
}
