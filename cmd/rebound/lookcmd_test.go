package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// TestProfileJournalBudget follows one customer through the verbs that look, and erases her.
func TestProfileJournalBudget(t *testing.T) {
	s := newShop(t, shopTable)
	must(t, s.args()...)
	must(t, "policy", "activate", "testdata/crash", "--store", s.store)
	d, offers := decider{s.store}, 0
	for i := range 5 {
		if d.decided(t, returnRequest(t, fmt.Sprint("r", i), `"scope": "us.8", `, "")).GetOutcome() == pb.Outcome_OUTCOME_OFFER {
			offers++
		}
	}
	if offers != 3 {
		t.Fatalf("%d offers under a cap of 3", offers)
	}
	on := func(args ...string) []string { return append(args, "--store", s.store) }

	profile := &pb.Profile{}
	if err := protojson.Unmarshal([]byte(must(t, on("profile", "get", "shop:anna", "-o", "json")...)), profile); err != nil {
		t.Fatal(err)
	}
	if n := number(t, profile, "customer.purchases_lifetime"); n != 1 {
		t.Errorf("%v purchases", n)
	}
	if table := must(t, on("profile", "get", "shop:anna")...); !strings.Contains(squeeze(table), "customer.purchases_lifetime 1 count personal") || !strings.Contains(table, "security") {
		t.Errorf("profile:\n%s", table)
	}
	queries(t, on)
	budgets := must(t, on("budget")...)
	if !strings.Contains(squeeze(budgets), "year company fixed 2026-01-01 1000000.00 USD 15.00 USD 0.00 USD") {
		t.Errorf("budget:\n%s", budgets)
	}
	if out := must(t, on("budget", "--scope", "eu", "-o", "json")...); strings.Contains(out, "year") {
		t.Errorf("budget of another scope:\n%s", out)
	}
	export := must(t, on("profile", "export", "shop:anna")...)
	for i, line := range lines(export) {
		if !json.Valid([]byte(line)) {
			t.Errorf("export, line %d is no JSON: %s", i+1, line)
		}
	}
	if strings.Count(export, "shirt") < 2 || len(lines(export)) < 7 {
		t.Errorf("the export is not everything:\n%s", export)
	}

	refused(t, exitUsage, []string{"--yes"}, on("profile", "erase", "shop:anna")...)
	if len(holding(t, s.store, "anna")) == 0 || len(holding(t, s.store, "socks")) == 0 {
		t.Error("the log does not tell of her in the clear: look for something else")
	}
	must(t, on("profile", "erase", "shop:anna", "--yes")...)
	if files := append(holding(t, s.store, "anna"), holding(t, s.store, "socks")...); len(files) > 0 {
		t.Errorf("files tell of her: %q", files)
	}
	refused(t, exitFailed, []string{"NotFound"}, on("profile", "get", "shop:anna")...)
	if got := must(t, on("journal", "query", "--customer", "shop:anna", "-o", "json")...); strings.Contains(got, "decision_id") {
		t.Errorf("her decisions are still there:\n%s", got)
	}
	must(t, on("profile", "get", "shop:bert")...)
	if r := checked(t, s.store); len(r.Problems) > 0 || r.Erased == 0 {
		t.Errorf("check: %+v", r)
	}
	if out := must(t, on("budget")...); out != budgets {
		t.Errorf("erasure changed the budget:\n%s\n%s", budgets, out)
	}
}

// TestProfileBeforePolicies: events make profiles, in the currency they are in, and nothing warns of policies that are not needed.
func TestProfileBeforePolicies(t *testing.T) {
	s := newShop(t, shopTable)
	putFile(t, s.mapping, strings.Replace(shopMapping, "currency: USD", "currency: EUR", 1))
	for _, c := range []struct {
		args []string
		want string
	}{
		{s.args(), "recorded 3"},
		{[]string{"profile", "get", "shop:anna", "--store", s.store}, "customer.spend_lifetime 44.98 money personal"},
	} {
		out, errOut, code := cli(t, c.args...)
		if code != exitOK || errOut != "" || !strings.Contains(squeeze(out), c.want) {
			t.Errorf("%q: exit %d, lacks %q\n%s%s", c.args, code, c.want, out, errOut)
		}
	}
}

