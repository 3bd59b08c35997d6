package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/live"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/sim"
)

//go:embed demo/policies
var demoPolicies embed.FS

// demoHorizon is the window of the outcome; the last one of the simulation only watches.
const demoHorizon = 30 * 24 * time.Hour

// demo runs the main job on a simulated retailer.
type demo struct {
	app    *app
	dir    string // policies and store; empty: a temporary folder
	serve  bool
	addr   string
	config sim.Config

	retailer     *sim.Retailer
	session      *session
	decideAt     time.Time // decisions from here on
	watchAt      time.Time // no decisions from here on
	pending      []*pb.Event
	declarations *errgroup.Group // under way
	tally        demoTally
}

func (a *app) demoCmd() *cobra.Command {
	d := &demo{app: a, config: sim.Config{
		Seed: 7, Customers: 6000, Days: 240, Stores: 12, Currency: "USD", Swindlers: 0.02,
		Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole job on a simulated retailer",
		Long: `Demo simulates a fashion chain for eight months: five months of purchases and returns
to learn from, two in which every return is decided on over gRPC and customers react
to what they are offered, one more to see what came of it. It needs nothing but this
binary; --serve leaves the server running on the result.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&d.dir, "dir", "", "folder for policies and store (default: a temporary one)")
	f.BoolVar(&d.serve, "serve", false, "leave the server running at the end")
	f.StringVar(&d.addr, "address", defaultAddr, "with --serve: loopback address to listen on")
	f.IntVar(&d.config.Customers, "customers", d.config.Customers, "customers to simulate")
	f.Uint64Var(&d.config.Seed, "seed", d.config.Seed, "of the simulation")
	return cmd
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "rebound-demo-"); err != nil {
			return err
		}
	}
	if _, err := os.Stat(d.path("store")); err == nil {
		return usageErrorf("--dir %s already holds a store; the demonstration starts from an empty one", d.dir)
	}
	start := time.Now()
	if err := d.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.session.Close()) }()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"five months of purchases and returns, recorded over gRPC", d.learnFrom},
		{"the chance of another purchase, learned from the log; policies activated", d.train},
		{"two months of returns decided, one to see what came of it", d.decideAll},
	} {
		t := time.Now()
		if err := step.do(ctx); err != nil {
			return err
		}
		d.say("%6.1f s  %s\n", time.Since(t).Seconds(), step.what)
	}
	if err := d.report(ctx); err != nil {
		return err
	}
	d.say("\n%.1f seconds in all. Policies and store are in %s\n", time.Since(start).Seconds(), d.dir)
	if d.serve {
		return d.stay(ctx)
	}
	d.nextSteps("--store " + d.path("store") + " --clock events")
	return nil
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// say writes progress for people; data formats get the report alone.
func (d *demo) say(format string, args ...any) {
	if d.app.format == "table" {
		fmt.Fprintf(d.app.out, format, args...)
	}
}

func (d *demo) open(ctx context.Context) (err error) {
	if d.retailer, err = sim.New(d.config); err != nil {
		return &exitError{exitUsage, err}
	}
	d.watchAt = d.config.Start.AddDate(0, 0, d.config.Days).Add(-demoHorizon)
	d.decideAt = d.watchAt.Add(-2 * demoHorizon)
	d.tally.init()
	cfg := defaultNodeConfig()
	cfg.Store, cfg.Clock, cfg.secrets = d.path("store"), "events", fixedSecrets("demo")
	addr := "127.0.0.1:0"
	if d.serve {
		addr = d.addr
	}
	d.session, err = openLoopback(ctx, cfg, addr, slog.New(slog.NewTextHandler(d.app.errOut, &slog.HandlerOptions{Level: slog.LevelError})))
	return err
}

// learnFrom records everything before the first decision.
func (d *demo) learnFrom(ctx context.Context) error {
	for {
		e, ok := d.retailer.Next()
		if !ok {
			return errors.New("the simulation ended before the first decision")
		}
		if !e.Time.Before(d.decideAt) {
			if err := d.flush(ctx); err != nil {
				return err
			}
			return d.handle(ctx, e)
		}
		if err := d.record(ctx, e); err != nil {
			return err
		}
	}
}

// train fits the baseline on the log and activates the policies with it.
func (d *demo) train(ctx context.Context) error {
	zone, err := time.LoadLocation("America/New_York") // as in the policies
	if err != nil {
		return err
	}
	set, err := engine.TrainingRows(ctx, d.session.node.store, engine.TrainingOptions{Currency: d.config.Currency, Horizon: demoHorizon, Location: zone})
	if err != nil {
		return err
	}
	b, err := fitBaseline(set.Rows, demoHorizon, nil)
	if err != nil {
		return err
	}
	d.tally.Learned = len(set.Rows)
	if err := d.writePolicies(); err != nil {
		return err
	}
	if err := b.write(d.path("policies/models/baseline.rbm")); err != nil {
		return err
	}
	files, err := live.ReadFiles(os.DirFS(d.path("policies")))
	if err != nil {
		return err
	}
	_, err = d.session.Policies.ActivateBundle(ctx, &pb.ActivateBundleRequest{RequestId: uuid.NewString(), Bundle: bundleMessage(files)})
	return err
}

// writePolicies lays out the embedded policies and what is known of the stores and categories.
func (d *demo) writePolicies() error {
	root := d.path("policies")
	sub, err := fs.Sub(demoPolicies, "demo/policies")
	if err != nil {
		return err
	}
	if err := os.CopyFS(root, sub); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, "reference"), 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func() []byte{"stores.yaml": d.storeFacts, "categories.yaml": categoryFacts} {
		if err := os.WriteFile(filepath.Join(root, "reference", name), write(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) storeFacts() []byte {
	out := []byte("# What policies read as store.*\nstores:\n")
	for _, s := range d.retailer.Stores() {
		out = fmt.Appendf(out, "  %s: {boris_saving: %.2f, attach_margin: %.2f, cogs_rate: %.3f, clearance_event: %t}\n",
			s.ID, s.BORISSaving, s.AttachMargin, s.COGSRate, s.ClearanceEvent)
	}
	return out
}

func categoryFacts() []byte {
	out := []byte("# The margin of each category, for the expected basket.\ncategories:\n")
	names, margins := sim.Categories()
	for i, n := range names {
		out = fmt.Appendf(out, "  %s: {margin_rate: %.2f}\n", n, margins[i])
	}
	return out
}

// decideAll plays the rest of the simulation.
func (d *demo) decideAll(ctx context.Context) error {
	for {
		e, ok := d.retailer.Next()
		if !ok {
			return d.flush(ctx)
		}
		if err := d.handle(ctx, e); err != nil {
			return err
		}
	}
}

// handle decides a return while decisions are made, and records the event.
func (d *demo) handle(ctx context.Context, e *profile.Event) error {
	d.tally.event(e)
	if e.Kind == profile.KindReturn && e.Time.Before(d.watchAt) && d.session.hasPolicies() {
		if err := d.flush(ctx); err != nil {
			return err
		}
		if err := d.decide(ctx, e); err != nil {
			return fmt.Errorf("return %s: %w", e.ReturnID, err)
		}
	}
	return d.record(ctx, e)
}

func (d *demo) record(ctx context.Context, e *profile.Event) error {
	if e.Kind == profile.KindAttributes {
		return d.declare(ctx, e)
	}
	d.pending = append(d.pending, server.EventMessage(e))
	if len(d.pending) < ingestBatch {
		return nil
	}
	return d.flush(ctx)
}

// declare sends declarations side by side, so that they share trips to the disk; flush waits for them.
func (d *demo) declare(ctx context.Context, e *profile.Event) error {
	if d.declarations == nil {
		d.declarations = &errgroup.Group{}
		d.declarations.SetLimit(64)
	}
	req := declaration(e)
	d.declarations.Go(func() error {
		_, err := d.session.Profiles.PutProfiles(ctx, req)
		return err
	})
	return nil
}

// flush records what is pending; when it returns, a decision sees everything before it.
func (d *demo) flush(ctx context.Context) error {
	if d.declarations != nil {
		if err := d.declarations.Wait(); err != nil {
			return err
		}
		d.declarations = nil
	}
	if len(d.pending) == 0 {
		return nil
	}
	resp, err := d.session.Events.RecordEvents(ctx, &pb.RecordEventsRequest{Events: d.pending})
	if err != nil {
		return err
	}
	for i, r := range resp.GetResults() {
		d.tally.recorded(d.pending[i], r)
	}
	d.pending = d.pending[:0]
	return nil
}
