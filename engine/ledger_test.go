package engine

import (
	"math"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/rules"
)

func TestPeriods(t *testing.T) {
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	fixed := rules.Period{Kind: "fixed", From: at("2026-11-01T00:00:00Z"), To: at("2026-12-01T00:00:00Z")}
	for _, c := range []struct {
		name       string
		period     rules.Period
		now        string
		start, end string
		ok         bool
	}{
		{"day", rules.Period{Kind: "day"}, "2026-10-05T03:59:59Z", "2026-10-04T04:00:00Z", "2026-10-05T04:00:00Z", true},
		{"day the clocks go back", rules.Period{Kind: "day"}, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", true},
		{"day the clocks go forward", rules.Period{Kind: "day"}, "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", true},
		{"week from Monday, on a Sunday", rules.Period{Kind: "week"}, "2026-10-11T12:00:00Z", "2026-10-05T04:00:00Z", "2026-10-12T04:00:00Z", true},
		{"week from Monday, on a Monday", rules.Period{Kind: "week"}, "2026-10-05T12:00:00Z", "2026-10-05T04:00:00Z", "2026-10-12T04:00:00Z", true},
		{"month at the turn of the year", rules.Period{Kind: "month"}, "2027-01-01T04:00:00Z", "2026-12-01T05:00:00Z", "2027-01-01T05:00:00Z", true},
		{"fixed", fixed, "2026-11-30T23:59:59Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", true},
		{"after a fixed period", fixed, "2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", false},
	} {
		start, end, ok := periodOf(&rules.Budget{Period: c.period, Location: ny}, at(c.now))
		if start != milli(at(c.start)) || end != milli(at(c.end)) || ok != c.ok {
			t.Errorf("%s: %s to %s, %v; want %s to %s, %v", c.name, fromMilli(start), fromMilli(end), ok, c.start, c.end, c.ok)
		}
	}
}

func TestEvenPacing(t *testing.T) {
	const day = 86_400_000
	for _, c := range []struct{ now, want int64 }{{0, 100}, {day / 2, 600}, {day * 9 / 10, 1000}, {day, 1000}} {
		if got := evenShare(1000, 0, day, c.now); got != c.want {
			t.Errorf("at %d of a day %d of 1000, want %d", c.now, got, c.want)
		}
	}
}

// The price of a budget rises while it runs ahead of plan, falls behind it to
// nothing, and carries over into the next period.
func TestDualPacing(t *testing.T) {
	const day = 86_400_000
	l := NewLedger()
	room := func(now int64) *budgetRoom {
		b := &budgetRoom{id: "b", start: now / day * day, end: now/day*day + day, limit: 10_000, hard: true, pacing: "dual"}
		l.fill(b, now)
		return b
	}
	if got := room(0).lambda; got != 0 {
		t.Errorf("the first price is %d", got)
	}
	l.reserve(&reservation{id: "a", ceiling: 2000, expected: 1500, expires: 2 * day, charges: []chargeRef{{"b", 0, day, 10_000}}})
	// Expected 1,500 at a tenth of the day: 500 of 10,000 ahead, times 20.
	if got := room(day / 10).lambda; got != lambdaUnit {
		t.Errorf("five per cent ahead the price is %d, want %d", got, lambdaUnit)
	}
	if got := room(day / 2).lambda; got != 0 {
		t.Errorf("behind the plan the price is %d", got)
	}
	l.settle(&settlement{decision: "a", amount: 9000, charges: []chargeRef{{"b", 0, day, 10_000}}})
	l.reserve(&reservation{id: "c", ceiling: 1500, expected: 1500, expires: 2 * day, charges: []chargeRef{{"b", 0, day, 10_000}}})
	// 10,500 at the end of the day is 5 % above the limit.
	if got := room(day).lambda; got != lambdaUnit {
		t.Errorf("the next day begins with %d, want %d", got, lambdaUnit)
	}
	if got := room(10 * day).lambda; got != lambdaUnit {
		t.Errorf("a day without predecessor begins with %d", got)
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
}

func TestExpectedGuarantee(t *testing.T) {
	b := &budgetRoom{limit: 1000, buffer: 100, allowed: 900, expected: 600, reserved: 5000, settled: 200}
	if !b.fits(700, 100) || b.fits(700, 101) {
		t.Errorf("available %d, want 100", b.available())
	}
	if !b.fits(0, 0) {
		t.Error("what costs nothing does not fit")
	}
	// Open tokens cost 600 ± 100; 800 are left: the chance of more is that of two standard deviations.
	if got := overrunChance(b, 100*100); math.Abs(got-0.02275) > 1e-4 {
		t.Errorf("chance of an overrun %v, want 0.0228", got)
	}
	b.hard = true
	if got := overrunChance(b, 100*100); got != 0 {
		t.Errorf("a hard budget overruns with chance %v", got)
	}
}

func TestMulDiv(t *testing.T) {
	for _, c := range []struct{ a, b, d, want int64 }{
		{7, 3, 2, 10}, {-7, 3, 2, -10}, {math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64}, {math.MaxInt64, 2, 1, math.MaxInt64}, {1e15, 20e6, 1e15, 20e6},
	} {
		if got := mulDiv(c.a, c.b, c.d); got != c.want {
			t.Errorf("%d*%d/%d = %d, want %d", c.a, c.b, c.d, got, c.want)
		}
	}
}

// Caps count what was shown within the window and what is outstanding.
func TestCapsCount(t *testing.T) {
	const now, from = 1000, 900
	for _, c := range []struct {
		name     string
		m        mark
		ghost    bool
		redeemed bool
		want     bool
	}{
		{"outstanding", mark{at: 950, expires: 2000}, false, false, true},
		{"expired, never shown", mark{at: 950, expires: 990}, false, false, false},
		{"given up", mark{at: 950, expires: 0}, false, false, false},
		{"shown", mark{at: 950, expires: 990, presented: true}, false, false, true},
		{"shown before the window", mark{at: 900, expires: 950, presented: true}, false, false, false},
		{"redeemed counts as shown", mark{at: 950, expires: 990, redeemed: 980}, false, false, true},
		{"redeemed", mark{at: 100, redeemed: 950}, false, true, true},
		{"redeemed before the window", mark{at: 100, redeemed: 900}, false, true, false},
		{"somebody's ghost", mark{at: 950, ghost: true, presented: true}, false, false, false},
		{"a ghost's own", mark{at: 950, ghost: true, presented: true}, true, false, true},
	} {
		q := counting{redeemed: c.redeemed, ghost: c.ghost, from: from, now: now}
		if got := q.counts(&c.m); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
