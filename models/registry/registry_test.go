package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/registry"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// open is a gate that any evidence passes.
var open = registry.Gate{MinGain: -1e9, MaxLoss: 1e9, MaxAge: 1e6 * time.Hour, MaxShare: 0.5}

// proof is good evidence against the champion, or against offering nothing.
func proof(against string) *registry.Evidence {
	return &registry.Evidence{
		From: start, To: start.Add(30 * 24 * time.Hour), Rows: 20000, Against: against,
		Gain: eval.Interval{Value: 0.3, Lower: 0.1, Upper: 0.5}, Covered: eval.Interval{Value: 1, Lower: 0.98, Upper: 1.02},
	}
}

// career drives a registry and keeps its log.
type career struct {
	t   testing.TB
	r   *registry.Registry
	log []registry.Change
	now time.Time
}

func newCareer(t testing.TB) *career {
	return &career{t: t, r: registry.New(), now: start.Add(31 * 24 * time.Hour)}
}

func (c *career) apply(change registry.Change, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	if c.r, err = c.r.Apply(change); err != nil {
		c.t.Fatal(err)
	}
	c.log = append(c.log, change)
	c.now = c.now.Add(time.Hour)
}

func (c *career) register(digest string) {
	c.t.Helper()
	c.apply(c.r.Register("purchase", digest, "model "+digest, "ann", c.now))
}

func (c *career) request(digest string, to registry.Role) registry.Request {
	q := registry.Request{Outcome: "purchase", Digest: digest, To: to, At: c.now, By: "ann", Evidence: proof("none")}
	if to == registry.Challenger {
		q.Share = 0.1
	}
	if _, ok := c.r.Champion("purchase"); ok {
		q.Evidence.Against = "champion"
	}
	return q
}

func (c *career) promote(digest string, to registry.Role) {
	c.t.Helper()
	c.apply(c.r.Promote(c.request(digest, to), open))
}

func (c *career) roles() string {
	var out []string
	for _, m := range c.r.Models("purchase") {
		out = append(out, m.Digest+" "+string(m.Role))
	}
	return strings.Join(out, ", ")
}

func (c *career) want(roles string) {
	c.t.Helper()
	if got := c.roles(); got != roles {
		c.t.Fatalf("got  %s\nwant %s", got, roles)
	}
}

func TestCareer(t *testing.T) {
	c := newCareer(t)
	c.register("a")
	c.register("b")
	c.promote("a", registry.Shadow)
	c.promote("b", registry.Shadow)
	c.want("a shadow, b shadow")
	c.promote("a", registry.Champion)
	c.promote("b", registry.Challenger)
	c.want("a champion, b challenger")
	if m, _ := c.r.Challenger("purchase"); m.Share != 0.1 {
		t.Errorf("challenger %+v", m)
	}
	c.promote("b", registry.Champion)
	c.want("a retired, b champion")
	c.apply(c.r.Rollback("purchase", "bob", "calibration alarm", c.now))
	c.want("a champion, b retired")
	c.promote("b", registry.Shadow)
	c.register("c")
	c.promote("c", registry.Shadow)
	c.promote("b", registry.Challenger)
	c.promote("c", registry.Challenger)
	c.want("a champion, b retired, c challenger")
	c.apply(c.r.Rollback("purchase", "bob", "the policies know better", c.now))
	c.want("a retired, b retired, c challenger")
	if _, err := c.r.Rollback("purchase", "bob", "", c.now); !errors.Is(err, registry.ErrStep) {
		t.Errorf("rolled back without a champion: %v", err)
	}
	if _, ok := c.r.Champion("visit"); ok {
		t.Error("another outcome has a champion")
	}
}

