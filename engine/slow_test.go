package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/store"
)

// lazy is a store in bounded mode whose disk keeps up only after a while.
type lazy struct {
	store.Store
	disk atomic.Uint64
}

func (l *lazy) Mode() store.Mode { return store.Bounded }

func (l *lazy) Durable() store.Position { return store.Position(l.disk.Load()) }

func (l *lazy) sync() { l.disk.Store(uint64(l.Last())) }

// No token leaves before the slice that pays for it is on disk.
func TestDecisionsWaitForTheirSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk *lazy
		w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 49.99, period: month}\n"), func(o *engine.Options) {
			disk = &lazy{Store: o.Store}
			o.Store = disk
		})
		answers := make(chan *engine.Decision, 12)
		for i := range 12 {
			go func() {
				d, err := w.Decide(context.Background(), request(fmt.Sprint("r", i), fmt.Sprint("c", i)))
				if err != nil {
					t.Error(err)
				}
				answers <- d
			}()
		}
		time.Sleep(time.Second)
		if n := len(answers); n != 0 {
			t.Errorf("%d answers while no slice is on disk", n)
		}
		slices := w.store.Last() - 1 // after the activation
		if slices > 2 {
			t.Errorf("%d slices were debited for twelve decisions that wait for one", slices)
		}
		disk.sync()
		time.Sleep(time.Second)
		disk.sync()
		time.Sleep(time.Second)
		offers := 0
		for range 12 {
			if d := <-answers; d.Outcome == engine.OutcomeOffer {
				offers++
			}
		}
		if offers != 9 {
			t.Errorf("%d offers, want 9", offers)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := w.Decide(ctx, request("none left", "x")); err != nil {
			t.Errorf("a decision that reserves nothing waits for the disk: %v", err)
		}
	})
}
