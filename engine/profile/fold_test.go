package profile_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

func shuffled(t *rapid.T, steps []step) []step { return rapid.Permutation(steps).Draw(t, "order") }

func equalRecords(t interface{ Fatalf(string, ...any) }, a, b profile.Records) {
	if !bytes.Equal(a.History, b.History) {
		t.Fatalf("history records differ:\n%x\n%x", a.History, b.History)
	}
	if !bytes.Equal(a.Features, b.Features) {
		t.Fatalf("features records differ:\n%x\n%x", a.Features, b.Features)
	}
}

// The span is beyond the horizon, so that events come late and fall out.
func TestFoldIgnoresOrderAndDuplicates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t, 30, 900*day)
		once := foldAll(t, profile.Records{}, steps)
		twice := append(shuffled(t, steps), shuffled(t, steps)...)
		equalRecords(t, once, foldAll(t, profile.Records{}, twice))
	})
}

func TestFoldIgnoresBatching(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t, 30, 900*day)
		var events []*profile.Event
		var single []step
		for _, s := range steps {
			if s.event != nil {
				events, single = append(events, s.event), append(single, s)
			}
		}
		if len(events) == 0 {
			return
		}
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		var f profile.Folder
		first, _, err := f.Events(nil, events[cut:])
		if err != nil {
			t.Fatal(err)
		}
		both, counts, err := f.Events(first.History, events)
		if err != nil {
			t.Fatal(err)
		}
		if counts[profile.Applied] > cut {
			t.Fatalf("%d applied of %d new events", counts[profile.Applied], cut)
		}
		equalRecords(t, foldAll(t, profile.Records{}, single), both)
	})
}

// bigPurchase takes about a tenth of a full history.
func bigPurchase(i int, at time.Time) step {
	lines := make([]profile.Line, 400)
	for k := range lines {
		lines[k] = profile.Line{SKU: fmt.Sprint(k), Quantity: 1, Paid: 100}
	}
	return step{event: &profile.Event{
		ID: fmt.Sprint("big", i), Kind: profile.KindPurchase, Time: at, Currency: "GBP", Lines: lines,
		Customer: profile.Identity{Namespace: "id", Value: "w"},
	}}
}

func TestFullHistoryIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t, 20, 900*day)
		for i := range rapid.IntRange(8, 16).Draw(t, "big") {
			steps = append(steps, bigPurchase(i, drawTime(t, 900*day)))
		}
		once := foldAll(t, profile.Records{}, steps)
		if len(once.History) > profile.MaxHistory+2000 {
			t.Fatalf("history of %d bytes", len(once.History))
		}
		equalRecords(t, once, foldAll(t, profile.Records{}, append(shuffled(t, steps), shuffled(t, steps)...)))
	})
}