func TestStepsThatAreNone(t *testing.T) {
	c := newCareer(t)
	c.register("a")
	for _, to := range []registry.Role{registry.Challenger, registry.Champion, registry.Registered, "king"} {
		if _, err := c.r.Promote(c.request("a", to), open); !errors.Is(err, registry.ErrStep) {
			t.Errorf("registered to %s: %v", to, err)
		}
	}
	if _, err := c.r.Promote(c.request("x", registry.Shadow), open); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("unknown model: %v", err)
	}
	if _, err := c.r.Register("purchase", "a", "", "ann", c.now); !errors.Is(err, registry.ErrStep) {
		t.Errorf("registered twice: %v", err)
	}
	c.promote("a", registry.Shadow)
	c.promote("a", registry.Champion)
	for _, to := range []registry.Role{registry.Retired, registry.Shadow, registry.Challenger} {
		if _, err := c.r.Promote(c.request("a", to), open); !errors.Is(err, registry.ErrStep) {
			t.Errorf("the champion went to %s without another: %v", to, err)
		}
	}
	q := c.request("a", registry.Shadow)
	q.By = ""
	if _, err := c.r.Promote(q, open); err == nil {
		t.Error("nobody decided")
	}
}

// TestStaleDecisions: a decision made on an older state does not apply.
func TestStaleDecisions(t *testing.T) {
	c := newCareer(t)
	for _, d := range []string{"a", "b"} {
		c.register(d)
		c.promote(d, registry.Shadow)
	}
	a, err := c.r.Promote(c.request("a", registry.Champion), open)
	if err != nil {
		t.Fatal(err)
	}
	c.promote("b", registry.Champion)
	if _, err := c.r.Apply(a); !errors.Is(err, registry.ErrStale) {
		t.Errorf("a displaced a champion it did not know of: %v", err)
	}
	b := c.log[len(c.log)-1]
	if _, err := c.r.Apply(b); !errors.Is(err, registry.ErrStale) {
		t.Errorf("applied twice: %v", err)
	}
}

// TestAnyHistory plays random requests: there is at most one champion and one
// challenger, the champion goes only when another comes, states before stay as they were,
// and the log, through JSON, makes the same registry.
func TestAnyHistory(t *testing.T) {
	roles := []registry.Role{registry.Registered, registry.Shadow, registry.Challenger, registry.Champion, registry.Retired}
	rapid.Check(t, func(rt *rapid.T) {
		c := newCareer(t)
		reigned := false
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			digest := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "digest")
			before, was := c.r, c.roles()
			var change registry.Change
			var err error
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				change, err = c.r.Register("purchase", digest, "", "ann", c.now)
			case 1:
				change, err = c.r.Rollback("purchase", "ann", "", c.now)
			default:
				change, err = c.r.Promote(c.request(digest, rapid.SampledFrom(roles).Draw(rt, "role")), open)
			}
			if err != nil {
				continue
			}
			c.apply(change, nil)
			if again := (&career{t: t, r: before}).roles(); again != was {
				rt.Fatalf("the state before changed from %s to %s", was, again)
			}
			champions := len(c.r.In("purchase", registry.Champion))
			if champions > 1 || reigned && champions == 0 && !change.Rollback || len(c.r.In("purchase", registry.Challenger)) > 1 {
				rt.Fatalf("after %+v: %s", change, c.roles())
			}
			reigned = champions == 1
		}
		data, err := json.Marshal(c.log)
		if err != nil {
			rt.Fatal(err)
		}
		var log []registry.Change
		if err := json.Unmarshal(data, &log); err != nil {
			rt.Fatal(err)
		}
		again, err := registry.Replay(log)
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(again.Models(""), c.r.Models("")) {
			rt.Fatalf("replayed %+v\nwas %+v", again.Models(""), c.r.Models(""))
		}
	})
}

