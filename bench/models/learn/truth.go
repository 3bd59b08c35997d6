package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

// best are the smallest errors of the effect that Python peers reach on each
// generator at 10,000 and 100,000 rows.
var best = map[string][2]float64{"A": {0.1144, 0.0763}, "B": {0.1667, 0.0878}, "C": {0.0975, 0.0902}, "D": {0.3445, 0.2038}, "retail": {0.0481, 0.0327}}

// truth runs the tournament where effects are known.
func truth(ctx context.Context, o options, out io.Writer) error {
	ratio, sets := 0.0, []string{"A", "B", "C", "D"}
	at := 0
	if o.rows >= 50000 {
		at = 1
	}
	for _, set := range append(sets, "retail") {
		pehe, policy, cover := 0.0, 0.0, 0.0
		n := float64(o.seeds)
		for seed := range o.seeds {
			f, err := truthRun(ctx, o, set, uint64(seed+1), out)
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w", set, seed+1, err)
			}
			pehe, policy, cover = pehe+f.pehe/n, policy+f.policy/n, cover+f.cover/n
		}
		coverage := "no intervals (-refits)"
		if o.refits >= 0 {
			coverage = fmt.Sprintf("coverage of the 95 %% interval %.3f", cover)
		}
		fmt.Fprintf(out, "%-6s error of the effect %.4f (best peer %.4f, ratio %.2f)  policy %.2f %% of the oracle  %s\n",
			set, pehe, best[set][at], pehe/best[set][at], policy, coverage)
		if set != "retail" {
			ratio += math.Log(pehe/best[set][at]) / float64(len(sets))
		}
	}
	fmt.Fprintf(out, "geometric mean of the ratios over A to D: %.3f\n", math.Exp(ratio))
	return nil
}

type truthFigures struct{ pehe, policy, cover float64 }

func campaigns(set string, rows int, seed uint64) (tr, te *synth.Campaign, err error) {
	if set == "retail" {
		return synth.Retail(rows, seed), synth.Retail(50000, 900+seed), nil
	}
	if tr, err = synth.NieWager(set, rows, seed); err != nil {
		return nil, nil, err
	}
	te, err = synth.NieWager(set, 20000, 900+seed)
	return tr, te, err
}

func truthRun(ctx context.Context, o options, set string, seed uint64, out io.Writer) (truthFigures, error) {
	tr, te, err := campaigns(set, o.rows, seed)
	if err != nil {
		return truthFigures{}, err
	}
	tr.Data.Logged = tr.Chance
	res, err := learner.Tournament(ctx, learner.Spec{Seed: 1, Refits: o.refits, Now: time.Now}, tr.Data)
	if err != nil {
		return truthFigures{}, err
	}
	f, err := compare(ctx, res.Model, te)
	if o.table {
		printTable(out, res.Table, tr.Data.Offers)
	}
	fmt.Fprintf(out, "  %s seed %d: %s, error %.4f, policy %.2f, trained in %.1f s\n", set, seed, res.Card.Learner, f.pehe, f.policy, res.Card.Training.Seconds)
	return f, err
}

// compare holds a model against a campaign's truth: error of the effect,
// value of acting on it as a share of the oracle's, coverage of its intervals.
func compare(ctx context.Context, m *models.Uplift, te *synth.Campaign) (truthFigures, error) {
	k, n := len(te.Effect), te.Data.Rows()
	x, e := make([]float64, len(te.Data.Features)), make([]float64, k)
	cands, scores := make([]models.Candidate, k), make([]models.Score, k)
	for a := range cands {
		cands[a].Arm = a
	}
	var f truthFigures
	gain, oracle := 0.0, 0.0
	for i := range n {
		te.Data.Row(i, x)
		m.Effects(x, e)
		if err := m.Score(ctx, x, cands, scores); err != nil {
			return f, err
		}
		for a := range e {
			d := e[a] - te.Effect[a][i]
			f.pehe += d * d / float64(n*k)
			if scores[a].Lower <= te.Effect[a][i] && te.Effect[a][i] <= scores[a].Upper {
				f.cover += 1 / float64(n*k)
			}
		}
		g, b := acted(te, i, e, scores[0].Without)
		gain, oracle = gain+g, oracle+b
	}
	f.pehe, f.policy = math.Sqrt(f.pehe), 100*gain/oracle
	return f, nil
}

// acted is the true gain of the best estimated arm of row i, and the oracle's.
func acted(te *synth.Campaign, i int, e []float64, without float64) (gain, oracle float64) {
	choice, top := 0, 0.0
	for a := range e {
		estimate, value := e[a], te.Effect[a][i]
		if te.Value != nil {
			estimate = e[a]*(te.Margin[i]-te.CostIfBought[a+1][i]) - without*te.CostIfBought[a+1][i] - te.CostAlways[a+1]
			value = te.Value[a+1][i] - te.Value[0][i]
		}
		oracle = max(oracle, value)
		if estimate > top {
			choice, top, gain = a+1, estimate, value
		}
	}
	if choice == 0 {
		return 0, oracle
	}
	return gain, oracle
}
