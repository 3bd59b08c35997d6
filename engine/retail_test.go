package engine_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/memstore"
)

// retail reads the known customers' goods of UCI Online Retail, an event per invoice.
func retail(t *testing.T) []*profile.Event {
	t.Helper()
	f, err := shared(t, "data/online_retail_uci").Open("online_retail_2010_2011.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	head, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range head {
		column[name] = i
	}
	var out []*profile.Event
	of := map[string]*profile.Event{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		get := func(name string) string { return row[column[name]] }
		if ev := retailEvent(t, get, of); ev != nil {
			out = append(out, ev)
		}
	}
}

// retailEvent adds a line to its invoice's event, and returns the event if it is new.
func retailEvent(t *testing.T, get func(string) string, of map[string]*profile.Event) *profile.Event {
	t.Helper()
	who, invoice, sku := get("CustomerID"), get("InvoiceNo"), get("StockCode")
	if who == "" || len(sku) < 5 || strings.Trim(sku[:5], "0123456789") != "" {
		return nil
	}
	quantity, err := strconv.ParseInt(get("Quantity"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	price, err := strconv.ParseFloat(get("UnitPrice"), 64)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.DateTime, get("InvoiceDate"))
	if err != nil {
		t.Fatal(err)
	}
	back := strings.HasPrefix(invoice, "C")
	quantity = max(quantity, -quantity)
	line := profile.Line{SKU: sku, Quantity: quantity, Paid: int64(math.Round(float64(quantity) * price * 100))}
	ev, known := of[invoice]
	if !known {
		ev = &profile.Event{ID: invoice, Kind: profile.KindPurchase, Customer: customer(who), Time: at, Channel: profile.ChannelOnline, Currency: "GBP", OrderID: invoice}
		if back {
			ev.Kind, ev.ReturnID = profile.KindReturn, invoice
		}
		of[invoice] = ev
	}
	ev.Lines = append(ev.Lines, line)
	if back {
		ev.Refund += line.Paid
	}
	if known {
		return nil
	}
	return ev
}

// The rows of the real data agree with what its README counts: 3,256 returns by
// customer and day, 2,864 of them with 30 days behind them, 52.3 % followed by a purchase.
func TestTrainingRowsOfRealReturns(t *testing.T) {
	events := retail(t)
	s, err := memstore.Open(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		of := profile.SubjectOf(ev.Customer)
		err := s.Update(context.Background(), of, func(tx store.Tx) error {
			_, err := tx.Append(store.Header{Kind: engine.KindEvent, Subject: of, Time: ev.Time.UnixMilli()}, profile.AppendEvent(nil, ev))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set, err := engine.TrainingRows(context.Background(), s, engine.TrainingOptions{
		Horizon: 30 * 24 * time.Hour, Currency: "GBP", Until: time.Date(2011, 12, 9, 12, 50, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	again := 0
	for _, r := range set.Rows {
		if r.Purchased {
			again++
		}
	}
	share := math.Round(1000*float64(again)/float64(len(set.Rows))) / 10
	if n := len(set.Rows) + set.Censored; n != 3256 || len(set.Rows) != 2864 || share != 52.3 {
		t.Errorf("%d returns, %d with a full window, %v %% bought again; want 3256, 2864, 52.3", n, len(set.Rows), share)
	}
}