// TestGateNamesWhatIsMissing spoils good evidence in every way.
func TestGateNamesWhatIsMissing(t *testing.T) {
	c := newCareer(t)
	c.register("a")
	c.promote("a", registry.Shadow)
	ask := func(to registry.Role, spoil func(*registry.Request)) error {
		q := c.request("a", to)
		q.At = start.Add(31 * 24 * time.Hour)
		if spoil != nil {
			spoil(&q)
		}
		_, err := c.r.Promote(q, registry.DefaultGate())
		return err
	}
	for _, to := range []registry.Role{registry.Champion, registry.Challenger} {
		if err := ask(to, nil); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		for want, spoil := range map[string]func(*registry.Request){
			"no evidence":                func(q *registry.Request) { q.Evidence = nil },
			"there is no champion":       func(q *registry.Request) { q.Evidence.Against = "champion" },
			"lower bound must be":        func(q *registry.Request) { q.Evidence.Gain.Lower = -0.06 },
			"the log knows 60 %":         func(q *registry.Request) { q.Evidence.Covered = eval.Interval{Value: 0.6, Upper: 0.7} },
			"the log knows 0 %":          func(q *registry.Request) { q.Evidence.Covered = eval.Interval{} },
			"9999 decisions":             func(q *registry.Request) { q.Evidence.Rows = 9999 },
			"they span 5.0 days":         func(q *registry.Request) { q.Evidence.From = q.Evidence.To.Add(-5 * 24 * time.Hour) },
			"was complete 8.0 days ago":  func(q *registry.Request) { q.At = q.Evidence.To.Add(8 * 24 * time.Hour) },
			"was complete -1.0 days ago": func(q *registry.Request) { q.At = q.Evidence.To.Add(-24 * time.Hour) },
			"was complete 37.0 days ago": func(q *registry.Request) {
				q.Evidence.Window, q.At = 30*24*time.Hour, q.Evidence.To.Add(67*24*time.Hour)
			},
			"out of tune": func(q *registry.Request) {
				q.Evidence.Calibration = &eval.CalibrationCheck{Alarm: true, Words: "out of tune"}
			},
			"without has moved": func(q *registry.Request) {
				q.Evidence.Reads = []registry.Drift{{Name: "tenure", Shift: eval.Shift{Level: eval.Broken, PSI: 2}}}
				q.Evidence.Answers = []registry.Drift{{Name: "uplift", Shift: eval.Shift{Level: eval.Shifted}}, {Name: "without", Shift: eval.Shift{Level: eval.Broken, PSI: 0.4}}}
			},
		} {
			if got := registry.Reasons(ask(to, spoil)); len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("to %s, want %q, got %q", to, want, got)
			}
		}
	}
	if got := registry.Reasons(ask(registry.Challenger, func(q *registry.Request) { q.Share = 0.3 })); len(got) != 1 || !strings.Contains(got[0], "share of 0.3") {
		t.Errorf("a large share: %q", got)
	}
	small := func(q *registry.Request) { q.Evidence.Gain.Lower = -0.01 }
	if ask(registry.Challenger, small) != nil || ask(registry.Champion, small) == nil {
		t.Error("a small possible loss is for challengers alone")
	}
	if err := ask(registry.Retired, func(q *registry.Request) { q.Evidence = nil }); err != nil {
		t.Errorf("retiring needs proof: %v", err)
	}
}

// world is a log of two arms at random; the offer is worth gain to those whose x is above 0.
func world(rng *rand.Rand, n int, gain float64) (a eval.Arms, x []float64) {
	a.Names = []string{"none", "ten"}
	for range n {
		v, arm := rng.Float64()*2-1, rng.IntN(2)
		y := rng.NormFloat64()
		if arm == 1 && v > 0 {
			y += gain
		}
		x = append(x, v)
		a.Arm, a.Propensity, a.Outcome = append(a.Arm, arm), append(a.Propensity, 0.5), append(a.Outcome, y)
	}
	return a, x
}

func choose(x []float64, offer func(float64) bool) []int {
	out := make([]int, len(x))
	for i, v := range x {
		if offer(v) {
			out[i] = 1
		}
	}
	return out
}

// TestPromotionsAreProven promotes the better model, and by chance alone an
// equal one in no more than one of forty trials (plus the noise of 400 of them).
func TestPromotionsAreProven(t *testing.T) {
	gate := registry.Gate{MaxAge: time.Hour}
	c := newCareer(t)
	for _, d := range []string{"old", "new"} {
		c.register(d)
		c.promote(d, registry.Shadow)
	}
	c.promote("old", registry.Champion)
	trial := func(seed uint64, gain float64) bool {
		rng := rand.New(rand.NewPCG(seed, 1))
		a, x := world(rng, 600, gain)
		t := registry.Trial{Arms: a, From: c.now, To: c.now, Against: "champion"}
		t.Candidate = choose(x, func(v float64) bool { return v > 0 })
		t.Incumbent = choose(x, func(v float64) bool { return v < 0 })
		e, err := registry.Judge(t, eval.Bootstrap{Replicates: 200, Seed: seed})
		if err != nil {
			c.t.Fatal(err)
		}
		q := registry.Request{Outcome: "purchase", Digest: "new", To: registry.Champion, At: c.now, By: "ann", Evidence: e}
		_, err = c.r.Promote(q, gate)
		if err != nil && registry.Reasons(err) == nil {
			c.t.Fatal(err)
		}
		return err == nil
	}
	equal, better := 0, 0
	for seed := range uint64(400) {
		if trial(seed, 0) {
			equal++
		}
		if seed < 50 && trial(seed, 1) {
			better++
		}
	}
	t.Logf("promoted: %d of 400 equal ones, %d of 50 better ones", equal, better)
	if equal > 22 { // 2.5 % of 400 and four standard errors
		t.Errorf("%d of 400 equal models were promoted", equal)
	}
	if better < 49 {
		t.Errorf("%d of 50 better models were promoted", better)
	}
}

