package engine_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/rules"
)

// explain FULL carries everything to redo a decision by hand; this does it,
// from the answer and the policy's numbers alone.
func TestArithmeticByHand(t *testing.T) {
	b := sharedBundle(t)
	w := newWorld(t, b)
	for i := range 6 {
		w.record(purchase(fmt.Sprint("p", i), "anna", start.AddDate(0, -i-1, -3), 15000))
	}
	basket := int64(30000)
	for i := range 200 {
		r := request(fmt.Sprint("r", i), fmt.Sprint("customer", i%50))
		r.Scope, r.Channel, r.Phase, r.Basket = "us.ne.0412", 3, engine.PhaseStarted, &basket
		if i%2 == 0 {
			r.Customer[0].Value = "anna"
		}
		d := w.decide(r)
		policy, _ := b.Policy("us.ne.0412")
		redo(t, d, policy)
		if t.Failed() {
			t.Fatalf("decision %s", d.ID)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// redo computes goals, costs, scores, A', both probability vectors and the draw.
func redo(t *testing.T, d *engine.Decision, p *rules.Policy) {
	t.Helper()
	lambda := map[string]float64{}
	for _, b := range d.Budgets {
		lambda[b.Budget] = b.Lambda
	}
	if len(lambda) != 3 {
		t.Errorf("budgets %v, want those of company, region and store", lambda)
	}
	for i := range d.Candidates {
		if c := &d.Candidates[i]; c.Scored && c.Offer != engine.None {
			redoScore(t, d, c, lambda)
		}
	}
	redoDraw(t, d, p)
}

func redoScore(t *testing.T, d *engine.Decision, c *engine.Candidate, lambda map[string]float64) {
	t.Helper()
	o := map[string]engine.OutcomeScore{}
	for _, x := range c.Outcomes {
		o[x.Outcome] = x
	}
	v := map[string]float64{}
	for _, x := range d.Variables {
		v[x.Name] = x.Number
	}
	const marginRate = 0.45 // of shoes
	cost := o["redeem"].With * c.Liability
	if !near(cost, c.ExpectedCost) || c.LiabilityCost < int64(math.Floor(c.Liability*100)) {
		t.Errorf("%s: cost %v, want %v", c.Offer, c.ExpectedCost, cost)
	}
	want := map[string]float64{
		"margin":  o["purchase"].With*o["basket"].With*marginRate - o["purchase"].Without*o["basket"].Without*marginRate - cost,
		"traffic": o["visit"].With - o["visit"].Without,
		"loyalty": o["future"].With - o["future"].Without,
		"boris": (o["instore"].With-o["instore"].Without)*v["store.attach_margin"] +
			(o["return_in_store"].With-o["return_in_store"].Without)*v["store.boris_saving"],
	}
	worth := map[string]float64{"margin": 1, "traffic": 1.8 * 3.20, "loyalty": 0.90, "boris": 1.5}
	score := 0.0
	for _, g := range c.Goals {
		if !near(g.Amount, want[g.Goal]) || !near(g.Contribution, worth[g.Goal]*want[g.Goal]) {
			t.Errorf("%s: goal %s is %v (%v), want %v (%v)", c.Offer, g.Goal, g.Amount, g.Contribution, want[g.Goal], worth[g.Goal]*want[g.Goal])
		}
		score += g.Contribution
	}
	for _, l := range lambda {
		score -= l * cost
	}
	if !near(score, c.Score) || len(c.Goals) != 4 {
		t.Errorf("%s: score %v, want %v of %d goals", c.Offer, c.Score, score, len(c.Goals))
	}
}

func redoDraw(t *testing.T, d *engine.Decision, p *rules.Policy) {
	t.Helper()
	var in []*engine.Candidate
	best, k := 0, 0
	for i := range d.Candidates {
		if c := &d.Candidates[i]; c.Fits {
			in = append(in, c)
			if b := in[best]; c.Score > b.Score || c.Score == b.Score && best > 0 && c.Ceiling < b.Ceiling {
				best = len(in) - 1
			}
		}
	}
	explored := func(i int) bool { return i == best || in[i].Ceiling <= p.Explore.MaxLiability }
	for i := range in {
		if explored(i) {
			k++
		}
	}
	sum, upto, drawn := 0.0, uint64(0), ""
	for i, c := range in {
		want := 0.0
		if i != best && explored(i) {
			want = max(min(0.02, 1/float64(k)), 1/(float64(k)+15*(in[best].Score-c.Score)/10))
			want = float64(uint64(want*bucket.Size)) / bucket.Size
		}
		if i != best && c.PChoice != want {
			t.Errorf("%s: p_choice %v, want %v", c.Offer, c.PChoice, want)
		}
		sum += c.PChoice
		shown := c.PChoice * (1 - d.Draw.Holdout)
		if c.Offer == engine.None {
			shown += d.Draw.Holdout
		}
		if !near(shown, c.PShown) {
			t.Errorf("%s: p_shown %v, want %v", c.Offer, c.PShown, shown)
		}
		upto += uint64(c.PChoice * bucket.Size)
		if drawn == "" && d.Draw.U>>32 < upto {
			drawn = c.Offer
		}
	}
	if sum != 1 || drawn != d.Assigned || d.Draw.Best != in[best].Offer || d.Propensity != d.Candidate(d.Assigned).PChoice {
		t.Errorf("chances add up to %v; drawn %s, logged %s; best %s, logged %s", sum, drawn, d.Assigned, in[best].Offer, d.Draw.Best)
	}
	if in[0].Offer != engine.None || in[0].Score != 0 {
		t.Error("none is not first, or does not score 0")
	}
}
