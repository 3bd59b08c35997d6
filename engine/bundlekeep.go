package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// KeepActivations logs again what is still needed of the activations before a
// position, so that retention can drop what is there: the bundle in force, the
// newest activation of everybody else who asked (ActivateOptions.By), marked as superseded, and
// the files of activations that stay. Of the careers of models it keeps all. It returns when all of it is acknowledged.
func (e *Engine) KeepActivations(ctx context.Context, before store.Position) error {
	select {
	case e.swap <- struct{}{}:
		defer func() { <-e.swap }()
	case <-ctx.Done():
		return fmt.Errorf("keep activations: %w", context.Cause(ctx))
	}
	k := keeper{before: before, asked: map[string]bool{}, blobs: map[string]bool{}}
	if err := e.walkActivations(ctx, k.see); err != nil {
		return fmt.Errorf("keep activations: %w", err)
	}
	for _, sum := range sortedKeys(k.blobs) {
		if err := e.keepBlob(ctx, sum, before); err != nil {
			return fmt.Errorf("keep a file of an activation: %w", err)
		}
	}
	for _, a := range k.again {
		if _, err := e.appendGlobal(ctx, KindActivation, milli(a.At), a.append()); err != nil {
			return fmt.Errorf("keep activation %d: %w", a.Position, err)
		}
	}
	if err := e.keepCareers(ctx, before); err != nil {
		return fmt.Errorf("keep the careers of models: %w", err)
	}
	return nil
}

// LongestValidity is that of any offer in the bundles that were in force since
// the engine was made: as long, request ids are known and the log has to be kept.
func (e *Engine) LongestValidity() time.Duration {
	return time.Duration(e.validity.Load()) * time.Millisecond
}

// keeper finds out what has to be logged again, newest activation first.
type keeper struct {
	before  store.Position
	asked   map[string]bool
	inForce bool            // it has been seen
	again   []*Activation   // to append
	blobs   map[string]bool // SHA-256 of files that have to stay
}

func (k *keeper) see(a *Activation) bool {
	current := !a.Superseded && !k.inForce
	k.inForce = k.inForce || current
	needed := current || !k.asked[a.By]
	k.asked[a.By] = true
	if a.Position < k.before && !needed {
		return true
	}
	for _, sum := range a.apart {
		k.blobs[sum] = true
	}
	if a.Position < k.before {
		a.Superseded = !current
		k.again = append(k.again, a)
	}
	return true
}

// keepBlob logs a file again unless all of it is at a position or after.
func (e *Engine) keepBlob(ctx context.Context, sum string, before store.Position) error {
	_, err := e.readBlob(ctx, sum, before-1)
	if !errors.Is(err, errBlobIncomplete) {
		return err
	}
	content, err := e.readBlob(ctx, sum, 0)
	if err != nil {
		return err
	}
	return e.logBlob(ctx, content, before-1)
}
