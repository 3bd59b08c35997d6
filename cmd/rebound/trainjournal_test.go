package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/sim"
	"github.com/rebound-engine/rebound/store"
)

// shopPolicy explores three offers, of which the prior believes the wrong one best.
const shopPolicy = `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: shop, scope: "", version: 1, effectiveFrom: "2026-01-01T00:00:00Z"}
spec:
  currency: USD
  timezone: UTC
  outcomes:
    purchase: {event: purchase, window: 14d}
    redeem:   {event: redemption, window: validity}
  models:
    purchase: {without: 0.3, prior: {percent: {lift: 0.05, sd: 0.05}, points: {lift: 0.08, sd: 0.05}, message: {lift: 0.06, sd: 0.05}}}
    redeem:   {of: purchase}
    basket:   {from: profile}
  goals:
    margin:
      expr: purchase.with * basket.with * basket.margin_rate - purchase.without * basket.without * basket.margin_rate - cost.expected
  offers:
    - {id: percent, kind: percent_off, params: {percent: 0.35}, validity: 7d, liability: "0.10", maxLiability: 0.10}
    - {id: points, kind: points_multiplier, params: {multiplier: 3.0}, validity: 7d, eligible: customer.loyalty_member, liability: "0.10", maxLiability: 0.10}
    - {id: message, kind: message, validity: 7d, liability: "0.10", maxLiability: 0.10}
  holdout: {id: h, percent: 10, salt: s}
  explore: {strategy: epsilon, epsilon: 0.9}
`

const shopCategories = "categories:\n  default: {margin_rate: 0.40}\n"

// playedShop plays a simulated retailer against an engine on a store folder.
type playedShop struct {
	t        *testing.T
	retailer *sim.Retailer
	node     *node
	decideAt time.Time
	watchAt  time.Time
	pending  []*profile.Event
	last     *profile.Event                // the last return decided on
	truth    map[string]map[string]float64 // by decision and offer: what the offer really adds
}

// shopOffers are the offers as the simulator knows them.
var shopOffers = []sim.Offer{
	{OfferID: "percent", Kind: "percent_off", Value: 0.35, Validity: 7 * 24 * time.Hour},
	{OfferID: "points", Kind: "points_multiplier", Value: 3, Validity: 7 * 24 * time.Hour},
	{OfferID: "message", Kind: "message", Validity: 7 * 24 * time.Hour},
}

const shopWindow = 14 * 24 * time.Hour

