// Package rules measures the same twenty conditions in Rebound's closures, expr's
// machine, cel-go, OPA and Cerbos. It is a module of its own, so that the peers are
// no dependency of Rebound. It refuses to know anything of a whole decision.
package rules

import (
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules"
)

// Condition is one rule in the three notations.
type Condition struct{ Rebound, CEL, Rego string }

// Conditions are the twenty rules; all are true on Input.
func Conditions() []Condition {
	var out []Condition
	same := func(text string) {
		cel := strings.NewReplacer(" and ", " && ", " or ", " || ").Replace(text)
		out = append(out, Condition{Rebound: text, CEL: cel, Rego: strings.NewReplacer(" and ", "; ").Replace(text)})
	}
	for _, limit := range []string{"0.85", "0.80", "0.75", "0.70"} {
		same("customer.abuse_score < " + limit)
	}
	for _, least := range []string{"15.0", "30.0", "40.0", "60.0"} {
		same("ret.refund_value >= " + least)
	}
	for _, share := range []string{"0.08", "0.10", "0.12"} {
		same("candidate.margin_if_redeemed >= " + share + " * basket.with")
	}
	for _, category := range []string{"basics", "shoes"} {
		same(fmt.Sprintf("%q in store.assortment", category))
	}
	for _, rate := range []string{"0.9", "0.8", "0.7"} {
		same("customer.return_rate < " + rate + " and customer.recency_days < 400.0")
	}
	for _, list := range []string{`["DEFECT", "RECALL"]`, `["DEFECT", "RECALL", "LATE"]`} {
		out = append(out, Condition{
			Rebound: "ret.reason not in " + list, CEL: "!(ret.reason in " + list + ")", Rego: "not ret.reason in " + list,
		})
	}
	same(`request.channel == "STORE" and ret.refund_value >= 20.0`)
	same(`request.channel in ["STORE", "BORIS"] and customer.abuse_score < 0.9`)
	return out
}

// Input holds the values of the variables by group and name.
func Input() map[string]map[string]any {
	return map[string]map[string]any{
		"customer":  {"abuse_score": 0.1, "return_rate": 0.3, "recency_days": 20.0},
		"ret":       {"refund_value": 80.0, "reason": "SIZE"},
		"candidate": {"margin_if_redeemed": 30.0},
		"basket":    {"with": 90.0},
		"store":     {"assortment": []string{"basics", "shoes", "coats"}},
		"request":   {"channel": "STORE"},
	}
}

// Schema declares the variables that the bundle does not add itself.
func Schema() rules.Schema {
	return rules.Schema{Variables: []rules.Variable{
		{Name: "customer.abuse_score", Type: rules.Share, Origin: rules.OriginProfile},
		{Name: "customer.return_rate", Type: rules.Share, Origin: rules.OriginProfile},
		{Name: "customer.recency_days", Type: rules.Number, Unit: "days", Origin: rules.OriginProfile},
		{Name: "ret.refund_value", Type: rules.Money, Origin: rules.OriginRequest},
		{Name: "ret.reason", Type: rules.String, Origin: rules.OriginRequest},
		{Name: "request.channel", Type: rules.String, Origin: rules.OriginRequest},
	}}
}

// Bundle is a bundle with the conditions as constraints.
func Bundle() fs.FS {
	var b strings.Builder
	b.WriteString(`apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: bench, scope: "", version: 1}
spec:
  currency: USD
  outcomes: {purchase: {event: purchase, window: 30d}}
  models: {purchase: {without: 0.3}, basket: {from: profile}}
  goals: {margin: {expr: purchase.with * basket.with - cost.expected}}
  offers: [{id: credit, kind: bonus_credit, validity: 2h, liability: "5.00", maxLiability: 5.00}]
  constraints:
`)
	for i, c := range Conditions() {
		fmt.Fprintf(&b, "    - {id: rule-%d, when: '%s', reason: RULE}\n", i, c.Rebound)
	}
	return fstest.MapFS{
		"company.yaml":          {Data: []byte(b.String())},
		"reference/stores.yaml": {Data: []byte("stores:\n  s: {assortment: [basics, shoes, coats]}\n")},
	}
}
