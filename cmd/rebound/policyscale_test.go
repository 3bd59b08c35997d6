package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPolicyOfThousandsOfStores activates 5 MB in 2,000 store files through
// ActivateBundle, changes one of them, and finds them again after a restart.
func TestPolicyOfThousandsOfStores(t *testing.T) {
	dir := edited(t, "company.yaml", "shoes", "shoes")
	reason := strings.Repeat("  # the lease of this shop and its hours are why its limit differs from the region's\n", 28)
	for i := range 2000 {
		writeStore(t, dir, i, 300+i%50, reason)
	}
	folder := filepath.Join(t.TempDir(), "store")
	must := func(want string, args ...string) {
		t.Helper()
		out, errOut, code := cli(t, append(args, "--store", folder)...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Fatalf("%v: exit %d, want %q in\n%.2000s%.2000s", args, code, want, out, errOut)
		}
	}
	must("API", "policy", "activate", dir)
	must("shop-1210-day: 310.00 USD", "policy", "effective", "us.n1210")
	writeStore(t, dir, 1210, 77, reason)
	must("API", "policy", "activate", dir)
	must("shop-1210-day: 77.00 USD", "policy", "effective", "us.n1210")
	must("ROLLBACK", "policy", "rollback")
	must("shop-1210-day: 310.00 USD", "policy", "effective", "us.n1210")
}

func writeStore(t *testing.T, dir string, i, limit int, reason string) {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: shop-%d, scope: us.n%d, version: 1}
spec:
%s  budgets:
    - {id: shop-%d-day, limit: %d.00, period: day}
`, i, i, reason, i, limit)
	if err := os.WriteFile(filepath.Join(dir, "stores", fmt.Sprintf("n%d.yaml", i)), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
