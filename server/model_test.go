package server_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/server/servertest"
	"github.com/rebound-engine/rebound/store/memstore"
)

const shopPolicy = `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: small, scope: "", version: 1}
spec:
  currency: USD
  timezone: UTC
  outcomes:
    purchase: {event: purchase, window: 30d}
    redeem:   {event: redemption, window: validity}
  models:
    purchase: {without: 0.10, prior: {five: {lift: 0.50, sd: 0.01}}}
    redeem:   {of: purchase}
    basket:   {from: profile}
  goals:
    margin: {expr: 30 * (purchase.with - purchase.without) - cost.expected}
  offers:
    - {id: five, kind: amount_off, params: {amount: 5.00}, validity: 48h, liability: "5.00", maxLiability: 5.00}
`

// shopEngine is an engine in memory with a bundle and a registry.
func shopEngine(t *testing.T) *engine.Engine {
	t.Helper()
	ledger := engine.NewLedger()
	s, err := memstore.Open(memstore.Options{Fold: engine.NewFold(), Machine: ledger, Index: engine.Index})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := engine.NewTokenKeys("k", map[string][]byte{"k": []byte("a key of at least 16 bytes")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Options{Store: s, Ledger: ledger, Salt: "salt", TokenKeys: keys, OpenArtifact: func(_ *rules.Bundle, a *engine.Artifact) (models.Model, string, error) {
		m, _, err := models.Open(a.Content)
		return m, models.Digest(a.Content), err
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := rules.Load(fstest.MapFS{"company.yaml": {Data: []byte(shopPolicy)}, "reference/categories.yaml": {Data: []byte("categories:\n  default: {margin_rate: 0.40}\n")}}, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Activate(t.Context(), b, engine.ActivateOptions{}); err != nil {
		t.Fatal(err)
	}
	return e
}

// modelFile is a native artifact with a constant lift.
func modelFile(t *testing.T, lift float64) []byte {
	t.Helper()
	m, err := models.NewUplift(models.UpliftSpec{
		Schema:     models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"five"}, Features: []models.Feature{{Name: "ret.refund_value"}}},
		Predictors: []models.Predictor{{Linear: &models.Linear{Intercept: 0.1, Terms: []models.LinearTerm{{}}}}},
		Without:    models.Sum{Parts: []models.Part{{Weight: 1}}},
		Arms:       []models.ArmEffect{{Shift: lift, Scale: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := models.Encode(m, models.Card{Name: "flat", Reference: []models.Distribution{{Name: "ret.refund_value", Edges: []float64{10}, Counts: []float64{50, 50, 0}}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func registerModel(t *testing.T, c pb.ModelServiceClient, first *pb.RegisterModelRequest, content []byte) (*pb.Model, error) {
	t.Helper()
	stream, err := c.RegisterModel(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(content); n += 100 {
		first.Chunk = content[n:min(n+100, len(content))]
		if err := stream.Send(first); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		first = new(pb.RegisterModelRequest)
	}
	resp, err := stream.CloseAndRecv()
	return resp.GetModel(), err
}

// last reads a stream to its end.
func last[T any](stream grpc.ServerStreamingClient[T], err error) (m *T, failed error) {
	if err != nil {
		return nil, err
	}
	for {
		next, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		m = next
	}
}

func TestModels(t *testing.T) {
	e := shopEngine(t)
	s := servertest.Start(t, server.Services{Models: e, Decisions: e})
	c, ctx := pb.NewModelServiceClient(s.Conn), testContext(t)
	m, err := registerModel(t, c, &pb.RegisterModelRequest{RequestId: "r1", File: "flat.rbm", Actor: "ann"}, modelFile(t, 0.2))
	if err != nil || m.GetRole() != pb.ModelRole_MODEL_ROLE_REGISTERED || m.GetOutcome() != "purchase" || m.GetBytes() == 0 || m.GetVersion() == 0 {
		t.Fatalf("registered %v, %v", m, err)
	}
	again, err := registerModel(t, c, &pb.RegisterModelRequest{RequestId: "r1", File: "flat.rbm"}, modelFile(t, 0.2))
	if err != nil || again.GetVersion() != m.GetVersion() {
		t.Errorf("a repeated request: %v, %v", again, err)
	}
	if _, err = registerModel(t, c, &pb.RegisterModelRequest{RequestId: "r2", File: "steep.rbm", Name: "steep"}, modelFile(t, 0.3)); err != nil {
		t.Fatal(err)
	}
	for want, first := range map[string]*pb.RegisterModelRequest{"request_id": {File: "x.rbm"}, "file": {RequestId: "r3"}, "model": {RequestId: "r3", File: "x.rbm", Outcome: "purchase"}} {
		_, err := registerModel(t, c, first, []byte("no model"))
		if st := wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD); !strings.Contains(st.Message(), want) {
			t.Errorf("want %s, got %s", want, st.Message())
		}
	}
	page, err := c.ListModels(ctx, &pb.ListModelsRequest{PageSize: 1})
	if err != nil || len(page.GetModels()) != 1 || page.GetNextPageToken() == "" {
		t.Fatalf("first page %v, %v", page, err)
	}
	if page, err = c.ListModels(ctx, &pb.ListModelsRequest{PageToken: page.GetNextPageToken()}); err != nil || len(page.GetModels()) != 1 || page.GetModels()[0].GetName() != "steep" || page.GetNextPageToken() != "" {
		t.Errorf("second page %v, %v", page, err)
	}
	_, err = c.ListModels(ctx, &pb.ListModelsRequest{PageToken: "-1"})
	wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BAD_PAGE_TOKEN)

	promote := func(edit func(*pb.PromoteModelRequest)) (*pb.PromoteModelResponse, error) {
		r := &pb.PromoteModelRequest{RequestId: "p" + t.Name(), Digest: m.GetDigest()[:8], Role: pb.ModelRole_MODEL_ROLE_SHADOW, Actor: "ann"}
		edit(r)
		return last(c.PromoteModel(ctx, r))
	}
	_, err = promote(func(r *pb.PromoteModelRequest) { r.ExpectedVersion = m.GetVersion() })
	st := wantError(t, err, codes.Aborted, pb.ErrorReason_ERROR_REASON_STALE_VERSION) // steep has been registered meanwhile
	if !strings.Contains(st.Message(), "purchase") {
		t.Error(st.Message())
	}
	_, err = promote(func(r *pb.PromoteModelRequest) { r.Role = pb.ModelRole_MODEL_ROLE_CHAMPION })
	wantError(t, err, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_MODEL_STEP)
	_, err = promote(func(r *pb.PromoteModelRequest) { r.Digest = "feed" })
	wantError(t, err, codes.NotFound, pb.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND)
	_, err = promote(func(r *pb.PromoteModelRequest) { r.Share = 0.5 })
	wantError(t, err, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD)
	done, err := promote(func(r *pb.PromoteModelRequest) { r.Reason = "to watch" })
	if err != nil || done.GetModel().GetRole() != pb.ModelRole_MODEL_ROLE_SHADOW || done.GetChange().GetReason() != "to watch" {
		t.Fatalf("shadow: %v, %v", done, err)
	}
	for _, role := range []pb.ModelRole{pb.ModelRole_MODEL_ROLE_CHAMPION, pb.ModelRole_MODEL_ROLE_CHALLENGER} {
		_, err = promote(func(r *pb.PromoteModelRequest) {
			r.RequestId, r.Role = "p2", role
			if role == pb.ModelRole_MODEL_ROLE_CHALLENGER {
				r.Share = 0.1
			}
		})
		if st := wantError(t, err, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_PROMOTION_REFUSED); !strings.Contains(st.Message(), "no decision to judge by") {
			t.Error(st.Message())
		}
	}
	_, err = last(c.EvaluateModel(ctx, &pb.EvaluateModelRequest{Digest: m.GetDigest()}))
	wantError(t, err, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_PROMOTION_REFUSED)
	_, err = c.RollbackModel(ctx, &pb.RollbackModelRequest{RequestId: "b", Outcome: "purchase"})
	wantError(t, err, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_MODEL_STEP)

	got, err := c.GetModel(ctx, &pb.GetModelRequest{Digest: m.GetDigest()})
	if err != nil || len(got.GetCareer()) != 2 || got.GetCareer()[1].GetTo() != pb.ModelRole_MODEL_ROLE_SHADOW || !strings.Contains(got.GetCardJson(), `"name":"flat"`) {
		t.Errorf("career %v, %v", got, err)
	}
	shadowDecides(t, s, e, m.GetDigest())
}

// shadowDecides looks for the shadow's scores in an explanation and for what it reads in its drift.
func shadowDecides(t *testing.T, s *servertest.Server, e *engine.Engine, digest string) {
	t.Helper()
	d, err := e.Decide(t.Context(), &engine.Request{
		RequestID: "d", Customer: []profile.Identity{{Namespace: "n", Value: "anna"}}, Consent: engine.ConsentGranted, Channel: profile.ChannelStore,
		Phase: engine.PhaseRefunded, Currency: "USD", Return: engine.Return{ID: "r", OrderID: "o", Refund: 8000, Time: time.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	full, err := pb.NewDecisionServiceClient(s.Conn).GetDecision(testContext(t), &pb.GetDecisionRequest{DecisionId: d.ID})
	if err != nil {
		t.Fatal(err)
	}
	shadows := full.GetDecision().GetExplanation().GetShadows()
	if len(shadows) != 1 || shadows[0].GetDigest() != digest || len(shadows[0].GetScores()) != 1 || shadows[0].GetScores()[0].GetOfferId() != "five" {
		t.Errorf("shadows are %v", shadows)
	}
	drift, err := pb.NewModelServiceClient(s.Conn).GetModelDrift(testContext(t), &pb.GetModelDriftRequest{Digest: digest})
	if err != nil || drift.GetDecisions() != 1 || len(drift.GetInputs()) != 1 || drift.GetInputs()[0].GetPsi() == 0 || drift.GetModel().GetFile() != "flat.rbm" {
		t.Errorf("drift is %v, %v", drift, err)
	}
}

func TestNoModels(t *testing.T) {
	_, err := pb.NewModelServiceClient(servertest.Start(t, server.Services{}).Conn).ListModels(testContext(t), &pb.ListModelsRequest{})
	wantError(t, err, codes.Unimplemented, pb.ErrorReason_ERROR_REASON_NOT_OFFERED)
}
