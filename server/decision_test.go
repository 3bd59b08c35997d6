package server_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/server/servertest"
)

func start(t *testing.T, decide func(context.Context, *engine.Request) (*engine.Decision, error), opts ...servertest.Option) pb.DecisionServiceClient {
	t.Helper()
	return pb.NewDecisionServiceClient(servertest.Start(t, server.Services{Decisions: &decider{decide}}, opts...).Conn)
}

func sample(context.Context, *engine.Request) (*engine.Decision, error) { return sampleDecision(), nil }

func TestDecideTranslatesRequest(t *testing.T) {
	basket := int64(9000)
	want := &engine.Request{
		RequestID: "q-1", Customer: []profile.Identity{{Namespace: "loyalty", Value: "77"}}, Scope: "us.ne.0412",
		Channel: profile.ChannelBORIS, Phase: engine.PhaseRefunded, Basket: &basket, Currency: "USD", AssociateID: "a-9", Jurisdiction: "US-NY",
		Return: engine.Return{ID: "r-1", OrderID: "o-1", Authorization: "APPROVED", Refund: 8000, Tender: "CARD",
			Lines: []profile.Line{{SKU: "shoe-42", Style: "shoe", Size: "42", Category: "shoes", Quantity: 1, Paid: 8000, Reason: "SIZE"}}},
	}
	asked := 0
	c := start(t, func(_ context.Context, got *engine.Request) (*engine.Decision, error) {
		asked++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("engine is asked (-want +got):\n%s", diff)
		}
		return sampleDecision(), nil
	})
	if _, err := c.Decide(testContext(t), request()); err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
}

func TestDecideExplains(t *testing.T) {
	c := start(t, sample)
	for _, tc := range []struct {
		explain                pb.Explain
		candidates, valuations int
		explained, valued      bool
	}{
		{pb.Explain_EXPLAIN_NONE, 0, 0, false, false},
		{pb.Explain_EXPLAIN_UNSPECIFIED, 3, 0, false, true},
		{pb.Explain_EXPLAIN_REASONS, 3, 0, false, true},
		{pb.Explain_EXPLAIN_FULL, 3, 3, true, true},
	} {
		t.Run(tc.explain.String(), func(t *testing.T) {
			d, err := c.Decide(testContext(t), request(func(m *pb.DecideRequest) { m.Explain = tc.explain }))
			if err != nil {
				t.Fatal(err)
			}
			valuations := 0
			for _, x := range d.GetCandidates() {
				if x.GetValuation() != nil {
					valuations++
				}
			}
			if len(d.GetCandidates()) != tc.candidates || valuations != tc.valuations {
				t.Errorf("%d candidates, %d valuations; want %d, %d", len(d.GetCandidates()), valuations, tc.candidates, tc.valuations)
			}
			if (d.GetExplanation() != nil) != tc.explained || (d.GetValue() != nil) != tc.valued {
				t.Errorf("explanation %v, value %v; want %v, %v", d.GetExplanation() != nil, d.GetValue() != nil, tc.explained, tc.valued)
			}
		})
	}
}

// TestPooledAnswersAreClean decides in turns what fills a message and what leaves it empty.
func TestPooledAnswersAreClean(t *testing.T) {
	bare := &engine.Decision{ID: "d-2", RequestID: "q-2", Outcome: engine.OutcomeNoOffer, Assigned: engine.None, Candidates: []engine.Candidate{{Offer: engine.None, Stage: engine.StageChosen, PChoice: 1, PShown: 1}}}
	c := start(t, func(_ context.Context, r *engine.Request) (*engine.Decision, error) {
		if r.RequestID == "q-2" {
			if r.Basket != nil || len(r.Customer) != 0 || r.Scope != "" || len(r.Return.Lines) != 1 || r.Return.Lines[0].Category != "" {
				return nil, errors.New("request holds what an earlier one left")
			}
			return bare, nil
		}
		return sampleDecision(), nil
	})
	lean := &pb.DecideRequest{RequestId: "q-2", Channel: pb.Channel_CHANNEL_MAIL, Phase: pb.Phase_PHASE_AFTER,
		ItemReturn: &pb.ItemReturn{ReturnId: "r", Refund: &pb.Money{CurrencyCode: "USD"}, Lines: []*pb.ReturnLine{{Sku: "s", Quantity: 1}}}}
	want := &pb.DecideResponse{DecisionId: "d-2", RequestId: "q-2", Outcome: pb.Outcome_OUTCOME_NO_OFFER,
		Candidates: []*pb.Candidate{{OfferId: "none", Stage: pb.Stage_STAGE_CHOSEN, PChoice: 1, PShown: 1}},
		Provenance: &pb.Provenance{ScopeFallback: true}, Timings: &pb.Timings{}}
	for range 200 {
		if _, err := c.Decide(testContext(t), request(func(m *pb.DecideRequest) { m.Explain = pb.Explain_EXPLAIN_FULL })); err != nil {
			t.Fatal(err)
		}
		got, err := c.Decide(testContext(t), lean)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatalf("answer (-want +got):\n%s", diff)
		}
	}
}

