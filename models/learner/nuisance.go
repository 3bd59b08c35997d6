package learner

import (
	"context"
	"fmt"
	"sync"
)

// nuisance holds what effects are learned from, for one training set: outcome
// levels per arm, predicted by models that did not see the row.
type nuisance struct {
	level [][]float64 // per arm, per row
}

// innerFolds is the cross-fitting inside an outer training set.
const innerFolds = 2

// levelStack is the blend of level learners behind all nuisances.
type levelStack struct {
	members []Candidate
	weight  []float64
}

func nuisanceMembers(n int) []Candidate {
	return []Candidate{
		{Name: "linear", Method: MethodS, Base: BaseLinear, Linear: LinearSettings{Ridge: 1}, Pooling: 10},
		{Name: "small", Method: MethodS, Base: BaseBoost, Boost: BoostSettings{Trees: 150, Leaves: 4, LearningRate: 0.08, MinRows: max(20, n/160), Lambda: 1}},
		{Name: "large", Method: MethodS, Base: BaseBoost, Boost: BoostSettings{Trees: 150, Leaves: 16, LearningRate: 0.08, MinRows: max(20, n/1000), Lambda: 1}},
	}
}

// crossFit fits the level stack for every outer fold and for the whole: the
// nuisances of outer fold f (index f) are made without f's rows, for f's rows
// too; index folds is for the whole and holds, for each row, the prediction
// made without the row's outer fold.
func (w *work) crossFit(ctx context.Context, members []Candidate, step func(done, total int)) (*levelStack, []*nuisance, error) {
	stack := &levelStack{members: members}
	arms, k := w.d.Arms(), len(stack.members)
	raw := make([][][][]float64, k) // member, outer fold, arm, row
	for m := range raw {
		raw[m] = make([][][]float64, w.folds)
		for f := range w.folds {
			raw[m][f] = w.columns(arms)
		}
	}
	done, total := 0, k*w.folds*innerFolds
	if arms == 1 {
		total = k * w.folds
	}
	var mu sync.Mutex
	report := func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		step(done, total)
	}
	err := parallelTry(w.threads, k*w.folds, func(n int) error {
		m, f := n/w.folds, n%w.folds
		if err := w.crossFitFold(ctx, &stack.members[m], f, raw[m][f], report); err != nil {
			return fmt.Errorf("nuisance %s, fold %d: %w", stack.members[m].Name, f, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	stack.weight = w.stackLevels(raw)
	out := make([]*nuisance, w.folds+1)
	for f := range w.folds {
		out[f] = &nuisance{level: w.columns(arms)}
		for a := range arms {
			for m, wt := range stack.weight {
				for i, v := range raw[m][f][a] {
					out[f].level[a][i] += wt * v
				}
			}
		}
	}
	whole := &nuisance{level: w.columns(arms)}
	for a := range arms {
		for i, f := range w.fold {
			whole.level[a][i] = out[f].level[a][i]
		}
	}
	out[w.folds] = whole
	return stack, out, nil
}

// crossFitFold fills out for one member without outer fold f: inner held-out
// rows by the model that did not see them, f's rows by the mean of all.
func (w *work) crossFitFold(ctx context.Context, c *Candidate, f int, out [][]float64, step func()) error {
	held, train := w.split(w.all, f)
	if w.d.Arms() == 1 { // no effects to learn: only the held-out levels are needed
		level, err := w.fitLevels(ctx, c, train)
		if err == nil {
			level[0].predict(w, held, out)
			step()
		}
		return err
	}
	inner := make([]uint8, w.d.Rows())
	for k, g := range foldsOf(w.d, innerFolds, w.seed+101+uint64(f)) {
		inner[k] = g
	}
	part := [][]float64{w.column()}
	for g := range innerFolds {
		var fit, rest []int32
		for _, i := range train {
			if int(inner[i]) == g {
				rest = append(rest, i)
			} else {
				fit = append(fit, i)
			}
		}
		arms, err := w.fitLevels(ctx, c, fit)
		if err != nil {
			return err
		}
		for a, m := range arms {
			m.predict(w, rest, part)
			for _, i := range rest {
				out[a][i] = part[0][i]
			}
			m.predict(w, held, part)
			for _, i := range held {
				out[a][i] += part[0][i] / innerFolds
			}
		}
		step()
	}
	return nil
}

// stackLevels finds the non-negative blend with the smallest squared error on
// rows outside the training set.
func (w *work) stackLevels(raw [][][][]float64) []float64 {
	k := len(raw)
	q := newQuadratic(k)
	x := make([]float64, k)
	for i, f := range w.fold {
		a := 0
		if w.d.Arm != nil {
			a = w.d.Arm[i]
		}
		for m := range x {
			x[m] = raw[m][f][a][i]
		}
		q.add(x, w.d.Y[i], w.d.weight(i))
	}
	weights := q.simplex()
	return dropSmall(weights, 0.05)
}

// fit trains the stack's members on rows and returns levels as one model.
func (s *levelStack) fit(ctx context.Context, w *work, rows []int32) (*effectModel, error) {
	out := &effectModel{levels: make([]sum, w.d.Arms())}
	for m := range s.members {
		if s.weight[m] == 0 {
			continue
		}
		arms, err := w.fitLevels(ctx, &s.members[m], rows)
		if err != nil {
			return nil, fmt.Errorf("level model %s: %w", s.members[m].Name, err)
		}
		for a, f := range arms {
			out.levels[a].parts = append(out.levels[a].parts, part{fit: out.add(f), weight: s.weight[m]})
		}
	}
	return out, nil
}
