package rules_test

import (
	"fmt"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules"
)

// A bundle that does not load says where, what was expected and what was meant.
func ExampleLoad() {
	schema := rules.Schema{Variables: []rules.Variable{{Name: "ret.refund_value", Type: rules.Money, Origin: rules.OriginRequest}}}
	company := `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: shop, scope: "", version: 1}
spec:
  currency: EUR
  outcomes: {purchase: {event: purchase, window: 30d}}
  models: {purchase: {without: 0.3}, basket: {from: profile}}
  goals: {margin: {expr: purchase.with * basket.with}}
  offers:
    - {id: pct-10, kind: percent_off, validity: 48h, eligible: ret.refund_valu > 15, liability: 0.1 * basket.with, maxLiability: 20.00}
`
	_, err := rules.Load(fstest.MapFS{"company.yaml": {Data: []byte(company)}}, schema)
	fmt.Println(err)
	// Output:
	// bundle has 1 problem
	// company.yaml:10:64: error RB2002: unknown name ret.refund_valu
}
