package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

// nodeConfig is everything a server process is told.
type nodeConfig struct {
	Store            string        // folder
	Policies         string        // bundle directory; empty: the last activation in the log
	RequireSignature string        // file of trusted public keys; empty: signatures are not asked for
	Watch            bool          // activate the directory again when it changes
	Clock            string        // "wall" or "events"
	Journal          string        // "lossless" or "bounded"
	Keys             string        // secrets file; empty: keys.json in the store folder
	Strict           bool          // unknown scopes are errors
	Programs         string        // folder of programs that bundles may start as model processes; empty: none
	ModelTimeout     time.Duration // of one call of a model outside of this process
	Server           server.Config // listeners and limits
	RetentionDays    int           // how long the journal is kept; 0: for ever
	// What the journal has to prove before a model is promoted.
	PromotionDecisions int     // with complete outcomes, at least
	PromotionDays      int     // that they span, at least
	PromotionMaxLoss   float64 // of a challenger: money per decision that it may lose at worst
	LogFormat          string  // "text" or "json"
	LogLevel           string
	secrets            *secrets            // instead of Keys
	storage            badgerstore.Options // settings of the store that have no flag
}

func defaultNodeConfig() nodeConfig {
	gate := registry.DefaultGate()
	return nodeConfig{
		Store: "rebound-store", Clock: "wall", Journal: "lossless", LogFormat: "text", LogLevel: "info", Server: server.DefaultConfig(),
		ModelTimeout: engine.DefaultModelTimeout, PromotionDecisions: gate.MinRows, PromotionDays: gate.MinDays, PromotionMaxLoss: gate.MaxLoss,
	}
}

// gate is what the journal has to prove before a model is promoted.
func (c *nodeConfig) gate() registry.Gate {
	g := registry.DefaultGate()
	g.MinRows, g.MinDays, g.MaxLoss = c.PromotionDecisions, c.PromotionDays, c.PromotionMaxLoss
	return g
}

// validate reports everything that is wrong, by setting.
func (c *nodeConfig) validate() error {
	var errs []error
	oneOf := func(name, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%s: %q is none of %q", name, value, allowed))
		}
	}
	if c.Store == "" {
		errs = append(errs, errors.New("store: a folder is needed"))
	}
	if c.Watch && c.Policies == "" {
		errs = append(errs, errors.New("watch: there is no directory to watch; give policies"))
	}
	if c.RetentionDays < 0 || c.RetentionDays > maxRetentionDays {
		errs = append(errs, fmt.Errorf("retention_days: %d is none of 0 (for ever) to %d", c.RetentionDays, maxRetentionDays))
	}
	if c.ModelTimeout <= 0 {
		errs = append(errs, fmt.Errorf("model_timeout: %v is not positive", c.ModelTimeout))
	}
	if c.PromotionDecisions < 1 || c.PromotionDays < 0 || !(c.PromotionMaxLoss >= 0) {
		errs = append(errs, errors.New("promotion_decisions, promotion_days, promotion_max_loss: at least one decision, no negative days, no negative loss"))
	}
	oneOf("clock", c.Clock, "wall", "events")
	oneOf("journal", c.Journal, "lossless", "bounded")
	oneOf("log_format", c.LogFormat, "text", "json")
	oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error")
	return errors.Join(append(errs, c.Server.Validate())...)
}

func (c *nodeConfig) loadSecrets() (*secrets, error) {
	switch {
	case c.secrets != nil:
		return c.secrets, nil
	case c.Keys != "":
		return loadSecrets(c.Keys, false)
	default:
		return loadSecrets(filepath.Join(c.Store, "keys.json"), true)
	}
}

// closeTimeout is how long the engine may take to hand back budget slices.
const closeTimeout = 5 * time.Second

// node is an open store with an engine and a server on it.
type node struct {
	store    *badgerstore.Store
	engine   *engine.Engine
	models   *live.Models
	policies *live.Policies
	server   *server.Server
	registry *prometheus.Registry
	stop     context.CancelFunc
	done     chan error
}

