package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rebound-engine/rebound/client"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

// asCommand makes the test binary behave as the command, so that tests can kill it.
const asCommand = "REBOUND_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestCrash kills the server at random points under mixed load and reopens its
// store: nothing acknowledged is lost, budgets are exact, it always opens. REBOUND_CRASH_KILLS
// sets how often (`make crash`: 200).
func TestCrash(t *testing.T) {
	kills := 5
	if v := os.Getenv("REBOUND_CRASH_KILLS"); v != "" {
		var err error
		if kills, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	c := newCrash(t)
	for range kills {
		c.round()
	}
	c.finish()
}

// crash is a store that is killed again and again, and what it has promised.
type crash struct {
	t      *testing.T
	dir    string
	rand   *rand.Rand
	cmd    *exec.Cmd
	client *client.Client
	next   atomic.Int64

	mu        sync.Mutex
	events    map[string]*pb.Event          // acknowledged
	decisions map[string]*pb.DecideResponse // acknowledged, by request id
	requests  map[string]*pb.DecideRequest
	redeemed  map[string]*pb.Event // by decision id: asked for, perhaps unanswered
	erased    map[string]bool      // acknowledged
	checked   struct{ events, decisions map[string]bool }
	offers    map[string]int64 // in the journal: ceilings by decision id
	settled   map[string]int64 // redeemed for certain: amounts by decision id
	since     time.Time        // the journal is read up to here
}

func newCrash(t *testing.T) *crash {
	c := &crash{t: t, dir: t.TempDir(), rand: rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))),
		events: map[string]*pb.Event{}, decisions: map[string]*pb.DecideResponse{}, requests: map[string]*pb.DecideRequest{},
		redeemed: map[string]*pb.Event{}, erased: map[string]bool{}, offers: map[string]int64{}, settled: map[string]int64{}}
	c.checked.events, c.checked.decisions = map[string]bool{}, map[string]bool{}
	c.start()
	t.Cleanup(func() { c.kill() })
	return c
}

// start runs the server and waits until it answers.
func (c *crash) start() {
	c.t.Helper()
	c.launch()
	c.await()
	var err error
	if c.client, err = client.Dial("unix:"+c.socket(), client.WithDecideTimeout(30*time.Second), client.WithTimeout(30*time.Second), client.WithAttempts(1)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.client.Budgets.ListBudgets(c.t.Context(), &pb.ListBudgetsRequest{}); err != nil {
		c.t.Fatalf("the server does not answer: %v\n%s", err, c.log())
	}
}

func (c *crash) socket() string { return filepath.Join(c.dir, "s") }

func (c *crash) log() string { return fileText(c.t, filepath.Join(c.dir, "log")) }

func (c *crash) launch() {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0], "serve", "--store", filepath.Join(c.dir, "store"), "--policies", "testdata/crash",
		"--socket", c.socket(), "--address", "", "--metrics-address", "", "--journal", "lossless", "--log-level", "warn")
	c.cmd.Env = append(os.Environ(), asCommand+"=1")
	log, err := os.Create(filepath.Join(c.dir, "log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.cmd.Stderr = log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// await waits until the socket answers: a client that dials before that tries again only a second later.
func (c *crash) await() {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		conn, err := net.Dial("unix", c.socket())
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the server does not open its store: %v\n%s", err, c.log())
		}
	}
}

func (c *crash) kill() {
	c.cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it may have died already
	c.cmd.Wait()                          //nolint:errcheck // it was killed
}

// round loads the server, kills it, reopens it and checks what it promised.
func (c *crash) round() {
	ctx, cancel := context.WithCancel(c.t.Context())
	var workers sync.WaitGroup
	for i := range 8 {
		seed := c.rand.Uint64()
		workers.Go(func() { c.work(ctx, i, rand.New(rand.NewPCG(seed, 0))) })
	}
	time.Sleep(time.Duration(10+c.rand.IntN(200)) * time.Millisecond)
	c.kill()
	cancel()
	workers.Wait()
	if err := c.client.Close(); err != nil {
		c.t.Fatal(err)
	}
	if c.rand.IntN(8) == 0 { // once more while it opens
		c.launch()
		time.Sleep(time.Duration(c.rand.IntN(80)) * time.Millisecond)
		c.kill()
	}
	c.start()
	c.verify()
}

