package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateGolden = flag.Bool("update-golden", false, "rewrite the golden files")

const goodBundle, brokenBundle = "testdata/policies/good", "testdata/policies/broken"

// cli runs the command line and returns what it wrote and its exit code.
func cli(t testing.TB, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

// edited is the good bundle with one text replaced in one file.
func edited(t testing.TB, file, from, to string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(goodBundle)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.FromSlash(file))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%s does not hold %q", file, from)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(from), []byte(to), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeFile writes a file of its own directory.
func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sharedPolicies is the example bundle beside the repository.
func sharedPolicies(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "examples", "policies")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no example policies: %v", err)
	}
	return dir
}

func TestPolicyCheckIsSilentWhenGood(t *testing.T) {
	for name, args := range map[string][]string{
		"one":                     {goodBundle},
		"two":                     {goodBundle, goodBundle},
		"a pattern with a README": {goodBundle, writeFile(t, "README.md", "read me")},
		"shared":                  {sharedPolicies(t)},
	} {
		if out, errOut, code := cli(t, append([]string{"policy", "check"}, args...)...); out+errOut != "" || code != exitOK {
			t.Errorf("%s: exit %d, %s%s", name, code, out, errOut)
		}
	}
}

// TestPolicyCheckGolden shows all problems of a broken bundle in one run.
func TestPolicyCheckGolden(t *testing.T) {
	out, _, code := cli(t, "policy", "check", brokenBundle)
	if code != exitCompile {
		t.Errorf("exit %d", code)
	}
	golden(t, "testdata/policies/broken.golden", out)
}

// TestPolicyCheckModelGolden is the golden of RB6001, which needs the models.
func TestPolicyCheckModelGolden(t *testing.T) {
	dir := withBadModel(t)
	out, _, code := cli(t, "policy", "check", dir)
	if code != exitCompile {
		t.Errorf("exit %d", code)
	}
	golden(t, "testdata/policies/RB6001.golden", strings.ReplaceAll(out, filepath.ToSlash(dir), "DIR"))
}

