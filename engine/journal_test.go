package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
)

func TestQueryPages(t *testing.T) {
	w := newWorld(t, sharedBundle(t))
	scopes := []string{"", "us.ne", "us.ne.0412"}
	outcomes := map[engine.OutcomeValue]int{}
	for i := range 30 {
		r := request(fmt.Sprint("r", i), fmt.Sprint("c", i%3))
		r.Scope = scopes[i%len(scopes)]
		outcomes[w.decide(r).Outcome]++
		w.record(purchase(fmt.Sprint("p", i), fmt.Sprint("c", i%3), start, 100))
		w.clock.advance(time.Hour)
	}
	if outcomes[engine.OutcomeOffer] == 0 || outcomes[engine.OutcomeOffer] == 30 {
		t.Fatalf("outcomes %v: want several", outcomes)
	}
	for _, c := range []struct {
		name string
		q    engine.Query
		want int
	}{
		{"all", engine.Query{}, 30},
		{"customer", engine.Query{Customer: customer("c1")}, 10},
		{"region and below", engine.Query{Scope: "us.ne"}, 20},
		{"store", engine.Query{Scope: "us.ne.0412"}, 10},
		{"no scope of that name", engine.Query{Scope: "us.n"}, 0},
		{"outcome", engine.Query{Outcome: engine.OutcomeOffer}, outcomes[engine.OutcomeOffer]},
		{"time", engine.Query{From: start.Add(10 * time.Hour), To: start.Add(20 * time.Hour)}, 10},
		{"customer and time", engine.Query{Customer: customer("c0"), From: start.Add(15 * time.Hour), Oldest: true}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[string]bool{}
			var last time.Time
			q := c.q
			q.PageSize = 4
			for {
				page, err := w.Query(context.Background(), &q)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range page.Decisions {
					if seen[d.ID] || !last.IsZero() && d.Time.After(last) != q.Oldest {
						t.Errorf("decision %s comes twice or out of order", d.ID)
					}
					seen[d.ID], last = true, d.Time
				}
				if page.NextToken == "" {
					break
				}
				q.PageToken = page.NextToken
			}
			if len(seen) != c.want {
				t.Errorf("%d decisions, want %d", len(seen), c.want)
			}
		})
	}
	page, err := w.Query(context.Background(), &engine.Query{PageSize: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Query(context.Background(), &engine.Query{PageSize: 4, Scope: "us", PageToken: page.NextToken}); !errors.Is(err, engine.ErrPageToken) {
		t.Errorf("a token of another query: %v", err)
	}
	for _, o := range []engine.OutcomeValue{engine.OutcomeOffer, engine.OutcomeNoOffer, engine.OutcomeHoldout} {
		page, err := w.Query(context.Background(), &engine.Query{Outcome: o})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Decisions {
			if d.Outcome != o {
				t.Errorf("%s among %s", d.Outcome, o)
			}
		}
	}
}

func TestTailFollows(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.decide(request("before", "anna"))
	got, done := make(chan string, 10), make(chan error, 1)
	from := w.store.Last()
	go func() {
		done <- w.Tail(ctx, &engine.Query{}, from, func(d *engine.Decision) error {
			got <- d.RequestID
			return nil
		})
	}()
	w.record(purchase("p1", "anna", start, 100))
	w.decide(request("after", "anna"))
	if id := <-got; id != "after" {
		t.Errorf("first %q", id)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestExportAndErase(t *testing.T) {
	w := newWorld(t, policy(t, monthly))
	w.record(purchase("p1", "anna", start, 100), purchase("p2", "bert", start, 100))
	d := w.decide(request("r1", "anna"))
	events, decisions := 0, 0
	count := func(e *profile.Event, d *engine.Decision) error {
		if e != nil {
			events++
		}
		if d != nil {
			decisions++
		}
		return nil
	}
	if err := w.Export(context.Background(), customer("anna"), count); err != nil || events != 1 || decisions != 1 {
		t.Errorf("exported %d events and %d decisions: %v", events, decisions, err)
	}
	view, err := w.Profile(context.Background(), customer("anna"), time.Time{})
	if err != nil || len(view.Features) < 20 || !view.LastEvent.Equal(start) {
		t.Errorf("profile %+v %v", view, err)
	}
	at, err := w.Erase(context.Background(), customer("anna"), "erase-1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.Erase(context.Background(), customer("anna"), "erase-1"); err != nil || again != at {
		t.Errorf("the same request erased twice: %d and %d, %v", at, again, err)
	}
	for name, err := range map[string]error{
		"export":   w.Export(context.Background(), customer("anna"), count),
		"profile":  second(w.Profile(context.Background(), customer("anna"), time.Time{})),
		"decision": second(w.Decision(context.Background(), d.ID)),
	} {
		if !errors.Is(err, engine.ErrNotFound) && !errors.Is(err, engine.ErrErased) {
			t.Errorf("%s after the erasure: %v", name, err)
		}
	}
	if b, _ := w.Budget(context.Background(), "b"); b.Reserved != 500 {
		t.Errorf("erasing a customer gave %d back: the token is still out", 500-b.Reserved)
	}
	w.restart()
	if b, _ := w.Budget(context.Background(), "b"); b.Reserved != 500 {
		t.Errorf("after a restart %d is reserved", b.Reserved)
	}
	if _, err := w.Profile(context.Background(), customer("bert"), time.Time{}); err != nil {
		t.Errorf("somebody else's profile: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDuplicateEventsChangeNothing(t *testing.T) {
	w := newWorld(t, policy(t, ""))
	batch := []*profile.Event{purchase("p1", "anna", start, 100), purchase("p2", "bert", start, 100), purchase("p1", "anna", start, 100)}
	r := w.record(batch...)
	if r[0].Status != engine.EventAccepted || r[1].Status != engine.EventAccepted || r[2].Status != engine.EventDuplicate {
		t.Errorf("%+v", r)
	}
	before := w.store.Last()
	w.record(batch...)
	if w.store.Last() != before {
		t.Error("duplicates were appended")
	}
	bad := purchase("p3", "anna", start.Add(time.Hour), 100)
	nobody := purchase("p4", "", start, 100)
	r = w.record(bad, nobody, purchase("p5", "anna", start, 100))
	if r[0].Reason != engine.EventInvalid || r[1].Reason != engine.EventInvalid || r[2].Status != engine.EventAccepted {
		t.Errorf("%+v", r)
	}
}
