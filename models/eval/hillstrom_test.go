package eval_test

import (
	"compress/gzip"
	"encoding/csv"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models/eval"
)

// hillstrom is the whole e-mail test: arm 0 none, 1 Mens, 2 Womens.
type hillstrom struct {
	x            [][]float64 // the design of the reference's outcome model
	arm          []int
	visit, spend []float64
}

func readHillstrom(t *testing.T) hillstrom {
	t.Helper()
	z, err := gzip.NewReader(shared(t, "data/hillstrom/hillstrom_minethatdata_2008.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	var h hillstrom
	for _, row := range rows[1:] {
		num := func(name string) float64 { return number(t, row[at[name]]) }
		is := func(name, value string) float64 {
			if row[at[name]] == value {
				return 1
			}
			return 0
		}
		h.x = append(h.x, []float64{1, num("recency"), number(t, row[at["history_segment"]][:1]), num("history"),
			num("mens"), num("womens"), num("newbie"), is("zip_code", "Surburban"), is("zip_code", "Urban"),
			is("channel", "Phone"), is("channel", "Web")})
		h.arm = append(h.arm, int(is("segment", "Mens E-Mail")+2*is("segment", "Womens E-Mail")))
		h.visit = append(h.visit, num("visit"))
		h.spend = append(h.spend, num("spend"))
	}
	return h
}

// fold splits the rows of one repeat and predicts the test rows of each arm by
// least squares on the training rows of that arm.
func (h hillstrom) fold(t *testing.T, repeat int, y []float64) eval.Arms {
	t.Helper()
	var test []int
	train := make([][]int, 3)
	for i := range y {
		if splitmix.Sum64(uint64(10*i+repeat))>>63 == 1 {
			test = append(test, i)
		} else {
			train[h.arm[i]] = append(train[h.arm[i]], i)
		}
	}
	a := eval.Arms{Names: []string{"None", "Mens", "Womens"}}
	var models [3][]float64
	for k, rows := range train {
		models[k] = h.leastSquares(t, rows, y)
	}
	for _, i := range test {
		a.Outcome = append(a.Outcome, y[i])
		a.Arm = append(a.Arm, h.arm[i])
		a.Propensity = append(a.Propensity, 1.0/3)
		mu := make([]float64, 3)
		for k, beta := range models {
			for j, b := range beta {
				mu[k] += b * h.x[i][j]
			}
		}
		a.Mu = append(a.Mu, mu)
	}
	return a
}

func (h hillstrom) leastSquares(t *testing.T, rows []int, y []float64) []float64 {
	t.Helper()
	design := mat.NewDense(len(rows), len(h.x[0]), nil)
	target := mat.NewVecDense(len(rows), nil)
	for r, i := range rows {
		design.SetRow(r, h.x[i])
		target.SetVec(r, y[i])
	}
	var beta mat.VecDense
	if err := beta.SolveVec(design, target); err != nil {
		t.Fatal(err)
	}
	return beta.RawVector().Data
}

// pair is the trial of one arm against none.
func pair(a eval.Arms, k int) eval.Trial {
	var trial eval.Trial
	for i, got := range a.Arm {
		if got == 0 || got == k {
			trial.Outcome = append(trial.Outcome, a.Outcome[i])
			trial.Treated = append(trial.Treated, got == k)
		}
	}
	return trial
}

// charged takes the price of an e-mail off the outcomes of the arms that send one.
func charged(a eval.Arms, price float64) eval.Arms {
	out := a
	out.Outcome, out.Mu = nil, nil
	for i, y := range a.Outcome {
		if a.Arm[i] > 0 {
			y -= price
		}
		mu := a.Mu[i]
		out.Outcome = append(out.Outcome, y)
		out.Mu = append(out.Mu, []float64{mu[0], mu[1] - price, mu[2] - price})
	}
	return out
}

// The reference's rows for policies that need no learner, over its ten splits:
// nobody, everybody Mens, everybody Womens, and a score that is 0 for all.
func TestHillstromPoliciesAgreeWithReferences(t *testing.T) {
	expected := records(t, "testdata/reference/hillstrom_summary.csv")
	h := readHillstrom(t)
	for outcome, y := range map[string][]float64{"visit": h.visit, "spend": h.spend} {
		mean := map[string]map[string]float64{"zero": {}, "all-None": {}, "all-Mens": {}, "all-Womens": {}}
		for repeat := range 10 {
			a := h.fold(t, repeat, y)
			for k, name := range []string{"all-None", "all-Mens", "all-Womens"} {
				addPolicy(t, mean[name], "pol_", a, k)
				addPolicy(t, mean[name], "pol_cost", charged(a, 0.5), k)
			}
			addZero(t, mean["zero"], "_M", pair(a, 1), outcome == "visit")
			addZero(t, mean["zero"], "_W", pair(a, 2), outcome == "visit")
		}
		compared := 0
		for _, want := range expected {
			for column, got := range mean[want["method"]] {
				if want["outcome"] != outcome || want[column+"_mean"] == "" {
					continue
				}
				compared++
				near(t, outcome+" "+want["method"]+" "+column, got, number(t, want[column+"_mean"]), 1e-9)
			}
		}
		if compared < 21 {
			t.Errorf("%s: only %d values were compared", outcome, compared)
		}
	}
}

func addPolicy(t *testing.T, mean map[string]float64, prefix string, a eval.Arms, k int) {
	t.Helper()
	l := must[eval.Logged](t)(a.Everybody(k))
	for name, kind := range map[string]eval.EstimatorKind{"ips": eval.IPS, "snips": eval.SNIPS, "dr": eval.DR} {
		mean[prefix+name] += must[float64](t)(eval.PolicyValue(l, eval.Estimator{Kind: kind})) / 10
	}
}

func addZero(t *testing.T, mean map[string]float64, suffix string, trial eval.Trial, binary bool) {
	t.Helper()
	score := make([]float64, len(trial.Outcome))
	add := func(name string, v float64, err error) {
		if err != nil {
			t.Fatal(err)
		}
		mean[name+suffix] += v / 10
	}
	ate, err := eval.AverageEffect(trial)
	add("ate", ate, err)
	u, err := eval.UpliftAt(0.3, score, trial)
	add("u30", u, err)
	u, err = eval.UpliftAt(0.1, score, trial)
	add("u10", u, err)
	c, err := eval.CalibrateEffect(score, trial, 10, 0.95)
	add("cal10", c.Error, err)
	if binary {
		u, err = eval.SkliftUpliftAtK(0.3, score, trial, false)
		add("sklift_u30_overall", u, err)
		u, err = eval.SkliftUpliftAtK(0.3, score, trial, true)
		add("sklift_u30_bygroup", u, err)
	}
}
