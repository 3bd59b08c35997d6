package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/internal/ingest"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

const shopMapping = `
apiVersion: rebound/v1
kind: CsvMapping
timeLayout: "2006-01-02 15:04:05"
timezone: UTC
currency: USD
channel: STORE
eventId: "shop-"
group: Receipt
customer: {namespace: shop, column: Customer}
columns: {time: Date, sku: Code, quantity: Qty, unitPrice: Price}
return: {column: Receipt, prefix: R}
exclude:
  - {column: Code, matching: "^POSTAGE$", reason: NOT_GOODS}
`

const shopHeader = "Receipt,Code,Qty,Date,Price,Customer\n"

// shopTable has two purchases, a return, and rows that become nothing.
const shopTable = shopHeader +
	"1,shirt,2,2026-03-01 10:00:00,19.99,anna\n" +
	"1,socks,1,2026-03-01 10:00:00,5.00,anna\n" +
	"1,socks,1,2026-03-01 10:00:00,5.00,anna\n" +
	"1,POSTAGE,1,2026-03-01 10:00:00,4.00,anna\n" +
	"2,shirt,1,2026-03-02 11:00:00,19.99,\n" +
	"3,shirt,1,yesterday,19.99,bert\n" +
	"4,shirt,1,2026-03-04 12:00:00,19.99,bert\n" +
	"R5,shirt,-1,2026-03-05 13:00:00,19.99,anna\n"

// shop is a table with its mapping and the path of a store.
type shop struct{ table, mapping, store string }

func newShop(t testing.TB, table string) shop {
	t.Helper()
	dir := t.TempDir()
	s := shop{filepath.Join(dir, "sales.csv"), filepath.Join(dir, "mapping.yaml"), filepath.Join(dir, "store")}
	putFile(t, s.table, table)
	putFile(t, s.mapping, shopMapping)
	return s
}

func (s shop) args(more ...string) []string {
	return append([]string{"ingest", s.table, "--mapping", s.mapping, "--store", s.store}, more...)
}

// receipts is a table of n purchases of as many customers.
func receipts(n int) string {
	var b strings.Builder
	b.WriteString(shopHeader)
	for i := range n {
		fmt.Fprintf(&b, "%d,shirt,1,%s,19.99,customer-%d\n", i, time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC).Format(time.DateTime), i)
	}
	return b.String()
}

func TestIngestCountsEveryRow(t *testing.T) {
	s := newShop(t, shopTable)
	got := decoded[ingestReport](t, s.args()...)
	if got.Rows != 8 || got.Lines != 4 || got.Duplicate != 1 || got.Anonymous != 1 || got.Excluded["NOT_GOODS"] != 1 || got.Rejected != 1 ||
		got.Purchases != 2 || got.Returns != 1 || got.Accepted != 3 || got.Duplicates != 0 || got.RejectFile != s.table+".rejects.csv" {
		t.Errorf("%+v", got)
	}
	if text := fileText(t, got.RejectFile); !strings.HasPrefix(text, "row,reason,detail,fields\n7,BAD_TIME,") || !strings.Contains(text, ",3,shirt,1,yesterday,19.99,bert\n") {
		t.Errorf("reject file:\n%s", text)
	}
	if _, err := os.Stat(s.table + ".ingest.json"); !os.IsNotExist(err) {
		t.Errorf("the state file outlives a complete run: %v", err)
	}
	table := squeeze(must(t, s.args()...))
	for _, want := range []string{"exact duplicates 1", "anonymous 1", "left out: NOT_GOODS 1", "rejected 1", "recorded before 3", "reject file " + s.table} {
		if !strings.Contains(table, want) {
			t.Errorf("lacks %q:\n%s", want, table)
		}
	}
	if text := must(t, s.args("-o", "yaml")...); !strings.Contains(text, "events_duplicate: 3\n") || !strings.Contains(text, "NOT_GOODS: 1\n") {
		t.Errorf("yaml:\n%s", text)
	}
}

