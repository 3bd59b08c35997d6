package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// aging is a store that is kept for some days of a clock that the test moves.
type aging struct {
	t    *testing.T
	cfg  nodeConfig
	now  atomic.Int64 // seconds
	log  bytes.Buffer
	sent int
	*session
}

func newAging(t *testing.T, days int) *aging {
	a := &aging{t: t, cfg: configOf(newStore(t))}
	a.now.Store(time.Now().Unix())
	a.cfg.Policies, a.cfg.RetentionDays = "testdata/crash", days
	a.cfg.storage.Clock = func() time.Time { return time.Unix(a.now.Load(), 0) }
	a.cfg.storage.SegmentSize, a.cfg.storage.CheckpointEvery = 1<<20, 10*time.Millisecond
	a.open()
	t.Cleanup(a.close)
	return a
}

func (a *aging) open() {
	var err error
	if a.session, err = openSession(a.t.Context(), a.cfg, slog.New(slog.NewTextHandler(&a.log, nil))); err != nil {
		a.t.Fatal(err)
	}
}

func (a *aging) close() {
	if err := a.Close(); err != nil {
		a.t.Error(err)
	}
}

// offer decides for a customer, who gets an offer of 5.00.
func (a *aging) offer(who string) *pb.DecideResponse {
	a.t.Helper()
	d, err := a.Decide(a.t.Context(), &pb.DecideRequest{
		RequestId: "request-" + who, CustomerIds: named(who), Consent: pb.Consent_CONSENT_GRANTED,
		Channel: pb.Channel_CHANNEL_STORE, Phase: pb.Phase_PHASE_REFUNDED, ItemReturn: returnOf(who),
	})
	if err != nil || d.GetOffer() == nil {
		a.t.Fatalf("%v, %v", d, err)
	}
	return d
}

func named(who string) []*pb.CustomerId { return []*pb.CustomerId{{Namespace: "shop", Value: who}} }

// record sends an event and wants it taken.
func (a *aging) record(e *pb.Event) {
	a.t.Helper()
	a.sent++
	e.EventId, e.Time, e.Channel = fmt.Sprint("event-", a.sent), timestamppb.Now(), pb.Channel_CHANNEL_STORE
	resp, err := a.Events.RecordEvents(a.t.Context(), &pb.RecordEventsRequest{Events: []*pb.Event{e}})
	if err != nil || resp.GetResults()[0].GetStatus() != pb.EventStatus_EVENT_STATUS_ACCEPTED {
		a.t.Fatalf("%v, %v", resp, err)
	}
}

func (a *aging) purchase(who string) {
	a.t.Helper()
	a.record(&pb.Event{CustomerIds: named(who), Kind: &pb.Event_Purchase{Purchase: &pb.Purchase{
		OrderId: fmt.Sprint("order-", a.sent), CurrencyCode: "USD", Lines: []*pb.PurchaseLine{{Sku: "shirt", Quantity: 1, PaidMinorUnits: 4900}}}}})
}

// until lets days pass and others buy until it is so.
func (a *aging) until(what string, days int64, so func() bool) {
	a.t.Helper()
	a.now.Add(days * 24 * 3600)
	for end := time.Now().Add(time.Minute); !so(); {
		a.purchase("others")
		if time.Now().After(end) {
			a.t.Fatalf("not within a minute: %s\n%+v\n%s", what, a.node.store.Stats(), &a.log)
		}
	}
}

func (a *aging) budget() (settled, reserved int64) {
	a.t.Helper()
	resp, err := a.Budgets.GetBudget(a.t.Context(), &pb.GetBudgetRequest{BudgetId: "year"})
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.GetBudget().GetSettled().GetMinorUnits(), resp.GetBudget().GetReserved().GetMinorUnits()
}

// TestRetention: what is older leaves the journal; money, open offers, profiles and policies stay.
func TestRetention(t *testing.T) {
	a := newAging(t, 30)
	a.purchase("anna")
	anna, ben := a.offer("anna"), a.offer("ben")
	last := a.node.store.Last()
	a.until("a second segment", 8, func() bool { return a.node.store.Stats().Segments > 1 })
	a.until("the first segment is dropped", 31, func() bool { return a.node.store.Stats().First > last })

	if _, err := a.Decisions.GetDecision(t.Context(), &pb.GetDecisionRequest{DecisionId: anna.GetDecisionId()}); status.Code(err) != codes.NotFound {
		t.Errorf("a dropped decision: %v", err)
	}
	if found, err := queryDecisions(t.Context(), a.Journal, &pb.DecisionFilter{}, false, 0); err != nil || len(found) != 0 {
		t.Errorf("the journal has %d decisions, %v", len(found), err)
	}
	if settled, reserved := a.budget(); settled != 0 || reserved != 1000 {
		t.Errorf("budget: %d settled, %d reserved", settled, reserved)
	}
	a.record(&pb.Event{CustomerIds: named("anna"), Kind: &pb.Event_Redemption{Redemption: &pb.Redemption{
		Token: anna.GetOffer().GetToken(), DecisionId: anna.GetDecisionId(), OrderId: "redeemed", Amount: &pb.Money{CurrencyCode: "USD", MinorUnits: 350}}}})

	a.close()
	a.cfg.Policies = ""
	a.open()
	if settled, reserved := a.budget(); settled != 350 || reserved != 500 {
		t.Errorf("budget after a restart: %d settled, %d reserved", settled, reserved)
	}
	p, err := a.Profiles.GetProfile(t.Context(), &pb.GetProfileRequest{CustomerId: named("anna")[0]})
	if err != nil || number(t, p.GetProfile(), "customer.purchases_90d") != 1 {
		t.Errorf("anna's profile: %v, %v", p, err)
	}
	if again := a.offer("carl"); again.GetProvenance().GetBundleDigest() != ben.GetProvenance().GetBundleDigest() {
		t.Error("other policies are in force")
	}
}

// TestRetentionWaitsForOffers: an offer of 20 days in a journal of 10 keeps everything.
func TestRetentionWaitsForOffers(t *testing.T) {
	a := newAging(t, 10)
	d := a.offer("anna")
	a.until("a second segment", 3, func() bool { return a.node.store.Stats().Segments > 1 })
	a.now.Add(11 * 24 * 3600)
	old := &retention{age: a.cfg.retention()}
	if err := old.keep(t.Context(), 2); err == nil {
		t.Error("dropped before the policies are in force")
	}
	old.engine.Store(a.node.engine)
	if err := old.keep(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "raise it to 20") {
		t.Errorf("a journal kept shorter than offers: %v", err)
	}
	if again := a.offer("anna"); again.GetDecisionId() != d.GetDecisionId() || a.node.store.Stats().First != 1 {
		t.Errorf("the offer's request is forgotten: %+v", a.node.store.Stats())
	}
}
