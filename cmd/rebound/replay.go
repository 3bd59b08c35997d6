package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/ingest"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
)

// replayReport is what `rebound replay` prints.
type replayReport struct {
	Returns  int                `json:"returns"` // customers and days decided on
	Offers   map[string]int     `json:"offers"`  // shown, by kind
	NoOffer  int                `json:"no_offer"`
	HeldOut  int                `json:"held_out"`
	Fallback int                `json:"fallback"`
	Rejected map[string]int     `json:"rejected"` // candidates, by reason
	Spend    map[string]*period `json:"spend"`    // by budget and start of its period
	P50      float64            `json:"p50_ms"`   // of Decide over loopback, at the caller
	P99      float64            `json:"p99_ms"`
	Entries  int                `json:"journal_entries"`
	Digest   string             `json:"journal_digest"` // over canonical entries: equal in equal runs
}

// period is what one period of a budget was asked for.
type period struct {
	Limit    *pb.Money `json:"limit"`
	Offers   int       `json:"offers"`
	Reserved int64     `json:"reserved_minor_units"`      // ceilings of the offers made
	Expected float64   `json:"expected_cost_major_units"` // their expected cost
}

func (a *app) replayCmd() *cobra.Command {
	r := &replay{app: a}
	var from, until, mapping string
	cmd := &cobra.Command{
		Use:   "replay TABLE.csv[.gz]",
		Short: "Decide the returns of a past table as if they happened now",
		Long: `Replay records the events of a table in the order they happened and, over gRPC on
loopback, decides every return (customer and day) between --from and --until at its
own time. It starts from an empty store; given the folder of an interrupted replay
it goes on and arrives at the same journal.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) (err error) {
			if r.from, err = parseTime(from); err != nil {
				return usageErrorf("--from: %w", err)
			}
			if r.until, err = parseTime(until); err != nil {
				return usageErrorf("--until: %w", err)
			}
			return r.run(cmd.Context(), arg[0], mapping)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&mapping, "mapping", "m", "", "mapping file (docs/formats/mapping.md)")
	f.StringVar(&r.policies, "policies", "", "bundle directory")
	f.StringVar(&from, "from", "", "decide returns at or after, a date or RFC 3339")
	f.StringVar(&until, "until", "", "decide returns before")
	f.StringVar(&r.store, "store", "", "store folder to keep (default: a temporary one)")
	f.StringVar(&r.salt, "salt", "replay", "seeds the draws: the same salt draws the same")
	for _, name := range []string{"mapping", "policies", "from", "until"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// replay is one run of the verb.
type replay struct {
	app                   *app
	store, policies, salt string
	from, until           time.Time

	session *session
	pending []*pb.Event // in time order, not yet recorded
	report  replayReport
	latency *hdrhistogram.Histogram // microseconds
}

func (r *replay) run(ctx context.Context, table, mapping string) (err error) {
	if r.store == "" {
		if r.store, err = os.MkdirTemp("", "rebound-replay-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(r.store)) }()
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.session.Close()) }()
	events, err := readEvents(ctx, table, mapping)
	if err != nil {
		return err
	}
	if err := r.play(ctx, events); err != nil {
		return err
	}
	if err := r.summarise(ctx); err != nil {
		return err
	}
	return r.app.print(&r.report, r.table)
}

// readEvents reads a whole table, in the order of business time.
func readEvents(ctx context.Context, table, mapping string) ([]*profile.Event, error) {
	data, err := os.ReadFile(mapping)
	if err != nil {
		return nil, err
	}
	m, err := ingest.ParseMapping(mapping, data)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	file, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	plain, err := decompress(file, table)
	if err != nil {
		return nil, err
	}
	reader, err := ingest.NewReader(m, plain, nil)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", table, err)
	}
	var events []*profile.Event
	if _, err := reader.Read(ctx, func(e *profile.Event) error { events = append(events, e); return nil }); err != nil {
		return nil, err
	}
	slices.SortFunc(events, func(a, b *profile.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	return events, nil
}

// open starts a server on loopback over the store, its clock following the events.
func (r *replay) open(ctx context.Context) (err error) {
	cfg := defaultNodeConfig()
	cfg.Store, cfg.Policies, cfg.Clock = r.store, r.policies, "events"
	cfg.secrets = fixedSecrets(r.salt)
	r.session, err = openLoopback(ctx, cfg, "127.0.0.1:0", slog.New(slog.NewTextHandler(r.app.errOut, &slog.HandlerOptions{Level: slog.LevelWarn})))
	return err
}

// play records and decides in the order of time. A customer's day with returns
// is decided at its last one, before that is recorded: the moment training learns from.
func (r *replay) play(ctx context.Context, events []*profile.Event) error {
	r.latency = hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	r.report.Offers, r.report.Rejected, r.report.Spend = map[string]int{}, map[string]int{}, map[string]*period{}
	bar := r.app.progressBar("replay", int64(len(events)))
	defer bar.done()
	last := r.lastReturns(events)
	for _, e := range events {
		if last[dayOf(e)] == e {
			if err := r.decide(ctx, "replay-"+dayOf(e), e); err != nil {
				return fmt.Errorf("return %s: %w", e.ID, err)
			}
		}
		if err := r.record(ctx, e); err != nil {
			return err
		}
		bar.add(1)
	}
	return r.flush(ctx)
}

// lastReturns finds the last return of every customer and day in the window.
func (r *replay) lastReturns(events []*profile.Event) map[string]*profile.Event {
	last := map[string]*profile.Event{}
	for _, e := range events {
		if e.Kind == profile.KindReturn && !e.Time.Before(r.from) && e.Time.Before(r.until) {
			last[dayOf(e)] = e
		}
	}
	return last
}

// dayOf names an event's customer and local day.
func dayOf(e *profile.Event) string { return e.Customer.Value + "-" + e.Time.Format(time.DateOnly) }

func (r *replay) record(ctx context.Context, e *profile.Event) error {
	r.pending = append(r.pending, server.EventMessage(e))
	if len(r.pending) < ingestBatch {
		return nil
	}
	return r.flush(ctx)
}

func (r *replay) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	resp, err := r.session.Events.RecordEvents(ctx, &pb.RecordEventsRequest{Events: r.pending})
	if err != nil {
		return err
	}
	for i, x := range resp.GetResults() {
		if x.GetStatus() == pb.EventStatus_EVENT_STATUS_REJECTED {
			return fmt.Errorf("event %s: %s: %s", r.pending[i].GetEventId(), x.GetReason(), x.GetDetail())
		}
	}
	r.pending = r.pending[:0]
	return nil
}

func (r *replay) decide(ctx context.Context, id string, e *profile.Event) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	req := decideMessage(id, e)
	start := time.Now()
	d, err := r.session.Decisions.Decide(ctx, req)
	if err != nil {
		return err
	}
	if err := r.latency.RecordValue(time.Since(start).Microseconds()); err != nil {
		return err
	}
	r.count(d)
	return nil
}

// decideMessage asks for a decision on a return event at its own time.
func decideMessage(id string, e *profile.Event) *pb.DecideRequest {
	m := server.EventMessage(e)
	return &pb.DecideRequest{
		RequestId: id, CustomerIds: m.GetCustomerIds(), Consent: pb.Consent_CONSENT_GRANTED,
		Channel: m.GetChannel(), Phase: pb.Phase_PHASE_REFUNDED, ItemReturn: m.GetItemReturn(),
		AsOf: timestamppb.New(e.Time), Explain: pb.Explain_EXPLAIN_FULL,
	}
}

func (r *replay) count(d *pb.DecideResponse) {
	rep := &r.report
	rep.Returns++
	switch d.GetOutcome() {
	case pb.Outcome_OUTCOME_OFFER:
		rep.Offers[d.GetOffer().GetKind()]++
		r.spend(d)
	case pb.Outcome_OUTCOME_HOLDOUT:
		rep.HeldOut++
	case pb.Outcome_OUTCOME_FALLBACK:
		rep.Fallback++
	default:
		rep.NoOffer++
	}
	for _, c := range d.GetCandidates() {
		if reason := c.GetRefusal().GetReason(); reason != "" {
			rep.Rejected[reason]++
		}
	}
}

func (r *replay) spend(d *pb.DecideResponse) {
	for _, b := range d.GetExplanation().GetBudgets() {
		key := b.GetBudgetId() + " " + b.GetStartsAt().AsTime().Add(12*time.Hour).Format(time.DateOnly)
		p := r.report.Spend[key]
		if p == nil {
			p = &period{Limit: b.GetLimit()}
			r.report.Spend[key] = p
		}
		p.Offers++
		p.Reserved += b.GetReserves().GetMinorUnits()
		p.Expected += d.GetValue().GetExpectedCost()
	}
}

func (r *replay) summarise(ctx context.Context) (err error) {
	r.report.P50 = float64(r.latency.ValueAtQuantile(50)) / 1000
	r.report.P99 = float64(r.latency.ValueAtQuantile(99)) / 1000
	r.report.Digest, r.report.Entries, err = engine.DigestLog(ctx, r.session.node.store)
	return err
}

func (r *replay) table(w io.Writer) {
	rep := &r.report
	row(w, "returns decided", rep.Returns)
	for _, kind := range slices.Sorted(maps.Keys(rep.Offers)) {
		row(w, "  offered "+kind, rep.Offers[kind])
	}
	row(w, "  no offer", rep.NoOffer)
	row(w, "  held out", rep.HeldOut)
	if rep.Fallback > 0 {
		row(w, "  fallback", rep.Fallback)
	}
	row(w, "candidates refused")
	for _, reason := range slices.Sorted(maps.Keys(rep.Rejected)) {
		row(w, "  "+reason, rep.Rejected[reason])
	}
	row(w, "budgets", "OFFERS", "CEILINGS", "EXPECTED", "LIMIT")
	for _, key := range slices.Sorted(maps.Keys(rep.Spend)) {
		p := rep.Spend[key]
		row(w, "  "+key, p.Offers, money(&pb.Money{CurrencyCode: p.Limit.GetCurrencyCode(), MinorUnits: p.Reserved}), fmt.Sprintf("%.2f", p.Expected), money(p.Limit))
	}
	row(w, "decide p50, p99", fmt.Sprintf("%.3f ms, %.3f ms", rep.P50, rep.P99))
	row(w, "journal", fmt.Sprintf("%d entries, digest %s", rep.Entries, rep.Digest))
}
