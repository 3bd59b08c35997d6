package learner

import (
	"context"
	"fmt"

	"github.com/rebound-engine/rebound/models"
)

// fit trains a candidate on rows with the nuisances that belong to them.
func (w *work) fit(ctx context.Context, c *Candidate, rows []int32, n *nuisance) (*effectModel, error) {
	m := &effectModel{}
	switch c.Method {
	case MethodS, MethodT:
		arms, err := w.fitLevels(ctx, c, rows)
		if err != nil {
			return nil, err
		}
		m.addLevels(arms)
		return m, nil
	case MethodForest:
		f, err := w.fitForest(ctx, c.Forest, rows, n)
		if err != nil {
			return nil, err
		}
		k := m.add(f)
		for a := range w.d.Offers {
			m.effects = append(m.effects, sum{parts: []part{{fit: k, output: a, weight: 1}}})
		}
		return m, nil
	}
	fits := make([]fitted, len(w.d.Offers))
	err := parallelTry(w.threads, len(fits), func(k int) (err error) {
		target, weight, use := w.pseudo(c.Method, k+1, rows, n)
		if fits[k], err = w.regress(ctx, c, target, weight, use); err != nil {
			return fmt.Errorf("effect of %s: %w", w.d.Offers[k], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range fits {
		s := sum{parts: []part{{fit: m.add(f), weight: 1}}}
		if c.Method == MethodClass {
			s = sum{offset: -1, parts: []part{{fit: s.parts[0].fit, weight: 2}}}
		}
		m.effects = append(m.effects, s)
	}
	return m, nil
}

// regress fits a pseudo-outcome.
func (w *work) regress(ctx context.Context, c *Candidate, target, weight []float64, rows []int32) (fitted, error) {
	loss, link := LossSquared, models.LinkIdentity
	if c.Method == MethodClass {
		loss, link = LossLogistic, models.LinkLogistic
	}
	if c.Base == BaseLinear {
		l, err := fitLinear(w.d.Features, w.d.X, target, weight, rows, link, c.Linear, w.threads)
		return fittedLinear{l}, err
	}
	s := c.Boost
	s.Loss, s.Monotone = loss, nil
	if s.Seed == 0 {
		s.Seed = w.seed
	}
	m, err := trainBoosted(ctx, w.bins, target, weight, rows, nil, s, w.threads)
	return fittedBoost{m}, err
}

// pairChance is the chance of arm a given that it is a or none.
func (w *work) pairChance(a int, i int32) float64 {
	return w.chance[a][i] / (w.chance[a][i] + w.chance[0][i])
}

// pseudo makes target and weight of one offer's effect regression and the
// rows that take part.
func (w *work) pseudo(method Method, a int, rows []int32, n *nuisance) (target, weight []float64, use []int32) {
	target, weight = w.column(), w.column()
	for _, i := range rows {
		arm := 0
		if w.d.Arm != nil {
			arm = w.d.Arm[i]
		}
		if method != MethodDR && arm != 0 && arm != a {
			continue
		}
		use = append(use, i)
		y, w0 := w.d.Y[i], w.d.weight(int(i))
		e := w.pairChance(a, i)
		switch method {
		case MethodDR:
			target[i], weight[i] = w.doublyRobust(a, i, n), w0
		case MethodX:
			target[i], weight[i] = y-n.level[0][i], w0
			if arm == 0 {
				target[i] = n.level[a][i] - y
			}
		case MethodR:
			d := -e
			if arm == a {
				d = 1 - e
			}
			m := e*n.level[a][i] + (1-e)*n.level[0][i]
			target[i], weight[i] = (y-m)/d, w0*d*d
		case MethodClass:
			target[i], weight[i] = 1-y, w0/(2*(1-e))
			if arm == a {
				target[i], weight[i] = y, w0/(2*e)
			}
		}
	}
	return target, weight, use
}

// doublyRobust is the pseudo-outcome whose conditional mean is offer a's
// effect if either the levels or the propensities are right (Robins, Rotnitzky
// and Zhao 1994; Kennedy 2023, section 3).
func (w *work) doublyRobust(a int, i int32, n *nuisance) float64 {
	return w.armScore(a, i, n) - w.armScore(0, i, n)
}

// armScore is the doubly robust score of an arm's outcome for one row.
func (w *work) armScore(a int, i int32, n *nuisance) float64 {
	v := n.level[a][i]
	if w.d.Arm == nil || w.d.Arm[i] == a {
		v += (w.d.Y[i] - v) / w.chance[a][i]
	}
	return v
}
