package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/sim"
)

const day = 24 * time.Hour

// opening is the first day of the simulated retailer: a spring, far from its Christmas.
var opening = start.Add(-212 * day)

// chain is a bundle for the simulated retailer whose written-down lift is far too high.
func chain(t testing.TB) *rules.Bundle {
	t.Helper()
	files := policy(t, "  explore: {strategy: epsilon, epsilon: 0.9}\n  holdout: {id: h, percent: 10, salt: s}\n").Files()
	text := string(files["company.yaml"])
	for _, x := range [][2]string{
		{"{amount: 5.00}", "{amount: 15.00}"}, {"48h", "168h"}, {`liability: "5.00"`, `liability: "15.00"`}, {"maxLiability: 5.00", "maxLiability: 15.00"},
		{"purchase.with * basket.with * basket.margin_rate - purchase.without * basket.without * basket.margin_rate", "30 * (purchase.with - purchase.without)"},
	} {
		if !strings.Contains(text, x[0]) {
			t.Fatalf("no %q in the policy", x[0])
		}
		text = strings.ReplaceAll(text, x[0], x[1])
	}
	files["company.yaml"] = []byte(text)
	b, err := rules.LoadFiles(files, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shop simulates a retailer whose returns are decided on from day 60 to day 180.
// It also returns, by decision, what the offer truly adds in the money of the goals.
func shop(t testing.TB, customers int) (*world, map[string]float64) {
	t.Helper()
	truth := map[string]float64{}
	gate := registry.DefaultGate()
	gate.MinRows = 500
	w := newWorld(t, chain(t), func(o *engine.Options) { o.EventClock, o.OpenArtifact, o.Gate = true, openArtifact, gate })
	config := sim.DefaultConfig()
	config.Customers, config.Days, config.Start, config.Stores = customers, 211, opening, 1
	retailer, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	for e, ok := retailer.Next(); ok; e, ok = retailer.Next() {
		e.Store = ""
		if age := e.Time.Sub(opening); e.Kind == profile.KindReturn && age > 60*day && age < 180*day {
			d := w.decide(&engine.Request{
				RequestID: e.ID, Customer: []profile.Identity{e.Customer}, Consent: engine.ConsentGranted, Channel: e.Channel, Phase: engine.PhaseRefunded,
				Currency: "USD", AsOf: e.Time, Return: engine.Return{ID: e.ReturnID, OrderID: e.OrderID, Refund: e.Refund, Lines: e.Lines, Time: e.Time},
			})
			o := sim.Offer{DecisionID: d.ID, OfferID: "half", Kind: "amount_off", Value: 15, Validity: 7 * day, Ceiling: 1500, Token: d.Token}
			effect, err := retailer.Truth(e.Customer, o, e.Time, 30*day)
			if err != nil {
				t.Fatal(err)
			}
			truth[d.ID] = 30*effect.Uplift() - 15*effect.Redeem
			if d.Offer != nil {
				if err := retailer.Respond(e.Customer, o, e.Time); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.record(e)
	}
	return w, truth
}

// telling are features that show who needs an offer and do not grow with the age of the shop.
var telling = []string{
	"customer.recency_days", "customer.recency_ratio", "customer.purchases_30d", "customer.expected_basket", "customer.discount_share_365d",
	"customer.loyalty_member", "customer.online_share",
}

// assumed is a model that says what the policies assume.
func assumed(t testing.TB) []byte {
	t.Helper()
	m, err := models.NewUplift(models.UpliftSpec{
		Schema:     models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"half"}, Features: []models.Feature{{Name: "ret.refund_value"}}},
		Predictors: []models.Predictor{{Linear: &models.Linear{Intercept: 0.1, Terms: []models.LinearTerm{{}}}}},
		Without:    models.Sum{Parts: []models.Part{{Weight: 1}}},
		Arms:       []models.ArmEffect{{Shift: 0.5, Scale: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := models.Encode(m, models.Card{Training: &models.Training{To: opening.Add(110 * day)}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// learned trains on the decisions of a shop's first fifty days.
func learned(t testing.TB, w *world) []byte {
	t.Helper()
	o := engine.DecisionOptions{TrainingOptions: engine.TrainingOptions{Horizon: 30 * day, To: opening.Add(110 * day), Until: opening.Add(140 * day)}}
	set, err := engine.DecisionRows(context.Background(), w.store, o)
	if err != nil {
		t.Fatal(err)
	}
	d := &learner.Dataset{Outcome: "purchase", Unit: "probability", Window: o.Horizon, Offers: set.Offers}
	for k, f := range set.Features {
		if !slices.Contains(telling, f.Name) {
			continue
		}
		column := make([]float64, len(set.Rows))
		for i := range set.Rows {
			column[i] = set.Rows[i].X[k]
		}
		d.Features, d.X = append(d.Features, f), append(d.X, column)
	}
	d.Logged = make([][]float64, 1+len(set.Offers))
	for i := range set.Rows {
		r := &set.Rows[i]
		y := 0.0
		if r.Purchased {
			y = 1
		}
		d.Y, d.Arm, d.Time = append(d.Y, y), append(d.Arm, r.Arm), append(d.Time, r.At)
		d.Group = append(d.Group, profile.HashID(string(r.Customer[:])))
		for a, p := range r.Chance {
			d.Logged[a] = append(d.Logged[a], p)
		}
	}
	res, err := learner.Tournament(context.Background(), learner.Spec{Name: "spring", Folds: 3, Refits: -1, NoBlend: true, Candidates: []learner.Candidate{
		{Name: "t-linear", Method: learner.MethodT, Base: learner.BaseLinear, Linear: learner.LinearSettings{Ridge: 30}},
	}}, d)
	if err != nil {
		t.Fatal(err)
	}
	res.Card.Reference = learner.Reference(d, res.Model)
	data, err := models.Encode(res.Model, res.Card)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// On the simulator's journal a model that has learned replaces assumptions that
// are wrong, one that shares them does not, and the figures are the evidence.
func TestPromotionIsProvedOnTheJournal(t *testing.T) {
	w, truth := shop(t, 2500)
	ctx := context.Background()
	for _, c := range []struct {
		name    string
		content []byte
		lacks   string
	}{{"believer", assumed(t), "lower bound must be above 0"}, {"spring", learned(t, w), ""}} {
		r, err := w.RegisterModel(ctx, &engine.Registration{Artifact: engine.Artifact{Outcome: "purchase", File: c.name + ".rbm", Content: c.content}})
		if err != nil {
			t.Fatal(err)
		}
		w.promote(r.Digest, registry.Shadow, 0)
		change, err := w.PromoteModel(ctx, &engine.ModelChange{Digest: r.Digest, To: registry.Champion, By: "ann"}, nil)
		d, failed := w.ModelDrift(ctx, "", r.Digest)
		if failed != nil || d.Rows < 500 || d.Settled < 500 || d.Calibration.Alarm != (c.lacks != "") || d.From.After(d.To) {
			t.Errorf("%s: drift %+v, %v", c.name, d, failed)
		}
		if c.lacks != "" {
			if got := strings.Join(registry.Reasons(err), "; "); !strings.Contains(got, c.lacks) {
				t.Errorf("%s: want %q, got %v", c.name, c.lacks, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		e := change.Evidence
		t.Logf("%s: %d decisions, gain %+v, covered %+v, %s", c.name, e.Rows, e.Gain, e.Covered, e.Calibration.Words)
		if e.Against != registry.Bundle || e.Rows < 500 || !e.From.After(opening.Add(110*day)) || e.Gain.Lower <= 0 || len(e.Reads) != len(telling) || len(e.Answers) != 2 {
			t.Errorf("%s stands on %+v", c.name, e)
		}
		if len(d.Reads) != len(telling) || len(d.Answers) != 2 || d.Answers[0].Level != "stable" {
			t.Errorf("%s: drift of inputs %+v, of scores %+v", c.name, d.Reads, d.Answers)
		}
		if gain := w.trueGain(e, truth); gain < e.Gain.Lower || gain > e.Gain.Upper || gain == 0 {
			t.Errorf("%s truly gains %v, the evidence says %+v", c.name, gain, e.Gain)
		}
	}
}

// trueGain is what the champion adds per decision to policies that offer whenever they may.
func (w *world) trueGain(e *engine.Evidence, truth map[string]float64) float64 {
	w.t.Helper()
	gain, n := 0.0, 0
	for token := ""; ; {
		page, err := w.Query(context.Background(), &engine.Query{From: e.From, To: e.To.Add(time.Millisecond), PageSize: 1000, PageToken: token})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, d := range page.Decisions {
			best, _, err := w.BestAgain(context.Background(), d)
			if err != nil {
				w.t.Fatal(err)
			}
			if best == engine.None {
				gain -= truth[d.ID]
			}
			n++
		}
		if token = page.NextToken; token == "" {
			break
		}
	}
	return gain / float64(n)
}
