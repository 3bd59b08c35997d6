package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// Options are what an engine is made of.
type Options struct {
	// Store keeps the log and the records. It must have been opened with
	// NewFold, Index and the Ledger below. One in bounded mode has the methods
	// Mode() store.Mode and Durable() store.Position: budgets are then spent
	// from slices that are on disk.
	Store  store.Store
	Ledger *Ledger
	// Clock is wall time; time.Now if nil.
	Clock func() time.Time
	// EventClock lets business time follow the log and AsOf, instead of the wall clock.
	EventClock bool
	// Salt is the secret that seeds draws; SaltName is what decisions show of it.
	Salt, SaltName string
	// TokenKeys signs and checks offer tokens.
	TokenKeys *TokenKeys
	// OpenModel opens a model file of a bundle and returns its digest. Only
	// bundles without model files do without it.
	OpenModel func(b *rules.Bundle, path string) (models.Model, string, error)
	// OpenArtifact opens the file of a registered model; an engine without it has
	// no registry. Gate is what a promotion must prove; registry.DefaultGate() if zero.
	OpenArtifact func(b *rules.Bundle, a *Artifact) (models.Model, string, error)
	Gate         registry.Gate
	// ModelTimeout bounds one call of a model that is not local; DefaultModelTimeout if zero.
	ModelTimeout time.Duration
	// MaxSkew is how far ahead of the clock an event may be; 5 minutes if zero.
	MaxSkew time.Duration
	// Breached reports whether an aggregate guardrail is breached at a scope;
	// nil: nothing measures it yet, and none is.
	Breached func(g rules.AggregateGuardrail, scope string) bool
}

// Engine decides. It is safe for concurrent use.
type Engine struct {
	opts   Options
	active atomic.Pointer[snapshot]
	calls  inflight
	swap   chan struct{} // one activation or change of a model at a time

	careers careers // guarded by swap

	durable  durable      // nil in lossless mode
	validity atomic.Int64 // longest of the bundles seen, ms
	wires    sync.Pool    // *wire
	memories sync.Pool    // *memory
}

// DefaultModelTimeout leaves a decision half of the ten milliseconds a till waits.
const DefaultModelTimeout = 5 * time.Millisecond

// New checks the options. The engine has no bundle until Activate or Resume.
func New(o Options) (*Engine, error) {
	switch {
	case o.Store == nil || o.Ledger == nil:
		return nil, errors.New("new engine: a store and the ledger it was opened with are needed")
	case o.TokenKeys == nil:
		return nil, errors.New("new engine: keys for offer tokens are needed")
	case o.Salt == "":
		return nil, errors.New("new engine: a salt for the draw is needed")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.ModelTimeout == 0 {
		o.ModelTimeout = DefaultModelTimeout
	}
	if o.MaxSkew == 0 {
		o.MaxSkew = 5 * time.Minute
	}
	if o.Gate == (registry.Gate{}) {
		o.Gate = registry.DefaultGate()
	}
	e := &Engine{opts: o, swap: make(chan struct{}, 1)}
	if d, ok := o.Store.(durable); ok && d.Mode() == store.Bounded {
		e.durable = d
	}
	e.calls.init()
	return e, nil
}

// businessTime is the time a request is decided at.
func (e *Engine) businessTime(r *Request, wall time.Time) time.Time {
	if !r.AsOf.IsZero() {
		return r.AsOf
	}
	return e.businessNow(wall)
}

func (e *Engine) businessNow(wall time.Time) time.Time {
	if newest := e.opts.Ledger.newest.Load(); e.opts.EventClock && newest != 0 {
		return fromMilli(newest)
	}
	return wall
}

// Decide answers one request. The decision belongs to the caller, who does not
// change it; the request is not kept. Errors: *FieldError, ErrNoBundle,
// ErrRequestIDReused, ErrCurrencyMismatch, ErrUnknownScope, ErrUnavailable, and those of ctx.
func (e *Engine) Decide(ctx context.Context, r *Request) (*Decision, error) {
	if err := e.validate(r); err != nil {
		return nil, err
	}
	s := e.active.Load()
	if s == nil {
		return nil, ErrNoBundle
	}
	if r.DryRun {
		return e.decide(ctx, s, r, named{}, true)
	}
	as := named{decisionID(r.RequestID), e.digest(r)}
	for {
		c, first := e.calls.enter(r.RequestID, as.body)
		if first {
			d, err := e.decideOnce(ctx, s, r, as)
			e.calls.leave(r.RequestID, c, d, err)
			return d, err
		}
		d, again, err := e.await(ctx, c, as.body)
		if !again {
			return d, err
		}
	}
}

// await waits for the first call with the same request id. If that failed, the
// request is tried anew.
func (e *Engine) await(ctx context.Context, c *call, body [16]byte) (d *Decision, again bool, err error) {
	if c.body != body {
		return nil, false, ErrRequestIDReused
	}
	select {
	case <-ctx.Done():
		return nil, false, fmt.Errorf("wait for the first request of this id: %w", context.Cause(ctx))
	case <-c.done:
	}
	if c.decision == nil {
		return nil, true, nil
	}
	d = new(Decision)
	*d = *c.decision
	d.keep()
	return d, false, nil
}

// decideOnce answers from the log if the request id is known, else decides.
func (e *Engine) decideOnce(ctx context.Context, s *snapshot, r *Request, as named) (*Decision, error) {
	d, err := e.remembered(ctx, r, as)
	if d != nil || err != nil {
		return d, err
	}
	d, err = e.decide(ctx, s, r, as, false)
	if errors.Is(err, ErrNotFound) {
		return e.decide(ctx, s, r, as, true)
	}
	return d, err
}

// remembered finds the decision a request id was answered with; nil if there is none.
func (e *Engine) remembered(ctx context.Context, r *Request, as named) (*Decision, error) {
	at, err := e.opts.Store.Lookup(ctx, term(termDecision, as.id), 0, false, 1)
	if err != nil || len(at) == 0 {
		return nil, err
	}
	entry, err := e.opts.Store.Read(ctx, at[0])
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read decision of request %q: %w", r.RequestID, err)
	}
	if entry.Kind == KindRepeat {
		p, err := parseRepeat(entry.Payload)
		if err != nil {
			return nil, err
		}
		if p.body != as.body {
			return nil, ErrRequestIDReused
		}
		return e.repeated(ctx, p.decisionID, r)
	}
	d, err := parseDecision(&entry)
	if err != nil {
		return nil, err
	}
	if d.body != as.body {
		return nil, ErrRequestIDReused
	}
	e.sign(d.Decision, d.ledger.reserve)
	d.trim(r.Explain)
	return d.Decision, nil
}

