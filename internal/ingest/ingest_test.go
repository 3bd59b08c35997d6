package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/ingest"
)

const mappingText = `
apiVersion: rebound/v1
kind: CsvMapping
timeLayout: "2006-01-02 15:04:05"
timezone: Europe/London
currency: GBP
channel: MAIL
eventId: "t-"
group: Invoice
customer: {namespace: shop, column: Customer}
columns: {time: Date, sku: Code, quantity: Qty, unitPrice: Price}
return: {column: Invoice, prefix: C}
exclude:
  - {column: Code, matching: "^POST$", reason: NOT_GOODS}
`

func mapping(t testing.TB, text string) *ingest.Mapping {
	t.Helper()
	m, err := ingest.ParseMapping("mapping.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t testing.TB, text, table string) ([]*profile.Event, ingest.Counts, []ingest.Reject) {
	t.Helper()
	var rejects []ingest.Reject
	r, err := ingest.NewReader(mapping(t, text), strings.NewReader(table), func(x ingest.Reject) error {
		rejects = append(rejects, x)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var events []*profile.Event
	counts, err := r.Read(context.Background(), func(e *profile.Event) error { events = append(events, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return events, counts, rejects
}

const header = "Invoice,Code,Qty,Date,Price,Customer\n"

func TestRowsBecomeEvents(t *testing.T) {
	events, counts, _ := read(t, mappingText, header+
		"1,A,2,2011-07-01 10:01:00,1.255,7\n"+
		"1,B,1,2011-07-01 10:00:00,3.00,7\n"+
		"1,B,1,2011-07-01 10:00:00,3.00,7\n"+ // exact duplicate
		"1,POST,1,2011-07-01 10:00:00,9.00,7\n"+
		"2,A,1,2011-07-02 10:00:00,1.00,\n"+ // nobody
		"C3,A,-2,2011-07-03 10:00:00,1.255,7\n")
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	london, _ := time.LoadLocation("Europe/London")
	want := &profile.Event{
		ID: "t-1", Kind: profile.KindPurchase, Customer: profile.Identity{Namespace: "shop", Value: "7"},
		Time: time.Date(2011, 7, 1, 10, 0, 0, 0, london), Channel: profile.ChannelMail, Currency: "GBP", OrderID: "1",
		Lines: []profile.Line{{SKU: "A", Quantity: 2, Paid: 251}, {SKU: "B", Quantity: 1, Paid: 300}},
	}
	if d := cmp.Diff(want, events[0], cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); d != "" {
		t.Error(d)
	}
	if r := events[1]; r.Kind != profile.KindReturn || r.ReturnID != "C3" || r.OrderID != "" || r.Refund != 251 || r.Lines[0].Quantity != 2 {
		t.Errorf("return: %+v", r)
	}
	wantCounts := ingest.Counts{Rows: 6, Lines: 3, Duplicate: 1, Anonymous: 1, Excluded: map[string]int{"NOT_GOODS": 1},
		Purchases: 1, Returns: 1, ReturnLines: 1, Customers: 1, ReturnCustomers: 1, ReturnDays: 1}
	if d := cmp.Diff(wantCounts, counts); d != "" {
		t.Error(d)
	}
}

func TestBadRowsAreRejectedWithTheirReason(t *testing.T) {
	good := "1,A,2,2011-07-01 10:00:00,1.25,7\n"
	for name, c := range map[string]struct{ row, reason, detail string }{
		"too few fields":     {"2,A,2\n", "MALFORMED", "3 fields, the header has 6"},
		"bare quote":         {"2,A\"x,2,2011-07-01 10:00:00,1.25,7\n", "MALFORMED", "line 3"},
		"no time":            {"2,A,2,yesterday,1.25,7\n", "BAD_TIME", "yesterday"},
		"no whole number":    {"2,A,1.5,2011-07-01 10:00:00,1.25,7\n", "BAD_QUANTITY", "1.5"},
		"negative purchase":  {"2,A,-1,2011-07-01 10:00:00,1.25,7\n", "BAD_QUANTITY", "only a positive"},
		"zero":               {"2,A,0,2011-07-01 10:00:00,1.25,7\n", "BAD_QUANTITY", "only a positive"},
		"NaN":                {"2,A,1,2011-07-01 10:00:00,NaN,7\n", "BAD_AMOUNT", "NaN"},
		"infinite":           {"2,A,1,2011-07-01 10:00:00,Inf,7\n", "BAD_AMOUNT", "Inf"},
		"exponent":           {"2,A,1,2011-07-01 10:00:00,1e400000000,7\n", "BAD_AMOUNT", "1e400000000"},
		"negative price":     {"2,A,1,2011-07-01 10:00:00,-1.25,7\n", "BAD_AMOUNT", "negative"},
		"no group":           {",A,1,2011-07-01 10:00:00,1.25,7\n", "NO_GROUP", "Invoice"},
		"two customers":      {"1,A,1,2011-07-01 10:00:00,1.25,8\n", "GROUP_CONFLICT", "customer"},
		"invalid UTF-8":      {"2,\xff,1,2011-07-01 10:00:00,1.25,7\n", "INVALID_UTF8", "convert the file"},
		"string of megabyte": {"2," + strings.Repeat("x", 1<<20) + ",1,2011-07-01 10:00:00,1.25,7\n", "TOO_LONG", "1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			events, counts, rejects := read(t, mappingText, header+good+c.row)
			if len(rejects) != 1 || rejects[0].Reason != c.reason || !strings.Contains(rejects[0].Detail, c.detail) || rejects[0].Row != 3 {
				t.Errorf("rejects %+v, want row 3, %s with %q", rejects, c.reason, c.detail)
			}
			if len(events) != 1 || counts.Lines != 1 || counts.Rejected != 1 || counts.Rows != 2 {
				t.Errorf("the good row is not kept: %d events, %+v", len(events), counts)
			}
		})
	}
}

func TestUnknownCurrencyOfARow(t *testing.T) {
	text := strings.NewReplacer("currency: GBP\n", "", "unitPrice: Price", "unitPrice: Price, currency: Cur").Replace(mappingText)
	_, _, rejects := read(t, text, "Invoice,Code,Qty,Date,Price,Customer,Cur\n1,A,1,2011-07-01 10:00:00,1.25,7,QQQ\n")
	if len(rejects) != 1 || rejects[0].Reason != "UNKNOWN_CURRENCY" || !strings.Contains(rejects[0].Detail, "QQQ") {
		t.Errorf("%+v", rejects)
	}
}

// Rows of one event that lie too far apart are rejected, never recorded as a second event with the same id.
func TestLateRowsOfAnEvent(t *testing.T) {
	var b strings.Builder
	b.WriteString(header + "1,A,1,2011-07-01 10:00:00,1.25,7\n")
	for i := range 60_000 {
		fmt.Fprintf(&b, "x%d,A,1,2011-07-01 10:00:00,1.25,7\n", i)
	}
	b.WriteString("1,B,1,2011-07-01 10:00:00,1.25,7\n")
	events, _, rejects := read(t, mappingText, b.String())
	if len(events) != 60_001 || len(rejects) != 1 || rejects[0].Reason != "GROUP_TOO_FAR" {
		t.Errorf("%d events, rejects %+v", len(events), rejects)
	}
}

func TestMappingErrors(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"unknown key":      {"group: Invoice", "grup: Invoice", `unknown field "grup"`},
		"unknown currency": {"currency: GBP", "currency: QQQ", "ISO 4217"},
		"unknown channel":  {"channel: MAIL", "channel: POST", "THIRD_PARTY"},
		"no customer":      {"{namespace: shop, column: Customer}", "{namespace: shop}", "customer.column is missing"},
		"two prices":       {"unitPrice: Price", "unitPrice: Price, paid: Price", "either columns.unitPrice or columns.paid"},
		"unknown zone":     {"Europe/London", "Europe/Londn", "timezone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ingest.ParseMapping("m.yaml", []byte(strings.Replace(mappingText, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "m.yaml") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestHeaderErrors(t *testing.T) {
	_, err := ingest.NewReader(mapping(t, mappingText), strings.NewReader("Invoice,Code,Date,Price,Customer\n"), nil)
	if err == nil || !strings.Contains(err.Error(), `no column "Qty"; it has Code, Customer`) {
		t.Error(err)
	}
	_, err = ingest.NewReader(mapping(t, mappingText), strings.NewReader("Invoice,Code,Qty,Date,Price,Customer,Qty\n"), nil)
	if err == nil || !strings.Contains(err.Error(), `column "Qty" twice`) {
		t.Error(err)
	}
}

// Columns no mapping reads may share a name, as empty ones do.
func TestUnreadColumnsOfOneName(t *testing.T) {
	events, _, rejects := read(t, mappingText, "Invoice,Code,Qty,Date,Price,Customer,,\n1,A,2,2011-07-01 10:00:00,1.25,7,x,y\n")
	if len(events) != 1 || len(rejects) != 0 {
		t.Errorf("%d events, rejects %+v", len(events), rejects)
	}
}

// The real table: counts as its README states them.
func TestOnlineRetail(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "online_retail_uci", "online_retail_2010_2011.csv.gz"))
	if err != nil {
		t.Skipf("shared data is absent: %v", err)
	}
	text, err := os.ReadFile("../../examples/online-retail/mapping.yaml")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ingest.NewReader(mapping(t, string(text)), z, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Read(context.Background(), func(*profile.Event) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string][2]int{
		"rows": {c.Rows, 541909}, "duplicates": {c.Duplicate, 5268}, "anonymous": {c.Anonymous + c.AnonymousDuplicate, 135080},
		"return invoices": {c.Returns, 3383}, "return customers": {c.ReturnCustomers, 1534}, "return days": {c.ReturnDays, 3256}, "rejected": {c.Rejected, 0},
		"rows in all": {c.Lines + c.Duplicate + c.Anonymous + c.Excluded["NOT_GOODS"] + c.Rejected, c.Rows},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: %d, want %d", name, n[0], n[1])
		}
	}
}

func ExampleReader() {
	m, err := ingest.ParseMapping("mapping.yaml", []byte(mappingText))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := ingest.NewReader(m, strings.NewReader(header+"1,A,2,2011-07-01 10:00:00,1.25,7\nC2,A,-1,2011-07-03 10:00:00,1.25,7\n"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	counts, err := r.Read(context.Background(), func(e *profile.Event) error {
		fmt.Println(e.ID, len(e.Lines), e.Lines[0].Paid, e.Refund)
		return nil
	})
	fmt.Println(counts.Purchases, counts.Returns, err)
	// Output:
	// t-1 1 250 0
	// t-C2 1 125 125
	// 1 1 <nil>
}