func TestFolderIsSafeForConcurrentUse(t *testing.T) {
	var f profile.Folder
	fold := func() (r profile.Records, err error) {
		for i := range 5 {
			if r, _, err = f.Event(r.History, bigPurchase(i, base.Add(time.Duration(-i)*day)).event); err != nil {
				return r, err
			}
		}
		return r, nil
	}
	want, err := fold()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if got, err := fold(); err != nil || !bytes.Equal(got.Features, want.Features) || !bytes.Equal(got.History, want.History) {
					t.Errorf("records differ, %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestFoldResults(t *testing.T) {
	var f profile.Folder
	at := func(id string, when time.Time) *profile.Event {
		return &profile.Event{
			ID: id, Kind: profile.KindPurchase, Time: when, Currency: "USD",
			Lines: []profile.Line{{SKU: "a", Quantity: 1, Paid: 100}},
		}
	}
	r, result, err := f.Event(nil, at("1", base))
	if err != nil || result != profile.Applied {
		t.Fatalf("first: %v, %v", result, err)
	}
	again, result, err := f.Event(r.History, at("1", base.Add(time.Hour)))
	if err != nil || result != profile.Duplicate || again.History != nil {
		t.Fatalf("same id: %v, %v, %d bytes", result, err, len(again.History))
	}
	old := base.Add(-profile.Horizon - time.Hour)
	late, result, err := f.Event(r.History, at("2", old))
	if err != nil || result != profile.Late {
		t.Fatalf("beyond the horizon: %v, %v", result, err)
	}
	view, err := profile.Open(late.Features)
	if err != nil {
		t.Fatal(err)
	}
	if first, _ := view.First(); !first.Equal(old) || view.Events() != 1 {
		t.Errorf("late event: first %v, %d events", first, view.Events())
	}
}

func TestRecordsOfAnotherVersion(t *testing.T) {
	var f profile.Folder
	r := foldAll(t, profile.Records{}, []step{bigPurchase(0, base)})
	newer := bytes.Clone(r.History)
	newer[0] = 2
	if _, _, err := f.Event(newer, bigPurchase(1, base).event); !errors.Is(err, profile.ErrRecordVersion) {
		t.Errorf("newer history: %v", err)
	}
	if _, _, err := f.Event(r.History[:len(r.History)-1], bigPurchase(1, base).event); !errors.Is(err, profile.ErrRecord) {
		t.Errorf("cut history: %v", err)
	}
	newer = bytes.Clone(r.Features)
	newer[0] = 2
	if _, err := profile.Open(newer); !errors.Is(err, profile.ErrRecordVersion) {
		t.Errorf("newer features: %v", err)
	}
	if _, err := profile.Open(r.Features[:len(r.Features)-1]); !errors.Is(err, profile.ErrRecord) {
		t.Errorf("cut features: %v", err)
	}
}

// An entry that falls out of a full history and beyond the horizon at once leaves the same bytes as one that comes late.
func TestFullAndBeyondTheHorizonAtOnce(t *testing.T) {
	var steps []step
	for i := range 11 {
		steps = append(steps, bigPurchase(i, base.Add(time.Duration(i)*time.Hour)))
	}
	newest := bigPurchase(99, base.Add(profile.Horizon+3*time.Hour))
	last := foldAll(t, profile.Records{}, append(append([]step(nil), steps...), newest))
	first := foldAll(t, profile.Records{}, append([]step{newest}, steps...))
	equalRecords(t, last, first)
}

func TestAttributesOutliveTheHorizon(t *testing.T) {
	member, consent := true, true
	steps := []step{
		{event: &profile.Event{ID: "old", Kind: profile.KindAttributes, Time: base, LoyaltyMember: &member, Consent: &consent, Household: "h1", LoyaltyTier: "gold"}},
		bigPurchase(0, base.Add(profile.Horizon+day)),
	}
	r := foldAll(t, profile.Records{}, steps)
	v, err := profile.Open(r.Features)
	if err != nil {
		t.Fatal(err)
	}
	isMember, _ := v.Member()
	consents, _ := v.Consent()
	if first, _ := v.First(); !isMember || !consents || v.Tier() != "gold" || v.Household() != "h1" || !first.Equal(base) || v.Events() != 1 {
		t.Errorf("member %v, consent %v, tier %q, household %q, first %v, %d events", isMember, consents, v.Tier(), v.Household(), first, v.Events())
	}
	then := features(t, r, nil, base.Add(-day), "GBP")
	if then["customer.loyalty_member"] != 0.0 || then["customer.loyalty_tier"] != "" || then["customer.known"] != 0.0 {
		t.Errorf("the day before: %v", then)
	}
}

func TestTopCategories(t *testing.T) {
	var lines []profile.Line
	for category, n := range map[string]int{"a": 5, "b": 30, "c": 12, "d": 12, "e": 12, "f": 12, "g": 12, "h": 2, "i": 2, "j": 1} {
		for range n {
			lines = append(lines, profile.Line{SKU: "k", Category: category, Quantity: 1})
		}
	}
	r := foldAll(t, profile.Records{}, []step{{event: &profile.Event{ID: "1", Kind: profile.KindPurchase, Time: base, Currency: "USD", Lines: lines}}})
	v, err := profile.Open(r.Features)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.TopCategories(nil); fmt.Sprint(got) != "[b c d e f]" {
		t.Errorf("top categories %v", got)
	}
	if got := [...]float64{v.Affinity("b"), v.Affinity("h"), v.Affinity("i")}; got != [...]float64{0.3, 0.02, 0} {
		t.Errorf("affinities %v, want 0.3, 0.02 and, beyond the eighth, 0", got)
	}
}
