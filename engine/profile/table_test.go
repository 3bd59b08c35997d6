package profile_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/engine/profile"
)

func TestReferenceIsFresh(t *testing.T) {
	got, err := os.ReadFile("../../docs/reference/features.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != profile.Reference() {
		t.Error("docs/reference/features.md is stale; run go generate ./engine/profile")
	}
}

func TestTableIsWhole(t *testing.T) {
	seen, slot := map[string]bool{}, 0
	for _, f := range profile.Table() {
		if seen[f.Name] {
			t.Errorf("%s is listed twice", f.Name)
		}
		seen[f.Name] = true
		if f.Formula == "" || strings.Contains(f.Formula, "|") {
			t.Errorf("%s: formula %q", f.Name, f.Formula)
		}
		if !strings.HasPrefix(f.Name, "customer.") && !strings.HasPrefix(f.Name, "ret.") {
			t.Errorf("%s has no namespace", f.Name)
		}
		if (f.Type == profile.Number) != (f.Unit != "") {
			t.Errorf("%s: %s with unit %q", f.Name, f.Type, f.Unit)
		}
		if f.Type <= profile.Bool != (f.Slot >= 0) {
			t.Errorf("%s: %s in slot %d", f.Name, f.Type, f.Slot)
		}
		if f.Slot >= 0 {
			if f.Slot != slot {
				t.Errorf("%s: slot %d, want %d", f.Name, f.Slot, slot)
			}
			slot++
		}
	}
	if slot != profile.Slots() {
		t.Errorf("%d slots, want %d", profile.Slots(), slot)
	}
	types := map[string]profile.Type{
		"customer.loyalty_member": profile.Bool, "customer.abuse_score": profile.Number, "customer.top_categories": profile.Strings,
		"ret.refund_value": profile.Number, "ret.reason": profile.String, "ret.authorization": profile.String, "ret.has_incentivised_item": profile.Bool,
	}
	for name, want := range types {
		if f, ok := profile.Lookup(name); !ok || f.Type != want {
			t.Errorf("%s: %v, %v", name, f.Type, ok)
		}
	}
}
