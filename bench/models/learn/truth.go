package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
	"github.com/rebound-engine/rebound/models/learner/synth"
)

// truth runs the tournament where effects are known and prints what published
// learners reached on the same rows.
func truth(ctx context.Context, o options, out io.Writer) error {
	peers, err := readPeers(filepath.Join(o.data, "testdata", "reference", "synthetic_reference.csv"), o.rows)
	if err != nil {
		return err
	}
	var ratios []float64
	for set := range strings.SplitSeq(o.sets, ",") {
		mean, err := truthSet(ctx, o, set, out)
		if err != nil {
			return err
		}
		ours := peer{"tournament", mean.pehe, mean.policy}
		fmt.Fprintf(out, "%s, %d rows, %d seeds", set, o.rows, o.seeds)
		if o.refits >= 0 {
			fmt.Fprintf(out, ", the 95 %% interval covers %.3f", mean.cover)
		}
		fmt.Fprintf(out, "\n  %-26s error of the effect %.4f  policy %.2f %% of the oracle\n", ours.method, ours.pehe, ours.policy)
		for _, p := range peers[set] {
			fmt.Fprintf(out, "  %-26s error of the effect %.4f  policy %.2f %% of the oracle\n", p.method, p.pehe, p.policy)
		}
		if len(peers[set]) > 0 {
			ratios = append(ratios, ours.pehe/peers[set][0].pehe)
			fmt.Fprintf(out, "  ratio to the best peer's error %.2f\n", ratios[len(ratios)-1])
		}
	}
	product := 1.0
	for _, r := range ratios {
		product *= math.Pow(r, 1/float64(len(ratios)))
	}
	fmt.Fprintf(out, "geometric mean of the ratios: %.3f\n", product)
	return nil
}

// truthSet averages over the seeds of one generator.
func truthSet(ctx context.Context, o options, set string, out io.Writer) (truthFigures, error) {
	var mean truthFigures
	n := float64(o.seeds)
	for seed := range o.seeds {
		f, err := truthRun(ctx, o, set, uint64(seed+1), out)
		if err != nil {
			return mean, fmt.Errorf("%s, seed %d: %w", set, seed+1, err)
		}
		mean.pehe, mean.policy, mean.cover = mean.pehe+f.pehe/n, mean.policy+f.policy/n, mean.cover+f.cover/n
	}
	return mean, nil
}

// peer is a published learner's result on a generator.
type peer struct {
	method       string
	pehe, policy float64
}

// readPeers reads the published results at so many rows, per generator, best
// first. Methods in brackets know part of the truth and are left out.
func readPeers(file string, rows int) (map[string][]peer, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("published results %s: %w", file, err)
	}
	out := map[string][]peer{}
	for _, l := range lines[1:] {
		if l[1] != fmt.Sprintf("%dk", rows/1000) || strings.HasPrefix(l[2], "(") {
			continue
		}
		p := peer{method: l[2]}
		var errs [2]error
		p.pehe, errs[0] = strconv.ParseFloat(l[4], 64)
		p.policy, errs[1] = strconv.ParseFloat(l[6], 64)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, fmt.Errorf("published results %s: %w", file, err)
		}
		out[l[0]] = append(out[l[0]], p)
	}
	for _, ps := range out {
		slices.SortFunc(ps, func(a, b peer) int { return cmp.Compare(a.pehe, b.pehe) })
	}
	return out, nil
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

func printTable(out io.Writer, rows []learner.Row, offers []string) {
	for _, r := range rows {
		mark := " "
		if r.Picked {
			mark = "*"
		}
		fmt.Fprintf(out, "%s %-32s policy %.5g gain %+.5f ± %.5f loss %+.6f ± %.6f weight %.2f %.2fs qini", mark, r.Name, r.Policy, r.Gain, r.GainSE, r.Loss, r.LossSE, r.Weight, r.Seconds)
		for k, q := range r.Qini {
			fmt.Fprintf(out, " %s %.5f", offers[k], q)
		}
		fmt.Fprintln(out, " ", r.Failed)
	}
}
