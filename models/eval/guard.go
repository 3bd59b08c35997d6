package eval

import "fmt"

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
	Level     float64    `json:"level"`
	Words     string     `json:"words"`
}

// Guarded decides whether a model's policy may replace the best single arm: only
// if the lower bound of the paired difference, clustered by customer, is above
// margin (0: any proven gain; below 0: a loss one is ready to risk). The value is
// by DR where a.Mu is given, else by SNIPS. The best arm is picked on the same rows,
// which favours it: the guard errs on the side of the simple policy.
func Guarded(a Arms, choice []int, margin float64, b Bootstrap) (Guard, error) {
	values, err := a.policyTerms(choice)
	if err != nil {
		return Guard{}, fmt.Errorf("guarded policy: %w", err)
	}
	g := Guard{Estimator: a.estimator().String(), Arms: a.Names, Level: b.level(), Treated: a.shares(choice)}
	g.Best = bestArm(values[1:], a.weights())
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
	g.UseModel = g.Gain.Above(margin)
	g.Words = g.words(margin, a.Unit)
	return g, nil
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

func bestArm(values []policyTerms, w []float64) int {
	best := 0
	for k := range values {
		if values[k].value(w) > values[best].value(w) {
			best = k
		}
	}
	return best
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
	figures := fmt.Sprintf("%s per customer over giving everybody %s, %.4g %% interval %s to %s",
		effect(g.Gain.Value, unit), g.Arms[g.Best], 100*g.Level, effect(g.Gain.Lower, unit), effect(g.Gain.Upper, unit))
	switch {
	case g.UseModel && margin == 0:
		return "Use the model: its policy is proven better (" + figures + ")."
	case g.UseModel:
		return fmt.Sprintf("Use the model: its policy is above the required %s (%s).", effect(margin, unit), figures)
	case g.Gain.Below(margin):
		return fmt.Sprintf("Give everybody %s: the model's policy is worse (%s).", g.Arms[g.Best], figures)
	default:
		return fmt.Sprintf("Give everybody %s: no gain of the model is proven (%s).", g.Arms[g.Best], figures)
	}
}