// openShop opens the folder with the policies of a directory.
func openShop(t *testing.T, folder, policies string) *node {
	t.Helper()
	cfg := configOf(folder)
	cfg.Policies, cfg.Clock, cfg.Journal, cfg.secrets = policies, "events", "bounded", fixedSecrets("shop")
	n, err := openNode(context.Background(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func playShop(t *testing.T, folder, policies string) *playedShop {
	t.Helper()
	c := sim.Config{Seed: 5, Customers: 5000, Days: 260, Stores: 6, Currency: "USD", Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	retailer, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := &playedShop{t: t, retailer: retailer, node: openShop(t, folder, policies), decideAt: c.Start.AddDate(0, 0, 80), watchAt: c.Start.AddDate(0, 0, c.Days).Add(-shopWindow), truth: map[string]map[string]float64{}}
	for e, ok := s.retailer.Next(); ok; e, ok = s.retailer.Next() {
		s.handle(e)
	}
	s.flush()
	if err := s.node.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *playedShop) handle(e *profile.Event) {
	if e.Kind == profile.KindReturn && !e.Time.Before(s.decideAt) && e.Time.Before(s.watchAt) {
		s.flush()
		s.decide(e)
	}
	s.pending = append(s.pending, e)
}

func (s *playedShop) flush() {
	s.t.Helper()
	if _, err := s.node.engine.Record(context.Background(), s.pending); err != nil {
		s.t.Fatal(err)
	}
	s.pending = s.pending[:0]
}

// shopRequest asks for a decision on a return.
func shopRequest(e *profile.Event) *engine.Request {
	return &engine.Request{
		RequestID: e.ID, Customer: []profile.Identity{e.Customer}, Consent: engine.ConsentGranted, Channel: e.Channel,
		Phase: engine.PhaseRefunded, Currency: "USD", AsOf: e.Time,
		Return: engine.Return{ID: e.ReturnID, OrderID: e.OrderID, Lines: e.Lines, Refund: e.Refund, Authorization: "APPROVED"},
	}
}

// decide asks the engine, notes the truth, and tells the customer.
func (s *playedShop) decide(e *profile.Event) {
	s.t.Helper()
	s.last = e
	d, err := s.node.engine.Decide(context.Background(), shopRequest(e))
	if err != nil {
		s.t.Fatal(err)
	}
	s.truth[d.ID] = map[string]float64{engine.None: 0}
	for _, o := range shopOffers {
		effect, err := s.retailer.Truth(e.Customer, o, e.Time, shopWindow)
		if err != nil {
			s.t.Fatal(err)
		}
		s.truth[d.ID][o.OfferID] = effect.Uplift()
		if o.OfferID == d.Delivered {
			o.DecisionID, o.Token = d.ID, d.Token
			if err := s.retailer.Respond(e.Customer, o, e.Time); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// later are the decisions from a time on as the model reads them, with what each offer really adds.
func (s *playedShop) later(folder string, m models.Model, from time.Time) (*prediction, []map[string]float64) {
	s.t.Helper()
	l := logFlags{store: folder}
	l.options = engine.TrainingOptions{Horizon: shopWindow, From: from}
	var p *prediction
	var truth []map[string]float64
	err := l.read(func(st store.Store) error {
		set, err := engine.DecisionRows(context.Background(), st, engine.DecisionOptions{TrainingOptions: l.options})
		if err != nil {
			return err
		}
		for _, r := range set.Rows {
			truth = append(truth, s.truth[r.ID])
		}
		d, err := align(journalDataset(set, l.options), m.Schema())
		if err == nil {
			p, err = scoreRows(context.Background(), m, d)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p, truth
}

// What is learned from the first decisions knows whom which offer wins among the
// later ones, which the prior does not, and the artifact decides in a bundle.
func TestTrainFromTheJournal(t *testing.T) {
	folder, policies := newStore(t), t.TempDir()
	putFile(t, filepath.Join(policies, "company.yaml"), shopPolicy)
	if err := os.MkdirAll(filepath.Join(policies, "reference"), 0o700); err != nil {
		t.Fatal(err)
	}
	putFile(t, filepath.Join(policies, "reference", "categories.yaml"), shopCategories)
	s := playShop(t, folder, policies)
	until := s.decideAt.Add(s.watchAt.Sub(s.decideAt) * 3 / 4)
	model := filepath.Join(t.TempDir(), "champion.rbm")
	report := decoded[trainingReport](t, "train", "--journal", "--store", folder, "--horizon", "14d", "--until", until.Format(time.DateOnly),
		"--out", model, "--trials", "1", "--folds", "2", "--write", "learned", "--ignore", "now.*,request.*,ret.[a-l]*,*30d,*7d,*180d,*lifetime")
	if report.Rows < 1500 || len(report.Offers) != 3 || len(report.LeftOut) == 0 {
		t.Fatalf("%+v", report)
	}
	for _, f := range report.Findings {
		if strings.HasPrefix(f, "imbalance") || strings.HasPrefix(f, "leakage") {
			t.Errorf("the logged chances are true and the features are earlier: %s", f)
		}
	}
	m, _, err := openUplift(model)
	if err != nil {
		t.Fatal(err)
	}
	s.beatsPrior(m, folder, until)
	s.decidesInBundle(m, folder, policies, model)
}

// beatsPrior compares with the truth: the prior gives everybody points and ranks nobody.
func (s *playedShop) beatsPrior(m models.Model, folder string, from time.Time) {
	s.t.Helper()
	p, truth := s.later(folder, m, from)
	offers := m.Schema().Offers
	learned, prior, best := 0.0, 0.0, 0.0
	var predicted, actual []float64
	for i := range truth {
		if k := p.best(i); k >= 0 {
			learned += truth[i][offers[k]] / float64(len(truth))
		}
		prior += truth[i]["points"] / float64(len(truth))
		best += max(truth[i]["percent"], truth[i]["points"], truth[i]["message"], 0) / float64(len(truth))
		predicted, actual = append(predicted, p.effects[slices.Index(offers, "percent")][i]), append(actual, truth[i]["percent"])
	}
	s.t.Logf("%d later decisions: true uplift %.4f learned, %.4f by the prior, %.4f at best; correlation of the percent-off effect %.2f", len(truth), learned, prior, best, correlation(predicted, actual))
	if learned < prior+0.4*(best-prior) {
		s.t.Errorf("learned policy: true uplift %.4f, the prior's %.4f, the best %.4f", learned, prior, best)
	}
	if r := correlation(predicted, actual); r < 0.25 {
		s.t.Errorf("correlation of predicted and true effect: %.2f", r)
	}
}

// decidesInBundle puts the artifact into the policies and decides with it.
func (s *playedShop) decidesInBundle(m models.Model, folder, policies, model string) {
	s.t.Helper()
	at := strings.Index(shopPolicy, "purchase: {without")
	line, _, _ := strings.Cut(shopPolicy[at:], "\n")
	putFile(s.t, filepath.Join(policies, "company.yaml"), strings.Replace(shopPolicy, line, "purchase: {file: models/champion.rbm}", 1))
	if err := os.Mkdir(filepath.Join(policies, "models"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	putFile(s.t, filepath.Join(policies, "models", "champion.rbm"), fileText(s.t, model))
	n := openShop(s.t, folder, policies)
	defer n.Close()
	r := shopRequest(s.last)
	r.RequestID, r.DryRun, r.Explain = "again", true, engine.ExplainFull
	d, err := n.engine.Decide(context.Background(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	x := make([]float64, len(m.Schema().Features))
	for i, f := range m.Schema().Features {
		x[i] = math.NaN()
		for _, v := range d.Variables {
			switch {
			case v.Name != f.Name:
			case f.Type == models.Number:
				x[i] = v.Number
			case slices.Contains(f.Levels, v.Text):
				x[i] = float64(slices.Index(f.Levels, v.Text))
			}
		}
	}
	for _, offer := range []string{"percent", "message"} {
		want := make([]models.Score, 1)
		if err := m.Score(context.Background(), x, []models.Candidate{{Arm: slices.Index(m.Schema().Offers, offer)}}, want); err != nil {
			s.t.Fatal(err)
		}
		got := d.Candidate(offer).Outcomes[0]
		if got.With != want[0].With || got.Without != want[0].Without || got.Rung != engine.RungModel || got.Assumed {
			s.t.Errorf("%s: %+v, the artifact says %+v", offer, got, want[0])
		}
	}
	if d.Candidate("percent").Outcomes[0].With == d.Candidate("message").Outcomes[0].With {
		s.t.Error("offers are not told apart")
	}
}

func mean(v []float64) (m float64) {
	for _, x := range v {
		m += x / float64(len(v))
	}
	return m
}

func correlation(a, b []float64) float64 {
	ma, mb := mean(a), mean(b)
	var ab, aa, bb float64
	for i := range a {
		ab += (a[i] - ma) * (b[i] - mb)
		aa += (a[i] - ma) * (a[i] - ma)
		bb += (b[i] - mb) * (b[i] - mb)
	}
	return ab / math.Sqrt(aa*bb)
}
