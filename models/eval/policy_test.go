package eval_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

// experiment has three arms and a feature x; arm 1 helps low x, arm 2 helps
// high x by gap, else everybody alike. It returns the ideal choice and the true
// value of every arm per row.
func experiment(seed uint64, customers int, gap float64) (a eval.Arms, ideal []int, truth [][]float64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	a.Names = []string{"none", "points", "percent"}
	share := []float64{0.5, 0.2, 0.3}
	for c := range customers {
		x := rng.Float64()
		for range 1 + rng.IntN(3) {
			mean := []float64{1, 1.2 - gap*(x-0.5), 1.3 + gap*(x-0.5)}
			u, arm := rng.Float64(), 0
			for u > share[arm] && arm < 2 {
				u -= share[arm]
				arm++
			}
			a.Arm = append(a.Arm, arm)
			a.Propensity = append(a.Propensity, share[arm])
			a.Outcome = append(a.Outcome, mean[arm]+rng.NormFloat64())
			a.Cluster = append(a.Cluster, c)
			a.Mu = append(a.Mu, []float64{0.9, 1.1, 1.1})
			truth = append(truth, mean)
		}
	}
	return a, eval.Best(truth), truth
}

func valueOf(choice []int, truth [][]float64) float64 {
	var v float64
	for i, k := range choice {
		v += truth[i][k] / float64(len(truth))
	}
	return v
}

func TestEstimatorsFindTheValue(t *testing.T) {
	a, ideal, truth := experiment(1, 8000, 1)
	want := valueOf(ideal, truth)
	l := must[eval.Logged](t)(a.Under(ideal))
	for _, e := range []eval.Estimator{{Kind: eval.IPS}, {Kind: eval.SNIPS}, {Kind: eval.DR}, {Kind: eval.SNDR}, {Kind: eval.SwitchDR, Lambda: 10}} {
		near(t, e.String(), must[float64](t)(eval.PolicyValue(l, e)), want, 0.06)
	}
	// The direct method believes the model, whose arms are wrong by 0.1 to 0.4.
	near(t, "DM", must[float64](t)(eval.PolicyValue(l, eval.Estimator{Kind: eval.DM})), 1.1, 1e-9)
	s := must[eval.Support](t)(eval.Supported(l))
	near(t, "mean weight", s.MeanWeight, 1, 0.05)
	if s.MaxWeight != 5 || s.Effective > float64(len(ideal)) || s.Effective < 1000 {
		t.Errorf("support %+v", s)
	}
}

func TestPolicyIntervalsCover(t *testing.T) {
	const runs = 150
	estimators := []eval.Estimator{{Kind: eval.IPS}, {Kind: eval.SNIPS}, {Kind: eval.DR}}
	covered := make([]int, len(estimators))
	for i := range runs {
		a, ideal, truth := experiment(uint64(50+i), 500, 1)
		want := valueOf(ideal, truth)
		v := must[[]eval.Interval](t)(eval.PolicyValues(must[eval.Logged](t)(a.Under(ideal)), estimators,
			eval.Bootstrap{Replicates: 200, Seed: uint64(i)}))
		for j := range v {
			if v[j].Lower <= want && want <= v[j].Upper {
				covered[j]++
			}
		}
	}
	for j, e := range estimators {
		if covered[j] < 132 {
			t.Errorf("%s: the 95 %% interval covered the truth in %d of %d runs", e, covered[j], runs)
		}
	}
}

