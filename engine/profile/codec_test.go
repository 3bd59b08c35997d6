package profile_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rebound-engine/rebound/engine/profile"
	"pgregory.net/rapid"
)

func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t, 1, 900*day)
		e.Store, e.Household = rapid.String().Draw(t, "store"), rapid.String().Draw(t, "household")
		if rapid.Bool().Draw(t, "token") {
			e.Token = []byte{0, 1, 2}
		}
		for i := range e.Lines {
			e.Lines[i].PurchasedAt = time.UnixMilli(rapid.Int64Range(0, 1e13).Draw(t, "bought")).UTC()
		}
		b := profile.AppendEvent(nil, e)
		got, err := profile.DecodeEvent(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, &got); diff != "" {
			t.Fatal(diff)
		}
		if _, offset := got.Time.Zone(); offset != zoneOf(e.Time) {
			t.Fatalf("zone %d, want %d", offset, zoneOf(e.Time))
		}
		if again := profile.AppendEvent(nil, &got); !bytes.Equal(b, again) {
			t.Fatalf("encodes as\n%x, then as\n%x", b, again)
		}
	})
}

func zoneOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

func TestDecodeEventErrors(t *testing.T) {
	good := profile.AppendEvent(nil, bigPurchase(0, base).event)
	for name, b := range map[string][]byte{
		"empty": nil, "version": append([]byte{9}, good[1:]...), "cut": good[:len(good)-1],
		"unknown field": append(bytes.Clone(good), 0xba, 0x3e, 0), "order": append(bytes.Clone(good), 0x10, 1),
	} {
		if _, err := profile.DecodeEvent(b); !errors.Is(err, profile.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add(profile.AppendEvent(nil, bigPurchase(0, base).event)[:200])
	f.Add(profile.AppendEvent(nil, &profile.Event{ID: "x", Kind: profile.KindRedemption, Token: []byte("t"), Time: base}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := profile.DecodeEvent(b)
		if err != nil {
			return
		}
		canonical := profile.AppendEvent(nil, &e)
		again, err := profile.DecodeEvent(canonical)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(canonical, profile.AppendEvent(nil, &again)) {
			t.Fatal("encoding is not stable")
		}
	})
}

func FuzzRecords(f *testing.F) {
	steps := []step{
		happened(profile.KindPresentation, "d1", base),
		{event: bigPurchase(0, base).event},
	}
	r := foldAll(f, profile.Records{}, steps[:1])
	f.Add(r.Features, r.History)
	r = foldAll(f, profile.Records{}, steps)
	f.Add(r.Features, r.History)
	f.Fuzz(func(t *testing.T, features, history []byte) {
		var s profile.Seen
		ret := &profile.Return{ID: "r", Lines: []profile.Line{{SKU: "1", Quantity: 1, Paid: 1}}}
		if err := s.Read(profile.Records{Features: features, History: history}, []profile.Offer{made("d1", base)}, ret, base.Add(day), "USD"); err == nil {
			s.Vector(nil)
		}
		var folder profile.Folder
		if next, _, err := folder.Event(history, bigPurchase(3, base).event); err == nil && next.Features != nil {
			if _, err := profile.Open(next.Features); err != nil {
				t.Fatalf("built a record that does not open: %v", err)
			}
		}
	})
}
