package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/store"
)

const (
	day              = 24 * time.Hour
	maxRetentionDays = 36500
)

func (c *nodeConfig) retention() time.Duration { return time.Duration(c.RetentionDays) * day }

// retention decides what the store may drop. It is asked from when the store is
// open, and refuses until the engine has its policies.
type retention struct {
	age    time.Duration
	engine atomic.Pointer[engine.Engine]
}

// keep logs again what is needed of the entries before a position. An offer's
// request id and decision have to be known for as long as the offer.
func (r *retention) keep(ctx context.Context, before store.Position) error {
	e := r.engine.Load()
	if e == nil {
		return errors.New("the policies are not in force yet")
	}
	if v := e.LongestValidity(); v > r.age {
		return fmt.Errorf("retention_days: an offer is valid for %s, longer than the %s the journal is to be kept: raise it to %d; until then nothing is dropped", v, r.age, (v+day-1)/day)
	}
	return e.KeepActivations(ctx, before)
}
