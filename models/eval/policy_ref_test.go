package eval_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

type banditKey struct{ action, position string }

// bandit is one campaign of the Open Bandit sample as a log under the judged policy.
func bandit(t *testing.T, campaign, qmodel string) eval.Logged {
	t.Helper()
	rounds := records(t, "testdata/ope/obd_"+campaign+"_rounds.csv")
	pi := map[banditKey]float64{}
	for _, row := range records(t, "testdata/ope/obd_"+campaign+"_pi_e.csv") {
		pi[banditKey{row["action"], row["position"]}] = number(t, row["prob"])
	}
	l := eval.Logged{
		Rows:       eval.Rows{Outcome: column(t, rounds, "reward")},
		Propensity: column(t, rounds, "pscore"),
	}
	for _, row := range rounds {
		l.Target = append(l.Target, pi[banditKey{row["action"], row["position"]}])
	}
	switch qmodel {
	case "logit":
		l.Q, l.V = column(t, rounds, "q_logit"), column(t, rounds, "v_logit")
	case "table":
		l.Q, l.V = rewardTable(rounds, l.Outcome, pi)
	}
	return l
}

// rewardTable is the smoothed mean reward per action and position.
func rewardTable(rounds []map[string]string, reward []float64, pi map[banditKey]float64) (q, v []float64) {
	sum, count := map[banditKey]float64{}, map[banditKey]float64{}
	var overall float64
	for i, row := range rounds {
		k := banditKey{row["action"], row["position"]}
		sum[k] += reward[i]
		count[k]++
		overall += reward[i] / float64(len(reward))
	}
	estimate := func(k banditKey) float64 { return (sum[k] + overall) / (count[k] + 1) }
	value, weight := map[string]float64{}, map[string]float64{}
	for k, p := range pi {
		value[k.position] += p * estimate(k)
		weight[k.position] += p
	}
	for _, row := range rounds {
		q = append(q, estimate(banditKey{row["action"], row["position"]}))
		v = append(v, value[row["position"]]/weight[row["position"]])
	}
	return q, v
}

var estimatorName = regexp.MustCompile(`^(\w+?)(?:\(lambda=([\d.]+)\))?$`)

func estimator(t *testing.T, name string) eval.Estimator {
	t.Helper()
	kinds := map[string]eval.EstimatorKind{
		"IPS": eval.IPS, "SNIPS": eval.SNIPS, "IPS_clip": eval.IPSClip, "SubGaussianIPS": eval.SubGaussianIPS,
		"DM": eval.DM, "DR": eval.DR, "SNDR": eval.SNDR, "DR_clip": eval.DRClip, "SwitchDR": eval.SwitchDR,
		"DRos": eval.DRos, "SubGaussianDR": eval.SubGaussianDR,
	}
	m := estimatorName.FindStringSubmatch(name)
	if m == nil {
		t.Fatalf("estimator %q", name)
	}
	kind, ok := kinds[m[1]]
	if !ok {
		t.Fatalf("no estimator %q here", name)
	}
	e := eval.Estimator{Kind: kind}
	if m[2] != "" {
		e.Lambda = number(t, m[2])
	}
	return e
}

func TestPolicyValuesAgreeWithReferences(t *testing.T) {
	expected := records(t, "testdata/ope/obd_expected.csv")
	if len(expected) < 114 {
		t.Fatalf("%d expected values, want 114", len(expected))
	}
	for _, want := range expected {
		t.Run(fmt.Sprint(want["campaign"], " ", want["estimator"], " ", want["qmodel"]), func(t *testing.T) {
			var got float64
			var err error
			switch want["estimator"] {
			case "on_policy_bts":
				got = onPolicy(t, "bts", want["campaign"])
			case "on_policy_random":
				got = onPolicy(t, "random", want["campaign"])
			default:
				got, err = eval.PolicyValue(bandit(t, want["campaign"], want["qmodel"]), estimator(t, want["estimator"]))
			}
			if err != nil {
				t.Fatal(err)
			}
			near(t, "value", got, number(t, want["value"]), 1e-12)
		})
	}
}

// onPolicy is the value of a log's own policy: every weight is 1.
func onPolicy(t *testing.T, policy, campaign string) float64 {
	t.Helper()
	z, err := gzip.NewReader(shared(t, "data/open_bandit_small/obd_"+policy+"_"+campaign+".csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	click, pscore := slices.Index(rows[0], "click"), slices.Index(rows[0], "propensity_score")
	var l eval.Logged
	for _, row := range rows[1:] {
		l.Outcome = append(l.Outcome, number(t, row[click]))
		l.Propensity = append(l.Propensity, number(t, row[pscore]))
	}
	l.Target = l.Propensity
	v, err := eval.PolicyValue(l, eval.Estimator{Kind: eval.IPS})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
