package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

const campaignYAML = `apiVersion: rebound/v1
kind: CampaignMapping
outcome: {column: purchase, unit: probability, window: 30d}
treatment:
  column: incentive
  control: none
  offers: [percent, amount, points, exchange]
  propensities: [chance_none, chance_percent, chance_amount, chance_points, chance_exchange]
customer: customer
rename: {recency: customer.recency_days}
`

// campaignTable is a simulated campaign with its mapping.
func campaignTable(t testing.TB, rows int) (table, mapping string) {
	t.Helper()
	out, errOut, code := cli(t, "sim", "campaign", "--rows", strconv.Itoa(rows))
	if code != exitOK {
		t.Fatal(errOut)
	}
	return writeFile(t, "campaign.csv", out), writeFile(t, "mapping.yaml", campaignYAML)
}

func TestCampaignMappingErrors(t *testing.T) {
	head := "apiVersion: rebound/v1\nkind: CampaignMapping\n"
	outcome := head + "outcome: {column: y, unit: money}\n"
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown key":       {outcome + "treatmant: {}\n", `unknown field "treatmant"`},
		"kind":              {"apiVersion: rebound/v1\nkind: CsvMapping\noutcome: {column: y, unit: money}\n", `kind "CampaignMapping"`},
		"empty":             {"", "apiVersion"},
		"no outcome":        {head, "outcome.column is missing"},
		"unit":              {head + "outcome: {column: y, unit: euro}\n", `outcome.unit "euro"`},
		"window":            {head + "outcome: {column: y, unit: money, window: soon}\n", "outcome.window"},
		"recipe":            {head + "recipe: titanic\n", "hillstrom, insurance-mail, dmc2010-voucher"},
		"recipe's columns":  {head + "recipe: insurance-mail\ncustomer: id\n", "knows its columns"},
		"recipe's outcome":  {head + "recipe: insurance-mail\noutcome: {column: y, unit: money}\n", "knows its outcome"},
		"no column":         {outcome + "treatment: {control: none}\n", "treatment.column is missing"},
		"both chances":      {outcome + "treatment: {column: a, offers: [x], propensities: [p, q], shares: [1, 1]}\n", "not both"},
		"order of chances":  {outcome + "treatment: {column: a, propensities: [p, q]}\n", "treatment.offers is missing"},
		"number of chances": {outcome + "treatment: {column: a, offers: [x], propensities: [p]}\n", "names 1 columns"},
		"share":             {outcome + "treatment: {column: a, offers: [x], shares: [1, 0]}\n", "not a positive part"},
		"delimiter":         {outcome + "delimiter: ';;'\n", "not one character"},
		"categories":        {outcome + "features: [a]\ncategories: [b]\n", `"b" is not among features`},
		"rename":            {outcome + "rename: {a: f, b: f}\n", `rename: a and b: "f"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readCampaignMapping(writeFile(t, "m.yaml", c.yaml))
			if err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != exitUsage {
				t.Errorf("got %v, want %q and a usage error", err, c.want)
			}
		})
	}
}

func TestCampaignUsageErrors(t *testing.T) {
	table, mapping := campaignTable(t, 30)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--trials goes with --data", []string{"train", "--out", "x", "--trials", "2"}},
		{"--html goes with --data", []string{"evaluate", "--model", "x", "--html", "y"}},
		{"mapping", []string{"train", "--data", table, "--out", "x"}},
		{"[currency data]", []string{"train", "--data", table, "-m", mapping, "--out", "x", "--currency", "EUR"}},
		{"--test-share 1.5", []string{"train", "--data", table, "-m", mapping, "--out", "x", "--test-share", "1.5"}},
		{"--write both", []string{"train", "--data", table, "-m", mapping, "--out", "x", "--write", "both"}},
		{"criterion \"luck\"", []string{"train", "--data", table, "-m", mapping, "--out", "x", "--criterion", "luck"}},
		{"too few", []string{"train", "--data", table, "-m", mapping, "--out", "x"}},
		{"--rows 0", []string{"sim", "campaign", "--rows", "0"}},
	} {
		_, errOut, code := cli(t, c.args...)
		if code != exitUsage && code != exitFailed || !strings.Contains(errOut, c.want) {
			t.Errorf("%v: exit code %d, says %q, want %q", c.args, code, errOut, c.want)
		}
	}
}

// The ten published splits of Hillstrom's test, by their number of rows.
func TestTestSplitIsThePublishedOne(t *testing.T) {
	d := &learner.Dataset{Y: make([]float64, 64_000)}
	for salt, want := range []int{31967, 32084, 31960, 32250, 31981, 31854, 31858, 31788, 31795, 31926} {
		train, test := testSplit{share: 0.5, salt: uint64(salt)}.rows(d)
		if len(test) != want || len(train)+len(test) != d.Rows() {
			t.Errorf("salt %d: %d rows held out, want %d", salt, len(test), want)
		}
	}
}

func TestTestSplitKeepsCustomersTogether(t *testing.T) {
	d := &learner.Dataset{Y: make([]float64, 9000), Group: make([]uint64, 9000)}
	for i := range d.Group {
		d.Group[i] = uint64(i % 3000)
	}
	train, test := testSplit{share: 0.2, salt: 3}.rows(d)
	held := map[uint64]bool{}
	for _, i := range test {
		held[d.Group[i]] = true
	}
	for _, i := range train {
		if held[d.Group[i]] {
			t.Fatalf("row %d is trained on, its customer is held out", i)
		}
	}
	if share := float64(len(held)) / 3000; share < 0.17 || share > 0.23 {
		t.Errorf("%.3f of the customers are held out, want about 0.2", share)
	}
}

// trained is a quick model of a simulated campaign.
func trained(t *testing.T, table, mapping string, more ...string) (model string, report trainingReport) {
	t.Helper()
	model = filepath.Join(t.TempDir(), "m.rbm")
	args := append([]string{"train", "--data", table, "-m", mapping, "--out", model, "--trials", "2", "--folds", "2", "-o", "json"}, more...)
	out, errOut, code := cli(t, args...)
	if code != exitOK {
		t.Fatalf("train: %s", errOut)
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	return model, report
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(one, two)
}

// An interrupted run takes its finished candidates up, and the same command
// writes the same bytes either way and on any number of threads.
func TestTrainResumesToTheSameModel(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	state := filepath.Join(t.TempDir(), "state")
	whole, report := trained(t, table, mapping, "--threads", "1")
	if len(report.Candidates) < 2 || report.Candidates[0].Resumed || report.Rows != 3000 {
		t.Errorf("first run: %+v", report)
	}
	trained(t, table, mapping, "--trials", "1", "--state", state)
	resumed, report := trained(t, table, mapping, "--state", state)
	if !report.Candidates[0].Resumed || report.Candidates[1].Resumed {
		t.Errorf("second run: candidates %+v", report.Candidates)
	}
	if !sameFile(t, whole, resumed) {
		t.Error("the resumed run wrote another model")
	}
}

func TestTrainWritesWhatIsAsked(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	for write, constant := range map[string]bool{writeLearned: false, writeFallback: true} {
		file, report := trained(t, table, mapping, "--write", write)
		m, card, err := openUplift(file)
		if err != nil {
			t.Fatal(err)
		}
		var effects [2][4]float64
		x := make([]float64, len(m.Schema().Features))
		m.(*models.Uplift).Effects(x, effects[0][:])
		x[0], x[1], x[5] = 3, 90, 1
		m.(*models.Uplift).Effects(x, effects[1][:])
		if (effects[0] == effects[1]) != constant {
			t.Errorf("%s: effects %v", write, effects)
		}
		if (card.Learner == "best single arm") != constant || report.Wrote != write || card.Training.Seconds != 0 {
			t.Errorf("%s: card %+v", write, card)
		}
		if m.Schema().Features[1].Name != "customer.recency_days" {
			t.Errorf("the column is not renamed: %v", m.Schema().Features[1])
		}
	}
}

// evaluated runs evaluate and returns its report.
func evaluated(t *testing.T, args ...string) eval.Report {
	t.Helper()
	out, errOut, code := cli(t, append([]string{"evaluate", "--replicates", "40", "-o", "json"}, args...)...)
	if code != exitOK {
		t.Fatalf("evaluate: %s", errOut)
	}
	var r eval.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEvaluateKnowsWhatTheModelHasSeen(t *testing.T) {
	table, mapping := campaignTable(t, 4000)
	model, _ := trained(t, table, mapping, "--test-share", "0.5", "--salt", "2")
	for _, c := range []struct {
		args  []string
		alarm bool
	}{
		{[]string{"--test-share", "0.5", "--salt", "2"}, false},
		{[]string{"--test-share", "0.5", "--salt", "3"}, true},
	} {
		r := evaluated(t, append([]string{"--data", table, "-m", mapping, "--model", model}, c.args...)...)
		if r.Checks[0].Alarm != c.alarm {
			t.Errorf("%v: %s", c.args, r.Checks[0].Words)
		}
		if len(r.Uplift) != 4 || len(r.Policies) != 1 || len(r.Binary) != 1 || len(r.Policies[0].Estimators) != 5 {
			t.Errorf("%v: %d uplifts, %d policies, %d levels", c.args, len(r.Uplift), len(r.Policies), len(r.Binary))
		}
	}
	seen, _ := trained(t, table, mapping)
	if r := evaluated(t, "--data", table, "-m", mapping, "--model", seen); !r.Checks[0].Alarm || !strings.Contains(r.Checks[0].Words, "these very rows") {
		t.Errorf("a model judged on its own rows: %s", r.Checks[0].Words)
	}
}

// What is known only afterwards changes no prediction, nor does the order of
// columns or which levels a table happens to hold.
func TestPredictNeedsNoOutcome(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	model, _ := trained(t, table, mapping)
	predict := func(file string) [][]string {
		out := filepath.Join(t.TempDir(), "p.csv")
		if _, errOut, code := cli(t, "model", "predict", model, "--data", file, "-m", mapping, "--keep", "customer", "--out", out); code != exitOK {
			t.Fatal(errOut)
		}
		return csvFile(t, out)
	}
	whole := predict(table)
	var short [][]string
	for _, r := range csvFile(t, table)[:9] {
		r = r[:slices.Index(csvFile(t, table)[0], "incentive")]
		slices.Reverse(r)
		short = append(short, r)
	}
	var b strings.Builder
	for _, r := range short {
		fmt.Fprintln(&b, strings.Join(r, ","))
	}
	got := predict(writeFile(t, "short.csv", b.String()))
	for i, r := range got {
		if !slices.Equal(r, whole[i]) {
			t.Errorf("line %d: %v, in the whole table %v", i+1, r, whole[i])
		}
	}
	if len(got) != 9 || got[3][1] != "c3" {
		t.Errorf("predictions %v", got)
	}
}

func TestPredictRefusesWhatIsNoNumber(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	model, _ := trained(t, table, mapping)
	data, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	broken := writeFile(t, "broken.csv", strings.Replace(string(data), "\nc1,1,", "\nc1,gold,", 1))
	_, errOut, code := cli(t, "model", "predict", model, "--data", broken, "-m", mapping, "--out", filepath.Join(t.TempDir(), "p.csv"))
	if code != exitFailed || !strings.Contains(errOut, `feature "loyalty" is a number to the model`) {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

// A file of a recipe without what is known only afterwards gives the features
// of the whole file.
func TestRecipesReadUnlabelledTables(t *testing.T) {
	for recipe, c := range map[string]struct {
		file, outcome string
		after         []string // columns known only afterwards
	}{
		recipeHillstrom: {"hillstrom/hillstrom_minethatdata_2008.csv.gz", "outcome: {column: visit, unit: probability}\n", []string{"segment", "visit", "conversion", "spend"}},
		recipeInsurance: {"information_insurance_mail/information_train.csv.gz", "", []string{"TREATMENT", "PURCHASE"}},
		recipeVoucher:   {"dmc2010_voucher/dmc2010_train.csv.gz", "", []string{"target90"}},
	} {
		t.Run(recipe, func(t *testing.T) {
			file := filepath.Join("..", "..", "..", "shared", "data", c.file)
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				t.Skip("data is absent: " + file)
			}
			m, err := readCampaignMapping(writeFile(t, "m.yaml", "apiVersion: rebound/v1\nkind: CampaignMapping\nrecipe: "+recipe+"\n"+c.outcome))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := readCampaign(file, m, nil)
			if err != nil {
				t.Fatal(err)
			}
			records, err := readRecords(file, m.comma())
			if err != nil {
				t.Fatal(err)
			}
			schema := whole.Schema()
			d, err := m.unlabelled(without(records, c.after), m.comma(), &schema)
			if err != nil {
				t.Fatal(err)
			}
			for j, f := range schema.Features {
				if !slices.EqualFunc(d.X[j], whole.X[j], func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
					t.Errorf("feature %s differs", f.Name)
				}
			}
			if d.Rows() != whole.Rows() || len(d.X) < 12 {
				t.Errorf("%d rows of %d features, want %d rows", d.Rows(), len(d.X), whole.Rows())
			}
		})
	}
}

// without leaves columns out of a table.
func without(records [][]string, names []string) [][]string {
	out := make([][]string, len(records))
	for i, r := range records {
		for k, cell := range r {
			if !slices.Contains(names, records[0][k]) {
				out[i] = append(out[i], cell)
			}
		}
	}
	return out
}

type parquetRow struct {
	Age   float64 `parquet:"age"`
	City  string  `parquet:"city"`
	Offer string  `parquet:"offer"`
	Spend float64 `parquet:"spend"`
}

// A Parquet table gives the model the CSV table of the same rows gives.
func TestTrainReadsParquet(t *testing.T) {
	var rows []parquetRow
	text := "age,city,offer,spend\n"
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1200 {
		r := parquetRow{Age: float64(i % 70), City: []string{"north", "south"}[i/3%2], Offer: []string{"none", "gift"}[random.IntN(2)]}
		r.Spend = r.Age / 10
		if r.Offer == "gift" && r.City == "north" {
			r.Spend += 4
		}
		rows = append(rows, r)
		text += fmt.Sprintf("%g,%s,%s,%g\n", r.Age, r.City, r.Offer, r.Spend)
	}
	file := filepath.Join(t.TempDir(), "c.parquet")
	if err := parquet.WriteFile(file, rows); err != nil {
		t.Fatal(err)
	}
	mapping := writeFile(t, "m.yaml", "apiVersion: rebound/v1\nkind: CampaignMapping\noutcome: {column: spend, unit: money}\n"+
		"treatment: {column: offer, control: none, offers: [gift], shares: [1, 1]}\n")
	a, report := trained(t, file, mapping)
	b, _ := trained(t, writeFile(t, "c.parquet.csv", text), mapping)
	one, _, err := openUplift(a)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := openUplift(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][]float64{{30, 0}, {30, 1}} {
		var e, f [1]float64
		one.(*models.Uplift).Effects(x, e[:])
		two.(*models.Uplift).Effects(x, f[:])
		if e != f || !report.Guard.Learned && report.Wrote == writeLearned {
			t.Errorf("effects of %v: %v from Parquet, %v from CSV", x, e, f)
		}
	}
}

// The value of every single arm, over the ten published splits, is that of the
// published table: split, outcome models and estimator are the same.
func TestEvaluateAgreesWithPublishedPolicyValues(t *testing.T) {
	shared := filepath.Join("..", "..", "..", "shared")
	table := filepath.Join(shared, "data", "hillstrom", "hillstrom_minethatdata_2008.csv.gz")
	if _, err := os.Stat(table); errors.Is(err, fs.ErrNotExist) {
		t.Skip("data is absent: ../shared/data/hillstrom")
	}
	m, err := readCampaignMapping(filepath.Join("..", "..", "examples", "campaign", "hillstrom.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := readCampaign(table, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mean [3]float64
	for salt := range uint64(10) {
		train, test := testSplit{share: 0.5, salt: salt}.rows(d)
		j := &judged{data: d.Subset(test)}
		if j.mu, err = outcomesByArm(d, train, test); err != nil {
			t.Fatal(err)
		}
		for k := range mean {
			l, err := j.arms().Everybody(k)
			if err != nil {
				t.Fatal(err)
			}
			v, err := eval.PolicyValue(l, eval.Estimator{Kind: eval.DR})
			if err != nil {
				t.Fatal(err)
			}
			mean[k] += v / 10
		}
	}
	l, err := publishedResults(filepath.Join(shared, "testdata", "reference", "hillstrom_summary.csv"), "visit")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(l.Columns, "pol_dr")
	for _, r := range l.Rows {
		k := slices.Index([]string{"all-None", "all-Mens", "all-Womens"}, r[0])
		if k < 0 {
			continue
		}
		want, err := strconv.ParseFloat(r[at], 64)
		if err != nil || math.Abs(mean[k]-want) > 6e-5 {
			t.Errorf("%s: %.6f, published %s", r[0], mean[k], r[at])
		}
	}
}
