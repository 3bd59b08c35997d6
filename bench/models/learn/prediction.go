package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

const crossFolds = 5

// fold deals row i to a test fold.
func fold(seed uint64, i int) int { return int(splitmix.Sum64(seed<<40+uint64(i)) % crossFolds) }

func split(d *learner.Dataset, seed uint64, f int) (train, test []int) {
	for i := range d.Rows() {
		if fold(seed, i) == f {
			test = append(test, i)
		} else {
			train = append(train, i)
		}
	}
	return train, test
}

// insurance cross-validates the tournament on the insurance mailing: average
// effect about nil, strong differences.
func insurance(ctx context.Context, o options, out io.Writer) error {
	f, err := o.open("information_insurance_mail", "information_train.csv.gz")
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	d, err := learner.ReadInsuranceMail(f)
	if err != nil {
		return err
	}
	score := make([]float64, d.Rows())
	for k := range crossFolds {
		train, test := split(d, 1, k)
		res, err := learner.Tournament(ctx, learner.Spec{Seed: 1, Refits: o.refits, Now: time.Now}, d.Subset(train))
		if err != nil {
			return fmt.Errorf("fold %d: %w", k, err)
		}
		fmt.Fprintf(out, "fold %d: %s; %s\n", k, res.Card.Learner, res.Guard.Statement)
		if o.table {
			printTable(out, res.Table, d.Offers)
		}
		x, e := make([]float64, len(d.Features)), make([]float64, 1)
		for _, i := range test {
			d.Row(i, x)
			res.Model.Effects(x, e)
			score[i] = e[0]
		}
	}
	treated := make([]bool, d.Rows())
	for i, a := range d.Arm {
		treated[i] = a == 1
	}
	trial := eval.Trial{Rows: eval.Rows{Outcome: d.Y}, Treated: treated}
	q, err := eval.QiniPerCustomer(score, trial)
	if err != nil {
		return err
	}
	lower, upper, err := bootstrap(score, trial)
	if err != nil {
		return err
	}
	c, err := eval.CalibrateEffect(score, trial, 5, 0.95)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Qini area %.4f (95 %% %.4f to %.4f); effect in the bottom fifth %+.1f points, in the top fifth %+.1f; slope %.2f\n",
		q, lower, upper, 100*c.Bins[0].Difference, 100*c.Bins[4].Difference, c.Slope.Value)
	return nil
}

// bootstrap gives the percentile interval of the Qini area.
func bootstrap(score []float64, t eval.Trial) (lower, upper float64, err error) {
	const draws = 400
	n := len(score)
	values := make([]float64, draws)
	for b := range draws {
		s, w := make([]float64, n), eval.Trial{Rows: eval.Rows{Outcome: make([]float64, n)}, Treated: make([]bool, n)}
		for k := range n {
			i := int(splitmix.Sum64(uint64(b)<<32+uint64(k)) % uint64(n))
			s[k], w.Outcome[k], w.Treated[k] = score[i], t.Outcome[i], t.Treated[i]
		}
		if values[b], err = eval.QiniPerCustomer(s, w); err != nil {
			return 0, 0, err
		}
	}
	slices.Sort(values)
	return values[draws/40], values[draws-1-draws/40], nil
}

// voucher cross-validates the Data Mining Cup 2010 points.
func voucher(ctx context.Context, o options, out io.Writer) error {
	f, err := o.open("dmc2010_voucher", "dmc2010_train.csv.gz")
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	d, _, err := learner.ReadVoucher2010(f)
	if err != nil {
		return err
	}
	all := 0.0
	for _, y := range d.Y {
		all += learner.VoucherPoints(true, y)
	}
	var totals []float64
	for seed := range o.splits {
		got := 0.0
		for k := range crossFolds {
			points, err := voucherFold(ctx, d, uint64(seed), k)
			if err != nil {
				return err
			}
			got += points
		}
		totals = append(totals, got-all)
		fmt.Fprintf(out, "cross-validation %d: %.1f points, %+.1f over sending to all (%.1f)\n", seed, got, got-all, all)
	}
	mean := 0.0
	for _, v := range totals {
		mean += v / float64(len(totals))
	}
	sd := 0.0
	for _, v := range totals {
		sd += (v - mean) * (v - mean) / math.Max(1, float64(len(totals)-1))
	}
	fmt.Fprintf(out, "mean %+.1f, spread over shuffles %.1f\n", mean, math.Sqrt(sd))
	return nil
}

func voucherFold(ctx context.Context, d *learner.Dataset, seed uint64, k int) (float64, error) {
	train, test := split(d, seed+7, k)
	res, err := learner.Tournament(ctx, learner.Spec{Seed: seed, Candidates: learner.VoucherCandidates(seed), Now: time.Now}, d.Subset(train))
	if err != nil {
		return 0, err
	}
	x, score := make([]float64, len(d.Features)), make([]models.Score, 1)
	none := []models.Candidate{{Arm: -1}}
	points := 0.0
	for _, i := range test {
		d.Row(i, x)
		if err := res.Model.Score(ctx, x, none, score); err != nil {
			return 0, err
		}
		points += learner.VoucherPoints(learner.SendVoucher(score[0].Without), d.Y[i])
	}
	return points, nil
}
