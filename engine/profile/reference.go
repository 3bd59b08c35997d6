package profile

import (
	"fmt"
	"strings"
)

//go:generate go run github.com/rebound-engine/rebound/internal/gen/features ../../docs/reference/features.md

// Reference is docs/reference/features.md: the feature table for people.
func Reference() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from engine/profile by "go generate ./engine/profile". Do not edit. -->
# Features

What policies (as ` + "`customer.*` and `ret.*`" + `) and models may read of a customer seen with a return.

- A number that cannot be computed (no event to compute it from) is missing, NaN, never zero; counts of nothing are 0.
- A window of n days holds the UTC days from today back to n - 1 days ago; offers are counted to the millisecond instead.
- Nothing after the moment of the decision counts, whenever it arrived. The return at hand counts as happening now, in place of its recorded events.
- Money is in major units of the decision's currency; amounts in other currencies do not count, their purchases and returns do.
- Purpose: *personal* features do not exist without consent, *security* features stay, *request* features repeat the request.

| feature | type | unit | window | purpose | formula |
|---|---|---|---|---|---|
`)
	for i := range table {
		f := &table[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", f.Name, f.Type, dash(f.Unit), dash(f.Window), f.Purpose, f.Formula)
	}
	return b.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
