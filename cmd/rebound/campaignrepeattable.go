package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/rebound-engine/rebound/models/eval"
)

// repeatReport is what `rebound evaluate --splits` prints.
type repeatReport struct {
	Data      string          `json:"data"`
	Outcome   string          `json:"outcome"`
	Unit      string          `json:"unit"`
	Offers    []string        `json:"offers"`
	Splits    []splitResult   `json:"splits"`
	Methods   []methodSummary `json:"methods"`
	BestArm   string          `json:"best_single_arm"`
	Verdict   string          `json:"verdict"`
	Published *eval.Listing   `json:"published,omitempty"`
}

// methodSummary is a method over all splits. The paired figures are this
// method's less the other's on the same split.
type methodSummary struct {
	Method     string    `json:"method"`
	Qini       []meanSD  `json:"qini_per_customer,omitempty"` // per offer
	QiniSum    *meanSD   `json:"qini_per_customer_sum,omitempty"`
	OverLinear *meanSD   `json:"qini_sum_over_linear,omitempty"`
	Policy     meanSD    `json:"policy_value"`
	OverBest   meanSD    `json:"policy_over_best_arm"`
	BetterThan int       `json:"splits_better_than_best_arm"`
	Slope      []float64 `json:"calibration_slope,omitempty"`    // means, per offer
	Debiased   []float64 `json:"calibration_debiased,omitempty"` // means, per offer
}

// summarise fills the means over the splits.
func (r *repeatReport) summarise() {
	best := -1
	for k, f := range r.Splits[0].Methods {
		r.Methods = append(r.Methods, methodSummary{Method: f.Method, Policy: spreadOf(r.policy(k))})
		if f.Qini == nil && (best < 0 || r.Methods[k].Policy.Mean > r.Methods[best].Policy.Mean) {
			best = k
		}
	}
	r.BestArm = r.Methods[best].Method
	for k := range r.Methods {
		s := &r.Methods[k]
		over := r.policy(k)
		for i, v := range r.policy(best) {
			if over[i] -= v; over[i] > 0 {
				s.BetterThan++
			}
		}
		s.OverBest = spreadOf(over)
		if r.Splits[0].Methods[k].Qini != nil {
			r.summariseEffects(k)
		}
	}
	r.Verdict = r.verdict()
}

func (r *repeatReport) policy(method int) []float64 {
	var out []float64
	for _, s := range r.Splits {
		out = append(out, s.Methods[method].Policy)
	}
	return out
}

// qini is the sum over offers, per split.
func (r *repeatReport) qini(method int) []float64 {
	var out []float64
	for _, s := range r.Splits {
		sum := 0.0
		for _, q := range s.Methods[method].Qini {
			sum += q
		}
		out = append(out, sum)
	}
	return out
}

func (r *repeatReport) summariseEffects(k int) {
	s := &r.Methods[k]
	sums := r.qini(k)
	total := spreadOf(sums)
	s.QiniSum = &total
	for i, v := range r.qini(r.method(methodLinear)) {
		sums[i] -= v
	}
	over := spreadOf(sums)
	s.OverLinear = &over
	for a := range r.Offers {
		var qini, slope, debiased []float64
		for _, split := range r.Splits {
			f := &split.Methods[k]
			qini = append(qini, f.Qini[a])
			if len(f.Slope) == len(r.Offers) && f.Slope[a] != nil {
				slope, debiased = append(slope, *f.Slope[a]), append(debiased, f.Debiased[a])
			}
		}
		s.Qini = append(s.Qini, spreadOf(qini))
		if len(slope) == len(r.Splits) {
			s.Slope, s.Debiased = append(s.Slope, spreadOf(slope).Mean), append(s.Debiased, spreadOf(debiased).Mean)
		}
	}
}

func (r *repeatReport) method(name string) int {
	for k, m := range r.Methods {
		if m.Method == name {
			return k
		}
	}
	return -1
}

