package main

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// returnRequest is a request of `rebound decide`, with one text replaced.
func returnRequest(t testing.TB, id, from, to string) string {
	t.Helper()
	text := fmt.Sprintf(`{"requestId": %q, "customerIds": [{"namespace": "shop", "value": "anna"}], "consent": "CONSENT_GRANTED",
"scope": "us.8", "channel": "CHANNEL_STORE", "phase": "PHASE_REFUNDED",
"itemReturn": {"returnId": "return-of-%s", "orderId": "order-of-%s", "authorization": "AUTHORIZATION_APPROVED",
"refund": {"currencyCode": "USD", "minorUnits": "8000"},
"lines": [{"sku": "s1", "category": "shoes", "quantity": 1, "paidMinorUnits": "8000", "reason": "SIZE"}]}}`, id, id, id)
	if !strings.Contains(text, from) {
		t.Fatalf("no %q in the request", from)
	}
	return strings.Replace(text, from, to, 1)
}

// decider is a store with policies, opened again for every call as a user does.
type decider struct{ store string }

func newDecider(t testing.TB) decider {
	t.Helper()
	d := decider{newStore(t)}
	must(t, "policy", "activate", goodBundle, "--store", d.store)
	return d
}

func (d decider) decide(t testing.TB, request string, args ...string) (out, errOut string, code int) {
	t.Helper()
	return piped(t, request, append([]string{"decide", "--store", d.store}, args...)...)
}

func (d decider) decided(t testing.TB, request string) *pb.DecideResponse {
	t.Helper()
	out, errOut, code := d.decide(t, request, "-o", "json")
	m := &pb.DecideResponse{}
	if err := protojson.Unmarshal([]byte(out), m); err != nil || code != exitOK {
		t.Fatalf("exit %d: %v\n%s%s", code, err, out, errOut)
	}
	return m
}

func TestDecideFormats(t *testing.T) {
	d := newDecider(t)
	request := returnRequest(t, "r1", "us.8", "us.7")
	first := d.decided(t, request)
	if first.GetOutcome() != pb.Outcome_OUTCOME_OFFER || first.GetOffer().GetOfferId() != "tiny" || first.GetOffer().GetCeiling().GetMinorUnits() != 100 {
		t.Errorf("%v", first)
	}
	table, _, code := d.decide(t, request)
	for _, want := range []string{"decision " + first.GetDecisionId(), "outcome OFFER", "offer tiny (amount_off), at most 1.00 USD", "none 0.000", "half - ", "DISABLED"} {
		if code != exitOK || !strings.Contains(squeeze(table), want) {
			t.Errorf("exit %d, the table lacks %q:\n%s", code, want, table)
		}
	}
	text, _, code := d.decide(t, request, "-o", "yaml")
	if code != exitOK || !strings.Contains(text, "decision_id: "+first.GetDecisionId()) {
		t.Errorf("exit %d, yaml:\n%s", code, text)
	}
}

func TestDecideRefusesWhatIsNoRequest(t *testing.T) {
	d := newDecider(t)
	for name, c := range map[string]struct{ in, want string }{
		"no JSON":            {"decide!", "syntax error"},
		"cut short":          {returnRequest(t, "r", "}}", ""), ""},
		"unknown field":      {`{"requestIdd": "r"}`, `unknown field "requestIdd"`},
		"unknown enum":       {returnRequest(t, "r", "CHANNEL_STORE", "CHANNEL_FAX"), "CHANNEL_FAX"},
		"fraction for money": {returnRequest(t, "r", `"minorUnits": "8000"`, `"minorUnits": 80.005`), "80.005"},
		"NaN for money":      {returnRequest(t, "r", `"minorUnits": "8000"`, `"minorUnits": "NaN"`), "NaN"},
		"infinite money":     {returnRequest(t, "r", `"minorUnits": "8000"`, `"minorUnits": 1e400`), "1e400"},
		"invalid UTF-8":      {returnRequest(t, "r", `"sku": "s1"`, "\"sku\": \"\xff\""), "UTF-8"},
		"two requests":       {returnRequest(t, "r", "", "") + returnRequest(t, "q", "", ""), ""},
	} {
		if _, errOut, code := d.decide(t, c.in); code != exitUsage || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: exit %d, want %q in %s", name, code, c.want, errOut)
		}
	}
	refused(t, exitFailed, []string{"absent.json"}, "decide", "--store", d.store, "-f", "absent.json")
}

