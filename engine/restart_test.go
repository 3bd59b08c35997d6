package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
)

// live runs a shop for n steps of decisions, purchases, presentations,
// redemptions, releases and passing time, seeded; every step is one event or request.
func (w *world) live(from, n int, between func(i int)) {
	var offers []*engine.Decision
	for i := range from + n {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		who := fmt.Sprint("customer", rng.IntN(20))
		if i >= from && between != nil {
			between(i)
		}
		w.clock.ms.Store(start.Add(time.Duration(i) * 17 * time.Minute).UnixMilli())
		if i < from {
			continue
		}
		switch k := rng.IntN(10); {
		case k < 5 || len(offers) == 0:
			r := request(fmt.Sprint("r", i), who)
			r.AssociateID = fmt.Sprint("clerk", rng.IntN(3))
			if d := w.decide(r); d.Outcome == engine.OutcomeOffer {
				offers = append(offers, d)
			}
		case k < 7:
			w.record(purchase(fmt.Sprint("p", i), who, w.clock.now(), 1000+rng.Int64N(9000)))
		default:
			d := offers[rng.IntN(len(offers))]
			ev := redemption(fmt.Sprint("e", i), d.Customer.Value, d, w.clock.now(), rng.Int64N(500))
			ev.Kind = profile.KindPresentation + profile.Kind(k-7)
			if ev.Kind != profile.KindRedemption {
				ev.Amount, ev.Currency, ev.Token = 0, "", nil
			}
			w.record(ev)
		}
	}
}

const busy = `  budgets:
    - {id: hard, limit: 60.00, period: day, pacing: dual}
    - {id: soft, limit: 400.00, period: week, guarantee: expected, buffer: 10.00, pacing: even}
  caps:
    - {id: profile, counts: offered, limit: 3, window: 7d, per: profile}
    - {id: clerk, counts: offered, limit: 20, window: 1d, per: associate}
    - {id: redeemed, counts: redeemed, limit: 2, window: 30d, per: profile}
  holdout: {id: h, percent: 10, salt: s}
  explore: {strategy: epsilon, epsilon: 0.2}
`

// Snapshot and replay from any point give the same ledger, byte for byte, and
// the same decisions afterwards.
func TestRestartEqualsRunningOn(t *testing.T) {
	const steps = 400
	straight := newWorld(t, policy(t, busy))
	straight.live(0, steps, nil)
	want, entries, err := engine.DigestLog(context.Background(), straight.store)
	if err != nil {
		t.Fatal(err)
	}
	if entries < steps/2 {
		t.Fatalf("only %d entries in %d steps", entries, steps)
	}
	broken := newWorld(t, policy(t, busy))
	broken.live(0, steps, func(i int) {
		switch i % 40 {
		case 13:
			if err := broken.store.Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
		case 31, 39:
			before, _ := broken.ledger.Snapshot()
			broken.restart()
			after, _ := broken.ledger.Snapshot()
			if string(before) != string(after) {
				t.Fatalf("step %d: the ledger differs after a restart", i)
			}
			broken.check()
		}
	})
	got, _, err := engine.DigestLog(context.Background(), broken.store)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the log differs from that of a run without restarts: %s and %s", got, want)
	}
	for _, id := range []string{"hard", "soft"} {
		b, err := straight.Budget(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", *b)
	}
}

// The hard guarantee holds at every entry of a long run.
func TestHardGuaranteeAlways(t *testing.T) {
	w := newWorld(t, policy(t, busy))
	w.live(0, 600, func(i int) {
		b, err := w.Budget(context.Background(), "hard")
		if err != nil {
			t.Fatal(err)
		}
		if b.Reserved+b.Settled > b.Limit {
			t.Fatalf("step %d: reserved %d and settled %d of %d", i, b.Reserved, b.Settled, b.Limit)
		}
		if err := w.ledger.Check(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	})
}

// On the event clock, business time after a restart is what it was before,
// whatever the log ends with.
func TestEventClockSurvives(t *testing.T) {
	w := newWorld(t, policy(t, ""), func(o *engine.Options) { o.EventClock = true })
	late := start.Add(-time.Hour)
	w.record(purchase("p1", "anna", late, 100))
	w.record(purchase("p0", "anna", late.AddDate(0, 0, -3), 100))
	for range 3 {
		r := request("dry", "bert")
		r.DryRun = true
		if d := w.decide(r); !d.Time.Equal(late) {
			t.Errorf("business time is %s, want %s", d.Time, late)
		}
		w.restart()
		if err := w.store.Checkpoint(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
