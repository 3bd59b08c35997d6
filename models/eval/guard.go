package eval

import "fmt"

// minCovered is the share of what a policy would do that the log must know: its
// mean weight, 1 but for chance where every choice had some chance to be logged.
const minCovered = 0.95

// Guard is the choice between a model's policy and giving everybody the best
// single arm.
type Guard struct {
	UseModel  bool       `json:"use_model"`
	Estimator string     `json:"estimator"`
	Model     Interval   `json:"model"`   // value of the model's policy
	Arms      []string   `json:"arms"`    // names of the single arms
	Singles   []Interval `json:"singles"` // value of giving each arm to everybody
	Best      int        `json:"best"`    // index of the best single arm
	Gain      Interval   `json:"gain"`    // model less best arm, paired
	Treated   []float64  `json:"treated"` // share of customers the model gives each arm
	// Covered is the share of what the model's policy would do that could have
	// been logged: its mean weight.
	Covered Interval `json:"covered"`
	Level   float64  `json:"level"`
	Words   string   `json:"words"`
}

// Guarded decides whether a model's policy may replace the best single arm: only
// if the lower bound of the paired difference, clustered by customer, is above
// margin (0: any proven gain; below 0: a loss one is ready to risk) and the log
// covers what the model would do. The value is by DR where a.Mu is given, else by
// SNIPS. Single arms that the log does not cover are no choice; ErrUndefined is
// returned if none is covered. The best arm is picked on the same rows, which
// favours it: the guard errs on the side of the simple policy.
func Guarded(a Arms, choice []int, margin float64, b Bootstrap) (Guard, error) {
	values, err := a.policyTerms(choice)
	if err != nil {
		return Guard{}, fmt.Errorf("guarded policy: %w", err)
	}
	g := Guard{Estimator: a.estimator().String(), Arms: a.Names, Level: b.level(), Treated: a.shares(choice)}
	covered, err := coverage(a.Rows, values, b)
	if err != nil {
		return Guard{}, fmt.Errorf("guarded policy: %w", err)
	}
	g.Covered = covered[0]
	best, ok := bestArm(values[1:], covered[1:], a.weights())
	if !ok {
		return Guard{}, fmt.Errorf("guarded policy: no arm was open to every customer: %w", ErrUndefined)
	}
	g.Best = best
	k := len(values)
	v, err := b.intervals(a.Rows, k+1, func(w, out []float64) {
		for j := range values {
			out[j] = values[j].value(w)
		}
		out[k] = out[0] - out[1+g.Best]
	})
	if err != nil {
		return Guard{}, fmt.Errorf("guarded policy: %w", err)
	}
	g.Model, g.Singles, g.Gain = v[0], v[1:k], v[k]
	g.UseModel = g.Gain.Above(margin) && !g.Covered.Below(minCovered)
	g.Words = g.words(margin, a.Unit)
	return g, nil
}

// coverage is the mean weight of each policy.
func coverage(r Rows, values []policyTerms, b Bootstrap) ([]Interval, error) {
	return b.intervals(r, len(values), func(w, out []float64) {
		for j := range values {
			out[j] = weightedMean(values[j].weight, w)
		}
	})
}

// policyTerms are those of the model's policy, then of each arm for everybody.
func (a Arms) policyTerms(choice []int) ([]policyTerms, error) {
	model, err := a.Under(choice)
	if err != nil {
		return nil, err
	}
	logs := []Logged{model}
	for k := range a.Names {
		single, err := a.Everybody(k)
		if err != nil {
			return nil, err
		}
		logs = append(logs, single)
	}
	out := make([]policyTerms, len(logs))
	for j, l := range logs {
		if out[j], err = l.terms(a.estimator()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// bestArm is the covered arm of the highest value; not ok if none is covered.
func bestArm(values []policyTerms, covered []Interval, w []float64) (best int, ok bool) {
	for k := range values {
		if covered[k].Below(minCovered) {
			continue
		}
		if !ok || values[k].value(w) > values[best].value(w) {
			best, ok = k, true
		}
	}
	return best, ok
}

func (a Arms) shares(choice []int) []float64 {
	out := make([]float64, len(a.Names))
	var n float64
	for i, w := range a.weights() {
		out[choice[i]] += w
		n += w
	}
	for k := range out {
		out[k] /= n
	}
	return out
}

// Choice returns what the guarded policy gives each row.
func (g Guard) Choice(model []int) []int {
	if g.UseModel {
		return model
	}
	out := make([]int, len(model))
	for i := range out {
		out[i] = g.Best
	}
	return out
}

func (g Guard) words(margin float64, unit string) string {
	single, fallback := "giving everybody "+g.Arms[g.Best], "Give everybody "+g.Arms[g.Best]
	if g.Arms[g.Best] == "none" {
		single, fallback = "offering nothing", "Offer nothing"
	}
	figures := fmt.Sprintf("%s per customer over %s, %.4g %% interval %s to %s",
		effect(g.Gain.Value, unit), single, 100*g.Level, effect(g.Gain.Lower, unit), effect(g.Gain.Upper, unit))
	switch {
	case g.Covered.Below(minCovered):
		return fmt.Sprintf("%s: the log covers only about %.0f %% of what the model would do (%s).",
			fallback, 100*g.Covered.Value, figures)
	case g.UseModel && margin == 0:
		return "Use the model: its policy is proven better (" + figures + ")."
	case g.UseModel:
		return fmt.Sprintf("Use the model: its policy is above the required %s (%s).", effect(margin, unit), figures)
	case g.Gain.Below(margin):
		return fmt.Sprintf("%s: the model's policy is worse (%s).", fallback, figures)
	default:
		return fmt.Sprintf("%s: no gain of the model is proven (%s).", fallback, figures)
	}
}
