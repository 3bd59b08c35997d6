package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

// figures are one method's results on one test half.
type figures struct {
	qini     [2]float64 // Mens, Womens
	policy   float64
	slope    float64 // Womens
	debiased float64
}

// hillstrom repeats the published comparison: row i is tested in repeat r iff
// splitmix64(10 i + r + salt) >> 63 is 1.
func hillstrom(ctx context.Context, o options, out io.Writer) error {
	f, err := o.open("hillstrom", "hillstrom_minethatdata_2008.csv.gz")
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	unit := "probability"
	if o.outcome == "spend" {
		unit = "money"
	}
	full, err := learner.ReadHillstrom(f, o.outcome, unit)
	if err != nil {
		return err
	}
	totals := map[string][]figures{}
	names := []string{"tournament", "guarded", "logistic T", "all Mens"}
	for r := range o.splits {
		got, err := hillstromSplit(ctx, o, full, uint64(r), out)
		if err != nil {
			return fmt.Errorf("repeat %d: %w", r, err)
		}
		for k, name := range names {
			totals[name] = append(totals[name], got[k])
		}
	}
	for _, name := range names {
		fmt.Fprintln(out, summary(name, totals[name], totals))
	}
	return nil
}

func hillstromSplit(ctx context.Context, o options, full *learner.Dataset, r uint64, out io.Writer) ([4]figures, error) {
	var got [4]figures
	var train, test []int
	for i := range full.Rows() {
		if splitmix.Sum64(10*uint64(i)+r+o.salt)>>63 == 1 {
			test = append(test, i)
		} else {
			train = append(train, i)
		}
	}
	tr, te := full.Subset(train), full.Subset(test)
	start := time.Now()
	res, err := learner.Tournament(ctx, learner.Spec{Seed: 1, Refits: o.refits, Now: time.Now}, tr)
	if err != nil {
		return got, err
	}
	fmt.Fprintf(out, "repeat %d: %s in %.1f s; %s\n", r, res.Card.Learner, time.Since(start).Seconds(), res.Guard.Statement)
	if o.table {
		printTable(out, res.Table, full.Offers)
	}
	mu, err := leastSquares(tr, te)
	if err != nil {
		return got, err
	}
	mens := [2][]float64{make([]float64, te.Rows()), make([]float64, te.Rows())}
	for i := range mens[0] {
		mens[0][i] = 1
	}
	learned := effects(res.Model, te)
	guarded := learned
	if !res.Guard.Learned {
		champion, _ := res.Champion()
		guarded = effects(champion, te)
	}
	linear, err := logisticT(tr, te, o.outcome)
	if err != nil {
		return got, err
	}
	for k, e := range [][2][]float64{learned, guarded, linear, mens} {
		if got[k], err = judge(te, e, mu); err != nil {
			return got, err
		}
	}
	fmt.Fprintf(out, "  Qini W+M %.2fe-3, logistic T %.2fe-3; policy %.5g, guarded %.5g, all Mens %.5g\n",
		1e3*(got[0].qini[0]+got[0].qini[1]), 1e3*(got[2].qini[0]+got[2].qini[1]), got[0].policy, got[1].policy, got[3].policy)
	return got, nil
}

func effects(m *models.Uplift, d *learner.Dataset) [2][]float64 {
	out := [2][]float64{make([]float64, d.Rows()), make([]float64, d.Rows())}
	x, e := make([]float64, len(d.Features)), make([]float64, 2)
	for i := range d.Rows() {
		d.Row(i, x)
		m.Effects(x, e)
		out[0][i], out[1][i] = e[0], e[1]
	}
	return out
}

// perArm fits one linear model per arm on train and predicts test.
func perArm(tr, te *learner.Dataset, link models.Link, ridge float64) ([3][]float64, error) {
	var out [3][]float64
	x := make([]float64, len(tr.Features))
	for a := range out {
		var rows []int32
		for i, arm := range tr.Arm {
			if arm == a {
				rows = append(rows, int32(i))
			}
		}
		l, err := learner.FitLinear(tr.Features, tr.X, tr.Y, nil, rows, link, learner.LinearSettings{Ridge: ridge}, 2)
		if err != nil {
			return out, err
		}
		out[a] = make([]float64, te.Rows())
		for i := range out[a] {
			te.Row(i, x)
			out[a][i] = l.Predict(x)
		}
	}
	return out, nil
}

func leastSquares(tr, te *learner.Dataset) ([3][]float64, error) {
	return perArm(tr, te, models.LinkIdentity, 1e-3) // the indicators of a category add up to the constant
}

func logisticT(tr, te *learner.Dataset, outcome string) ([2][]float64, error) {
	link := models.LinkLogistic
	if outcome == "spend" {
		link = models.LinkIdentity
	}
	var out [2][]float64
	level, err := perArm(tr, te, link, 1)
	for k := range out {
		out[k] = make([]float64, te.Rows())
		for i := range out[k] {
			out[k][i] = level[k+1][i] - level[0][i]
		}
	}
	return out, err
}

// judge computes Qini areas and slope by pair, and the policy value by DR.
func judge(te *learner.Dataset, e [2][]float64, mu [3][]float64) (figures, error) {
	var f figures
	for k := range e {
		var score, y []float64
		var treated []bool
		for i, arm := range te.Arm {
			if arm == 0 || arm == k+1 {
				score, y, treated = append(score, e[k][i]), append(y, te.Y[i]), append(treated, arm != 0)
			}
		}
		trial := eval.Trial{Rows: eval.Rows{Outcome: y}, Treated: treated}
		var err error
		if f.qini[k], err = eval.QiniPerCustomer(score, trial); err != nil {
			return f, err
		}
		c, err := eval.CalibrateEffect(score, trial, 10, 0.95)
		if err != nil {
			return f, err
		}
		f.debiased = c.Debiased
		if f.slope = math.NaN(); c.Slope != nil {
			f.slope = c.Slope.Value
		}
	}
	for i, arm := range te.Arm {
		choice, best := 0, 0.0
		for k := range e {
			if e[k][i] > best {
				choice, best = k+1, e[k][i]
			}
		}
		v := mu[choice][i]
		if arm == choice {
			v += 3 * (te.Y[i] - v)
		}
		f.policy += v / float64(te.Rows())
	}
	return f, nil
}

// summary averages a method over repeats, paired against the baselines.
func summary(name string, fs []figures, all map[string][]figures) string {
	var q, pol, slope, deb, dq, dp, dq2, dp2 float64
	n := float64(len(fs))
	for r, f := range fs {
		q += (f.qini[0] + f.qini[1]) / n
		pol += f.policy / n
		slope += f.slope / n
		deb += f.debiased / n
		lr, am := all["logistic T"][r], all["all Mens"][r]
		a, b := f.qini[0]+f.qini[1]-lr.qini[0]-lr.qini[1], f.policy-am.policy
		dq, dq2 = dq+a/n, dq2+a*a/n
		dp, dp2 = dp+b/n, dp2+b*b/n
	}
	sd := func(m, m2 float64) float64 { return math.Sqrt(max(m2-m*m, 0)) }
	return fmt.Sprintf("%-11s Qini W+M %.2fe-3 (against logistic T %+.2f ± %.2f)  policy %.4g (against all Mens %+.4f ± %.4f)  slope W %.2f  debiased error W %.4f",
		name, q*1e3, dq*1e3, sd(dq, dq2)*1e3, pol, dp, sd(dp, dp2), slope, deb)
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