func golden(t *testing.T, name, out string) {
	t.Helper()
	if *updateGolden {
		if err := os.WriteFile(name, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if out != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// TestPolicyCheckFormats finds the same problems in every format.
func TestPolicyCheckFormats(t *testing.T) {
	const problems = 11
	out, _, code := cli(t, "policy", "check", "-o", "json", brokenBundle)
	var list []struct{ Code, File string }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != exitCompile || len(list) != problems {
		t.Errorf("json: exit %d, %d problems, %v", code, len(list), err)
	}
	for _, x := range list {
		if !strings.HasPrefix(x.File, brokenBundle+"/") || !strings.HasPrefix(x.Code, "RB") {
			t.Errorf("json: %+v", x)
		}
	}
	out, _, code = cli(t, "policy", "check", "-o", "sarif", brokenBundle)
	var sarif struct {
		Runs []struct{ Results []struct{ RuleID string } }
	}
	if err := json.Unmarshal([]byte(out), &sarif); err != nil || code != exitCompile || len(sarif.Runs[0].Results) != problems {
		t.Errorf("sarif: exit %d, %v", code, err)
	}
	out, _, code = cli(t, "policy", "check", "-o", "github", brokenBundle)
	if n := strings.Count(out, "::error file="+brokenBundle); code != exitCompile || n != problems {
		t.Errorf("github: exit %d, %d problems", code, n)
	}
	if out, _, code := cli(t, "policy", "check", "-o", "json", goodBundle); code != exitOK || out != "[]\n" {
		t.Errorf("json of a good bundle: exit %d, %q", code, out)
	}
}

func TestPolicyCheckFindsSuitesAndModels(t *testing.T) {
	for name, dir := range map[string]string{
		"RB2002": edited(t, "company.yaml", "customer.abuse_score", "customer.abuse_scor"),
		"RB1007": edited(t, "tests/company_test.yaml", "expect: {offer: none", "expect: {ofer: none"),
		"RB6001": withBadModel(t),
	} {
		out, _, code := cli(t, "policy", "check", dir)
		if code != exitCompile || !strings.Contains(out, name) || !strings.Contains(out, dir) {
			t.Errorf("%s: exit %d, %s", name, code, out)
		}
	}
}

func withBadModel(t *testing.T) string {
	dir := edited(t, "company.yaml", "{without: 0.10, prior: {half: {lift: 0.50, sd: 0.01}, tiny: {lift: 0.20, sd: 0.02}}}", "{file: models/purchase.rbm}")
	if err := os.Mkdir(filepath.Join(dir, "models"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "models", "purchase.rbm"), []byte("no model"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPolicyUsageErrors(t *testing.T) {
	yaml := goodBundle + "/company.yaml"
	for _, tc := range []struct {
		name, want string
		args       []string
	}{
		{"no directory", "requires at least 1 arg", []string{"check"}},
		{"missing directory", "no such file", []string{"check", "testdata/nowhere"}},
		{"a file", "is a file", []string{"check", yaml}},
		{"a YAML file among others", "is a file", []string{"check", goodBundle, yaml}},
		{"format", "table, json, sarif, github", []string{"check", "-o", "yaml", goodBundle}},
		{"format of others", "table, json, yaml", []string{"test", "-o", "sarif", goodBundle}},
		{"filter", "--filter", []string{"test", "--filter", "(", goodBundle}},
		{"min", "0 to 100", []string{"test", "--min", "101", goodBundle}},
		{"unknown flag", "--nonsense", []string{"test", "--nonsense", goodBundle}},
		{"voice", "engineer, merchandiser or associate", []string{"explain", goodBundle, "--voice", "boss"}},
		{"explain nothing", "--case", []string{"explain", goodBundle}},
		{"explain without a bundle", "bundle directory", []string{"explain"}},
		{"unknown case", "shoes/abuse gets nothing", []string{"explain", goodBundle, "--case", "nothing"}},
		{"case and request", "not both", []string{"explain", goodBundle, "--case", "abuse gets nothing", "--request", yaml}},
		{"bad request", "company.yaml", []string{"explain", goodBundle, "--request", yaml}},
		{"two directories and a server", "not both", []string{"effective", "--addr", "127.0.0.1:1", goodBundle, "us"}},
		{"diff of one", "accepts 2 arg", []string{"diff", goodBundle}},
		{"schema", "invalid argument", []string{"schema", "poem"}},
		{"sign without a key", "--key is needed", []string{"sign", goodBundle}},
		{"verify with a bad key", "public keys", []string{"verify", "--trust", yaml, goodBundle}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errOut, code := cli(t, append([]string{"policy"}, tc.args...)...)
			if code != exitUsage || !strings.Contains(errOut, tc.want) || out != "" {
				t.Errorf("exit %d, want %q in %s%s", code, tc.want, errOut, out)
			}
		})
	}
}

func TestPolicyTest(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "junit.xml")
	failing := edited(t, "tests/company_test.yaml", "expect: {offer: half", "expect: {offer: tiny")
	for _, tc := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"good", []string{goodBundle}, exitOK, []string{"ok   abuse gets nothing", "3 cases, 0 failed"}},
		{"covered", []string{"--coverage", "--min", "90", goodBundle}, exitOK, []string{"never false: decision.used_personal_data", "90.9 %"}},
		{"not covered", []string{"--min", "95", goodBundle}, exitTests, []string{"coverage of 90.9 % is below 95 %"}},
		{"filtered", []string{"--filter", "shoes/abuse", goodBundle}, exitOK, []string{"1 cases, 0 failed"}},
		{"filtered to nothing", []string{"--filter", "nothing at all", goodBundle}, exitTests, []string{"no case matches"}},
		{"failing", []string{"--junit", junit, failing, goodBundle}, exitTests,
			[]string{"FAIL the large offer pays", "company_test.yaml:17:21: offer: expected tiny, got half", "half: score", "1 of 3 cases failed"}},
		{"journal", []string{edited(t, "tests/company_test.yaml", "{offer: half, disclosures: [ny]}", "{offer: half, journal: {asigned: half, assigned: half, best: none, propensity: 0.5}}")}, exitTests,
			[]string{"no field asigned; it has assigned, best,", "journal: expected best = none, got half", "journal: expected propensity = 0.5, got 1"}},
		{"broken", []string{brokenBundle}, exitCompile, []string{"RB2002", "does not compile"}},
		{"json", []string{"-o", "json", failing}, exitTests, []string{`"failed": 1`, `"message": "offer: expected tiny, got half"`}},
		{"shared", []string{"--coverage", sharedPolicies(t)}, exitOK, []string{"10 cases, 0 failed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errOut, code := cli(t, append([]string{"policy", "test"}, tc.args...)...)
			if code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(out+errOut, want) {
					t.Errorf("lacks %q:\n%s%s", want, out, errOut)
				}
			}
		})
	}
	data, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var x struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(data, &x); err != nil || len(x.Suites) != 2 || x.Suites[0].Failures != 1 || x.Suites[1].Failures != 0 || x.Suites[1].Tests != 3 {
		t.Errorf("JUnit %+v, %v", x, err)
	}
}

func TestPolicyTestWithoutTests(t *testing.T) {
	dir := edited(t, "company.yaml", "shoes", "shoes")
	if err := os.RemoveAll(filepath.Join(dir, "tests")); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := cli(t, "policy", "test", dir); code != exitTests || !strings.Contains(errOut, "there are no tests") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

func TestPolicyTestUpdates(t *testing.T) {
	dir := edited(t, "tests/company_test.yaml", "expect: {offer: half", "expect: {offer: tiny")
	if out, errOut, code := cli(t, "policy", "test", "--update", dir); code != exitOK {
		t.Fatalf("exit %d, %s%s", code, out, errOut)
	}
	for _, name := range []string{"company.yaml", "tests/company_test.yaml"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(goodBundle, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is now\n%s", name, got)
		}
	}
}

func TestPolicyExplain(t *testing.T) {
	request := writeFile(t, "request.json", `{"scope": "7", "jurisdiction": "US-NY", "consent": true, "now": "2026-10-05T15:00:00Z",
		"customer": {"abuse_score": 0.1}, "return": {"refund_value": 80}, "basket": 80}`)
	risky := writeFile(t, "risky.json", `{"abuse_score": 0.95}`)
	for _, tc := range []struct {
		name      string
		args      []string
		want, not []string
	}{
		{"merchandiser", []string{"--case", "the large offer pays"}, []string{"The customer gets half", "goal margin", "may cost 5.00 USD at most"}, []string{"p_choice"}},
		{"engineer", []string{"--voice", "engineer", "--case", "shoes/abuse gets nothing"},
			[]string{"No offer: every one was refused", `scopes: "" -> "us"`, "refuses     constraint abuse-risk (company.yaml:32:12)", "customer.abuse_score = 0.9", "p_choice"}, nil},
		{"associate", []string{"--voice", "associate", "--case", "the large offer pays"}, []string{"Offer half", "Tell the customer: SET BY AN ALGORITHM."}, []string{"%", "score", "abuse", "margin"}},
		{"associate of a refusal", []string{"--voice", "associate", "--case", "abuse gets nothing"}, []string{"no offer for this return today"}, []string{"abuse", "score", "ABUSE_RISK"}},
		{"request", []string{"--request", request}, []string{"The customer gets tiny", "as the policy assumes", `half was refused (OFFER_DISABLED)`}, nil},
		{"request elsewhere", []string{"--request", request, "--scope", "us.8"}, []string{"The customer gets half"}, nil},
		{"request of another customer", []string{"--request", request, "--customer", risky}, []string{"ABUSE_RISK"}, nil},
		{"yaml", []string{"-o", "yaml", "--case", "the large offer pays"}, []string{"offer: half", "outcome: OFFER", "text:"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errOut, code := cli(t, append([]string{"policy", "explain", goodBundle}, tc.args...)...)
			if code != exitOK {
				t.Fatalf("exit %d, %s", code, errOut)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(out, not) {
					t.Errorf("says %q:\n%s", not, out)
				}
			}
		})
	}
}

func TestPolicyExplainRefusesBadRequests(t *testing.T) {
	for _, tc := range []struct{ name, request, want string }{
		{"unknown key", `{"scop": "us", "basket": 80}`, `unknown field "scop"`},
		{"no basket", `{"scope": "us"}`, "give basket"},
		{"unknown variable", `{"basket": 80, "customer": {"abuse_scor": 0.1}}`, "customer.abuse_scor"},
		{"object for a value", `{"basket": 80, "customer": {"abuse_score": {}}}`, "customer.abuse_score is"},
		{"mixed list", `{"basket": 80, "customer": {"top_categories": ["a", 1]}}`, "customer.top_categories holds 1"},
		{"channel", `{"basket": 80, "channel": "FAX"}`, "FAX"},
		{"two values", `{"basket": 80} {}`, "more after"},
		{"no JSON", `basket: 80`, "invalid character"},
	} {
		_, errOut, code := cli(t, "policy", "explain", goodBundle, "--request", writeFile(t, "r.json", tc.request))
		if code != exitUsage || !strings.Contains(errOut, tc.want) {
			t.Errorf("%s: exit %d, want %q in %s", tc.name, code, tc.want, errOut)
		}
	}
}

func TestPolicyEffective(t *testing.T) {
	out, _, code := cli(t, "policy", "effective", goodBundle, "us.7")
	for _, want := range []string{"max_percent_off: 0.2 ", "# us, regions/us.yaml:5", "half: disabled ", "# us.7, stores/us.7.yaml:5", "max_liability: 40.00 USD"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, lacks %q:\n%s", code, want, out)
		}
	}
	out, errOut, code := cli(t, "policy", "effective", goodBundle, "us.99", "-o", "json")
	var e effectivePolicy
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != exitOK || !e.Fallback || !strings.Contains(errOut, `nearest ancestor, "us"`) {
		t.Errorf("exit %d, %v, %+v, %s", code, err, e.Chain, errOut)
	}
	if _, errOut, code := cli(t, "policy", "effective", brokenBundle, "us"); code != exitCompile || !strings.Contains(errOut, "RB3001") && !strings.Contains(errOut, "RB2002") {
		t.Errorf("broken: exit %d, %s", code, errOut)
	}
}

func TestPolicyDiff(t *testing.T) {
	tighter := edited(t, "regions/us.yaml", "0.20", "0.15")
	out, _, code := cli(t, "policy", "diff", goodBundle, tighter)
	if code != exitOK || !strings.Contains(out, "0.15") || !strings.Contains(out, "us.7") || strings.Contains(out, "the company") {
		t.Errorf("exit %d\n%s", code, out)
	}
	hoped := edited(t, "company.yaml", "lift: 0.50", "lift: 0.70")
	if out, _, code := cli(t, "policy", "diff", goodBundle, hoped); code != exitOK || !strings.Contains(out, "from 0.5, sd 0.01 to 0.7") {
		t.Errorf("assumed lift: exit %d\n%s", code, out)
	}
	if out, _, code := cli(t, "policy", "diff", goodBundle, goodBundle); code != exitOK || out != "no policy changes\n" {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestPolicyFmt(t *testing.T) {
	if out, _, code := cli(t, "policy", "fmt", "--check", goodBundle); code != exitOK || out != "" {
		t.Errorf("the good bundle is not in the layout: exit %d, %s", code, out)
	}
	dir := edited(t, "regions/us.yaml", "  bounds:", "      bounds:   ")
	file := filepath.Join(dir, "regions", "us.yaml")
	if out, _, code := cli(t, "policy", "fmt", "--check", dir); code != exitFailed || out != file+"\n" {
		t.Errorf("check: exit %d, %s", code, out)
	}
	if out, _, code := cli(t, "policy", "fmt", dir); code != exitOK || out != file+"\n" {
		t.Errorf("exit %d, %s", code, out)
	}
	if out, errOut, code := cli(t, "policy", "fmt", "--check", dir); code != exitOK {
		t.Errorf("after formatting: exit %d, %s%s", code, out, errOut)
	}
	if _, errOut, code := cli(t, "policy", "fmt", writeFile(t, "x.yaml", "a: [")); code != exitCompile || !strings.Contains(errOut, "RB1001") {
		t.Errorf("not YAML: exit %d, %s", code, errOut)
	}
}

func TestPolicySchema(t *testing.T) {
	for _, kind := range []string{"policy", "reference", "suite"} {
		out, _, code := cli(t, "policy", "schema", kind)
		var schema map[string]any
		if err := json.Unmarshal([]byte(out), &schema); err != nil || code != exitOK || schema["$schema"] == nil {
			t.Errorf("%s: exit %d, %v", kind, code, err)
		}
	}
}

func TestPolicySignAndVerify(t *testing.T) {
	dir, key := edited(t, "company.yaml", "shoes", "shoes"), filepath.Join(t.TempDir(), "pricing")
	steps := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"keygen", key}, exitOK, ""},
		{[]string{"keygen", key}, exitUsage, "choose another name"},
		{[]string{"verify", "--trust", key + ".pub", dir}, exitFailed, "not signed"},
		{[]string{"sign", "--key", key + ".key", dir}, exitOK, ""},
		{[]string{"verify", "--trust", key + ".pub", dir}, exitOK, ""},
		{[]string{"check", dir}, exitOK, ""},
		{[]string{"sign", "--key", key + ".key", brokenBundle}, exitCompile, "does not compile"},
	}
	for _, s := range steps {
		if _, errOut, code := cli(t, append([]string{"policy"}, s.args...)...); code != s.code || !strings.Contains(errOut, s.want) {
			t.Fatalf("%v: exit %d, %s", s.args, code, errOut)
		}
	}
	if info, err := os.Stat(key + ".key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("private key: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "regions", "us.yaml"), []byte("kind: GoalPolicy\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := cli(t, "policy", "verify", "--trust", key+".pub", dir); code != exitFailed || !strings.Contains(errOut, "does not match") {
		t.Errorf("changed after signing: exit %d, %s", code, errOut)
	}
}

