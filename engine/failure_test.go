package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// refusing is a store whose log refuses appends when told to.
type refusing struct {
	store.Store
	err error
}

type refusingTx struct {
	store.Tx
	err error
}

func (r *refusing) Update(ctx context.Context, s store.Subject, fn func(store.Tx) error) error {
	return r.Store.Update(ctx, s, func(tx store.Tx) error {
		if r.err != nil {
			tx = refusingTx{tx, r.err}
		}
		return fn(tx)
	})
}

func (r refusingTx) Append(store.Header, []byte) (store.Position, error) { return 0, r.err }

// A failed append reserves nothing and answers UNAVAILABLE; the same request
// succeeds once the log takes entries again.
func TestFailedAppendReservesNothing(t *testing.T) {
	var log *refusing
	w := newWorld(t, policy(t, "  budgets:\n    - {id: b, limit: 5.00, period: month}\n"), func(o *engine.Options) {
		log = &refusing{Store: o.Store}
		o.Store = log
	})
	for _, cause := range []error{store.ErrOverloaded, store.ErrFailed} {
		log.err = fmt.Errorf("append: %w", cause)
		_, err := w.Decide(context.Background(), request("r1", "anna"))
		if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, cause) {
			t.Errorf("%v, want it to be unavailable", err)
		}
		if b, _ := w.Budget(context.Background(), "b"); b.Reserved != 0 {
			t.Errorf("%d reserved by a decision that was not recorded", b.Reserved)
		}
	}
	log.err = nil
	if d := w.decide(request("r1", "anna")); d.Outcome != engine.OutcomeOffer {
		t.Errorf("after the log came back: %+v", d)
	}
}

// scorer is a model that fails, hangs or answers as told.
type scorer struct {
	schema models.Schema
	fn     func(ctx context.Context, x []float64, out []models.Score) error
}

func (s *scorer) Schema() *models.Schema { return &s.schema }

func (s *scorer) Score(ctx context.Context, x []float64, c []models.Candidate, out []models.Score) error {
	for i := range c {
		out[i] = models.Score{Without: 0.1, With: 0.6, Lower: 0.4, Upper: 0.6}
	}
	if s.fn != nil {
		return s.fn(ctx, x, out[:len(c)])
	}
	return nil
}