// TestDecideNamesTheBadField: INVALID_ARGUMENT with the field, and nothing is logged.
func TestDecideNamesTheBadField(t *testing.T) {
	d := newDecider(t)
	before := checked(t, d.store).Entries
	for name, c := range map[string]struct{ from, to, field string }{
		"no request id":       {`"requestId": "r"`, `"requestId": ""`, "request_id"},
		"no channel":          {"CHANNEL_STORE", "CHANNEL_UNSPECIFIED", "channel"},
		"no phase":            {"PHASE_REFUNDED", "PHASE_UNSPECIFIED", "phase"},
		"negative quantity":   {`"quantity": 1`, `"quantity": -1`, "item_return.lines[0].quantity"},
		"no quantity":         {`"quantity": 1,`, "", "item_return.lines[0].quantity"},
		"negative paid":       {`"paidMinorUnits": "8000"`, `"paidMinorUnits": "-1"`, "item_return.lines[0].paid"},
		"negative refund":     {`"minorUnits": "8000"`, `"minorUnits": "-8000"`, "item_return.refund"},
		"more than money":     {`"minorUnits": "8000"`, `"minorUnits": "9000000000000000000"`, "item_return.refund"},
		"megabyte sku":        {`"sku": "s1"`, `"sku": "` + strings.Repeat("x", 1<<20) + `"`, "item_return.lines[0].sku"},
		"megabyte customer":   {`"anna"`, `"` + strings.Repeat("x", 1<<20) + `"`, "customer_ids[0].value"},
		"megabyte scope":      {"us.8", strings.Repeat("x", 1<<20), "scope"},
		"NUL":                 {`"anna"`, `"an\u0000na"`, "customer_ids[0].value"},
		"two customers":       {`{"namespace": "shop"`, `{"namespace": "card", "value": "9"}, {"namespace": "shop"`, "customer_ids"},
		"customer of nowhere": {`"namespace": "shop"`, `"namespace": ""`, "customer_ids[0].namespace"},
		"as_of, wall clock":   {`"scope"`, `"asOf": "2026-01-01T00:00:00Z", "scope"`, "as_of"},
	} {
		_, errOut, code := d.decide(t, returnRequest(t, "r", c.from, c.to))
		if code != exitFailed || !strings.Contains(errOut, "InvalidArgument: INVALID_FIELD: ") || !strings.Contains(errOut, c.field) || len(errOut) > 4<<10 {
			t.Errorf("%s: exit %d, want field %q in %.300s", name, code, c.field, errOut)
		}
	}
	request := returnRequest(t, "r", `"itemReturn"`, `"dryRun": true}`)
	if _, errOut, code := d.decide(t, request[:strings.Index(request, "true}")+len("true}")]); code != exitFailed || !strings.Contains(errOut, "INVALID_FIELD: item_return") {
		t.Errorf("no return: exit %d, %s", code, errOut)
	}
	if after := checked(t, d.store); after.Entries != before || len(after.Problems) > 0 {
		t.Errorf("%d entries, before %d, problems %v", after.Entries, before, after.Problems)
	}
}

func TestDecideRefusals(t *testing.T) {
	d := newDecider(t)
	first := d.decided(t, returnRequest(t, "r1", "", ""))
	again := d.decided(t, returnRequest(t, "r1", "", ""))
	if first.GetDecisionId() == "" || first.GetDecisionId() != again.GetDecisionId() || first.GetOffer().GetToken() != again.GetOffer().GetToken() {
		t.Errorf("the same request twice: %v, %v", first, again)
	}
	for name, c := range map[string]struct{ id, from, to, want string }{
		"request id reused": {"r1", `"quantity": 1`, `"quantity": 2`, "REQUEST_ID_REUSED"},
		"other currency":    {"r2", `"currencyCode": "USD"`, `"currencyCode": "EUR"`, "CURRENCY_MISMATCH"},
		"unknown currency":  {"r3", `"currencyCode": "USD"`, `"currencyCode": "usd"`, "CURRENCY_MISMATCH"},
	} {
		if _, errOut, code := d.decide(t, returnRequest(t, c.id, c.from, c.to)); code != exitFailed || !strings.Contains(errOut, "InvalidArgument: "+c.want) {
			t.Errorf("%s: exit %d, %s", name, code, errOut)
		}
	}
}

// TestDecideWithoutKnowingWho: a return without a customer is decided on what it says itself.
func TestDecideWithoutKnowingWho(t *testing.T) {
	d := newDecider(t)
	request := returnRequest(t, "r1", `"customerIds": [{"namespace": "shop", "value": "anna"}], `, "")
	got := d.decided(t, request)
	if got.GetDecisionId() == "" || got.GetOutcome() == pb.Outcome_OUTCOME_FALLBACK || len(got.GetCandidates()) != 3 {
		t.Errorf("%v", got)
	}
	if again := d.decided(t, request); again.GetDecisionId() != got.GetDecisionId() {
		t.Errorf("the same request again: %v", again)
	}
}

// TestDecideInAnUnknownStore: the nearest ancestor decides, and the answer says so.
func TestDecideInAnUnknownStore(t *testing.T) {
	d := newDecider(t)
	for scope, chain := range map[string][]string{"us.99": {"", "us"}, "mars.1": {""}} {
		got := d.decided(t, returnRequest(t, "r-"+scope, "us.8", scope))
		if len(got.GetDegraded()) != 1 || !strings.Contains(got.GetDegraded()[0].GetSubject(), scope) || fmt.Sprint(got.GetProvenance().GetScopeChain()) != fmt.Sprint(chain) {
			t.Errorf("%s: degraded %v, chain %q", scope, got.GetDegraded(), got.GetProvenance().GetScopeChain())
		}
	}
	table, _, _ := d.decide(t, returnRequest(t, "table", "us.8", "us.99"))
	if !strings.Contains(table, "degraded") || !strings.Contains(table, "us.99") {
		t.Errorf("the table is silent:\n%s", table)
	}
	if known := d.decided(t, returnRequest(t, "known", "us.8", "us.7")); len(known.GetDegraded()) > 0 {
		t.Errorf("a known store: %v", known.GetDegraded())
	}
}

// TestDecideWithoutPolicies says what is missing, and that broken ones do not compile.
func TestDecideWithoutPolicies(t *testing.T) {
	d := decider{newStore(t)}
	if _, errOut, code := d.decide(t, returnRequest(t, "r", "", "")); code != exitFailed || !strings.Contains(errOut, "NO_BUNDLE") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if _, errOut, code := d.decide(t, returnRequest(t, "r", "", ""), "--policies", brokenBundle); code != exitCompile || !strings.Contains(errOut, "RB2002") {
		t.Errorf("broken policies: exit %d, %s", code, errOut)
	}
	if _, errOut, code := d.decide(t, returnRequest(t, "r", "", ""), "--policies", goodBundle); code != exitOK {
		t.Errorf("with policies: exit %d, %s", code, errOut)
	}
}