// repeated answers a request with an earlier decision.
func (e *Engine) repeated(ctx context.Context, id string, r *Request) (*Decision, error) {
	d, err := e.find(ctx, id)
	if err != nil {
		return nil, err
	}
	d.RequestID = r.RequestID
	e.sign(d.Decision, d.ledger.reserve)
	d.trim(r.Explain)
	return d.Decision, nil
}

// find reads a decision by id.
func (e *Engine) find(ctx context.Context, id string) (*decisionEntry, error) {
	at, err := e.opts.Store.Lookup(ctx, term(termDecision, id), 0, false, 1)
	if err != nil {
		return nil, fmt.Errorf("find decision %q: %w", id, err)
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("decision %q: %w", id, ErrNotFound)
	}
	entry, err := e.opts.Store.Read(ctx, at[0])
	switch {
	case errors.Is(err, store.ErrErased):
		return nil, fmt.Errorf("decision %q: %w", id, ErrErased)
	case errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("decision %q: %w", id, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read decision %q: %w", id, err)
	case entry.Kind != KindDecision:
		return nil, fmt.Errorf("decision %q: %w", id, ErrNotFound)
	}
	return parseDecision(&entry)
}

// Decision finds a logged decision with its full trace, but without its token:
// only who asked for the offer gets that. The error wraps ErrNotFound or ErrErased.
func (e *Engine) Decision(ctx context.Context, id string) (*Decision, error) {
	d, err := e.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.Decision, nil
}

// DecideResult is the answer to one of several requests.
type DecideResult struct {
	Decision *Decision
	Err      error
}

// BatchDecide decides several requests; each succeeds or fails on its own.
func (e *Engine) BatchDecide(ctx context.Context, rs []*Request) []DecideResult {
	out := make([]DecideResult, len(rs))
	for i, r := range rs {
		out[i].Decision, out[i].Err = e.Decide(ctx, r)
	}
	return out
}

// sign gives a delivered offer its token. The same decision and key give the same token.
func (e *Engine) sign(d *Decision, r *reservation) {
	if d.Offer == nil || r == nil {
		return
	}
	t := Token{
		DecisionID: d.ID, OfferID: r.offer, Subject: d.Subject, Currency: d.Currency, Ceiling: r.ceiling,
		Expected: r.expected, Issued: fromMilli(r.issued), Expires: fromMilli(r.expires),
	}
	for _, c := range r.charges {
		t.Budgets = append(t.Budgets, TokenBudget{ID: c.budget, Start: fromMilli(c.start), End: fromMilli(c.end)})
	}
	d.Token = e.opts.TokenKeys.Sign(&t)
}

func (e *Engine) breached(g *rules.AggregateGuardrail, scope string) bool {
	return e.opts.Breached != nil && e.opts.Breached(*g, scope)
}

// holdoutPlace is the unit's place in 0..1, as shown with its arm.
func holdoutPlace(h *rules.Holdout, unit []byte) float64 {
	return chance(uint64(bucket.Of(bucket.Hash(h.Salt, []byte(h.ID), unit))))
}

// digest names the body of a request: all of it.
func (e *Engine) digest(r *Request) [16]byte {
	w, ok := e.wires.Get().(*wire)
	if !ok {
		w = new(wire)
	}
	defer e.wires.Put(w)
	w.b = w.b[:0]
	r.append(w)
	sum := sha256.Sum256(w.b)
	return [16]byte(sum[:16])
}