// work sends a mixed load until the server is gone.
func (c *crash) work(ctx context.Context, worker int, r *rand.Rand) {
	for ctx.Err() == nil {
		var err error
		switch p := r.IntN(100); {
		case p < 45:
			err = c.decide(ctx, r)
		case p < 80:
			err = c.record(ctx, r)
		case p < 96:
			err = c.redeem(ctx)
		default:
			err = c.erase(ctx)
		}
		if err != nil && ctx.Err() == nil && status.Code(err) != codes.Unavailable {
			c.t.Errorf("worker %d: %v", worker, err)
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *crash) id(kind string) string { return fmt.Sprintf("%s-%d", kind, c.next.Add(1)) }

func customer(r *rand.Rand) []*pb.CustomerId {
	return []*pb.CustomerId{{Namespace: "crash", Value: strconv.Itoa(r.IntN(5000))}}
}

func (c *crash) decide(ctx context.Context, r *rand.Rand) error {
	req := &pb.DecideRequest{
		RequestId: c.id("request"), CustomerIds: customer(r), Consent: pb.Consent_CONSENT_GRANTED,
		Channel: pb.Channel_CHANNEL_STORE, Phase: pb.Phase_PHASE_REFUNDED, ItemReturn: returnOf(c.id("return")),
	}
	d, err := c.client.Decide(ctx, req)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[req.GetRequestId()], c.decisions[req.GetRequestId()] = req, d
	return nil
}

func returnOf(id string) *pb.ItemReturn {
	return &pb.ItemReturn{ReturnId: id, OrderId: "order-of-" + id, Authorization: pb.Authorization_AUTHORIZATION_APPROVED,
		Lines: []*pb.ReturnLine{{Sku: "shirt", Quantity: 1, PaidMinorUnits: 4900}}, Refund: &pb.Money{CurrencyCode: "USD", MinorUnits: 4900}}
}

func (c *crash) record(ctx context.Context, r *rand.Rand) error {
	var batch []*pb.Event
	for range 1 + r.IntN(5) {
		batch = append(batch, &pb.Event{EventId: c.id("event"), CustomerIds: customer(r), Time: timestamppb.Now(), Channel: pb.Channel_CHANNEL_STORE,
			Kind: &pb.Event_Purchase{Purchase: &pb.Purchase{OrderId: c.id("order"), CurrencyCode: "USD", Lines: []*pb.PurchaseLine{{Sku: "shirt", Quantity: 1, PaidMinorUnits: 4900}}}}})
	}
	_, err := c.client.Events.RecordEvents(ctx, &pb.RecordEventsRequest{Events: batch})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range batch {
		c.events[e.GetEventId()] = e
	}
	return nil
}

// redeem uses an offer nobody has used yet.
func (c *crash) redeem(ctx context.Context) error {
	e := c.redemption()
	if e == nil {
		return nil
	}
	_, err := c.client.Events.RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.Event{e}})
	return err
}

func (c *crash) redemption() *pb.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, d := range c.decisions {
		if d.GetOffer() == nil || c.redeemed[d.GetDecisionId()] != nil {
			continue
		}
		e := &pb.Event{EventId: "redeem-" + id, CustomerIds: c.requests[id].GetCustomerIds(), Time: timestamppb.Now(), Channel: pb.Channel_CHANNEL_STORE,
			Kind: &pb.Event_Redemption{Redemption: &pb.Redemption{Token: d.GetOffer().GetToken(), DecisionId: d.GetDecisionId(), OrderId: "order-" + id,
				Amount: &pb.Money{CurrencyCode: "USD", MinorUnits: 100 + int64(len(c.redeemed)%400)}}}}
		c.redeemed[d.GetDecisionId()] = e
		return e
	}
	return nil
}

// erase removes a customer that is known by one purchase.
func (c *crash) erase(ctx context.Context) error {
	who := &pb.CustomerId{Namespace: "gone", Value: c.id("customer")}
	e := &pb.Event{EventId: c.id("event"), CustomerIds: []*pb.CustomerId{who}, Time: timestamppb.Now(), Channel: pb.Channel_CHANNEL_STORE,
		Kind: &pb.Event_Purchase{Purchase: &pb.Purchase{OrderId: c.id("order"), CurrencyCode: "USD", Lines: []*pb.PurchaseLine{{Sku: "shirt", Quantity: 1, PaidMinorUnits: 4900}}}}}
	if _, err := c.client.Events.RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.Event{e}}); err != nil {
		return err
	}
	if _, err := c.client.Profiles.EraseProfile(ctx, &pb.EraseProfileRequest{RequestId: c.id("erase"), CustomerId: who}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erased[who.GetValue()] = true
	return nil
}

