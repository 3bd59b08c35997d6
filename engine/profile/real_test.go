package profile_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
)

// shared finds a file of the real data beside the repository, and skips where it is absent.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
	path := filepath.Join(append([]string{dir, "..", "shared"}, parts...)...)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is absent", path)
	}
	return path
}

// onlineRetail reads the goods lines of known customers, exact duplicates
// dropped, as one event per invoice and minute, in file order.
func onlineRetail(t testing.TB) []*profile.Event {
	t.Helper()
	file, err := os.Open(shared(t, "data", "online_retail_uci", "online_retail_2010_2011.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(bufio.NewReader(unzipped))
	rows.LazyQuotes = true
	if _, err := rows.Read(); err != nil {
		t.Fatal(err)
	}
	invoices, seen := map[string]*profile.Event{}, map[string]bool{}
	var events []*profile.Event
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(row, "\x00")
		if row[6] == "" || !goods(row[1]) || seen[all] {
			continue
		}
		seen[all] = true
		key := row[0] + row[4]
		e := invoices[key]
		if e == nil {
			e = invoiceEvent(t, row, key)
			invoices[key] = e
			events = append(events, e)
		}
		addLine(t, e, row)
	}
}

func goods(code string) bool {
	if len(code) < 5 {
		return false
	}
	_, err := strconv.Atoi(code[:5])
	return err == nil
}

func invoiceEvent(t testing.TB, row []string, key string) *profile.Event {
	at, err := time.Parse(time.DateTime, row[4])
	if err != nil {
		t.Fatal(err)
	}
	e := &profile.Event{
		ID: key, Kind: profile.KindPurchase, Customer: profile.Identity{Namespace: "customer", Value: row[6]},
		Time: at, Currency: "GBP", Channel: profile.ChannelOnline,
	}
	if row[0][0] == 'C' {
		e.Kind, e.ReturnID = profile.KindReturn, row[0]
	}
	return e
}

func addLine(t testing.TB, e *profile.Event, row []string) {
	quantity, err := strconv.ParseInt(row[3], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	price, err := strconv.ParseFloat(row[5], 64)
	if err != nil {
		t.Fatal(err)
	}
	quantity = max(quantity, -quantity)
	paid := int64(math.Round(price * 100 * float64(quantity)))
	e.Lines = append(e.Lines, profile.Line{SKU: row[1], Quantity: quantity, Paid: paid})
	if e.Kind == profile.KindReturn {
		e.Refund += paid
	}
}

// 541,909 real lines: every return is seen with the profile of its time, then recorded.
func TestOnlineRetail(t *testing.T) {
	events := onlineRetail(t)
	end := time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, e := range events {
		if err := profile.Validate(e, end, 0); err != nil {
			t.Fatalf("%s: %v", e.ID, err)
		}
	}
	inOrder := slices.Clone(events)
	slices.SortStableFunc(inOrder, func(a, b *profile.Event) int { return a.Time.Compare(b.Time) })
	var folder profile.Folder
	var seen profile.Seen
	share, _ := profile.Lookup("ret.matched_share")
	since, _ := profile.Lookup("ret.days_since_purchase")
	records := map[profile.Identity]profile.Records{}
	lines, matched, largest := 0, 0.0, 0
	var ages []float64
	for _, e := range inOrder {
		before := records[e.Customer]
		if e.Kind == profile.KindReturn {
			ret := &profile.Return{ID: e.ReturnID, Lines: e.Lines, Refund: e.Refund}
			if err := seen.Read(before, nil, ret, e.Time, "GBP"); err != nil {
				t.Fatal(err)
			}
			lines += len(e.Lines)
			matched += seen.Number(&share) * float64(len(e.Lines))
			if age := seen.Number(&since); !math.IsNaN(age) {
				ages = append(ages, age)
			}
		}
		after, result, err := folder.Event(before.History, e)
		if err != nil || result == profile.Duplicate {
			t.Fatalf("%s: %v, %v", e.ID, result, err)
		}
		records[e.Customer] = after
		largest = max(largest, len(after.History))
	}
	slices.Sort(ages)
	t.Logf("%d customers, %d return lines, %.0f match an earlier purchase, median age %.1f days, largest history %d bytes",
		len(records), lines, matched, ages[len(ages)/2], largest)
	if lines < 8450 || lines > 8539 || math.Abs(matched-7508) > 75 {
		t.Errorf("%d return lines of 8539 (duplicates dropped), %.0f matched, want about 7508", lines, matched)
	}
	byCustomer := map[profile.Identity][]*profile.Event{}
	for _, e := range events {
		byCustomer[e.Customer] = append(byCustomer[e.Customer], e)
	}
	for id, all := range byCustomer {
		slices.Reverse(all)
		r, _, err := folder.Events(nil, all)
		if err != nil {
			t.Fatal(err)
		}
		equalRecords(fataler{t, fmt.Sprint("customer ", id.Value, " in one batch and reverse order: ")}, records[id], r)
	}
}

// fataler says what failed before how.
type fataler struct {
	t    *testing.T
	what string
}

func (f fataler) Fatalf(format string, args ...any) { f.t.Fatalf(f.what+format, args...) }