// modelled is the small policy with a trained model for purchases, and distilled ones beside it.
func modelled(t testing.TB, files ...string) *rules.Bundle {
	t.Helper()
	b := policy(t, "")
	fsys := fstest.MapFS{}
	for path, content := range b.Files() {
		fsys[path] = &fstest.MapFile{Data: content}
	}
	company := string(b.Files()["company.yaml"])
	old := "purchase: {without: 0.10, prior: {half: {lift: 0.50, sd: 0.01}}}"
	at := len(company) - len(company[indexOf(t, company, old):])
	fsys["company.yaml"] = &fstest.MapFile{Data: []byte(company[:at] + "purchase: {file: models/m.rbm}" + company[at+len(old):])}
	for _, f := range append(files, "models/m.rbm") {
		fsys[f] = &fstest.MapFile{Data: []byte(f)}
	}
	out, err := rules.Load(fsys, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func indexOf(t testing.TB, s, sub string) int {
	t.Helper()
	for i := range len(s) - len(sub) + 1 {
		if s[i:i+len(sub)] == sub {
			return i
		}
	}
	t.Fatalf("%q is not in the policy", sub)
	return 0
}

func opener(byPath map[string]models.Model) func(*engine.Options) {
	return func(o *engine.Options) {
		o.OpenModel = func(_ *rules.Bundle, path string) (models.Model, string, error) {
			if m := byPath[path]; m != nil {
				return m, "digest of " + path, nil
			}
			return nil, "", fmt.Errorf("no model %s", path)
		}
	}
}

func TestLadder(t *testing.T) {
	schema := models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"half"}, Features: []models.Feature{{Name: "ret.refund_value"}}}
	broken := errors.New("the model server is gone")
	failing := func(context.Context, []float64, []models.Score) error { return broken }
	onlyKnown := func(_ context.Context, x []float64, _ []models.Score) error {
		if math.IsNaN(x[0]) {
			return models.ErrUnscorable
		}
		return broken
	}
	knows := func(_ context.Context, x []float64, _ []models.Score) error {
		if !math.IsNaN(x[0]) {
			return broken
		}
		return nil
	}
	hangs := func(ctx context.Context, x []float64, _ []models.Score) error {
		if math.IsNaN(x[0]) {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	garbage := func(_ context.Context, x []float64, out []models.Score) error {
		if !math.IsNaN(x[0]) {
			out[0].With = math.NaN()
		}
		return nil
	}
	const small = "models/m.rbm.distilled"
	for _, c := range []struct {
		name        string
		full, small func(context.Context, []float64, []models.Score) error
		distilled   bool
		rung        engine.Rung
		outcome     engine.OutcomeValue
	}{
		{"model", nil, nil, false, engine.RungModel, engine.OutcomeOffer},
		{"distilled", failing, nil, true, engine.RungDistilled, engine.OutcomeOffer},
		{"segment prior", knows, nil, false, engine.RungPrior, engine.OutcomeOffer},
		{"hung", hangs, nil, false, engine.RungPrior, engine.OutcomeOffer},
		{"garbage", garbage, nil, false, engine.RungPrior, engine.OutcomeOffer},
		{"both fail", knows, failing, true, engine.RungPrior, engine.OutcomeOffer},
		{"no offer", onlyKnown, nil, false, engine.RungNone, engine.OutcomeFallback},
	} {
		t.Run(c.name, func(t *testing.T) {
			byPath := map[string]models.Model{"models/m.rbm": &scorer{schema, c.full}}
			var files []string
			if c.distilled {
				byPath[small], files = &scorer{schema, c.small}, []string{small}
			}
			w := newWorld(t, modelled(t, files...), opener(byPath))
			d := w.decide(request("r1", "anna"))
			if d.Outcome != c.outcome {
				t.Fatalf("%s: %+v %v", d.Outcome, d.Candidate("half"), d.Degraded)
			}
			if sum := d.Candidate("half").PChoice + d.Candidate(engine.None).PChoice; sum != 1 {
				t.Errorf("propensities add up to %v", sum)
			}
			if c.rung == engine.RungNone {
				if r := d.Candidate("half").Reason; r != engine.ReasonModelUnavailable || d.Propensity != 1 {
					t.Errorf("%q with propensity %v", r, d.Propensity)
				}
			} else if got := d.Candidate("half").Outcomes[0].Rung; got != c.rung {
				t.Errorf("rung %s, want %s", got, c.rung)
			}
			if degraded := len(d.Degraded) > 0; degraded != (c.rung != engine.RungModel) {
				t.Errorf("degraded %v", d.Degraded)
			}
			for v := engine.VoiceEngineer; v <= engine.VoiceAssociate; v++ {
				if wrong := checkExplanation(d, v, engine.Narrate(d, v)); len(wrong) > 0 {
					t.Errorf("%s: %s", v, wrong)
				}
			}
		})
	}
}

// Near the deadline models are not asked: the segment prior answers in time.
func TestNearDeadline(t *testing.T) {
	schema := models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"half"}, Features: []models.Feature{{Name: "ret.refund_value"}}}
	asked := 0
	w := newWorld(t, modelled(t), opener(map[string]models.Model{"models/m.rbm": &scorer{schema, func(_ context.Context, x []float64, _ []models.Score) error {
		if !math.IsNaN(x[0]) {
			asked++
		}
		return nil
	}}}))
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(900*time.Microsecond))
	defer cancel()
	d, err := w.Decide(ctx, request("r1", "anna"))
	if asked != 0 {
		t.Error("the model was asked")
	}
	if err == nil && d.Candidate("half").Outcomes[0].Rung != engine.RungPrior {
		t.Errorf("answered from %s", d.Candidate("half").Outcomes[0].Rung)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Bundles that do not fit the build are refused whole; the one before stays.
func TestActivationIsAllOrNothing(t *testing.T) {
	schema := models.Schema{Outcome: "purchase", Unit: "probability", Features: []models.Feature{{Name: "customer.shoe_size"}}}
	w := newWorld(t, policy(t, ""), opener(map[string]models.Model{"models/m.rbm": &scorer{schema: schema}}))
	before, _ := w.Active()
	if _, err := w.Activate(context.Background(), modelled(t), engine.ActivateOptions{}); err == nil {
		t.Error("a model that reads an unknown variable was taken")
	}
	if _, err := w.Activate(context.Background(), policy(t, "  budgets:\n    - {id: b, limit: 5.00, period: month}\n"), engine.ActivateOptions{Expect: "something else"}); !errors.Is(err, engine.ErrStale) {
		t.Errorf("stale: %v", err)
	}
	if now, _ := w.Active(); now != before {
		t.Error("a refused bundle came into force")
	}
	next := policy(t, "  budgets:\n    - {id: b, limit: 5.00, period: month}\n")
	a, err := w.Activate(context.Background(), next, engine.ActivateOptions{Expect: before.Digest()})
	if err != nil || a.Previous != before.Digest() {
		t.Fatalf("%+v %v", a, err)
	}
	logged, err := w.Activations(context.Background(), 10)
	if err != nil || len(logged) != 2 || logged[0].Digest != next.Digest() || len(logged[1].Files) != 2 {
		t.Errorf("%d activations, %v", len(logged), err)
	}
}

// Files too large for one entry are logged apart, once, and come back whole.
func TestLargeFilesAreLoggedApart(t *testing.T) {
	schema := models.Schema{Outcome: "purchase", Unit: "probability"}
	w := newWorld(t, policy(t, ""), opener(map[string]models.Model{"models/m.rbm": &scorer{schema: schema}}))
	large := make([]byte, 5<<20)
	for i := range large {
		large[i] = byte(i * i >> 8)
	}
	with := func(version string) *rules.Bundle {
		fsys := fstest.MapFS{"models/big.bin": {Data: large}, "tests/note.txt": {Data: []byte(version)}}
		for path, content := range modelled(t).Files() {
			fsys[path] = &fstest.MapFile{Data: content}
		}
		b, err := rules.Load(fsys, engine.Schema())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first, second := with("1"), with("2")
	for _, b := range []*rules.Bundle{first, second} {
		before := w.store.Last()
		if _, err := w.Activate(context.Background(), b, engine.ActivateOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := w.store.Last() - before; b == first && n != 4 || b == second && n != 1 {
			t.Errorf("%d entries", n)
		}
	}
	w.restart()
	if b, _ := w.Active(); b.Digest() != second.Digest() {
		t.Error("another bundle came back")
	}
}

// A model that bounds nothing says so with infinite bounds, and is used.
func TestUnboundedScores(t *testing.T) {
	schema := models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"half"}, Features: []models.Feature{{Name: "ret.refund_value"}}}
	unbounded := func(_ context.Context, _ []float64, out []models.Score) error {
		for i := range out {
			out[i].Lower, out[i].Upper = math.Inf(-1), math.Inf(1)
		}
		return nil
	}
	w := newWorld(t, modelled(t), opener(map[string]models.Model{"models/m.rbm": &scorer{schema, unbounded}}))
	d := w.decide(request("r1", "anna"))
	if d.Outcome != engine.OutcomeOffer || len(d.Degraded) != 0 {
		t.Errorf("%v, degraded %v", d.Outcome, d.Degraded)
	}
	logged, err := w.Decision(context.Background(), d.ID)
	if err != nil || !math.IsInf(logged.Candidate("half").Outcomes[0].Lower, -1) {
		t.Errorf("logged %+v, %v", logged.Candidate("half").Outcomes, err)
	}
}