// verify asks again for what was acknowledged since the last round.
func (c *crash) verify() {
	c.t.Helper()
	ctx := c.t.Context()
	for id, e := range c.events {
		if c.checked.events[id] {
			continue
		}
		c.checked.events[id] = true
		c.mustBe(ctx, e, pb.EventStatus_EVENT_STATUS_DUPLICATE)
	}
	for id, want := range c.decisions {
		if c.checked.decisions[id] {
			continue
		}
		c.checked.decisions[id] = true
		got, err := c.client.Decide(ctx, c.requests[id])
		if err != nil {
			c.t.Fatalf("request %s again: %v", id, err)
		}
		if got.GetDecisionId() != want.GetDecisionId() || got.GetOffer().GetOfferId() != want.GetOffer().GetOfferId() {
			c.t.Errorf("request %s was answered %s %s, after the crash %s %s", id, want.GetDecisionId(), want.GetOffer().GetOfferId(), got.GetDecisionId(), got.GetOffer().GetOfferId())
		}
	}
	for who := range c.erased {
		if _, err := c.client.Profiles.GetProfile(ctx, &pb.GetProfileRequest{CustomerId: &pb.CustomerId{Namespace: "gone", Value: who}}); status.Code(err) != codes.NotFound {
			c.t.Errorf("customer %s was erased, after the crash: %v", who, err)
		}
		delete(c.erased, who)
	}
	c.verifyBudget(ctx)
}

func (c *crash) mustBe(ctx context.Context, e *pb.Event, want ...pb.EventStatus) {
	c.t.Helper()
	resp, err := c.client.Events.RecordEvents(ctx, &pb.RecordEventsRequest{Events: []*pb.Event{e}})
	if err != nil {
		c.t.Fatalf("event %s again: %v", e.GetEventId(), err)
	}
	got := resp.GetResults()[0]
	for _, s := range want {
		if got.GetStatus() == s {
			return
		}
	}
	c.t.Errorf("event %s after the crash: %v %s %s", e.GetEventId(), got.GetStatus(), got.GetReason(), got.GetDetail())
}

// verifyBudget finishes redemptions that were under way and compares the budget
// with the journal: every open offer reserves its ceiling, every redemption settled its amount.
func (c *crash) verifyBudget(ctx context.Context) {
	c.t.Helper()
	for id, e := range c.redeemed {
		if _, done := c.settled[id]; !done {
			c.mustBe(ctx, e, pb.EventStatus_EVENT_STATUS_DUPLICATE, pb.EventStatus_EVENT_STATUS_ACCEPTED)
			c.settled[id] = e.GetRedemption().GetAmount().GetMinorUnits()
		}
	}
	now := time.Now()
	filter := &pb.DecisionFilter{Outcome: pb.Outcome_OUTCOME_OFFER, From: timestamppb.New(c.since)}
	entries, err := queryDecisions(ctx, c.client.Journal, filter, true, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.since = now.Add(-time.Second)
	for _, e := range entries {
		c.offers[e.GetDecision().GetDecisionId()] = e.GetDecision().GetOffer().GetCeiling().GetMinorUnits()
	}
	var settled, reserved int64
	for id, ceiling := range c.offers {
		if amount, used := c.settled[id]; used {
			settled += amount
		} else {
			reserved += ceiling
		}
	}
	resp, err := c.client.Budgets.GetBudget(ctx, &pb.GetBudgetRequest{BudgetId: "year"})
	if err != nil {
		c.t.Fatal(err)
	}
	b := resp.GetBudget()
	if b.GetSettled().GetMinorUnits() != settled || b.GetReserved().GetMinorUnits() != reserved {
		c.t.Errorf("budget: settled %d, reserved %d; the journal and the redemptions make %d and %d",
			b.GetSettled().GetMinorUnits(), b.GetReserved().GetMinorUnits(), settled, reserved)
	}
}

// finish stops the server and checks the folder.
func (c *crash) finish() {
	c.t.Logf("%d events, %d decisions, %d redemptions acknowledged", len(c.events), len(c.decisions), len(c.redeemed))
	c.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatalf("the server does not stop in order: %v\n%s", err, c.log())
	}
	report, err := badgerstore.Check(c.t.Context(), filepath.Join(c.dir, "store"), checkOptions())
	if err != nil {
		c.t.Fatal(err)
	}
	if !report.OK() || !report.Refolded {
		checkTable(io.Discard, report)
		c.t.Errorf("store check: refolded %v, problems %v", report.Refolded, report.Problems)
	}
}
