// Package live owns the policies in use: which bundle is active and where it
// came from, the directory it is watched in, and the ways to change it. A
// change is refused whole or takes effect at one instant.
//
// It refuses to know how a decision is made (engine) and how a request arrives
// (server): it reads files, compiles them (rules) and hands a bundle over.
//
// # What wins
//
// The log remembers every activation. After a restart the last one wins,
// whatever asked for it, unless the directory has changed since it was last
// acted on: a directory acts only when its digest differs from the last it
// showed, and the log says which digest that was. So a bundle activated over
// the API, or a rollback, survives a restart beside an unchanged directory, and
// a directory that was edited while the server was down is acted on. A state of
// the directory that was refused is remembered only while the process runs.
package live

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/store"
)

// Engine is what decides by the active bundle: *engine.Engine.
type Engine interface {
	Activate(ctx context.Context, b *rules.Bundle, o engine.ActivateOptions) (*engine.Activation, error)
	Resume(ctx context.Context) (*engine.Activation, error)
	WalkActivations(ctx context.Context, fn func(*engine.Activation) bool) error
	LoggedBundle(ctx context.Context, at store.Position) (*rules.Bundle, error)
}

// Policies is the bundle in use and everything that may change it. It
// implements server.Policies and is safe for concurrent use.
type Policies struct {
	engine  Engine
	log     *slog.Logger
	options options

	active atomic.Pointer[server.BundleStatus]
	turn   chan struct{} // held by the change under way; it guards what follows
	seen   sight         // what the directory showed when it was last acted on
	known  answers
	stop   context.CancelFunc // of the watch
	ended  chan struct{}
}

type options struct {
	poll, settle time.Duration
	trusted      []ed25519.PublicKey
	signed       bool
}

// Option changes how Policies works.
type Option func(*options)

// WithTimes sets how often a watched directory is read at least, and how long
// it must stay the same before it is acted on; 2 s and 200 ms by default.
func WithTimes(poll, settle time.Duration) Option {
	return func(o *options) { o.poll, o.settle = poll, settle }
}

// RequireSignature refuses every bundle that none of the trusted keys signed,
// wherever it comes from; those in the log carry their signatures. The
// signature is the file rules.SignatureFile beside company.yaml.
func RequireSignature(trusted []ed25519.PublicKey) Option {
	return func(o *options) { o.trusted, o.signed = trusted, true }
}

// New starts without a bundle.
func New(e Engine, log *slog.Logger, opts ...Option) *Policies {
	p := &Policies{engine: e, log: log, turn: make(chan struct{}, 1), known: newAnswers()}
	p.options = options{poll: 2 * time.Second, settle: 200 * time.Millisecond}
	for _, o := range opts {
		o(&p.options)
	}
	return p
}

// Active returns the bundle in use with its source; false if there is none.
func (p *Policies) Active() (server.BundleStatus, bool) {
	s := p.active.Load()
	if s == nil {
		return server.BundleStatus{}, false
	}
	return *s, true
}

// rememberedRequests is how many of the newest activations a restart looks
// through for request ids.
const rememberedRequests = 256

// Resume puts the last activation of the log into force again. A log without
// one, or whose last one this build cannot use any more (which is logged), gives false: then
// nothing is active until a bundle is activated.
func (p *Policies) Resume(ctx context.Context) (resumed bool, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	a, err := p.resume(ctx)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return false, nil
	case err != nil && passing(err):
		return false, err
	case err != nil:
		p.refused("log", "none is in use until another one is activated", err)
		return false, p.recall(ctx, false)
	}
	p.active.Store(&server.BundleStatus{Activation: *a, Source: server.SourceLog})
	p.log.Info("policies resumed from the log", "digest", a.Digest, "name", a.Name, "version", a.Version, "by", a.By)
	return true, p.recall(ctx, true)
}

