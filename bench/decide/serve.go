package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/internal/logbuffer"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

//go:embed policies
var policies embed.FS

// addresses is what the server process tells the driver.
type addresses struct {
	Decide string `json:"decide"`
	Echo   string `json:"echo"`
}

// serve runs both servers in this process until stdin ends: the real one with
// validation, metrics, access log and journal, and the empty echo.
func serve(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	debug.SetGCPercent(o.gogc)
	debug.SetMemoryLimit(4 << 30) // 4 GiB
	dir, err := os.MkdirTemp(o.dir, "rebound-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // scratch
	st, eng, err := open(ctx, dir, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	srv, err := startServer(ctx, eng, dir)
	if err != nil {
		cancel()
		return errors.Join(err, st.Close())
	}
	stopProfile, err := startProfile(o.profile)
	if err != nil {
		cancel()
		return errors.Join(err, st.Close())
	}
	defer stopProfile()
	if o.waits != "" {
		runtime.SetBlockProfileRate(10_000) // one sample per 10 µs waited
		defer writeWaits(o.waits)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	lis, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err == nil {
		echo := echoServer(make([]byte, o.answer))
		go func() { _ = echo.Serve(lis) }() // ends with Stop
		err = json.NewEncoder(out).Encode(addresses{Decide: srv.Addr().String(), Echo: lis.Addr().String()})
		_, _ = io.Copy(io.Discard, in)
		echo.Stop()
	}
	cancel()
	return errors.Join(err, <-ended, st.Close())
}

// startProfile writes a CPU profile until the returned function is called; an empty name is none.
func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a broken profile shows itself when it is read
	}, nil
}

// writeWaits writes what goroutines have waited for.
func writeWaits(name string) {
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(pprof.Lookup("block").WriteTo(f, 0), f.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "block profile:", err)
	}
}

// open builds a store with profiles in it and an engine with the policies beside this file.
func open(ctx context.Context, dir string, o options) (store.Store, *engine.Engine, error) {
	ledger := engine.NewLedger()
	mode := store.Bounded
	if o.journal == "lossless" {
		mode = store.Lossless
	}
	st, err := badgerstore.Open(dir+"/store", badgerstore.Options{Mode: mode, Fold: engine.NewFold(), Machine: ledger, Index: engine.Index})
	if err != nil {
		return nil, nil, err
	}
	keys, err := engine.NewTokenKeys("bench", map[string][]byte{"bench": []byte("thirty-two bytes for a benchmark")})
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	eng, err := engine.New(engine.Options{Store: st, Ledger: ledger, Salt: "bench", SaltName: "bench", TokenKeys: keys, OpenModel: live.OpenModel})
	if err == nil {
		err = activate(ctx, eng)
	}
	if err == nil {
		err = loadProfiles(ctx, eng, o.profiles)
	}
	if err == nil {
		err = st.Checkpoint(ctx) // what loading left behind must not weigh on the measurement
	}
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, eng, nil
}

func activate(ctx context.Context, eng *engine.Engine) error {
	files, err := fs.Sub(policies, "policies")
	if err != nil {
		return err
	}
	b, err := rules.Load(files, engine.Schema())
	if err != nil {
		return err
	}
	_, err = eng.Activate(ctx, b, engine.ActivateOptions{By: "bench"})
	return err
}

// loadProfiles gives every customer three purchases in the last months.
func loadProfiles(ctx context.Context, eng *engine.Engine, n int) error {
	now := time.Now().Add(-time.Hour)
	var batch []*profile.Event
	for i := range n {
		for k := range 3 {
			batch = append(batch, purchase(i, k, now.AddDate(0, 0, -10-30*k)))
		}
		if len(batch) < 900 && i < n-1 {
			continue
		}
		if _, err := eng.Record(ctx, batch); err != nil {
			return fmt.Errorf("load profiles: %w", err)
		}
		batch = batch[:0]
	}
	return nil
}

func purchase(customer, k int, at time.Time) *profile.Event {
	return &profile.Event{
		ID: fmt.Sprintf("p-%d-%d", customer, k), Kind: profile.KindPurchase, Time: at, Channel: profile.ChannelStore, Currency: "USD",
		Customer: profile.Identity{Namespace: "loyalty", Value: fmt.Sprintf("%0*d", digits, customer)}, OrderID: fmt.Sprintf("o-%d-%d", customer, k),
		Lines: []profile.Line{
			{SKU: fmt.Sprintf("runner-%d", k), Style: "runner", Size: "42", Category: "shoes", Quantity: 1, Paid: 8000},
			{SKU: fmt.Sprintf("socks-%d", k), Style: "socks", Size: "M", Category: "basics", Quantity: 2, Paid: 1500, Discount: 200},
		},
	}
}

// startServer listens on a loopback port. The access log goes to a file, as it would.
func startServer(ctx context.Context, eng *engine.Engine, dir string) (*server.Server, error) {
	log, err := os.Create(dir + "/access.log")
	if err != nil {
		return nil, err
	}
	cfg := server.DefaultConfig()
	cfg.Address, cfg.MetricsAddress = "127.0.0.1:0", ""
	lines := logbuffer.New(log)
	svc := server.Services{Decisions: eng, Events: eng}
	srv, err := server.New(cfg, svc, slog.New(logbuffer.Text(lines, slog.LevelInfo)), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	return srv, srv.Listen(ctx)
}
