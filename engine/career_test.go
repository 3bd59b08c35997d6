package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// artifact is a model file: the chance of a purchase is 0.1, and a returned
// value above 50 adds lift to what the offer does.
func artifact(t testing.TB, name string, lift float64) []byte {
	t.Helper()
	m, err := models.NewUplift(models.UpliftSpec{
		Schema: models.Schema{Outcome: "purchase", Unit: "probability", Offers: []string{"half"}, Features: []models.Feature{{Name: "ret.refund_value"}}},
		Predictors: []models.Predictor{
			{Linear: &models.Linear{Intercept: 0.1, Terms: []models.LinearTerm{{}}}},
			{Linear: &models.Linear{Intercept: -0.5 * lift, Terms: []models.LinearTerm{{Slope: 0.01 * lift}}}},
		},
		Without: models.Sum{Parts: []models.Part{{Output: 0, Weight: 1}}},
		Arms:    []models.ArmEffect{{Effect: models.Sum{Parts: []models.Part{{Output: 1, Weight: 1}}}, Scale: 1, Variance: models.Sum{Offset: 1e-4}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := models.Encode(m, models.Card{Name: name, Training: &models.Training{To: start.AddDate(-1, 0, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func openArtifact(_ *rules.Bundle, a *engine.Artifact) (models.Model, string, error) {
	m, _, err := models.Open(a.Content)
	return m, models.Digest(a.Content), err
}

// lenient is a gate that any evidence passes.
var lenient = registry.Gate{MinGain: -1e9, MaxLoss: 1e9, MaxAge: 1e6 * time.Hour, MaxShare: 0.5}

func withRegistry(o *engine.Options) { o.OpenArtifact, o.Gate = openArtifact, lenient }

const explore = "  explore: {strategy: epsilon, epsilon: 0.5}\n"

func (w *world) register(name string, lift float64) *engine.Career {
	w.t.Helper()
	c, err := w.RegisterModel(context.Background(), &engine.Registration{
		Artifact: engine.Artifact{Outcome: "purchase", File: name + ".rbm", Content: artifact(w.t, name, lift)}, By: "ann", Request: "register-" + name,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) promote(digest string, to registry.Role, share float64) *engine.Career {
	w.t.Helper()
	c, err := w.PromoteModel(context.Background(), &engine.ModelChange{Digest: digest, To: to, Share: share, By: "ann"}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// journal makes n decisions whose outcomes are complete.
func (w *world) journal(n int) {
	w.t.Helper()
	for i := range n {
		who := fmt.Sprint("past", i)
		r := request(fmt.Sprint("past", i), who)
		r.Return.Refund = int64(1000 + 137*i%9000)
		d := w.decide(r)
		if i%3 == 0 {
			w.record(purchase(fmt.Sprint("pp", i), who, d.Time.Add(time.Hour), 5000))
		}
	}
	w.clock.advance(31 * 24 * time.Hour)
	w.record(purchase("late", "late", w.clock.now(), 100))
}

func (w *world) roles() string {
	w.t.Helper()
	ms, err := w.Models(context.Background(), "purchase")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, m := range ms {
		out = append(out, m.Name+" "+string(m.Role))
	}
	return strings.Join(out, ", ")
}

func purchaseScore(d *engine.Decision) engine.OutcomeScore {
	for _, o := range d.Candidate("half").Outcomes {
		if o.Outcome == "purchase" {
			return o
		}
	}
	return engine.OutcomeScore{With: math.NaN()}
}

// A champion replaces the policies' model, a challenger decides exactly the
// customers in its buckets, and rolling back returns to what decided before.
func TestCareersDecide(t *testing.T) {
	w := newWorld(t, policy(t, explore+"  holdout: {id: h, percent: 10, salt: s}\n"), withRegistry)
	w.journal(40)
	old, bold := w.register("old", 0.2), w.register("bold", 0.8)
	uplift := func(id, who string) (*engine.Decision, float64) {
		r := request(id, who)
		r.DryRun = true
		d := w.decide(r)
		s := purchaseScore(d)
		return d, math.Round(1000*(s.With-s.Without)) / 1000
	}
	if _, v := uplift("a", "anna"); v != 0.5 {
		t.Fatalf("registered models decide: uplift %v", v)
	}
	w.promote(old.Digest, registry.Shadow, 0)
	w.promote(old.Digest, registry.Champion, 0)
	d, v := uplift("b", "anna")
	if m := d.Provenance.Models[0]; v != 0.06 || m.Digest != old.Digest || m.File != "registry/old.rbm" {
		t.Fatalf("the champion does not decide: uplift %v by %+v", v, m)
	}
	w.promote(bold.Digest, registry.Shadow, 0)
	const share = 0.2
	w.promote(bold.Digest, registry.Challenger, share)
	challenged := 0
	const n = 2000
	for i := range n {
		who := fmt.Sprint("c", i)
		d, v := uplift(who, who)
		s := profile.SubjectOf(customer(who))
		at := bucket.Of(bucket.Hash(bold.Digest, []byte("challenger"), s[:]))
		want := engine.Arm{Experiment: "model purchase", Arm: "champion", Bucket: float64(at) / bucket.Size, Chance: 1 - float64(bucket.Width(share))/bucket.Size}
		digest, lift := old.Digest, 0.06
		if uint64(at) < bucket.Width(share) {
			want.Arm, want.Chance = "challenger", float64(bucket.Width(share))/bucket.Size
			digest, lift = bold.Digest, 0.24
			challenged++
		}
		if d.Arms[0] != want || d.Arms[1].Experiment != "h" || d.Provenance.Models[0].Digest != digest || v != lift {
			t.Fatalf("customer %d: arms %+v, want %+v; uplift %v by %s, want %v by %s", i, d.Arms, want, v, d.Provenance.Models[0].Digest, lift, digest)
		}
	}
	if se := math.Sqrt(share * (1 - share) * n); math.Abs(float64(challenged)-share*n) > 4*se {
		t.Errorf("%d of %d customers are the challenger's", challenged, n)
	}
	w.promote(bold.Digest, registry.Champion, 0)
	if got := w.roles(); got != "old.rbm retired, bold.rbm champion" {
		t.Error(got)
	}
	for _, want := range []float64{0.06, 0.5} {
		if _, err := w.RollbackModel(context.Background(), &engine.ModelChange{Outcome: "purchase", By: "bob", Reason: "complaints"}); err != nil {
			t.Fatal(err)
		}
		if d, v := uplift(fmt.Sprint("r", want), "anna"); v != want || len(d.Arms) != 1 {
			t.Errorf("rolled back to an uplift of %v, want %v; arms %+v", v, want, d.Arms)
		}
	}
	if _, err := w.RollbackModel(context.Background(), &engine.ModelChange{Outcome: "purchase"}); !errors.Is(err, registry.ErrStep) {
		t.Errorf("rolled back behind the policies: %v", err)
	}
}

// withoutShadows is a decision's canonical entry less the shadows' scores.
func withoutShadows(t *testing.T, e *store.Entry) []byte {
	t.Helper()
	c, err := engine.Canonical(e)
	if err != nil {
		t.Fatal(err)
	}
	head := 1 + len(e.Subject) + 8 + 1
	out, rest := bytes.Clone(c[:head]), c[head:]
	for len(rest) > 0 {
		num, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		if num != 35 {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	return out
}

// A shadow's scores are logged with each decision, and nothing else of it changes.
func TestShadowChangesNothing(t *testing.T) {
	decisions := func(shadows bool) (out []store.Entry) {
		w := newWorld(t, policy(t, busy), withRegistry)
		if shadows {
			w.promote(w.register("watcher", 0.9).Digest, registry.Shadow, 0)
			w.promote(w.register("second", 0.1).Digest, registry.Shadow, 0)
		}
		w.live(0, 200, nil)
		err := w.store.Scan(context.Background(), 1, func(e *store.Entry) error {
			if e.Kind == engine.KindDecision {
				c := *e
				c.Payload = bytes.Clone(e.Payload)
				out = append(out, c)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	plain, watched := decisions(false), decisions(true)
	if len(plain) < 50 || len(plain) != len(watched) {
		t.Fatalf("%d and %d decisions", len(plain), len(watched))
	}
	for i := range plain {
		if !bytes.Equal(withoutShadows(t, &plain[i]), withoutShadows(t, &watched[i])) {
			t.Fatalf("decision %d differs", i)
		}
		d, err := engine.DecodeDecision(&watched[i])
		if err != nil {
			t.Fatal(err)
		}
		if d.Candidate("half").Stage < engine.StageScoring {
			continue
		}
		if len(d.Shadows) != 2 || len(d.Shadows[0].Scores) != 1 || d.Shadows[0].Scores[0].With == d.Shadows[1].Scores[0].With {
			t.Fatalf("decision %d has shadows %+v", i, d.Shadows)
		}
		if s := d.Shadows[0].Scores[0]; s.Offer != "half" || math.Abs(s.With-s.Without-0.9*0.3) > 1e-9 { // 80.00 was returned
			t.Fatalf("the shadow said %+v", s)
		}
	}
}

// Careers, files and roles survive restarts, also from the copy that retention makes.
func TestCareersSurviveARestart(t *testing.T) {
	w := newWorld(t, policy(t, explore), withRegistry)
	w.journal(40)
	for i, name := range []string{"a", "b", "c", "d"} {
		c := w.register(name, 0.2+0.1*float64(i))
		w.promote(c.Digest, registry.Shadow, 0)
		switch name {
		case "a", "b":
			w.promote(c.Digest, registry.Champion, 0)
		case "c":
			w.promote(c.Digest, registry.Challenger, 0.3)
		}
	}
	want := "a.rbm retired, b.rbm champion, c.rbm challenger, d.rbm shadow"
	before, err := w.Models(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	try := request("try", "anna")
	try.DryRun = true
	decided := w.decide(try)
	for _, how := range []string{"a restart", "retention and a restart", "a second copy"} {
		if how != "a restart" {
			if err := w.KeepActivations(context.Background(), w.store.Last()+1); err != nil {
				t.Fatal(err)
			}
		}
		w.restart()
		after, err := w.Models(context.Background(), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := w.roles(); got != want || !reflect.DeepEqual(before, after) {
			t.Fatalf("after %s: %s\n%+v\nwas %+v", how, got, after, before)
		}
		d := w.decide(try)
		if !reflect.DeepEqual(d.Candidates, decided.Candidates) || !reflect.DeepEqual(d.Provenance.Models, decided.Provenance.Models) || !reflect.DeepEqual(d.Arms, decided.Arms) || len(d.Shadows) != 1 {
			t.Fatalf("after %s it is decided otherwise:\n%+v\nwas\n%+v", how, d, decided)
		}
	}
	if _, err := w.RollbackModel(context.Background(), &engine.ModelChange{Outcome: "purchase"}); err != nil {
		t.Fatal(err)
	}
	if got := w.roles(); got != "a.rbm champion, b.rbm retired, c.rbm challenger, d.rbm shadow" {
		t.Error(got)
	}
}

// What cannot be, changes nothing: it is refused with what to do about it.
func TestCareersRefused(t *testing.T) {
	w := newWorld(t, policy(t, explore), withRegistry)
	ctx := context.Background()
	a := w.register("a", 0.2)
	var field *engine.FieldError
	for what, r := range map[string]*engine.Registration{
		"no model file":   {Artifact: engine.Artifact{Outcome: "purchase", File: "x.rbm", Content: []byte("no model")}},
		"unknown outcome": {Artifact: engine.Artifact{Outcome: "sales", File: "x.rbm", Content: artifact(t, "x", 0.4)}},
		"alias":           {Artifact: engine.Artifact{Outcome: "redeem", File: "x.rbm", Content: artifact(t, "x", 0.4)}},
	} {
		if _, err := w.RegisterModel(ctx, r); !errors.As(err, &field) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.RegisterModel(ctx, &engine.Registration{Artifact: engine.Artifact{Outcome: "purchase", File: "a.rbm", Content: artifact(t, "a", 0.2)}}); !errors.Is(err, registry.ErrStep) {
		t.Errorf("registered twice: %v", err)
	}
	again, err := w.RegisterModel(ctx, &engine.Registration{Artifact: engine.Artifact{Outcome: "purchase", File: "a.rbm", Content: artifact(t, "a", 0.2)}, Request: "register-a"})
	if err != nil || again.Position != a.Position {
		t.Errorf("a repeated request: %+v, %v", again, err)
	}
	if _, err := w.RegisterModel(ctx, &engine.Registration{Artifact: engine.Artifact{Outcome: "purchase", File: "b.rbm", Content: artifact(t, "b", 0.3)}, Request: "register-a"}); !errors.Is(err, engine.ErrRequestIDReused) {
		t.Errorf("a reused request: %v", err)
	}
	w.register("b", 0.3)
	change := func(c engine.ModelChange) error {
		_, err := w.PromoteModel(ctx, &c, nil)
		return err
	}
	if err := change(engine.ModelChange{Digest: "zzzz", To: registry.Shadow}); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("unknown model: %v", err)
	}
	if err := change(engine.ModelChange{Digest: a.Digest, To: registry.Champion}); !errors.Is(err, registry.ErrStep) {
		t.Errorf("from registered to champion: %v", err)
	}
	if err := change(engine.ModelChange{Digest: a.Digest, To: registry.Shadow, Expect: a.Position}); !errors.Is(err, engine.ErrStale) {
		t.Errorf("an old version: %v", err)
	}
	w.promote(a.Digest, registry.Shadow, 0)
	for want, c := range map[string]engine.ModelChange{
		"no decision to judge by": {Digest: a.Digest, To: registry.Champion},
		"at most 0.5 is allowed":  {Digest: a.Digest, To: registry.Challenger, Share: 0.9},
	} {
		if got := registry.Reasons(change(c)); len(got) == 0 || !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	if got := w.roles(); got != "a.rbm shadow, b.rbm registered" {
		t.Error(got)
	}
	other := policy(t, "")
	files := other.Files()
	files["company.yaml"] = bytes.ReplaceAll(files["company.yaml"], []byte("half"), []byte("third"))
	b, err := rules.LoadFiles(files, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Activate(ctx, b, engine.ActivateOptions{}); err == nil || !strings.Contains(err.Error(), "retire it first") || !strings.Contains(err.Error(), a.Digest[:12]) {
		t.Errorf("a bundle the shadow does not fit: %v", err)
	}
	if active, _ := w.Active(); active.Digest() != w.bundle.Digest() {
		t.Error("the refused bundle is in force")
	}
}

// A logged decision made again with the same models has the same best candidate,
// with the same score.
func TestDecisionsMadeAgain(t *testing.T) {
	w := newWorld(t, policy(t, busy), withRegistry)
	w.live(0, 400, nil)
	compared, offers := 0, 0
	err := w.store.Scan(context.Background(), 1, func(e *store.Entry) error {
		if e.Kind != engine.KindDecision {
			return nil
		}
		d, err := engine.DecodeDecision(e)
		if err != nil {
			return err
		}
		best, score, err := w.BestAgain(context.Background(), d)
		if err != nil {
			return err
		}
		if best != d.Draw.Best || score != d.Candidate(best).Score {
			t.Errorf("decision %s: %s at %v, was %s at %v", d.ID, best, score, d.Draw.Best, d.Candidate(d.Draw.Best).Score)
		}
		compared++
		if best != engine.None {
			offers++
		}
		return nil
	})
	if err != nil || compared < 100 || offers < 20 || offers == compared {
		t.Errorf("%d compared, %d offers, %v", compared, offers, err)
	}
}

// Models change while decisions are made: none fails, and each is made by the
// model it names.
func TestCareersChangeUnderLoad(t *testing.T) {
	w := newWorld(t, policy(t, explore), withRegistry)
	w.journal(40)
	m := w.register("m", 0.2)
	w.promote(m.Digest, registry.Shadow, 0)
	var done atomic.Bool
	var decided [2]atomic.Int64
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := 0; !done.Load(); i++ {
				d, err := w.Decide(context.Background(), request(fmt.Sprint("load", c, "-", i), fmt.Sprint("load", c, "-", i)))
				if err != nil {
					t.Errorf("decision: %v", err)
					return
				}
				s, by, want := purchaseScore(d), 0, 0.5
				if d.Provenance.Models[0].Digest == m.Digest {
					by, want = 1, 0.06
				}
				if got := math.Round(1000*(s.With-s.Without)) / 1000; got != want {
					t.Errorf("an uplift of %v by %+v", got, d.Provenance.Models[0])
					return
				}
				decided[by].Add(1)
			}
		})
	}
	for range 20 {
		w.promote(m.Digest, registry.Champion, 0)
		if _, err := w.RollbackModel(context.Background(), &engine.ModelChange{Outcome: "purchase"}); err != nil {
			t.Fatal(err)
		}
		w.promote(m.Digest, registry.Shadow, 0)
	}
	for decided[0].Load() == 0 && !t.Failed() {
		runtime.Gosched()
	}
	w.promote(m.Digest, registry.Champion, 0)
	for decided[1].Load() == 0 && !t.Failed() {
		runtime.Gosched()
	}
	done.Store(true)
	wg.Wait()
}
