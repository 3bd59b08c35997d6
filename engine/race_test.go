package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/rebound-engine/rebound/engine"
)

// together runs fn from n clients at once.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			fn(i)
		})
	}
	close(gate)
	wg.Wait()
}

// 64 clients on one small budget never exceed it by one cent.
func TestSmallBudgetIsNeverExceeded(t *testing.T) {
	const limit, ceiling = 4999, 500 // nine offers fit, the tenth would be one cent too much
	w := newWorld(t, policy(t, "  budgets:\n    - {id: small, limit: 49.99, period: month}\n"))
	offers := make([]int, 64)
	together(64, func(i int) {
		for k := range 8 {
			d, err := w.Decide(context.Background(), request(fmt.Sprintf("r%d-%d", i, k), fmt.Sprintf("c%d-%d", i, k)))
			if err != nil {
				t.Error(err)
				return
			}
			if d.Outcome == engine.OutcomeOffer {
				offers[i]++
			} else if r := d.Candidate("half").Reason; r != engine.ReasonBudgetExhausted {
				t.Errorf("refused for %q", r)
			}
			if err := w.ledger.Check(); err != nil {
				t.Error(err)
			}
		}
	})
	total := 0
	for _, n := range offers {
		total += n
	}
	b, err := w.Budget(context.Background(), "small")
	if err != nil {
		t.Fatal(err)
	}
	if total != limit/ceiling || b.Reserved != int64(total*ceiling) || b.Reserved+b.Settled > limit {
		t.Errorf("%d offers, %d reserved of %d; want %d offers", total, b.Reserved, limit, limit/ceiling)
	}
}

// 64 concurrent Decides for one customer under a cap of 3 give at most 3 offers.
func TestCapHoldsUnderConcurrency(t *testing.T) {
	for _, per := range []string{"profile", "associate"} {
		t.Run(per, func(t *testing.T) {
			w := newWorld(t, policy(t, "  caps:\n    - {id: three, counts: offered, limit: 3, window: 30d, per: "+per+"}\n"))
			outcomes := make([]*engine.Decision, 64)
			together(64, func(i int) {
				r := request(fmt.Sprint("r", i), "anna")
				r.AssociateID = "clerk"
				d, err := w.Decide(context.Background(), r)
				if err != nil {
					t.Error(err)
				}
				outcomes[i] = d
			})
			n := 0
			for _, d := range outcomes {
				if d != nil && d.Outcome == engine.OutcomeOffer {
					n++
				} else if d != nil && d.Candidate("half").Reason != engine.ReasonCapReached {
					t.Errorf("refused for %q", d.Candidate("half").Reason)
				}
			}
			if n != 3 {
				t.Errorf("%d offers under a cap of 3", n)
			}
		})
	}
}

// One request id from 64 clients gives one decision.
func TestOneRequestIDOneDecision(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	before := w.store.Last()
	ids := make([]string, 64)
	together(64, func(i int) {
		d, err := w.Decide(context.Background(), request("same", "anna"))
		if err != nil {
			t.Error(err)
			return
		}
		ids[i] = d.ID + string(d.Token)
	})
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("two answers to one request: %q and %q", id, ids[0])
		}
	}
	if n := w.store.Last() - before; n != 1 {
		t.Errorf("%d entries for one request", n)
	}
}

// One return key has one live decision, whatever the number of scans at once.
func TestOneReturnOneDecision(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	ids := make([]string, 64)
	together(64, func(i int) {
		r := request(fmt.Sprint("scan", i), "anna")
		r.Return.OrderID, r.Return.ID = "order", fmt.Sprint("part", i)
		d, err := w.Decide(context.Background(), r)
		if err != nil {
			t.Error(err)
			return
		}
		if d.RequestID != r.RequestID {
			t.Errorf("answer to %q says %q", r.RequestID, d.RequestID)
		}
		ids[i] = d.ID
	})
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two decisions for one return: %q and %q", id, ids[0])
		}
	}
}