// TestIngestRejectsWhatTheStoreRefuses: one bad event costs that event, not its batch or the run.
func TestIngestRejectsWhatTheStoreRefuses(t *testing.T) {
	var many strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&many, "many,sku-%d,1,2026-03-01 10:00:00,1.00,anna\n", i)
	}
	long := strings.Repeat("9", 300)
	for name, c := range map[string]struct{ row, detail string }{
		"time in the future":   {"2,shirt,1,2126-03-01 10:00:00,19.99,anna\n", "in the future"},
		"time before 1980":     {"2,shirt,1,1971-03-01 10:00:00,19.99,anna\n", "out of range"},
		"long customer":        {"2,shirt,1,2026-03-01 10:00:00,19.99," + long + "\n", "customer_ids[0].value"},
		"long sku":             {"2," + long + ",1,2026-03-01 10:00:00,19.99,anna\n", "lines[0].sku"},
		"no sku":               {"2,,1,2026-03-01 10:00:00,19.99,anna\n", "lines[0].sku"},
		"NUL in the customer":  {"2,shirt,1,2026-03-01 10:00:00,19.99,an\x00na\n", "NUL"},
		"long receipt":         {long + ",shirt,1,2026-03-01 10:00:00,19.99,anna\n", "order_id"},
		"more than money":      {"2,shirt,2000000000,2026-03-01 10:00:00,19999999.99,anna\n", "paid"},
		"more lines than fit":  {many.String(), "lines"},
		"return of the future": {"R2,shirt,-1,2126-03-01 10:00:00,19.99,anna\n", "in the future"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, shopHeader+"1,shirt,1,2026-03-01 10:00:00,19.99,anna\n"+c.row+"3,shirt,1,2026-03-01 10:00:00,19.99,bert\n")
			got := decoded[ingestReport](t, s.args()...)
			if got.Accepted != 2 || got.EventsRejected["INVALID"] != 1 || len(got.EventsRejected) != 1 {
				t.Errorf("%d accepted, rejected %v", got.Accepted, got.EventsRejected)
			}
			if text := fileText(t, got.RejectFile); !strings.Contains(text, "INVALID") || !strings.Contains(text, c.detail) {
				t.Errorf("the reject file does not say why:\n%s", text)
			}
		})
	}
}

// interrupted leaves behind what a run over table, killed after its first done events, does.
func interrupted(t testing.TB, s shop, table string, done int, rejected ...int) {
	t.Helper()
	if done > 0 {
		putFile(t, s.table, strings.Join(strings.SplitAfter(table, "\n")[:done+1], ""))
		if got := decoded[ingestReport](t, s.args()...); got.Accepted != done-len(rejected) {
			t.Fatalf("first part: %+v", got)
		}
	}
	putFile(t, s.table, table)
	stateOf(t, s, table, done, rejected...)
}

// stateOf writes the state file of an interrupted run.
func stateOf(t testing.TB, s shop, table string, done int, rejected ...int) {
	t.Helper()
	sum := ingest.Fingerprint([]byte(fileText(t, s.mapping)), filepath.Base(s.table), int64(len(table)))
	state, err := json.Marshal(progress{Fingerprint: sum, Acknowledged: done, Rejected: rejected})
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, s.table+".ingest.json", string(state))
}

// mustHold counts the log's entries.
func mustHold(t testing.TB, store string, events int) {
	t.Helper()
	if r := checked(t, store); r.Entries != events || len(r.Problems) > 0 {
		t.Errorf("the store holds %d entries, want %d; problems %v", r.Entries, events, r.Problems)
	}
}

func TestIngestResumes(t *testing.T) {
	const n, done = 1200, 1000
	table := receipts(n)
	s := newShop(t, table)
	interrupted(t, s, table, done)
	got := decoded[ingestReport](t, s.args()...)
	if got.Accepted != n-done || got.Duplicates != 1 || got.Resumed != done-1 || got.Purchases != n {
		t.Errorf("accepted %d, duplicates %d, resumed %d", got.Accepted, got.Duplicates, got.Resumed)
	}
	mustHold(t, s.store, n)
}

// TestIngestIntoAnotherStore: the state file speaks of a store that has 1000
// events, this one has fewer. None is left out.
func TestIngestIntoAnotherStore(t *testing.T) {
	const n = 1300
	table := receipts(n)
	for name, has := range map[string]int{"an empty store": 0, "the first batch": 500, "a part of a batch": 700} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, table)
			interrupted(t, s, table, has)
			stateOf(t, s, table, 1000)
			got := decoded[ingestReport](t, s.args()...)
			if got.Accepted != n-has || got.Duplicates != has || got.Resumed != 0 {
				t.Errorf("accepted %d, duplicates %d, resumed %d", got.Accepted, got.Duplicates, got.Resumed)
			}
			mustHold(t, s.store, n)
		})
	}
}

// TestIngestResumesWithRejects: what the store refused before the interruption is in the reject file of the run that completes.
func TestIngestResumesWithRejects(t *testing.T) {
	rows := strings.SplitAfter(receipts(1200), "\n")
	for _, bad := range []int{3, 700, 1000} {
		rows[bad] = strings.Replace(rows[bad], "2026-", "2126-", 1)
	}
	table := strings.Join(rows, "")
	s := newShop(t, table)
	interrupted(t, s, table, 1000, 3, 700, 1000)
	got := decoded[ingestReport](t, s.args()...)
	if got.Accepted != 200 || got.EventsRejected["INVALID"] != 3 || got.Duplicates+got.Resumed != 997 {
		t.Errorf("accepted %d, rejected %v, duplicates %d, resumed %d", got.Accepted, got.EventsRejected, got.Duplicates, got.Resumed)
	}
	if text := fileText(t, got.RejectFile); strings.Count(text, "in the future") != 3 {
		t.Errorf("reject file:\n%s", text)
	}
}

