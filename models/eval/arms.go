package eval

import "fmt"

// Arms are the rows of an experiment with any number of arms, numbered from 0
// (no offer first, by convention).
type Arms struct {
	Rows
	Unit  string   // of the outcome: "probability", "count" or "money"; for wording only
	Names []string // per arm
	Arm   []int    // per row: the arm it got
	// Propensity per row: the chance with which it got that arm; above 0.
	Propensity []float64
	// Mu per row and arm: the outcome predicted by a model that did not see the
	// row. Nil leaves the doubly robust family out.
	Mu [][]float64
}

func (a Arms) check() error {
	n := len(a.Outcome)
	if err := a.Rows.check(); err != nil {
		return err
	}
	if err := a.checkArms("arm", a.Arm); err != nil {
		return err
	}
	if a.Mu == nil {
		return nil
	}
	if len(a.Mu) != n {
		return fmt.Errorf("mu: %d rows for %d outcomes: %w", len(a.Mu), n, ErrColumns)
	}
	for i, mu := range a.Mu {
		if err := finite("mu", mu, len(a.Names)); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

func (a Arms) checkArms(name string, v []int) error {
	if len(v) != len(a.Outcome) {
		return fmt.Errorf("%s: %d values for %d rows: %w", name, len(v), len(a.Outcome), ErrColumns)
	}
	for i, k := range v {
		if k < 0 || k >= len(a.Names) {
			return fmt.Errorf("%s: row %d is %d, there are %d arms: %w", name, i, k, len(a.Names), ErrColumns)
		}
	}
	return nil
}

// Under returns the log as seen by the policy that gives row i the arm choice[i].
func (a Arms) Under(choice []int) (Logged, error) {
	if err := a.check(); err != nil {
		return Logged{}, fmt.Errorf("policy on arms: %w", err)
	}
	if err := a.checkArms("choice", choice); err != nil {
		return Logged{}, fmt.Errorf("policy on arms: %w", err)
	}
	n := len(a.Outcome)
	l := Logged{Rows: a.Rows, Propensity: a.Propensity, Target: make([]float64, n)}
	for i, k := range a.Arm {
		if k == choice[i] {
			l.Target[i] = 1
		}
	}
	if a.Mu != nil {
		l.Q, l.V = make([]float64, n), make([]float64, n)
		for i, mu := range a.Mu {
			l.Q[i], l.V[i] = mu[a.Arm[i]], mu[choice[i]]
		}
	}
	return l, nil
}

// Everybody returns the log as seen by the policy that gives one arm to all.
func (a Arms) Everybody(k int) (Logged, error) {
	choice := make([]int, len(a.Outcome))
	for i := range choice {
		choice[i] = k
	}
	return a.Under(choice)
}

// estimator is DR where there is a model and SNIPS where there is none.
func (a Arms) estimator() Estimator {
	if a.Mu == nil {
		return Estimator{Kind: SNIPS}
	}
	return Estimator{Kind: DR}
}

// Best returns, per row, the arm with the highest value; the first of equals.
// Row i of values has one value per arm; with arm 0 fixed at 0 and effects net of
// cost elsewhere this is the policy of an uplift model.
func Best(values [][]float64) []int {
	out := make([]int, len(values))
	for i, v := range values {
		for k := range v {
			if v[k] > v[out[i]] {
				out[i] = k
			}
		}
	}
	return out
}

// ComparePolicies is the value of the policy first less that of second, paired
// on the same draws of customers, by DR where a.Mu is given, else by SNIPS.
func ComparePolicies(a Arms, first, second []int, b Bootstrap) (Interval, error) {
	var terms [2]policyTerms
	for j, choice := range [][]int{first, second} {
		l, err := a.Under(choice)
		if err != nil {
			return Interval{}, fmt.Errorf("compare policies: %w", err)
		}
		if terms[j], err = l.terms(a.estimator()); err != nil {
			return Interval{}, fmt.Errorf("compare policies: %w", err)
		}
	}
	v, err := b.intervals(a.Rows, 1, func(w, out []float64) {
		out[0] = terms[0].value(w) - terms[1].value(w)
	})
	if err != nil {
		return Interval{}, fmt.Errorf("compare policies: %w", err)
	}
	return v[0], nil
}
