package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/logbuffer"
	"github.com/rebound-engine/rebound/internal/vtcodec"
)

// eightCandidates is a decision as bench/decide gets it.
func eightCandidates() *engine.Decision {
	now := time.Date(2026, 10, 5, 15, 0, 0, 123456789, time.UTC)
	d := &engine.Decision{
		ID: "d-0123456789abcdef0123456789abcdef", RequestID: "req-1", Position: 1_234_567, Time: now,
		Scope: "us.ne.0412", Currency: "USD", Exponent: 2, Outcome: engine.OutcomeOffer, Assigned: "offer-5", Delivered: "offer-5", Propensity: 0.86,
		Offer: &engine.Terms{
			OfferID: "offer-5", Kind: "percent_off", Params: []engine.Param{{Name: "percent", Number: 0.2}},
			Ceiling: 3500, ValidFrom: now, Expires: now.Add(24 * time.Hour), Channels: []string{"STORE", "BORIS"}, Categories: []string{"basics"},
		},
		Token:       make([]byte, 180),
		Disclosures: []engine.Disclosure{{ID: "ny-gbl-349a", Text: "SET BY AN ALGORITHM"}},
		Arms:        []engine.Arm{{Experiment: "global-2026", Arm: "treated", Bucket: 0.42}},
		Provenance: engine.Provenance{
			BundleName: "company", BundleVersion: 15, BundleDigest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			Scope: "us.ne", ScopeExact: true, Chain: []string{"", "us", "us.ne"},
			Models:         []engine.ModelRef{{Outcome: "purchase", File: "models/purchase.rbm", Digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}},
			ProfileVersion: 9, ProfileAge: 30 * time.Hour, Seed: "bench",
		},
		Timings: engine.Timings{Total: 100_000, Profile: 10_000, Rules: 20_000, Scoring: 30_000, Ledger: 20_000, Append: 5_000},
	}
	d.Candidates = []engine.Candidate{{Offer: engine.None, Stage: engine.StageDraw, Fits: true, Scored: true, PChoice: 0.02, PShown: 0.07}}
	for i := 1; i < 8; i++ {
		d.Candidates = append(d.Candidates, candidate(i))
	}
	return d
}

func candidate(i int) engine.Candidate {
	c := engine.Candidate{
		Offer: fmt.Sprintf("offer-%d", i), Kind: "percent_off", Stage: engine.StageDraw, Ceiling: 3500, LiabilityCost: 1800, Liability: 18, RedeemChance: 0.4, ExpectedCost: 7.2,
		Outcomes: []engine.OutcomeScore{{Outcome: "purchase", Without: 0.1, With: 0.4, Lower: 0.2, Upper: 0.4, Rung: engine.RungModel}, {Outcome: "visit", Without: 0.1, With: 0.3, Lower: 0.1, Upper: 0.3, Assumed: true, Rung: engine.RungPrior}},
		Goals:    []engine.GoalValue{{Goal: "margin", Unit: "money", Amount: 5.2, Value: 1, Weight: 1, Contribution: 5.2}, {Goal: "traffic", Unit: "visit", Amount: 0.3, Value: 3.2, Weight: 1, Contribution: 0.96}},
		Charges:  []engine.Charge{{Budget: "company-month", Lambda: 0.5, Amount: 3.6}},
		Scored:   true, Score: 6.36, LowerScore: 1.5, Fits: true, PChoice: 0.02, PShown: 0.019,
	}
	if i < 4 {
		c.Stage, c.Reason, c.Detail, c.Fits, c.PChoice, c.PShown = engine.StageRules, "MARGIN_FLOOR", "4.20 is not above 5.00", false, 0, 0
		c.Rule = engine.RuleRef{ID: "margin-floor", File: "company.yaml", Line: 111, Column: 13}
	}
	return c
}

// answering is a service with the same answer for everybody.
type answering struct {
	missing
	decision *engine.Decision
}

func (a *answering) Decide(context.Context, *engine.Request) (*engine.Decision, error) {
	return a.decision, nil
}

// decideCall is what gRPC does of a unary Decide between receiving its bytes and sending the answer's.
type decideCall struct {
	srv    *decisionServer
	handle grpc.MethodHandler
	way    grpc.UnaryServerInterceptor
	codec  encoding.CodecV2
	in     mem.BufferSlice
}

func newDecideCall(tb testing.TB, log io.Writer) *decideCall {
	tb.Helper()
	s, err := New(DefaultConfig(), Services{}, slog.New(logbuffer.Text(logbuffer.New(log), slog.LevelInfo)), prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	c := &decideCall{codec: vtcodec.NewReleasing(), way: s.way.unary}
	c.srv = &decisionServer{handlers: handlers{cfg: &s.cfg, way: s.way}, decisions: &answering{decision: eightCandidates()}}
	for _, m := range describeDecisions(c.srv).Methods {
		if m.MethodName == "Decide" {
			c.handle = m.Handler
		}
	}
	if c.in, err = vtcodec.New().Marshal(benchRequest()); err != nil {
		tb.Fatal(err)
	}
	return c
}

// once is one call; it returns the size of the answer.
func (c *decideCall) once(ctx context.Context) (int, error) {
	dec := func(v any) error {
		return c.codec.Unmarshal(c.in, v)
	}
	resp, err := c.handle(c.srv, ctx, dec, c.way)
	if err != nil {
		return 0, err
	}
	out, err := c.codec.Marshal(resp)
	if err != nil {
		return 0, err
	}
	defer out.Free()
	return out.Len(), nil
}

// bounded is the context of a call whose caller waits five seconds.
type bounded struct {
	context.Context
	end time.Time
}

func (b bounded) Deadline() (time.Time, bool) { return b.end, true }

// BenchmarkDecide is what the server layer adds to a call: all but gRPC's transport and the engine.
func BenchmarkDecide(b *testing.B) {
	c := newDecideCall(b, io.Discard)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if n, err := c.once(bounded{ctx, time.Now().Add(5 * time.Second)}); err != nil || n < 1000 {
			b.Fatal(n, err)
		}
	}
}
