package engine_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
)

// history is a seeded year of purchases and returns of ten customers, in order of time.
func history() []*profile.Event {
	rng := rand.New(rand.NewPCG(3, 4))
	var out []*profile.Event
	at := start.AddDate(-1, 0, 0)
	for i := range 600 {
		at = at.Add(time.Duration(rng.IntN(28*60)) * time.Minute)
		who := fmt.Sprint("c", rng.IntN(10))
		if rng.IntN(3) > 0 {
			out = append(out, purchase(fmt.Sprint("p", i), who, at, 1000+rng.Int64N(9000)))
			continue
		}
		out = append(out, &profile.Event{
			ID: fmt.Sprint("b", i), Kind: profile.KindReturn, Customer: customer(who), Time: at, Channel: profile.ChannelStore, Currency: "USD",
			ReturnID: fmt.Sprint("b", i), OrderID: fmt.Sprint("o-p", rng.IntN(i+1)), Refund: 500 + rng.Int64N(4000),
			Lines: []profile.Line{{SKU: fmt.Sprint("sku-p", rng.IntN(i+1)), Style: "s1", Quantity: 1, Paid: 500, Category: "shoes"}},
		})
	}
	return out
}

func logOf(t *testing.T, events []*profile.Event) *world {
	t.Helper()
	w := newWorld(t, policy(t, ""), func(o *engine.Options) { o.EventClock = true })
	for _, ev := range events {
		w.record(ev)
	}
	return w
}

func rows(t *testing.T, w *world, o engine.TrainingOptions) *engine.TrainingSet {
	t.Helper()
	o.Horizon, o.Currency = 30*24*time.Hour, "USD"
	set, err := engine.TrainingRows(context.Background(), w.store, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func same(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !(math.IsNaN(a[i]) && math.IsNaN(b[i])) {
			return false
		}
	}
	return true
}

// Never later knowledge: a log that ends earlier gives the same rows, and
// adding what happened later changes none of their features.
func TestTrainingNeverKnowsLater(t *testing.T) {
	events := history()
	all := rows(t, logOf(t, events), engine.TrainingOptions{})
	if len(all.Rows) < 100 || all.Censored == 0 {
		t.Fatalf("%d rows, %d censored", len(all.Rows), all.Censored)
	}
	cut := len(events) / 2
	early := rows(t, logOf(t, events[:cut]), engine.TrainingOptions{})
	if len(early.Rows) < 40 {
		t.Fatalf("%d rows in the first half", len(early.Rows))
	}
	for i, r := range early.Rows {
		full := all.Rows[i]
		if r.ReturnID != full.ReturnID || !same(r.X, full.X) || r.Purchased != full.Purchased {
			t.Errorf("return %s: %v %v with the first half, %s: %v %v with all", r.ReturnID, r.X, r.Purchased, full.ReturnID, full.X, full.Purchased)
		}
		if r.At.Add(30 * 24 * time.Hour).After(events[cut-1].Time) {
			t.Errorf("return %s is not censored", r.ReturnID)
		}
	}
}

// A row has the very features Decide reads at that moment.
func TestTrainingFeaturesAreThoseOfDecide(t *testing.T) {
	events := history()
	set := rows(t, logOf(t, events), engine.TrainingOptions{})
	at := map[string]engine.TrainingRow{}
	for _, r := range set.Rows {
		at[r.ReturnID] = r
	}
	w := newWorld(t, policy(t, ""), func(o *engine.Options) { o.EventClock = true })
	compared := 0
	for _, ev := range events {
		if row, ok := at[ev.ReturnID]; ok && ev.Kind == profile.KindReturn {
			d := w.decide(&engine.Request{
				DryRun: true, Customer: []profile.Identity{ev.Customer}, Consent: engine.ConsentGranted, Channel: ev.Channel, Phase: engine.PhaseRefunded,
				Currency: "USD", AsOf: ev.Time, Explain: engine.ExplainFull,
				Return: engine.Return{ID: ev.ReturnID, OrderID: ev.OrderID, Lines: ev.Lines, Refund: ev.Refund},
			})
			live := map[string]float64{}
			for _, v := range d.Variables {
				live[v.Name] = v.Number
			}
			for i, f := range set.Features {
				got, known := live[f.Name]
				if !known {
					got = math.NaN()
				}
				if !same([]float64{got}, row.X[i:i+1]) {
					t.Errorf("return %s: %s is %v live, %v in training", ev.ReturnID, f.Name, got, row.X[i])
				}
			}
			compared++
		}
		w.record(ev)
	}
	if compared < 100 {
		t.Errorf("%d returns compared", compared)
	}
}

func TestTrainingLabel(t *testing.T) {
	const day = 24 * time.Hour
	at := start.AddDate(0, -6, 0)
	back := func(id string, when time.Time) *profile.Event {
		return &profile.Event{ID: id, ReturnID: id, Kind: profile.KindReturn, Customer: customer("anna"), Time: when, Currency: "USD", Refund: 1,
			Lines: []profile.Line{{SKU: "s", Quantity: 1, Paid: 1}}}
	}
	w := logOf(t, []*profile.Event{
		purchase("p1", "anna", at, 100),
		back("at the time of a purchase", at),
		back("first of two that day", at.Add(40*day)), back("bought on the last day", at.Add(40*day+time.Hour)),
		purchase("p2", "anna", at.Add(70*day+time.Hour), 100),
		back("not again in time", at.Add(80*day)),
		purchase("p3", "anna", at.Add(111*day), 100),
		back("censored", at.Add(112*day)),
	})
	set := rows(t, w, engine.TrainingOptions{Until: at.Add(120 * day)})
	want := map[string]bool{"at the time of a purchase": false, "bought on the last day": true, "not again in time": false}
	if len(set.Rows) != len(want) || set.Censored != 1 {
		t.Errorf("%d rows, %d censored", len(set.Rows), set.Censored)
	}
	for _, r := range set.Rows {
		if purchased, ok := want[r.ReturnID]; !ok || purchased != r.Purchased {
			t.Errorf("%s: purchased %v", r.ReturnID, r.Purchased)
		}
	}
}
