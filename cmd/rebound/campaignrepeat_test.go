package main

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

// quickSearch keeps evaluate's own tournaments short.
var quickSearch = []string{"--trials", "1", "--folds", "2", "--replicates", "40", "-o", "json"}

func evaluatedJSON(t *testing.T, to any, args ...string) {
	t.Helper()
	out, errOut, code := cli(t, append(append([]string{"evaluate"}, args...), quickSearch...)...)
	if code != exitOK {
		t.Fatalf("evaluate %v: %s", args, errOut)
	}
	if err := json.Unmarshal([]byte(out), to); err != nil {
		t.Fatal(err)
	}
}

// A split of --splits is the split of train and evaluate with the same salt,
// and the guarded method acts as train's champion.
func TestSplitsAreThoseOfTrain(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	var r repeatReport
	evaluatedJSON(t, &r, "--data", table, "-m", mapping, "--splits", "2", "--salt", "4")
	if len(r.Splits) != 2 || r.Splits[1].Salt != 5 || len(r.Methods) != 8 || !strings.HasPrefix(r.BestArm, methodEach) && r.BestArm != methodNobody {
		t.Fatalf("report %+v", r)
	}
	split := []string{"--data", table, "-m", mapping, "--test-share", "0.5", "--salt", "5"}
	model := filepath.Join(t.TempDir(), "m.rbm")
	if _, errOut, code := cli(t, append([]string{"train", "--trials", "1", "--folds", "2", "--write", writeLearned, "--out", model}, split...)...); code != exitOK {
		t.Fatal(errOut)
	}
	want := evaluated(t, append(split, "--model", model)...)
	got := r.Splits[1].Methods[0]
	dr := slices.Index(want.Policies[0].Estimators, "DR")
	if v := want.Policies[0].Policies[0].Values[dr].Value; math.Abs(got.Policy-v) > 1e-12 || got.Method != methodLearned {
		t.Errorf("policy value %v, evaluate says %v", got.Policy, v)
	}
	for k, u := range want.Uplift {
		if math.Abs(got.Qini[k]-u.Qini.Value) > 1e-12 || math.Abs(*got.Slope[k]-u.Calibration.Slope.Value) > 1e-9 {
			t.Errorf("%s: Qini area %v, evaluate says %v", u.Arm, got.Qini[k], u.Qini.Value)
		}
	}
	guarded := r.Splits[1].Methods[1]
	if same := guarded.Policy == got.Policy; same != r.Splits[1].Learned {
		t.Errorf("guarded policy worth %v, learned %v, guard: %s", guarded.Policy, got.Policy, r.Splits[1].Guard)
	}
}

func TestRepeatSummary(t *testing.T) {
	split := func(learned, qini, linear, single float64) splitResult {
		slope := 1.0
		effects := func(name string, policy, q float64) methodFigures {
			return methodFigures{Method: name, Policy: policy, Qini: []float64{q}, Debiased: []float64{0.01}, Slope: []*float64{&slope}}
		}
		return splitResult{Methods: []methodFigures{
			effects(methodLearned, learned, qini), effects(methodGuarded, single, 0), effects(methodLinear, learned, linear),
			{Method: methodNobody, Policy: 0}, {Method: methodEach + "x", Policy: single},
		}}
	}
	r := repeatReport{Unit: "money", Offers: []string{"x"}, Splits: []splitResult{split(1, 0.5, 0.25, 2), split(4, 1.5, 0.75, 2)}}
	r.summarise()
	l := r.Methods[0]
	if r.BestArm != methodEach+"x" || l.OverBest != (meanSD{0.5, math.Sqrt(4.5)}) || l.BetterThan != 1 || l.QiniSum.Mean != 1 || l.OverLinear.Mean != 0.5 {
		t.Errorf("best arm %s, tournament %+v", r.BestArm, l)
	}
	if !strings.HasPrefix(r.Verdict, "Learning cannot be told from") || !strings.Contains(r.Verdict, "through in 0 of 2") {
		t.Error(r.Verdict)
	}
	for learned, want := range map[float64]string{1: "No learner beats", 3: "Learning beats"} {
		r := repeatReport{Unit: "money", Offers: []string{"x"}, Splits: []splitResult{split(learned, 0.5, 0.25, 2)}}
		if r.summarise(); !strings.HasPrefix(r.Verdict, want) {
			t.Error(r.Verdict)
		}
	}
}

// Every row is predicted once, by what was learned without it.
func TestCrossValidationPredictsEveryRow(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	var r, other eval.Report
	evaluatedJSON(t, &r, "--data", table, "-m", mapping, "--cross-validate", "2", "--candidates", "t-linear")
	evaluatedJSON(t, &other, "--data", table, "-m", mapping, "--cross-validate", "2", "--salt", "1")
	if r.Policies[0].Rows != 3000 || len(r.Uplift) != 4 || len(r.Card) != 2 || len(r.Tables) != 4 || len(r.Tables[0].Rows) != 5 {
		t.Errorf("%d rows, %d uplifts, card %v, %d tables", r.Policies[0].Rows, len(r.Uplift), r.Card, len(r.Tables))
	}
	if !strings.HasPrefix(r.Card[1].Value, "t-linear; ") {
		t.Errorf("learned by %s", r.Card[1].Value)
	}
	if r.Uplift[0].Qini == other.Uplift[0].Qini {
		t.Error("another salt deals the same parts")
	}
}

func TestRepeatUsageErrors(t *testing.T) {
	table, mapping := campaignTable(t, 30)
	data := []string{"evaluate", "--data", table, "-m", mapping}
	for want, args := range map[string][]string{
		"[model splits cross-validate] is required":    data,
		"--splits goes with --data":                    {"evaluate", "--splits", "2"},
		"[cross-validate model]":                       append(data[:5:5], "--cross-validate", "2", "--model", "x"),
		"2 to 100 parts":                               append(data[:5:5], "--cross-validate", "1"),
		"1 to 1,000":                                   append(data[:5:5], "--splits", "-1"),
		"too few":                                      append(data[:5:5], "--splits", "1"),
		`"luck" is none of s-linear-300, s-linear-100`: append(data[:5:5], "--splits", "1", "--candidates", "t-linear,luck"),
	} {
		if _, errOut, code := cli(t, args...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("%v: exit code %d, says %q, want %q", args, code, errOut, want)
		}
	}
}