// TestPolicyOnAStore activates, decides, explains and rolls back through the command line.
func TestPolicyOnAStore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	on := func(args ...string) (string, string, int) {
		t.Helper()
		return cli(t, append(args, "--store", folder)...)
	}
	must := func(want string, args ...string) string {
		t.Helper()
		out, errOut, code := on(args...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Fatalf("%v: exit %d, want %q in\n%s%s", args, code, want, out, errOut)
		}
		return out
	}
	if _, errOut, code := on("policy", "status"); code == exitOK || !strings.Contains(errOut, "NO_BUNDLE") && !strings.Contains(errOut, "no bundle") {
		t.Errorf("status of an empty store: exit %d, %s", code, errOut)
	}
	must("API", "policy", "activate", goodBundle, "--request-id", "first")
	must("LOG", "policy", "status")
	must("max_percent_off: 0.2 ", "policy", "effective", "us.7")
	must("API", "policy", "activate", edited(t, "regions/us.yaml", "0.20", "0.15"))
	must("max_percent_off: 0.15 ", "policy", "effective", "us.7")
	if _, errOut, code := on("policy", "activate", goodBundle, "--expect", "beef"); code == exitOK || !strings.Contains(errOut, "STALE") {
		t.Errorf("stale: exit %d, %s", code, errOut)
	}
	if _, errOut, code := on("policy", "activate", withBadModel(t)); code != exitCompile || !strings.Contains(errOut, "RB6001") {
		t.Errorf("bad model: exit %d, %s", code, errOut)
	}
	must("ROLLBACK", "policy", "rollback")
	must("max_percent_off: 0.2 ", "policy", "effective", "us.7")

	request := writeFile(t, "decide.json", `{"requestId": "r1", "customerIds": [{"namespace": "loyalty", "value": "anna"}], "consent": "CONSENT_GRANTED",
		"scope": "us.8", "channel": "CHANNEL_STORE", "phase": "PHASE_REFUNDED", "explain": "EXPLAIN_FULL",
		"itemReturn": {"returnId": "ret-1", "orderId": "o-1", "authorization": "AUTHORIZATION_APPROVED", "refund": {"currencyCode": "USD", "minorUnits": "8000"},
		"lines": [{"sku": "s1", "category": "shoes", "quantity": 1, "paidMinorUnits": "8000", "reason": "SIZE"}]}}`)
	var decided struct {
		ID string `json:"decision_id"`
	}
	if err := json.Unmarshal([]byte(must("decision_id", "decide", "-f", request, "-o", "json")), &decided); err != nil {
		t.Fatal(err)
	}
	must("The customer gets", "policy", "explain", "--decision", decided.ID)
	must("p_choice", "policy", "explain", "--decision", decided.ID, "--voice", "engineer")
	if out := must("Offer ", "policy", "explain", "--decision", decided.ID, "--voice", "associate"); strings.Contains(out, "score") {
		t.Errorf("the associate learns too much:\n%s", out)
	}
	if _, errOut, code := on("policy", "explain", "--decision", "unknown"); code == exitOK || !strings.Contains(errOut, "unknown") {
		t.Errorf("unknown decision: exit %d, %s", code, errOut)
	}
}
