package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// A snapshot taken while decisions, presentations and redemptions go on is the
// ledger at its position: what is replayed on it leads to the same ledger.
func TestSnapshotsUnderLoad(t *testing.T) {
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 100000.00, period: month}\n"))
	type taken struct {
		bytes []byte
		at    store.Position
	}
	var snapshots []taken
	done := make(chan struct{})
	var load, look sync.WaitGroup
	for caller := range 4 {
		load.Go(func() {
			for i := range 150 {
				who := fmt.Sprintf("c%d-%d", caller, i)
				r := request("r-"+who, who)
				r.AssociateID = fmt.Sprint("till-", i%5)
				d, err := w.Decide(context.Background(), r)
				if err != nil {
					t.Error(err)
					return
				}
				if i%3 == 0 && d.Offer != nil {
					shown := &profile.Event{ID: "p-" + who, Kind: profile.KindPresentation, Customer: r.Customer[0], Time: w.clock.now().Add(time.Second), DecisionID: d.ID, OfferID: d.Delivered}
					if _, err := w.Record(context.Background(), []*profile.Event{shown}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	look.Go(func() {
		for {
			b, at := w.ledger.Snapshot()
			snapshots = append(snapshots, taken{b, at})
			select {
			case <-done:
				return
			default:
			}
		}
	})
	load.Wait()
	close(done)
	look.Wait()
	want, _ := w.ledger.Snapshot()
	for i, s := range snapshots {
		if i%(1+len(snapshots)/50) != 0 {
			continue
		}
		l := engine.NewLedger()
		if err := l.Restore(s.bytes); err != nil {
			t.Fatalf("snapshot at %d: %v", s.at, err)
		}
		if err := w.store.Scan(context.Background(), s.at+1, l.Apply); err != nil {
			t.Fatal(err)
		}
		if got, _ := l.Snapshot(); !bytes.Equal(got, want) {
			t.Fatalf("snapshot %d of %d, at entry %d: what is replayed on it leads to another ledger", i, len(snapshots), s.at)
		}
	}
	if len(snapshots) < 3 {
		t.Errorf("only %d snapshots were taken meanwhile", len(snapshots))
	}
}
