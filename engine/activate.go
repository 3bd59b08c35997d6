package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// ActivateOptions say how a bundle comes into force.
type ActivateOptions struct {
	// Expect is the digest the caller believes is active; empty: any. Another
	// one is ErrStale. ExpectNone demands that nothing is active.
	Expect     string
	ExpectNone bool
	Rollback   bool
	// By and Request say who asked, with which request id. They are logged; with
	// either of them a bundle that is in force already is logged again.
	By, Request string
	// Signature of the digest, logged as it is; the engine does not check it.
	Signature string
}

// Activate compiles a bundle, logs it with its files and puts it into force for
// every decision that starts afterwards. On an error the bundle before stays.
// A bundle that is in force already is not logged again unless o names who asked.
func (e *Engine) Activate(ctx context.Context, b *rules.Bundle, o ActivateOptions) (*Activation, error) {
	select {
	case e.swap <- struct{}{}:
		defer func() { <-e.swap }()
	case <-ctx.Done():
		return nil, fmt.Errorf("activate bundle %q: %w", b.Name(), context.Cause(ctx))
	}
	before := e.active.Load()
	a := &Activation{Digest: b.Digest(), Name: b.Name(), Version: b.Version(), At: e.activationTime(b).UTC(), Rollback: o.Rollback, By: o.By, Request: o.Request, Signature: o.Signature, Bundle: b, Files: b.Files()}
	if before != nil {
		a.Previous = before.digest
	}
	if o.Expect != "" && o.Expect != a.Previous || o.ExpectNone && before != nil {
		return nil, fmt.Errorf("activate bundle %q: expected %q, active is %q: %w", b.Name(), o.Expect, a.Previous, ErrStale)
	}
	s, err := e.compile(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("activate bundle %q: %w", b.Name(), err)
	}
	if before == nil || before.digest != s.digest || o.By != "" || o.Request != "" {
		if err := e.logActivation(ctx, a); err != nil {
			return nil, fmt.Errorf("activate bundle %q: %w", b.Name(), err)
		}
	}
	e.startDoubt(s)
	e.active.Store(s)
	return a, nil
}

// activationTime is business time; where that follows events and none has
// happened yet, the time the bundle says it takes effect.
func (e *Engine) activationTime(b *rules.Bundle) time.Time {
	if e.opts.EventClock && e.opts.Ledger.newest.Load() == 0 && !b.EffectiveFrom().IsZero() {
		return b.EffectiveFrom()
	}
	return e.businessNow(e.opts.Clock())
}

// Active returns the bundle in force; false if there is none.
func (e *Engine) Active() (*rules.Bundle, bool) {
	s := e.active.Load()
	if s == nil {
		return nil, false
	}
	return s.bundle, true
}

// Resume puts the last logged bundle back into force, after a restart. It
// returns ErrNotFound if none was ever activated.
func (e *Engine) Resume(ctx context.Context) (*Activation, error) {
	e.swap <- struct{}{}
	defer func() { <-e.swap }()
	a, err := e.inForce(ctx)
	if err != nil {
		return nil, fmt.Errorf("resume bundle: %w", err)
	}
	if a.Bundle, err = rules.LoadFiles(a.Files, Schema()); err != nil {
		return nil, fmt.Errorf("resume bundle %q: %w", a.Name, err)
	}
	s, err := e.compile(ctx, a.Bundle)
	if err != nil {
		return nil, fmt.Errorf("resume bundle %q: %w", a.Name, err)
	}
	e.startDoubt(s)
	e.active.Store(s)
	return a, nil
}

// nobody is the lock under which entries of no customer are appended.
func nobody() store.Subject { return profile.SubjectOf(profile.Identity{Namespace: "\x00bundle"}) }

// logActivation appends the files that are logged apart, each content once, and
// then the activation.
func (e *Engine) logActivation(ctx context.Context, a *Activation) error {
	limit := inlineLimit(a.Files)
	for _, path := range sortedKeys(a.Files) {
		if content := a.Files[path]; len(content) > limit {
			if err := e.logBlob(ctx, content, 0); err != nil {
				return fmt.Errorf("log file %s: %w", path, err)
			}
		}
	}
	at, err := e.appendGlobal(ctx, KindActivation, milli(a.At), a.append())
	a.Position = at
	return err
}

func (e *Engine) appendGlobal(ctx context.Context, kind uint8, at int64, payload []byte) (pos store.Position, err error) {
	err = e.opts.Store.Update(ctx, nobody(), func(tx store.Tx) error {
		pos, err = tx.Append(store.Header{Kind: kind, Time: at}, payload)
		return err
	})
	return pos, err
}

// Activations returns the logged activations with their files, newest first.
func (e *Engine) Activations(ctx context.Context, limit int) ([]*Activation, error) {
	at, err := e.opts.Store.Lookup(ctx, term(termActivation, ""), 0, true, limit)
	if err != nil {
		return nil, fmt.Errorf("find activations: %w", err)
	}
	out := make([]*Activation, 0, len(at))
	for _, pos := range at {
		entry, err := e.opts.Store.Read(ctx, pos)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read activation %d: %w", pos, err)
		}
		a, err := e.activation(ctx, &entry)
		if err != nil {
			return nil, fmt.Errorf("read activation %d: %w", pos, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func (e *Engine) activation(ctx context.Context, entry *store.Entry) (*Activation, error) {
	a, err := parseActivation(entry.Payload)
	if err != nil {
		return nil, err
	}
	a.Position = entry.Position
	for path, sum := range a.apart {
		if a.Files[path], err = e.readBlob(ctx, sum, 0); err != nil {
			return nil, fmt.Errorf("file %s: %w", path, err)
		}
	}
	if digest := rules.Digest(a.Files); digest != a.Digest {
		return nil, fmt.Errorf("%w: the files have the digest %s, the activation %s", errWire, digest, a.Digest)
	}
	return a, nil
}

// EffectivePolicy returns the policy of a scope, and whether the scope is known exactly.
func (e *Engine) EffectivePolicy(scope string) (*rules.Policy, bool, error) {
	s := e.active.Load()
	if s == nil {
		return nil, false, ErrNoBundle
	}
	_, p, exact := s.resolve(scope)
	return p.Policy, exact, nil
}
