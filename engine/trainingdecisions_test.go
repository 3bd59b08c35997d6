package engine_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
)

const exploring = `  holdout: {id: h, percent: 20, salt: s}
  explore: {strategy: epsilon, epsilon: 0.5}
`

func decisionRows(t *testing.T, w *world, o engine.DecisionOptions) *engine.DecisionSet {
	t.Helper()
	if o.Horizon == 0 {
		o.Horizon = 30 * 24 * time.Hour
	}
	set, err := engine.DecisionRows(context.Background(), w.store, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func leftOut(s *engine.DecisionSet) map[string]int {
	out := map[string]int{}
	for _, l := range s.LeftOut {
		out[l.Reason] = l.Count
	}
	return out
}

// Rows repeat what the decisions logged: features, what was shown, its chances.
func TestDecisionRowsAreWhatWasLogged(t *testing.T) {
	w := newWorld(t, policy(t, exploring))
	logged := map[string]*engine.Decision{}
	for i := range 60 {
		r := request(fmt.Sprint("r", i), fmt.Sprint("c", i))
		r.Return.Refund += int64(100 * i)
		d := w.decide(r)
		logged[d.ID] = d
		w.clock.advance(time.Minute)
	}
	w.clock.advance(40 * 24 * time.Hour)
	w.decide(request("last", "late")) // moves the end of what is known
	set := decisionRows(t, w, engine.DecisionOptions{})
	if len(set.Rows) != 60 || !slices.Equal(set.Offers, []string{"half"}) || set.Currency != "USD" {
		t.Fatalf("%d rows of %v in %s, left out %v", len(set.Rows), set.Offers, set.Currency, set.LeftOut)
	}
	held, shown := 0, 0
	for _, row := range set.Rows {
		d := logged[row.ID]
		for a, offer := range []string{engine.None, "half"} {
			if row.Chance[a] != d.Candidate(offer).PShown || (row.Arm == a) != (d.Delivered == offer) {
				t.Errorf("decision %s delivered %s: arm %d with %v", d.ID, d.Delivered, row.Arm, row.Chance)
			}
		}
		for _, v := range d.Variables {
			i := slices.IndexFunc(set.Features, func(f models.Feature) bool { return f.Name == v.Name })
			switch {
			case v.Type == engine.StringsValue || v.Name == "now.year":
				if i >= 0 {
					t.Errorf("%s is a feature", v.Name)
				}
			case i < 0:
				if !strings.HasPrefix(v.Name, "now.") && v.Text != "" {
					t.Errorf("%s is no feature", v.Name)
				}
			case v.Type == engine.StringValue:
				if got := set.Features[i].Levels[int(row.X[i])]; got != v.Text {
					t.Errorf("%s is %q, logged %q", v.Name, got, v.Text)
				}
			case row.X[i] != v.Number:
				t.Errorf("%s is %v, logged %v", v.Name, row.X[i], v.Number)
			}
		}
		if d.HeldOut && d.Assigned != engine.None {
			held++
		}
		shown += row.Arm
	}
	if held == 0 || shown == 0 || shown == 60 {
		t.Errorf("%d held out, %d shown: the test proves nothing", held, shown)
	}
}

// The outcome is the same whatever the order in which the log got to know it.
func TestDecisionRowsJoinOutcomes(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		days []int // of purchases after the decision
		want bool
	}{
		{"never", nil, false}, {"on the last day", []int{30}, true}, {"too late", []int{31}, false},
		{"before only", []int{-3}, false}, {"before and after", []int{-3, 2, 40}, true}, {"at the very time", []int{0}, false},
	} {
		for _, first := range []bool{true, false} {
			w := newWorld(t, policy(t, exploring), func(o *engine.Options) { o.EventClock = true })
			at := start.Add(-60 * day)
			for i := range 20 { // so that the offer was shown to somebody
				r := request(fmt.Sprint("o", i), fmt.Sprint("o", i))
				r.AsOf = at
				w.decide(r)
			}
			events := []*profile.Event{purchase("other", "bert", start, 100)}
			for i, d := range c.days {
				events = append(events, purchase(fmt.Sprint("p", i), "anna", at.Add(time.Duration(d)*day), 100))
			}
			r := request("r", "anna")
			r.AsOf = at
			if first {
				w.decide(r)
			}
			w.record(events...)
			w.record(events...) // again: duplicates
			if !first {
				w.decide(r)
			}
			set := decisionRows(t, w, engine.DecisionOptions{})
			bought := 0
			for _, row := range set.Rows {
				if row.Purchased {
					bought++
				}
			}
			if len(set.Rows) != 21 || (bought == 1) != c.want || bought > 1 {
				t.Errorf("%s, decided first %v: %d of %d rows bought", c.name, first, bought, len(set.Rows))
			}
		}
	}
}

func TestDecisionRowsLeaveOut(t *testing.T) {
	w := newWorld(t, policy(t, exploring+`  constraints:
    - {id: dear, when: ret.refund_value >= 50, reason: TOO_CHEAP}
`))
	r := request("kept", "anna")
	w.decide(r)
	later := request("again", "anna")
	later.Return, later.Phase = r.Return, engine.PhaseAfter
	w.decide(later)
	denied := request("denied", "bert")
	denied.Consent = engine.ConsentDenied
	w.decide(denied)
	nobody := request("nobody", "x")
	nobody.Customer = nil
	w.decide(nobody)
	cheap := request("cheap", "cora")
	cheap.Return.Refund = 100
	w.decide(cheap)
	w.clock.advance(31 * 24 * time.Hour)
	w.decide(request("open", "dora"))
	set := decisionRows(t, w, engine.DecisionOptions{})
	if got := leftOut(set); len(set.Rows) != 1 || len(got) != 5 {
		t.Errorf("%d rows, left out %v", len(set.Rows), set.LeftOut)
	}
	for _, l := range set.LeftOut {
		if l.Count != 1 {
			t.Errorf("%+v", l)
		}
	}
	if set := decisionRows(t, w, engine.DecisionOptions{TrainingOptions: engine.TrainingOptions{Currency: "EUR"}}); len(set.Rows) != 0 {
		t.Errorf("of another currency: %d rows", len(set.Rows))
	}
	if set := decisionRows(t, w, engine.DecisionOptions{MinOffer: 2}); len(set.Offers) != 0 || len(set.Rows) != 0 {
		t.Errorf("offers seen once: %v, %d rows", set.Offers, len(set.Rows))
	}
}

// Without the decisions that showed a rare offer, the others' chances are
// conditional: among them every arm is shown with the chance that is stated.
func TestDecisionRowsWithoutRareOffers(t *testing.T) {
	w := newWorld(t, policy(t, `    - {id: rare, kind: amount_off, params: {amount: 1.00}, validity: 48h, liability: "1.00", maxLiability: 1.00}
`+strings.Replace(exploring, "0.5", "0.15", 1)))
	for i := range 300 {
		w.decide(request(fmt.Sprint("r", i), fmt.Sprint("c", i)))
		w.clock.advance(time.Minute)
	}
	until := engine.TrainingOptions{Until: start.AddDate(1, 0, 0), Horizon: 30 * 24 * time.Hour}
	all := decisionRows(t, w, engine.DecisionOptions{TrainingOptions: until})
	some := decisionRows(t, w, engine.DecisionOptions{TrainingOptions: until, MinOffer: 30})
	if len(some.Offers) == 0 || len(some.Offers) >= len(all.Offers) {
		t.Fatalf("all %v, not rare %v", all.Offers, some.Offers)
	}
	for _, r := range some.Rows {
		sum := 0.0
		for _, p := range r.Chance {
			sum += p
		}
		i := slices.IndexFunc(all.Rows, func(x engine.DecisionRow) bool { return x.ID == r.ID })
		k := slices.Index(all.Offers, some.Offers[0]) + 1
		if before := all.Rows[i].Chance; math.Abs(sum-1) > 1e-12 || math.Abs(r.Chance[1]/r.Chance[0]-before[k]/before[0]) > 1e-9 {
			t.Fatalf("chances %v were %v", r.Chance, all.Rows[i].Chance)
		}
	}
}
