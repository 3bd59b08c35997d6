package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/memstore"
)

// lagging is a store in bounded mode: what is on disk follows what is appended
// when asked for by Durable, a few entries late.
type lagging struct {
	store.Store
	disk, told atomic.Uint64
}

func (l *lagging) Durable() store.Position {
	l.told.Store(l.disk.Swap(uint64(l.Last())))
	return store.Position(l.told.Load())
}

func (l *lagging) Mode() store.Mode { return store.Bounded }

func boundedMode(o *engine.Options) { o.Store = &lagging{Store: o.Store} }

// crash opens the world again from the first keep entries of its log, and
// from whatever was said to be on disk.
func (w *world) crash(keep store.Position) {
	w.t.Helper()
	keep = max(keep, store.Position(w.store.(*lagging).told.Load()))
	image := &memstore.Image{}
	s, err := memstore.Open(memstore.Options{Image: image, Clock: w.clock.now})
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.Scan(context.Background(), 1, func(e *store.Entry) error {
		if e.Position > keep {
			return store.Stop
		}
		lock := e.Subject
		if lock.IsZero() {
			lock = store.Subject{1}
		}
		return s.Update(context.Background(), lock, func(tx store.Tx) error {
			_, err := tx.Append(e.Header, e.Payload)
			return err
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.image = image
	w.open()
	if _, err := w.Resume(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// A crash in bounded mode loses the last decisions, although their tokens are
// out. Whatever is lost, tokens redeemed and tokens given out anew never add up
// to more than the limit.
func TestBoundedModeNeverOverspends(t *testing.T) {
	const limit = 6000
	for lose := range 12 {
		t.Run(fmt.Sprint("lose ", lose), func(t *testing.T) {
			w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 60.00, period: month}\n"), boundedMode)
			var out []*engine.Decision
			offer := func(i int) bool {
				d := w.decide(request(fmt.Sprint("r", i), fmt.Sprint("customer", i)))
				if d.Outcome == engine.OutcomeOffer {
					out = append(out, d)
				}
				return d.Outcome == engine.OutcomeOffer
			}
			for i := range 6 {
				if !offer(i) {
					t.Fatalf("no offer with room for twelve: %+v", w.store.Last())
				}
			}
			w.crash(w.store.Last() - store.Position(lose))
			for i := range 20 {
				offer(100 + i)
			}
			if worst := len(out) * 500; worst > limit {
				t.Fatalf("%d tokens of 500 are out under a limit of %d", len(out), limit)
			}
			w.clock.advance(time.Hour)
			for i, d := range out {
				r := w.record(redemption(fmt.Sprint("e", i), d.Customer.Value, d, w.clock.now(), 500))[0]
				if r.Status != engine.EventAccepted || r.Overrun {
					t.Errorf("redemption %d: %+v", i, r)
				}
			}
			b, err := w.Budget(context.Background(), "b")
			if err != nil {
				t.Fatal(err)
			}
			if b.Settled != int64(len(out)*500) || b.Settled > limit {
				t.Errorf("settled %d for %d tokens", b.Settled, len(out))
			}
		})
	}
}

// What is in doubt comes back once every lost token has expired.
func TestDoubtIsReconciled(t *testing.T) {
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 60.00, period: month}\n"), boundedMode)
	w.decide(request("r0", "anna"))
	w.crash(w.store.Last() - 1)
	held := func() int64 {
		t.Helper()
		b, err := w.Budget(context.Background(), "b")
		if err != nil {
			t.Fatal(err)
		}
		return b.Held
	}
	if held() == 0 {
		t.Fatal("nothing is in doubt after a crash")
	}
	w.decide(request("soon", "bert"))
	if held() == 0 {
		t.Error("handed back while lost tokens are valid")
	}
	w.clock.advance(48 * time.Hour)
	w.decide(request("later", "carl"))
	if held() != 0 {
		t.Errorf("still %d in doubt after every token expired", held())
	}
	for i := range 11 {
		if d := w.decide(request(fmt.Sprint("again", i), fmt.Sprint("c", i))); d.Outcome != engine.OutcomeOffer {
			t.Fatalf("offer %d of eleven more was refused: %s", i, d.Candidate("half").Detail)
		}
	}
}

// An orderly stop leaves nothing in doubt.
func TestCloseHandsBack(t *testing.T) {
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 60.00, period: month}\n"), boundedMode)
	w.decide(request("r0", "anna"))
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if b, _ := w.Budget(context.Background(), "b"); b.Held != 0 || b.Reserved != 500 {
		t.Errorf("after an orderly stop: %+v", b)
	}
}

func TestBoundedModeUnderConcurrency(t *testing.T) {
	for round := range 20 {
		w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 49.99, period: month}\n"), boundedMode)
		var n atomic.Int32
		together(64, func(i int) {
			d, err := w.Decide(context.Background(), request(fmt.Sprint("r", i), fmt.Sprint("c", i)))
			if err != nil {
				t.Error(err)
			} else if d.Outcome == engine.OutcomeOffer {
				n.Add(1)
			}
		})
		if n.Load() != 9 {
			t.Fatalf("round %d: %d offers, want 9", round, n.Load())
		}
	}
}