func TestPolicyRefuses(t *testing.T) {
	l := eval.Logged{Rows: eval.Rows{Outcome: []float64{1, 0}}, Propensity: []float64{0.5, 0.5}, Target: []float64{0, 0}}
	cases := map[string]struct {
		change func(*eval.Logged)
		e      eval.Estimator
		want   error
	}{
		"no support":      {func(*eval.Logged) {}, eval.Estimator{Kind: eval.SNIPS}, eval.ErrUndefined},
		"no model":        {func(*eval.Logged) {}, eval.Estimator{Kind: eval.DR}, eval.ErrColumns},
		"zero propensity": {func(l *eval.Logged) { l.Propensity = []float64{0.5, 0} }, eval.Estimator{}, eval.ErrColumns},
		"target above 1":  {func(l *eval.Logged) { l.Target = []float64{0.5, 2} }, eval.Estimator{}, eval.ErrColumns},
		"negative lambda": {func(*eval.Logged) {}, eval.Estimator{Kind: eval.IPSClip, Lambda: -1}, eval.ErrColumns},
		"unknown kind":    {func(*eval.Logged) {}, eval.Estimator{Kind: 99}, eval.ErrColumns},
	}
	for name, c := range cases {
		changed := l
		c.change(&changed)
		if _, err := eval.PolicyValue(changed, c.e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestGuardTakesAProvenModel(t *testing.T) {
	a, ideal, _ := experiment(2, 6000, 2)
	g := must[eval.Guard](t)(eval.Guarded(a, ideal, 0, eval.Bootstrap{Replicates: 300, Seed: 1}))
	if !g.UseModel || !slices.Equal(g.Choice(ideal), ideal) || !strings.HasPrefix(g.Words, "Use the model") {
		t.Errorf("a model worth much is not taken: %s", g.Words)
	}
	near(t, "paired gain", g.Gain.Value, g.Model.Value-g.Singles[g.Best].Value, 1e-12)
	if g.Arms[g.Best] != "percent" {
		t.Errorf("best single arm %s", g.Arms[g.Best])
	}
}

func TestGuardFallsBack(t *testing.T) {
	// Without heterogeneity a random choice of arms cannot beat the best one.
	a, _, truth := experiment(3, 3000, 0)
	rng := rand.New(rand.NewPCG(5, 5))
	random := make([]int, len(truth))
	for i := range random {
		random[i] = rng.IntN(3)
	}
	for _, mu := range [][][]float64{a.Mu, nil} {
		a.Mu = mu
		g := must[eval.Guard](t)(eval.Guarded(a, random, 0, eval.Bootstrap{Replicates: 300, Seed: 1}))
		if g.UseModel || !strings.Contains(g.Words, "Give everybody percent") {
			t.Errorf("a random policy is taken: %s", g.Words)
		}
		if choice := g.Choice(random); choice[0] != 2 || choice[len(choice)-1] != 2 {
			t.Errorf("the fallback gives %v", choice[:3])
		}
	}
}

// Over many experiments without anything to learn, the guard lets a useless
// model pass at most as often as its level says.
func TestGuardSeldomErrs(t *testing.T) {
	passed := 0
	for i := range 200 {
		a, _, truth := experiment(uint64(500+i), 300, 0)
		rng := rand.New(rand.NewPCG(uint64(i), 8))
		choice := make([]int, len(truth))
		for j := range choice {
			choice[j] = 1 + rng.IntN(2)
		}
		g := must[eval.Guard](t)(eval.Guarded(a, choice, 0, eval.Bootstrap{Replicates: 100, Seed: uint64(i)}))
		if g.UseModel {
			passed++
		}
	}
	if passed > 12 {
		t.Errorf("a useless model passed %d of 200 times", passed)
	}
}

func TestGuardNeedsCoverage(t *testing.T) {
	// Customers with high x were never given arm 2, the best for them: the log
	// cannot say what the ideal policy earns, however sure the model is.
	a, ideal, _ := experiment(4, 4000, 2)
	var kept eval.Arms
	var choice []int
	kept.Names = a.Names
	for i, k := range a.Arm {
		if ideal[i] == 2 && k == 2 && i%4 != 0 {
			continue
		}
		p := a.Propensity[i]
		if ideal[i] == 2 && k == 2 {
			k = 0
		}
		kept.Outcome = append(kept.Outcome, a.Outcome[i])
		kept.Arm = append(kept.Arm, k)
		kept.Propensity = append(kept.Propensity, p)
		kept.Mu = append(kept.Mu, []float64{1, 1, 3})
		choice = append(choice, ideal[i])
	}
	g := must[eval.Guard](t)(eval.Guarded(kept, choice, 0, eval.Bootstrap{Replicates: 200, Seed: 1}))
	if !g.Gain.Above(0) {
		t.Fatalf("the model should look better than it can be known to be: %+v", g.Gain)
	}
	if g.UseModel || g.Best == 2 || !strings.Contains(g.Words, "the log covers only") {
		t.Errorf("an uncovered policy is taken: %s", g.Words)
	}
	none := eval.Arms{Names: []string{"a", "b"}, Rows: eval.Rows{Outcome: make([]float64, 40)}, Arm: make([]int, 40), Propensity: make([]float64, 40)}
	for i := range none.Propensity {
		none.Propensity[i] = 1
		none.Arm[i] = i % 2
	}
	if _, err := eval.Guarded(none, none.Arm, 0, eval.Bootstrap{Replicates: 50}); !errors.Is(err, eval.ErrUndefined) {
		t.Errorf("arms open to half the customers each: %v", err)
	}
}

func TestGuardWordsForNoOffer(t *testing.T) {
	a, _, truth := experiment(5, 2000, 0)
	a.Unit = "probability"
	for i := range a.Outcome {
		if a.Arm[i] != 0 {
			a.Outcome[i] -= 2
		}
	}
	a.Mu = nil
	always := make([]int, len(truth))
	for i := range always {
		always[i] = 1
	}
	g := must[eval.Guard](t)(eval.Guarded(a, always, 0, eval.Bootstrap{Replicates: 100, Seed: 1}))
	if !strings.HasPrefix(g.Words, "Offer nothing: the model's policy is worse") || !strings.Contains(g.Words, "pp per customer over offering nothing") {
		t.Errorf("words: %s", g.Words)
	}
}

func TestComparePoliciesIsPaired(t *testing.T) {
	a, ideal, truth := experiment(6, 3000, 1)
	all := make([]int, len(ideal))
	for i := range all {
		all[i] = 2
	}
	b := eval.Bootstrap{Replicates: 200, Seed: 1}
	d := must[eval.Interval](t)(eval.ComparePolicies(a, ideal, all, b))
	want := valueOf(ideal, truth) - valueOf(all, truth)
	if d.Lower > want || d.Upper < want {
		t.Errorf("difference %+v, want %v inside", d, want)
	}
	if same := must[eval.Interval](t)(eval.ComparePolicies(a, all, all, b)); same != (eval.Interval{}) {
		t.Errorf("a policy against itself: %+v", same)
	}
}

func TestKnownTruth(t *testing.T) {
	truth := [][]float64{{0, 1, 2}, {0, -1, -2}, {0, 3, 1}}
	near(t, "PEHE", must[float64](t)(eval.PEHE([][]float64{{0, 1, 2}, {0, -1, -2}, {0, 0, 1}}, truth)), 1, 1e-12)
	r := must[eval.Regret](t)(eval.OracleRegret([]int{2, 0, 2}, truth, 0))
	near(t, "value", r.Value, 1, 1e-12)
	near(t, "oracle", r.Oracle, 5.0/3, 1e-12)
	near(t, "share", r.Share, 0.6, 1e-12)
	if _, err := eval.OracleRegret([]int{0, 3, 0}, truth, 0); !errors.Is(err, eval.ErrColumns) {
		t.Errorf("an arm that is not there: %v", err)
	}
	if _, err := eval.OracleRegret([]int{0}, [][]float64{{0, -1}}, 0); !errors.Is(err, eval.ErrUndefined) {
		t.Errorf("nothing to gain: %v", err)
	}
	if _, err := eval.PEHE(truth[:1], truth); !errors.Is(err, eval.ErrColumns) {
		t.Errorf("rows missing: %v", err)
	}
}
