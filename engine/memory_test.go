package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// What one caller gave back must not show in what another one holds, also where
// several asked the same at once.
func TestReleasedMemoryIsNobodysElse(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	ask := func(i int, refund int64) *engine.Decision {
		r := request(fmt.Sprint("r", i), fmt.Sprint("c", i))
		r.Return.Refund = refund
		d, err := w.Decide(context.Background(), r)
		if err != nil {
			t.Error(err)
			return new(engine.Decision)
		}
		return d
	}
	var wg sync.WaitGroup
	for i := range 20 {
		held := make([]*engine.Decision, 8)
		customer := request("", fmt.Sprint("c", i)).Customer[0]
		err := w.store.Update(context.Background(), profile.SubjectOf(customer), func(store.Tx) error {
			for caller := range held {
				wg.Go(func() {
					if d := ask(i, 5000); caller%2 == 0 {
						held[caller] = d
					} else {
						d.Release()
					}
				})
			}
			time.Sleep(5 * time.Millisecond) // the first waits for the customer, the others for the first
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		ask(1000+i, 100) // writes other figures into what was given back
		for _, d := range held {
			if d == nil {
				continue
			}
			logged, err := w.Decision(context.Background(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(logged.Candidates, d.Candidates, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("request %s: not what was logged:\n%s", d.RequestID, diff)
			}
		}
	}
}