// openNode opens the folder, rebuilds the ledger, and activates policies.
func openNode(ctx context.Context, cfg nodeConfig, log *slog.Logger) (*node, error) {
	if err := cfg.validate(); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	n := &node{registry: prometheus.NewRegistry(), done: make(chan error, 1)}
	ledger := engine.NewLedger()
	old := &retention{age: cfg.retention()}
	opts := storeOptions(cfg, ledger, log)
	opts.Retention = badgerstore.Retention{Age: old.age, Keep: old.keep}
	var err error
	if n.store, err = badgerstore.Open(cfg.Store, opts); err != nil {
		return nil, err
	}
	n.models = live.NewModels(live.Outside{Programs: cfg.Programs, Logger: log})
	n.engine, err = newEngine(cfg, n.store, ledger, n.models)
	if err == nil {
		n.policies, err = n.loadPolicies(ctx, cfg, log)
	}
	if err == nil {
		old.engine.Store(n.engine)
		n.server, err = server.New(cfg.Server, n.services(cfg.Strict), log, n.registry)
	}
	if err == nil {
		err = n.registry.Register(newModelMetrics(n.engine, log))
	}
	if err != nil {
		return nil, errors.Join(err, n.models.Close(), n.store.Close())
	}
	return n, nil
}

func newEngine(cfg nodeConfig, s store.Store, ledger *engine.Ledger, models *live.Models) (*engine.Engine, error) {
	keys, err := cfg.loadSecrets()
	if err != nil {
		return nil, err
	}
	tokens, err := keys.tokenKeys()
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Options{
		Store: s, Ledger: ledger, EventClock: cfg.Clock == "events",
		Salt: string(keys.Salt), SaltName: keys.SaltName, TokenKeys: tokens, OpenModel: models.Open,
		OpenArtifact: live.OpenArtifact, Gate: cfg.gate(), ModelTimeout: cfg.ModelTimeout,
	})
}

func storeOptions(cfg nodeConfig, ledger *engine.Ledger, log *slog.Logger) badgerstore.Options {
	o := cfg.storage
	o.Mode = store.Lossless
	if cfg.Journal == "bounded" {
		o.Mode = store.Bounded
	}
	o.Fold, o.Machine, o.Index, o.Logger = engine.NewFold(), ledger, engine.Index, log
	return o
}

// signatureOptions makes a bundle's signature a condition, if a file of trusted keys is given.
func (c *nodeConfig) signatureOptions() ([]live.Option, error) {
	if c.RequireSignature == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.RequireSignature)
	if err != nil {
		return nil, fmt.Errorf("require_signature: %w", err)
	}
	keys, err := rules.ParsePublicKeys(data)
	if err != nil {
		return nil, fmt.Errorf("require_signature: %s: %w", c.RequireSignature, err)
	}
	return []live.Option{live.RequireSignature(keys)}, nil
}

// loadPolicies resumes the log's last activation, or activates the directory if it says something new.
func (n *node) loadPolicies(ctx context.Context, cfg nodeConfig, log *slog.Logger) (*live.Policies, error) {
	opts, err := cfg.signatureOptions()
	if err != nil {
		return nil, err
	}
	p := live.New(n.engine, log, opts...)
	if _, err := p.Resume(ctx); err != nil {
		return nil, fmt.Errorf("resume policies from the log: %w", err)
	}
	if cfg.Policies != "" {
		if err := p.Directory(ctx, cfg.Policies); err != nil {
			return nil, err
		}
	}
	if cfg.Watch {
		p.Watch(cfg.Policies)
	}
	return p, nil
}

func (n *node) services(strict bool) server.Services {
	s := server.Services{Decisions: n.engine, Events: n.engine, Profiles: n.engine, Journal: n.engine, Budgets: n.engine, Policies: n.policies, Models: n.engine}
	if strict {
		s.Decisions = strictDecisions{n.engine}
	}
	return s
}

// strictDecisions refuses unknown scopes.
type strictDecisions struct{ *engine.Engine }

// Decide implements server.Decisions.
func (s strictDecisions) Decide(ctx context.Context, r *engine.Request) (*engine.Decision, error) {
	r.StrictScope = true
	return s.Engine.Decide(ctx, r)
}

// start serves until Close or until ctx ends.
func (n *node) start(ctx context.Context) {
	ctx, n.stop = context.WithCancel(ctx)
	go func() { n.done <- n.server.Run(ctx) }()
}

// wait blocks until the server has stopped.
func (n *node) wait() error { return <-n.done }

// Close drains the server, if it was started, and closes the folder.
func (n *node) Close() error {
	var err error
	if n.stop != nil {
		n.stop()
		err = <-n.done
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(err, n.policies.Close(), n.engine.Close(ctx), n.models.Close(), n.store.Close())
}