// TestIngestAfterAKill kills the command while it records; the next run completes it.
func TestIngestAfterAKill(t *testing.T) {
	const n = 20000
	s := newShop(t, receipts(n))
	cmd := subprocess(t, s.args()...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(s.table + ".ingest.json"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no state file appears")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Log("the run was complete before it could be killed")
	}
	got := decoded[ingestReport](t, s.args()...)
	if got.Accepted+got.Duplicates+got.Resumed != n || got.Purchases != n {
		t.Errorf("accepted %d, duplicates %d, resumed %d", got.Accepted, got.Duplicates, got.Resumed)
	}
	mustHold(t, s.store, n)
}

func TestIngestStateFileDamaged(t *testing.T) {
	s := newShop(t, shopTable)
	putFile(t, s.table+".ingest.json", "{")
	refused(t, exitFailed, []string{"state file", ".ingest.json", "delete it to begin again"}, s.args()...)
}

func TestIngestRefusesMappings(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"unknown key":      {"group:", "grup:", "grup"},
		"unknown currency": {"currency: USD", "currency: XQQ", `currency "XQQ" is not an ISO 4217 code`},
		"no YAML":          {"kind:", "kind: [", "mapping.yaml"},
		"missing column":   {"sku: Code, ", "", "columns.sku is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, shopTable)
			putFile(t, s.mapping, strings.Replace(shopMapping, c.from, c.to, 1))
			refused(t, exitUsage, []string{"mapping " + s.mapping, c.want}, s.args()...)
			if _, err := os.Stat(s.store); !os.IsNotExist(err) {
				t.Errorf("a store was made for nothing: %v", err)
			}
		})
	}
}

func TestIngestRefusesTables(t *testing.T) {
	for name, c := range map[string]struct{ table, want string }{
		"empty":                {"", "header line"},
		"column missing":       {"Receipt,Code,Date,Price,Customer\n", `no column "Qty"`},
		"column twice":         {"Receipt,Code,Qty,Date,Price,Customer,Qty\n1,a,1,2026-03-01 10:00:00,1,anna,2\n", `column "Qty" twice`},
		"gzip that is no gzip": {"", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, c.table)
			if c.want == "gzip" {
				s.table = writeFile(t, "sales.csv.gz", shopTable)
			}
			refused(t, exitFailed, []string{s.table, c.want}, s.args()...)
		})
	}
	s := newShop(t, shopTable)
	s.table += ".absent"
	refused(t, exitFailed, []string{s.table}, s.args()...)
}

// TestIngestCurrencyColumn: a code nobody knows costs its row.
func TestIngestCurrencyColumn(t *testing.T) {
	s := newShop(t, "Receipt,Code,Qty,Date,Price,Customer,Cur\n1,shirt,1,2026-03-01 10:00:00,19.99,anna,USD\n2,shirt,1,2026-03-01 10:00:00,19.99,anna,XQQ\n")
	putFile(t, s.mapping, strings.Replace(shopMapping, "unitPrice: Price", "unitPrice: Price, currency: Cur", 1))
	got := decoded[ingestReport](t, s.args()...)
	if text := fileText(t, got.RejectFile); got.Accepted != 1 || got.Rejected != 1 || !strings.Contains(text, "3,UNKNOWN_CURRENCY,") || !strings.Contains(text, "XQQ") {
		t.Errorf("%+v\n%s", got, text)
	}
}

// TestIngestIDsWithSeparators: names that only differ by where a separator stands stay apart.
func TestIngestIDsWithSeparators(t *testing.T) {
	ids := []string{"a:b", "a", "a/b", "a|b", "a\tb", "a,b", "a\nb", "../a", "a b", "ä", "%61"}
	var b strings.Builder
	b.WriteString(shopHeader)
	w := csv.NewWriter(&b)
	for i, id := range ids {
		for n := range i + 1 {
			if err := w.Write([]string{fmt.Sprintf("%s;%d", id, n), "shirt", "1", "2026-03-01 10:00:00", "19.99", id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Flush()
	s := newShop(t, b.String())
	if got := decoded[ingestReport](t, s.args()...); got.Customers != len(ids) || got.Rejected != 0 || got.Accepted != len(ids)*(len(ids)+1)/2 {
		t.Fatalf("%+v", got)
	}
	cfg := configOf(s.store)
	cfg.Policies = goodBundle
	session, err := openSession(t.Context(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for i, id := range ids {
		resp, err := session.Profiles.GetProfile(t.Context(), &pb.GetProfileRequest{CustomerId: &pb.CustomerId{Namespace: "shop", Value: id}})
		if err != nil {
			t.Fatal(err)
		}
		if got := number(t, resp.GetProfile(), "customer.purchases_lifetime"); got != float64(i+1) {
			t.Errorf("customer %q has %v purchases, want %d", id, got, i+1)
		}
	}
}
