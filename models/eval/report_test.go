package eval_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sampleReport has every part, from small seeded data.
func sampleReport(t *testing.T) eval.Report {
	t.Helper()
	b := eval.Bootstrap{Replicates: 100, Seed: 1}
	tau, data := trial(11, 3000)
	noisy := make([]float64, len(tau))
	rng := rand.New(rand.NewPCG(2, 2))
	for i, v := range tau {
		noisy[i] = 1.3*v + 0.03*rng.NormFloat64()
	}
	u := must[eval.Uplift](t)(eval.EvaluateUplift(eval.UpliftInput{
		Model: "forest", Arm: "percent", Outcome: "purchase", Unit: "probability", Score: noisy, Trial: data}, b))
	blind := make([]float64, len(tau))
	for i := range blind {
		blind[i] = rng.NormFloat64()
	}
	other := must[eval.Uplift](t)(eval.EvaluateUplift(eval.UpliftInput{
		Model: "coin", Arm: "percent", Outcome: "purchase", Unit: "probability", Score: blind, Trial: data}, b))
	arms, ideal, _ := experiment(12, 1500, 1.5)
	arms.Unit = "money"
	policy := must[eval.PolicyReport](t)(eval.EvaluatePolicy(eval.PolicyInput{
		Model: "forest", Outcome: "margin", Arms: arms, Choice: ideal}, b))
	truth, spoilt, rows := population(13, 900, 1)
	compared := must[eval.Comparison](t)(eval.CompareBinary(
		eval.Prediction{Name: "forest", P: truth}, eval.Prediction{Name: "logistic", P: spoilt}, rows, b))
	return eval.Report{
		Title:       "Forest <against> the best single arm",
		Subject:     "Seeded example, held-out half.",
		Card:        []eval.Fact{{Name: "learner", Value: "honest forest"}, {Name: "training rows", Value: "3,000"}},
		Policies:    []eval.PolicyReport{policy},
		Uplift:      []eval.Uplift{u, other},
		Binary:      []eval.Binary{compared.First, compared.Second},
		Comparisons: []eval.Comparison{compared},
		Importance: []eval.Importance{
			{Feature: "customer.recency_days", Drop: 0.031, SD: 0.002},
			{Feature: "ret.refund_value", Drop: 0.012, SD: 0.001},
			{Feature: "offer.percent", Drop: -0.001, SD: 0.002},
		},
		ImportanceOf: "AUC",
		Attributions: []eval.Attribution{sampleAttribution(t)},
		Checks: []eval.Check{
			eval.RatioCheck(must[eval.RatioTest](t)(eval.SampleRatio([]int{1510, 1490}, []float64{1, 1}))),
			eval.ShiftCheck("score", must[eval.Shift](t)(eval.PSI([]float64{50, 50}, []float64{100, 300}))),
			eval.LevelCheck("forest", must[eval.CalibrationCheck](t)(eval.CheckCalibration(truth, rows))),
		},
		Tables: []eval.Listing{{Title: "Published results", Columns: []string{"method", "Qini"},
			Rows: [][]string{{"logistic T", "0.0091"}, {"forest", "0.0090"}}, Note: "Means of ten splits."}},
		Notes: []string{"Outcomes whose window is still open are left out."},
	}
}

func TestReportText(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport(t).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update to accept):\n%s", path, got)
	}
}

func TestReportJSONCarriesEverything(t *testing.T) {
	r := sampleReport(t)
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back eval.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := back.WriteJSON(&again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("reading the JSON back loses something")
	}
}

func TestReportHTML(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport(t).WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, bad := range []string{"<script", "http://", "https://", "<against>", "NaN", "Inf", "ZgotmplZ", "-0<"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"Forest &lt;against&gt;", "Qini: gain over random", "TOC", "Calibration of the effect",
		"Model card", "Models for percent on purchase", "Published results", "Importance", "What moves the effect of percent on purchase", "Use the model", "prefers-color-scheme: dark", "PSI"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	wellFormed(t, text)
}

// wellFormed checks that every element of the body is closed, which also makes
// the plots valid SVG.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text[strings.Index(text, "<body>"):strings.Index(text, "</html>")]))
	d.Entity = xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, _ := d.InputPos()
			t.Fatalf("body line %d: %v", line, err)
		}
	}
}

func TestEmptyReport(t *testing.T) {
	r := eval.Report{Title: "Nothing yet"}
	for name, write := range map[string]func(io.Writer) error{"text": r.WriteText, "json": r.WriteJSON, "html": r.WriteHTML} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(out.String(), "Nothing yet") {
			t.Errorf("%s lacks the title", name)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestReportReportsWriteErrors(t *testing.T) {
	r := eval.Report{Title: "x"}
	for name, write := range map[string]func(io.Writer) error{"text": r.WriteText, "json": r.WriteJSON, "html": r.WriteHTML} {
		if err := write(brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportRefusesDamage(t *testing.T) {
	for name, r := range map[string]eval.Report{
		"uplift": {Uplift: []eval.Uplift{{Model: "m"}}},
		"policy": {Policies: []eval.PolicyReport{{Guard: eval.Guard{Arms: []string{"none"}, Best: 3}}}},
	} {
		if err := r.WriteHTML(io.Discard); !errors.Is(err, eval.ErrColumns) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A constant score is reported, not refused: its slope is undefined, its curves straight.
func TestReportOfAConstantScore(t *testing.T) {
	_, data := trial(30, 400)
	u := must[eval.Uplift](t)(eval.EvaluateUplift(eval.UpliftInput{
		Model: "prior", Arm: "percent", Outcome: "purchase", Score: make([]float64, 400), Trial: data}, eval.Bootstrap{Replicates: 50}))
	if u.Qini.Value != 0 || u.Calibration == nil || u.Calibration.Slope != nil {
		t.Errorf("qini %v, calibration %+v", u.Qini, u.Calibration)
	}
	var out bytes.Buffer
	r := eval.Report{Title: "Prior", Uplift: []eval.Uplift{u, u}}
	if err := r.WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "NaN") || !strings.Contains(out.String(), "undefined") {
		t.Error("the slope of a constant score is not said to be undefined")
	}
	wellFormed(t, out.String())
	for _, write := range []func(io.Writer) error{r.WriteText, r.WriteJSON} {
		if err := write(io.Discard); err != nil {
			t.Error(err)
		}
	}
}