// verdict says whether learning beat the best single arm and what the guard made of it.
func (r *repeatReport) verdict() string {
	through := 0
	for _, s := range r.Splits {
		if s.Learned {
			through++
		}
	}
	l := r.Methods[r.method(methodLearned)]
	beats := "No learner beats"
	switch {
	case l.OverBest.Mean > l.OverBest.SD:
		beats = "Learning beats"
	case l.OverBest.Mean > 0:
		beats = "Learning cannot be told from"
	}
	return fmt.Sprintf("%s %q: %s ± %s over %d splits (better in %d). The guard let the learned policy through in %d of %d splits and fell back to the best single arm in the others.",
		beats, r.BestArm, r.signed(l.OverBest.Mean), r.plain(l.OverBest.SD), len(r.Splits), l.BetterThan, through, len(r.Splits))
}

// plain and signed write a level or a difference of the outcome.
func (r *repeatReport) plain(v float64) string { return r.figure("%.2f pp", "%.3f", v) }

func (r *repeatReport) signed(v float64) string { return r.figure("%+.2f pp", "%+.3f", v) }

func (r *repeatReport) figure(points, other string, v float64) string {
	if r.Unit == "probability" {
		return fmt.Sprintf(points, 100*v)
	}
	return fmt.Sprintf(other, v)
}

func (r *repeatReport) table(w io.Writer) {
	row(w, fmt.Sprintf("%s: %s, %d splits, learned on the training rows of each alone", r.Data, r.Outcome, len(r.Splits)))
	row(w)
	row(w, "salt", "training rows", "test rows", "picked", "Qini ×1e3", "linear", "policy", "guarded", r.BestArm, "guard", "seconds")
	for _, s := range r.Splits {
		r.splitRow(w, s)
	}
	row(w)
	head := []any{"method"}
	for _, o := range r.Offers {
		head = append(head, "Qini "+o+" ×1e3")
	}
	row(w, append(head, "sum", "over linear", "policy", "over best arm", "better", "slope", "debiased error")...)
	for _, m := range r.Methods {
		row(w, r.cells(m)...)
	}
	row(w)
	row(w, r.Verdict)
	if r.Published == nil {
		return
	}
	row(w)
	row(w, r.Published.Title)
	for _, line := range append([][]string{r.Published.Columns}, r.Published.Rows...) {
		row(w, strings.Join(line, "\t"))
	}
}

func (r *repeatReport) splitRow(w io.Writer, s splitResult) {
	sum := func(name string) string {
		total := 0.0
		for _, q := range s.Methods[r.method(name)].Qini {
			total += q
		}
		return fmt.Sprintf("%.2f", 1e3*total)
	}
	policy := func(name string) string { return r.level(s.Methods[r.method(name)].Policy) }
	guard := "falls back"
	if s.Learned {
		guard = "lets it through"
	}
	row(w, s.Salt, s.Train, s.Test, s.Picked, sum(methodLearned), sum(methodLinear), policy(methodLearned), policy(methodGuarded), policy(r.BestArm),
		guard, fmt.Sprintf("%.1f", s.Seconds))
}

func (r *repeatReport) level(v float64) string { return r.figure("%.2f %%", "%.3f", v) }

func (r *repeatReport) cells(m methodSummary) []any {
	spread := func(s meanSD) string { return fmt.Sprintf("%.2f ± %.2f", 1e3*s.Mean, 1e3*s.SD) }
	cells := []any{m.Method}
	for a := range r.Offers {
		if m.Qini == nil {
			cells = append(cells, "")
			continue
		}
		cells = append(cells, spread(m.Qini[a]))
	}
	sum, over := "", ""
	if m.QiniSum != nil {
		sum, over = spread(*m.QiniSum), fmt.Sprintf("%+.2f ± %.2f", 1e3*m.OverLinear.Mean, 1e3*m.OverLinear.SD)
	}
	slopes, errs := make([]string, len(m.Slope)), make([]string, len(m.Slope))
	for a := range m.Slope {
		slopes[a], errs[a] = fmt.Sprintf("%.2f", m.Slope[a]), r.plain(m.Debiased[a])
	}
	return append(cells, sum, over, fmt.Sprintf("%s ± %s", r.level(m.Policy.Mean), r.plain(m.Policy.SD)),
		fmt.Sprintf("%s ± %s", r.signed(m.OverBest.Mean), r.plain(m.OverBest.SD)), fmt.Sprintf("%d of %d", m.BetterThan, len(r.Splits)),
		strings.Join(slopes, " / "), strings.Join(errs, " / "))
}