func TestAudienceSeesNoReasons(t *testing.T) {
	c := start(t, sample)
	for _, who := range []pb.Audience{pb.Audience_AUDIENCE_STORE, pb.Audience_AUDIENCE_ASSOCIATE, pb.Audience_AUDIENCE_CUSTOMER} {
		d, err := c.Decide(testContext(t), request(func(m *pb.DecideRequest) { m.Audience, m.Explain = who, pb.Explain_EXPLAIN_FULL }))
		if err != nil {
			t.Fatal(err)
		}
		if d.GetExplanation() != nil || d.GetValue() != nil || d.GetPropensity() != 0 || d.GetOffer().GetOfferId() != "pct-20" {
			t.Errorf("%v sees %v", who, d)
		}
		for _, x := range d.GetCandidates() {
			if r := x.GetRefusal(); r != nil && (r.GetReason() != "NOT_AVAILABLE" || r.GetRuleId() != "" || r.GetDetail() != "") {
				t.Errorf("%v sees the refusal %v", who, r)
			}
			if x.GetScored() || x.GetScore() != 0 || x.GetStage() != pb.Stage_STAGE_UNSPECIFIED {
				t.Errorf("%v sees the score of %v", who, x)
			}
		}
	}
}

func TestBadFieldsAreNamed(t *testing.T) {
	c := start(t, sample)
	for field, edit := range map[string]func(*pb.DecideRequest){
		"request_id":                            func(m *pb.DecideRequest) { m.RequestId = "" },
		"customer_ids":                          func(m *pb.DecideRequest) { m.CustomerIds = append(m.CustomerIds, m.GetCustomerIds()[0]) },
		"customer_ids[0].value":                 func(m *pb.DecideRequest) { m.CustomerIds[0].Value = strings.Repeat("x", 1<<20) },
		"channel":                               func(m *pb.DecideRequest) { m.Channel = 99 },
		"phase":                                 func(m *pb.DecideRequest) { m.Phase = 0 },
		"item_return":                           func(m *pb.DecideRequest) { m.ItemReturn = nil },
		"item_return.refund":                    func(m *pb.DecideRequest) { m.ItemReturn.Refund = nil },
		"item_return.refund.minor_units":        func(m *pb.DecideRequest) { m.ItemReturn.Refund.MinorUnits = -1 },
		"item_return.lines[0].quantity":         func(m *pb.DecideRequest) { m.ItemReturn.Lines[0].Quantity = -2 },
		"item_return.lines[0].sku":              func(m *pb.DecideRequest) { m.ItemReturn.Lines[0].Sku = "a\xffb" },
		"item_return.tender":                    func(m *pb.DecideRequest) { m.ItemReturn.Tender = "\xc3\x28" },
		"basket.total.currency_code":            func(m *pb.DecideRequest) { m.Basket.Total.CurrencyCode = "EUR" },
		"scope":                                 func(m *pb.DecideRequest) { m.Place = &pb.DecideRequest_Scope{Scope: "\xff"} },
		"item_return.lines[0].paid_minor_units": func(m *pb.DecideRequest) { m.ItemReturn.Lines[0].PaidMinorUnits = 1 << 60 },
	} {
		t.Run(field, func(t *testing.T) {
			_, err := c.Decide(testContext(t), request(edit))
			s := wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD)
			bad := detail[*errdetails.BadRequest](s)
			if bad == nil || bad.GetFieldViolations()[0].GetField() != field {
				t.Errorf("detail is %v, want field %s", bad, field)
			}
		})
	}
}