// resume puts the newest activation into force if its signature is good.
func (p *Policies) resume(ctx context.Context) (a *engine.Activation, err error) {
	err = p.engine.WalkActivations(ctx, func(newest *engine.Activation) bool {
		if !newest.Superseded {
			a = newest
		}
		return a == nil
	})
	if err == nil && a != nil {
		err = p.verify(a.Digest, a.Signature)
	}
	if err != nil {
		return nil, err
	}
	return p.engine.Resume(ctx)
}

// recall learns from the log what the directory last showed and which requests were answered.
func (p *Policies) recall(ctx context.Context, directory bool) error {
	n := 0
	err := p.engine.WalkActivations(ctx, func(a *engine.Activation) bool {
		n++
		source := sourceOf(a.By)
		if directory && p.seen == (sight{}) && (source == server.SourceDirectory || source == server.SourceWatch) {
			p.seen = sight{a.Digest, a.Signature}
		}
		if n <= rememberedRequests {
			p.known.recall(a, source)
		}
		return n < rememberedRequests || directory && p.seen == (sight{})
	})
	if err != nil {
		return fmt.Errorf("read earlier activations: %w", err)
	}
	return nil
}

// lock waits for the change under way.
func (p *Policies) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another change of policies: %w", context.Cause(ctx))
	}
}

// use activates a compiled bundle. The caller holds the turn.
func (p *Policies) use(ctx context.Context, b *rules.Bundle, signature string, source server.Source, request string) (server.BundleStatus, error) {
	a, err := p.engine.Activate(ctx, b, engine.ActivateOptions{
		Rollback: source == server.SourceRollback, By: nameOf(source), Request: request, Signature: signature,
	})
	if err != nil {
		return server.BundleStatus{}, err
	}
	status := server.BundleStatus{Activation: *a, Source: source}
	p.active.Store(&status)
	p.known.add(request, status)
	p.log.Info("policies activated", "digest", a.Digest, "name", a.Name, "version", a.Version, "by", a.By, "previous", a.Previous, "position", a.Position)
	return status, nil
}

// compile verifies and compiles a bundle.
func (p *Policies) compile(c contents) (*rules.Bundle, error) {
	if err := p.verify(rules.Digest(c.files), c.signature); err != nil {
		return nil, err
	}
	return rules.LoadFiles(c.files, engine.Schema())
}

// verify checks a signature if one is asked for.
func (p *Policies) verify(digest, signature string) error {
	if !p.options.signed {
		return nil
	}
	return rules.Verify(digest, signature, p.options.trusted)
}

// passing tells errors that say nothing about the bundle: the same one may work later.
func passing(err error) bool {
	for _, target := range []error{store.ErrFailed, store.ErrClosed, store.ErrOverloaded, store.ErrCorrupt, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// maxLogged bounds the diagnostics of one bundle in the log.
const maxLogged = 100

// refused logs why the bundle of a source was not taken, problem by problem,
// and what is decided by instead.
func (p *Policies) refused(source, instead string, err error) {
	d, ok := errors.AsType[*rules.DiagnosticsError](err)
	if !ok {
		p.log.Error("policies refused", "source", source, "instead", instead, "error", err)
		return
	}
	p.log.Error("policies refused", "source", source, "instead", instead, "problems", len(d.Diagnostics))
	for _, x := range d.Diagnostics[:min(len(d.Diagnostics), maxLogged)] {
		p.log.Error("problem in policies", "code", x.Code, "severity", x.Severity.String(), "file", x.File, "line", x.Line, "column", x.Column, "message", x.Message)
	}
}

var _ server.Policies = (*Policies)(nil)

// nameOf is a source as the log keeps it.
func nameOf(s server.Source) string {
	switch s {
	case server.SourceDirectory:
		return "directory"
	case server.SourceWatch:
		return "watch"
	case server.SourceAPI:
		return "api"
	case server.SourceRollback:
		return "rollback"
	}
	return ""
}

// sourceOf is the inverse of nameOf; anything else is SourceLog.
func sourceOf(name string) server.Source {
	for s := server.SourceDirectory; s <= server.SourceRollback; s++ {
		if nameOf(s) == name {
			return s
		}
	}
	return server.SourceLog
}