func TestJudge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	a, x := world(rng, 4000, 0.5)
	chance, happened := make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		chance[i] = 0.3 + 0.2*v
		if rng.Float64() < chance[i] {
			happened[i] = 1
		}
	}
	before, err := eval.NewBaseline(x, 10)
	if err != nil {
		t.Fatal(err)
	}
	moved := slices.Clone(x)
	for i := range moved {
		moved[i] += 0.8
	}
	in := registry.Trial{
		Arms: a, Candidate: choose(x, func(v float64) bool { return v > 0 }), Predicted: chance, Happened: happened,
		Reads: []registry.Watched{{Name: "x", Before: before, Now: x}}, Answers: []registry.Watched{{Name: "moved", Before: before, Now: moved}},
	}
	e, err := registry.Judge(in, eval.Bootstrap{Replicates: 100})
	if err != nil {
		t.Fatal(err)
	}
	if e.Against != "ten" && e.Against != "none" || e.Covered.Below(0.95) || e.Calibration.Alarm || e.Rows != 4000 {
		t.Errorf("%+v", e)
	}
	if e.Reads[0].Level != eval.Stable || e.Answers[0].Level != eval.Broken {
		t.Errorf("drift of %+v and %+v", e.Reads, e.Answers)
	}
	for i := range in.Predicted {
		in.Predicted[i] = min(1, in.Predicted[i]+0.1)
	}
	if e, err = registry.Judge(in, eval.Bootstrap{Replicates: 100}); err != nil || !e.Calibration.Alarm {
		t.Errorf("a prediction 0.1 too high: %+v, %v", e, err)
	}
	for i := range in.Arms.Arm {
		in.Arms.Arm[i], in.Arms.Propensity[i] = 0, 1
	}
	in.Incumbent, in.Against = choose(x, func(float64) bool { return false }), registry.Bundle
	if e, err = registry.Judge(in, eval.Bootstrap{Replicates: 100}); err != nil || e.Against != registry.Bundle || !e.Covered.Below(0.95) {
		t.Errorf("half of what it would do is known, which is for the gate to refuse: %+v, %v", e, err)
	}
	in.Candidate, in.Incumbent = in.Incumbent, in.Candidate
	if e, err = registry.Judge(in, eval.Bootstrap{Replicates: 100}); err != nil || !e.Covered.Below(0.95) {
		t.Errorf("half of what the incumbent would do is known: %+v, %v", e, err)
	}
	in.Candidate = choose(x, func(float64) bool { return true })
	if _, err := registry.Judge(in, eval.Bootstrap{Replicates: 100}); !errors.Is(err, eval.ErrUndefined) {
		t.Errorf("a candidate nobody knows: %v", err)
	}
}

func Example() {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := registry.New()
	var log []registry.Change
	do := func(c registry.Change, err error) {
		if err == nil {
			r, err = r.Apply(c)
			log = append(log, c)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	do(r.Register("purchase", "9f2c", "spring", "ann", at))
	do(r.Promote(registry.Request{Outcome: "purchase", Digest: "9f2c", To: registry.Shadow, At: at, By: "ann"}, registry.DefaultGate()))
	do(r.Promote(registry.Request{Outcome: "purchase", Digest: "9f2c", To: registry.Champion, At: at, By: "ann"}, registry.DefaultGate()))
	fmt.Println(r.Models("purchase")[0].Role, len(log))
	// Output:
	// promotion refused: there is no evidence
	// shadow 2
}
