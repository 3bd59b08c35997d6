// Package testschema owns a schema of request, return, customer and time
// variables for the tests of policies. It refuses to know which of them an
// engine really fills.
package testschema

import "github.com/rebound-engine/rebound/rules"

// Schema returns the declarations.
func Schema() rules.Schema {
	var out rules.Schema
	add := func(origin rules.Origin, purpose rules.Purpose, vars ...rules.Variable) {
		for _, v := range vars {
			v.Origin, v.Purpose = origin, purpose
			out.Variables = append(out.Variables, v)
		}
	}
	add(rules.OriginRequest, rules.PurposeNone,
		rules.Variable{Name: "request.channel", Type: rules.String, Values: []string{"STORE", "MAIL", "BORIS", "BOPIS", "CURBSIDE", "LOCKER", "THIRD_PARTY"}},
		rules.Variable{Name: "request.phase", Type: rules.String, Values: []string{"STARTED", "AUTHORIZED", "REFUNDED", "AFTER"}},
		rules.Variable{Name: "request.scope", Type: rules.String},
		rules.Variable{Name: "request.store", Type: rules.String},
		rules.Variable{Name: "request.jurisdiction", Type: rules.String},
		rules.Variable{Name: "request.consent", Type: rules.Bool},
		rules.Variable{Name: "request.has_associate", Type: rules.Bool},
		rules.Variable{Name: "request.basket_in_hand", Type: rules.Money},
		rules.Variable{Name: "ret.authorization", Type: rules.String, Values: []string{"APPROVED", "PENDING", "DENIED"}},
		rules.Variable{Name: "ret.refund_value", Type: rules.Money},
		rules.Variable{Name: "ret.reason", Type: rules.String},
		rules.Variable{Name: "ret.categories", Type: rules.Strings},
		rules.Variable{Name: "ret.items", Type: rules.Number, Unit: "count"},
		rules.Variable{Name: "now.hour", Type: rules.Number, Unit: "hour"},
		rules.Variable{Name: "now.weekday", Type: rules.Number, Unit: "weekday"},
		rules.Variable{Name: "now.day_of_month", Type: rules.Number},
		rules.Variable{Name: "now.month", Type: rules.Number},
	)
	add(rules.OriginProfile, rules.PurposeSecurity,
		rules.Variable{Name: "customer.abuse_score", Type: rules.Share},
		rules.Variable{Name: "ret.has_incentivised_item", Type: rules.Bool},
	)
	add(rules.OriginProfile, rules.PurposePersonal,
		rules.Variable{Name: "customer.loyalty_member", Type: rules.Bool},
		rules.Variable{Name: "customer.loyalty_tier", Type: rules.String, Values: []string{"", "SILVER", "GOLD"}},
		rules.Variable{Name: "customer.top_categories", Type: rules.Strings},
		rules.Variable{Name: "customer.return_rate", Type: rules.Share},
		rules.Variable{Name: "customer.bracketing_rate", Type: rules.Share},
		rules.Variable{Name: "customer.recency_days", Type: rules.Number, Unit: "days"},
		rules.Variable{Name: "customer.purchases_365d", Type: rules.Number, Unit: "count"},
		rules.Variable{Name: "customer.value_365d", Type: rules.Money},
	)
	return out
}