// queries asks for 5 decisions of one customer, 3 of them offers.
func queries(t *testing.T, on func(...string) []string) {
	t.Helper()
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"all":               {nil, 5},
		"offers":            {[]string{"--outcome", "offer"}, 3},
		"no offers":         {[]string{"--outcome", "NO_OFFER"}, 2},
		"limit":             {[]string{"--limit", "2"}, 2},
		"every one":         {[]string{"--limit", "0"}, 5},
		"customer":          {[]string{"--customer", "shop:anna"}, 5},
		"another customer":  {[]string{"--customer", "shop:bert"}, 0},
		"since":             {[]string{"--from", "2026-01-01"}, 5},
		"until then":        {[]string{"--until", "2026-01-01T00:00:00Z"}, 0},
		"scope nobody uses": {[]string{"--scope", "eu"}, 0},
	} {
		got := decoded[struct {
			Entries []json.RawMessage `json:"entries"`
		}](t, on(append([]string{"journal", "query"}, c.args...)...)...)
		if len(got.Entries) != c.want {
			t.Errorf("journal query, %s: %d entries, want %d", name, len(got.Entries), c.want)
		}
	}
	newest, oldest := lines(must(t, on("journal", "query", "--limit", "5")...)), lines(must(t, on("journal", "query", "--oldest-first")...))
	if len(newest) != 6 || len(oldest) != 6 || newest[1] != oldest[5] || newest[5] != oldest[1] {
		t.Errorf("newest first: %q\noldest first: %q", newest, oldest)
	}
	refused(t, exitUsage, []string{"--outcome", "HOLDOUT"}, on("journal", "query", "--outcome", "maybe")...)
	refused(t, exitUsage, []string{"--from", "RFC 3339"}, on("journal", "query", "--from", "tomorrow")...)
	refused(t, exitUsage, []string{"NAMESPACE:VALUE"}, on("journal", "query", "--customer", "anna")...)
}

// TestJournalQueryPages: a query larger than a page of the API is answered whole.
func TestJournalQueryPages(t *testing.T) {
	d := newDecider(t)
	cfg := configOf(d.store)
	session, err := openSession(t.Context(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	const n = 7
	for i := range n {
		req := &pb.DecideRequest{}
		if err := protojson.Unmarshal([]byte(returnRequest(t, fmt.Sprint("r", i), "", "")), req); err != nil {
			t.Fatal(err)
		}
		if _, err := session.Decisions.Decide(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for token, pages := "", 0; ; pages++ {
		page, err := session.Journal.QueryDecisions(t.Context(), &pb.QueryDecisionsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.GetEntries() {
			seen[e.GetDecision().GetDecisionId()] = true
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
		if pages > n {
			t.Fatal("pages without end")
		}
	}
	entries, err := queryDecisions(t.Context(), session.Journal, nil, false, n-1)
	if len(seen) != n || len(entries) != n-1 || err != nil {
		t.Errorf("%d decisions by pages, %d by limit, %v", len(seen), len(entries), err)
	}
}

// TestJournalTail prints what a running server logs, from a position on, until it is told to stop.
func TestJournalTail(t *testing.T) {
	d := newDecider(t)
	addr := serve(t, nil, "--store", d.store).addr
	tail := subprocess(t, "journal", "tail", "--addr", addr, "--after", "1")
	out, err := tail.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 3 {
		text, errOut, code := piped(t, returnRequest(t, fmt.Sprint("r", i), "", ""), "decide", "--addr", addr, "-o", "json")
		m := &pb.DecideResponse{}
		if err := protojson.Unmarshal([]byte(text), m); err != nil || code != exitOK {
			t.Fatalf("exit %d: %v %s", code, err, errOut)
		}
		want = append(want, m.GetDecisionId())
	}
	d2 := json.NewDecoder(out)
	for i, id := range want {
		var e struct {
			Decision struct {
				ID string `json:"decision_id"`
			} `json:"decision"`
		}
		if err := d2.Decode(&e); err != nil || e.Decision.ID != id {
			t.Errorf("line %d: %q, want %q, %v", i+1, e.Decision.ID, id, err)
		}
	}
	time.AfterFunc(0, func() { tail.Process.Signal(interrupt) }) //nolint:errcheck // Wait tells
	var rest bytes.Buffer
	if _, err := rest.ReadFrom(out); err != nil || rest.Len() > 0 {
		t.Errorf("%v, more than was logged: %s", err, rest.String())
	}
	if err := tail.Wait(); err != nil {
		t.Errorf("tail ends with %v", err)
	}
}