func TestBatchFailsOneByOne(t *testing.T) {
	c := start(t, func(_ context.Context, r *engine.Request) (*engine.Decision, error) {
		switch r.RequestID {
		case "reused":
			return nil, engine.ErrRequestIDReused
		case "panic":
			panic("a bug")
		}
		return &engine.Decision{ID: "d-" + r.RequestID, RequestID: r.RequestID, Outcome: engine.OutcomeNoOffer}, nil
	})
	named := func(id string) *pb.DecideRequest { return request(func(m *pb.DecideRequest) { m.RequestId = id }) }
	resp, err := c.BatchDecide(testContext(t), &pb.BatchDecideRequest{Requests: []*pb.DecideRequest{named("a"), named("reused"), named("panic"), named("b")}})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, 0, 4)
	for _, r := range resp.GetResults() {
		got = append(got, r.GetRequestId()+" "+r.GetDecision().GetDecisionId()+r.GetProblem().GetReason())
	}
	want := []string{"a d-a", "reused REQUEST_ID_REUSED", "panic INTERNAL", "b d-b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestStreamAnswersOutOfOrder(t *testing.T) {
	gate := make(chan struct{})
	c := start(t, func(ctx context.Context, r *engine.Request) (*engine.Decision, error) {
		if r.RequestID == "slow" {
			select {
			case <-gate:
			case <-ctx.Done():
			}
		}
		return &engine.Decision{ID: "d-" + r.RequestID, RequestID: r.RequestID}, nil
	})
	stream, err := c.StreamDecide(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	send := func(m *pb.DecideRequest) {
		t.Helper()
		if err := stream.Send(&pb.StreamDecideRequest{Request: m}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func() *pb.DecideResult {
		t.Helper()
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return m.GetResult()
	}
	send(request(func(m *pb.DecideRequest) { m.RequestId = "slow" }))
	send(request(func(m *pb.DecideRequest) { m.RequestId = "fast" }))
	if r := receive(); r.GetRequestId() != "fast" {
		t.Errorf("first answer is to %q", r.GetRequestId())
	}
	send(request(func(m *pb.DecideRequest) { m.RequestId, m.Phase = "bad", 0 }))
	if r := receive(); r.GetProblem().GetReason() != "INVALID_FIELD" || r.GetProblem().GetField() != "request.phase" || r.GetRequestId() != "bad" {
		t.Errorf("bad request is answered %v", r)
	}
	close(gate)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if r := receive(); r.GetDecision().GetDecisionId() != "d-slow" {
		t.Errorf("last answer is %v", r)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("stream ends with %v", err)
	}
}

func TestGetDecision(t *testing.T) {
	c := start(t, sample)
	got, err := c.GetDecision(testContext(t), &pb.GetDecisionRequest{DecisionId: "d-1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetDecision().GetExplanation().GetDraw().GetU() != 1<<63 {
		t.Errorf("explanation is %v", got.GetDecision().GetExplanation())
	}
	_, err = c.GetDecision(testContext(t), &pb.GetDecisionRequest{DecisionId: "d-9"})
	s := wantError(t, err, codes.NotFound, pb.ErrorReason_ERROR_REASON_DECISION_NOT_FOUND)
	if r := detail[*errdetails.ResourceInfo](s); r.GetResourceName() != "d-9" {
		t.Errorf("resource is %v", r)
	}
}

func TestDeadlineIsCapped(t *testing.T) {
	c := start(t, func(ctx context.Context, _ *engine.Request) (*engine.Decision, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, servertest.WithConfig(func(cfg *server.Config) { cfg.MaxDeadline = 20 * time.Millisecond }))
	began := time.Now()
	_, err := c.Decide(testContext(t), request())
	wantError(t, err, codes.DeadlineExceeded, pb.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
