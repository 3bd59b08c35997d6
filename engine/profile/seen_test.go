package profile_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/currency"
	"pgregory.net/rapid"
)

// features reads all features by name.
func features(t interface{ Fatal(...any) }, r profile.Records, ret *profile.Return, now time.Time, code string) map[string]any {
	var s profile.Seen
	if err := s.Read(r, nil, ret, now, code); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	vector := s.Vector(nil)
	for _, f := range profile.Table() {
		switch f.Type {
		case profile.String:
			out[f.Name] = s.Text(&f)
		case profile.Strings:
			out[f.Name] = strings.Join(s.Texts(nil, &f), "\x00")
		default:
			out[f.Name] = vector[f.Slot]
		}
	}
	return out
}

// same compares feature by feature; NaN equals NaN. Only names that keep says yes to are compared.
func same(t interface{ Fatalf(string, ...any) }, what string, want, got map[string]any, tolerance float64, keep func(string) bool) {
	for name, w := range want {
		if keep != nil && !keep(name) {
			continue
		}
		g := got[name]
		x, isNumber := w.(float64)
		y, _ := g.(float64)
		if isNumber && (math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= tolerance*(1+math.Abs(x))) || !isNumber && w == g {
			continue
		}
		t.Fatalf("%s: %s is %v, want %v", what, name, g, w)
	}
}

func drawReturn(t *rapid.T) *profile.Return {
	return &profile.Return{
		ID: pick(t, "this return", "r1", "r2", "r9"), OrderID: pick(t, "this order", "", "o1", "o2"),
		Lines: drawLines(t, 4), Refund: int64(rapid.IntRange(0, 9000).Draw(t, "this refund")),
	}
}

// asEvent is the event of a return.
func asEvent(ret *profile.Return, id string, at time.Time) *profile.Event {
	return &profile.Event{
		ID: id, Kind: profile.KindReturn, Time: at, Currency: "USD", OrderID: ret.OrderID,
		ReturnID: ret.ID, Lines: ret.Lines, Refund: ret.Refund,
	}
}

func TestReturnCountsTheSameBeforeAfterOrNever(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t, 25, 300*day)
		ret, now := drawReturn(t), drawTime(t, 300*day)
		never := foldAll(t, profile.Records{}, steps)
		recorded := foldAll(t, never, []step{{event: asEvent(ret, "re-scan", drawTime(t, 300*day))}})
		same(t, "recorded", features(t, never, ret, now, "USD"), features(t, recorded, ret, now, "USD"), 0, nil)
	})
}

func TestNothingLaterIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, now := drawSteps(t, 25, 300*day), drawTime(t, 300*day)
		var before []step
		for _, s := range steps {
			if !s.event.Time.After(now) {
				before = append(before, s)
			}
		}
		ret := drawReturn(t)
		all, past := foldAll(t, profile.Records{}, steps), foldAll(t, profile.Records{}, before)
		same(t, "with later events", features(t, past, ret, now, "USD"), features(t, all, ret, now, "USD"), 0, nil)
	})
}

// What the return adds when it is seen is what the fold adds when it is recorded.
func TestSeenReturnIsTheFoldedReturn(t *testing.T) {
	compared := func(name string) bool {
		for _, part := range []string{"customer.returns", "customer.refunds", "customer.return_rate", "bracket", "loops", "abuse"} {
			if strings.Contains(name, part) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		steps, ret, now := drawSteps(t, 25, 300*day), drawReturn(t), drawTime(t, 300*day)
		var others []step
		for _, s := range steps {
			if s.event.ReturnID != ret.ID {
				others = append(others, s)
			}
		}
		apart := foldAll(t, profile.Records{}, others)
		folded := foldAll(t, apart, []step{{event: asEvent(ret, "it", now)}})
		same(t, "folded", features(t, apart, ret, now, "USD"), features(t, folded, nil, now, "USD"), 1e-12, compared)
	})
}

func TestReadRefuses(t *testing.T) {
	r := foldAll(t, profile.Records{}, []step{bigPurchase(0, base)})
	var s profile.Seen
	if _, err := profile.ParseRecords([]byte{9, 0, 0, 0, 1}); !errors.Is(err, profile.ErrRecord) {
		t.Errorf("cut profile: %v", err)
	}
	if err := s.Read(profile.Records{Features: r.Features}, nil, nil, base.Add(-day), "USD"); !errors.Is(err, profile.ErrRecord) {
		t.Errorf("later events without a history: %v", err)
	}
	if err := s.Read(r, nil, nil, base, "XXX"); !errors.Is(err, currency.ErrUnknown) {
		t.Errorf("unknown currency: %v", err)
	}
	if err := s.Read(profile.Records{Features: bytes.Clone(r.Features[:20]), History: r.History}, nil, nil, base, "USD"); !errors.Is(err, profile.ErrRecord) {
		t.Errorf("cut record: %v", err)
	}
}

