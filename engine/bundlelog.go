package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// CheckBundle tells what would keep a bundle that compiles from being activated:
// models that do not open or do not fit, budgets and caps that cannot be kept.
func CheckBundle(ctx context.Context, b *rules.Bundle, open func(*rules.Bundle, string) (models.Model, string, error)) error {
	s, err := newSnapshot(b)
	if err != nil {
		return err
	}
	company, _ := b.Policy("")
	return s.openModels(ctx, b, company, open)
}

// activationPage is how many positions of activations are looked up at once.
const activationPage = 64

// WalkActivations calls fn with the logged activations, newest first and without
// their files, until fn returns false or retention has dropped the rest.
func (e *Engine) WalkActivations(ctx context.Context, fn func(*Activation) bool) error {
	return e.walkActivations(ctx, func(a *Activation) bool {
		a.Files, a.apart = nil, nil
		return fn(a)
	})
}

// walkActivations is WalkActivations with the files that are in the entries and
// the sums of the others.
func (e *Engine) walkActivations(ctx context.Context, fn func(*Activation) bool) error {
	for before := store.Position(0); ; {
		at, err := e.opts.Store.Lookup(ctx, term(termActivation, ""), before, true, activationPage)
		if err != nil {
			return fmt.Errorf("find activations: %w", err)
		}
		for _, pos := range at {
			entry, err := e.opts.Store.Read(ctx, pos)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read activation %d: %w", pos, err)
			}
			a, err := parseActivation(entry.Payload)
			if err != nil {
				return fmt.Errorf("read activation %d: %w", pos, err)
			}
			a.Position = pos
			if !fn(a) {
				return nil
			}
		}
		if len(at) < activationPage {
			return nil
		}
		before = at[len(at)-1]
	}
}

// inForce reads the newest activation that no other one has superseded, with
// its files; ErrNotFound if there is none.
func (e *Engine) inForce(ctx context.Context) (found *Activation, err error) {
	err = e.WalkActivations(ctx, func(a *Activation) bool {
		if !a.Superseded {
			found = a
		}
		return found == nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, ErrNotFound
	}
	return e.loggedActivation(ctx, found.Position)
}

// loggedActivation reads the activation at a log position with its files.
func (e *Engine) loggedActivation(ctx context.Context, pos store.Position) (*Activation, error) {
	entry, err := e.opts.Store.Read(ctx, pos)
	if err != nil {
		return nil, fmt.Errorf("read activation %d: %w", pos, err)
	}
	a, err := e.activation(ctx, &entry)
	if err != nil {
		return nil, fmt.Errorf("read activation %d: %w", pos, err)
	}
	return a, nil
}

// LoggedBundle compiles the bundle of the activation at a log position.
func (e *Engine) LoggedBundle(ctx context.Context, pos store.Position) (*rules.Bundle, error) {
	a, err := e.loggedActivation(ctx, pos)
	if err != nil {
		return nil, err
	}
	b, err := rules.LoadFiles(a.Files, Schema())
	if err != nil {
		return nil, fmt.Errorf("load bundle %q of activation %d: %w", a.Name, pos, err)
	}
	return b, nil
}