func TestUnknownCustomer(t *testing.T) {
	got := features(t, profile.Records{}, nil, base, "USD")
	want := map[string]any{
		"customer.known": 0.0, "customer.recency_days": math.NaN(), "customer.purchases_30d": 0.0, "customer.return_rate_365d": math.NaN(),
		"customer.abuse_score": 0.0, "customer.top_categories": "", "customer.expected_basket": math.NaN(), "ret.reason": "",
	}
	same(t, "nobody", want, got, 0, nil)
}

// A typical customer: 20 purchases of 3 lines, 5 returns, 2 offers.
func typical(t interface{ Fatal(...any) }) (profile.Records, *profile.Return) {
	var steps []step
	for i := range 20 {
		at := base.Add(time.Duration(i) * 9 * day)
		order := "order-" + string(rune('a'+i))
		lines := []profile.Line{
			{SKU: "boot-42", Style: "boot", Size: "42", Category: "shoes", Quantity: 1, Paid: 8000},
			{SKU: "boot-43", Style: "boot", Size: "43", Category: "shoes", Quantity: 1, Paid: 8000},
			{SKU: "sock", Category: "basics", Quantity: 3, Paid: 900, Discount: 100},
		}
		steps = append(steps, step{event: &profile.Event{ID: order, Kind: profile.KindPurchase, Time: at, Currency: "USD", Channel: profile.ChannelOnline, OrderID: order, Lines: lines}})
		if i%4 == 0 {
			ret := &profile.Return{ID: "r" + order, OrderID: order, Lines: lines[:1], Refund: 8000}
			steps = append(steps, step{event: asEvent(ret, "e"+ret.ID, at.Add(5*day))})
		}
		if i%10 == 0 {
			steps = append(steps, happened(profile.KindPresentation, "d"+order, at.Add(5*day)))
		}
	}
	ret := &profile.Return{ID: "now", OrderID: "order-t", Refund: 8000, Lines: []profile.Line{{SKU: "boot-42", Style: "boot", Size: "42", Category: "shoes", Quantity: 1, Paid: 8000, Reason: "SIZE"}}}
	return foldAll(t, profile.Records{}, steps), ret
}

func TestReadDoesNotAllocate(t *testing.T) {
	r, ret := typical(t)
	now := base.Add(185 * day)
	var s profile.Seen
	vector := make([]float64, 0, profile.Slots())
	allocs := testing.AllocsPerRun(100, func() {
		if err := s.Read(r, nil, ret, now, "USD"); err != nil {
			t.Fatal(err)
		}
		vector = s.Vector(vector[:0])
	})
	if allocs != 0 || len(vector) != profile.Slots() {
		t.Errorf("%v allocations for %d features", allocs, len(vector))
	}
}

func BenchmarkRead(b *testing.B) {
	r, ret := typical(b)
	var s profile.Seen
	vector := make([]float64, 0, profile.Slots())
	for name, now := range map[string]time.Time{"in place": base.Add(185 * day), "as of the past": base.Add(100 * day)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Read(r, nil, ret, now, "USD"); err != nil {
					b.Fatal(err)
				}
				vector = s.Vector(vector[:0])
			}
		})
	}
	b.Run("vector", func(b *testing.B) {
		if err := s.Read(r, nil, ret, base.Add(185*day), "USD"); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			vector = s.Vector(vector[:0])
		}
	})
	b.Run("return of another order", func(b *testing.B) {
		other := *ret
		other.OrderID = "unknown"
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Read(r, nil, &other, base.Add(185*day), "USD"); err != nil {
				b.Fatal(err)
			}
			vector = s.Vector(vector[:0])
		}
	})
	b.Run("open and recency", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, err := profile.Open(r.Features)
			if err != nil {
				b.Fatal(err)
			}
			if _, ok := v.LastPurchase(); !ok {
				b.Fatal("no purchase")
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	r, ret := typical(b)
	e := asEvent(ret, "new", base.Add(185*day))
	var f profile.Folder
	b.ReportAllocs()
	b.ReportMetric(float64(len(r.Features)), "features-bytes")
	b.ReportMetric(float64(len(r.History)), "history-bytes")
	for b.Loop() {
		if _, _, err := f.Event(r.History, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFoldFullHistory(b *testing.B) {
	var steps []step
	for i := range 12 {
		steps = append(steps, bigPurchase(i, base.Add(time.Duration(i)*day)))
	}
	r := foldAll(b, profile.Records{}, steps)
	e := bigPurchase(99, base.Add(20*day)).event
	var f profile.Folder
	b.ReportAllocs()
	b.ReportMetric(float64(len(r.History)), "history-bytes")
	for b.Loop() {
		if _, _, err := f.Event(r.History, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	_, ret := typical(b)
	e := asEvent(ret, "new", base)
	buf := profile.AppendEvent(nil, e)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = profile.AppendEvent(buf[:0], e)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := profile.DecodeEvent(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
