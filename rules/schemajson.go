package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// object is a JSON Schema under construction.
type object = map[string]any

// JSONSchema returns the JSON Schema (draft 2020-12) of policy files, reference
// files and test suites, for editors: "policy", "reference" or "suite".
func JSONSchema(kind string) ([]byte, error) {
	var s object
	switch kind {
	case "policy":
		s = policySchema()
	case "reference":
		s = referenceSchema()
	case "suite":
		s = suiteSchema()
	default:
		return nil, fmt.Errorf("no JSON Schema %q: use policy, reference or suite", kind)
	}
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Rebound " + kind
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON Schema %s: %w", kind, err)
	}
	return append(data, '\n'), nil
}

// record is an object with known keys and nothing else.
func record(required []string, properties object) object {
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func listOf(items object) object { return object{"type": "array", "items": items} }

func mapOf(values object) object { return object{"type": "object", "additionalProperties": values} }

func oneOf(values ...string) object { return object{"enum": values} }

func described(s object, text string) object {
	out := maps.Clone(s)
	out["description"] = text
	return out
}

var (
	anyText      = object{"type": "string"}
	anyNumber    = object{"type": "number"}
	shareNumber  = object{"type": "number", "minimum": 0, "maximum": 1}
	wholeNumber  = object{"type": "integer", "minimum": 0}
	truth        = object{"type": "boolean"}
	identifierIn = object{"type": "string", "pattern": identifier.String()}
	reasonText   = object{"type": "string", "pattern": reasonForm.String()}
	durationText = object{"type": "string", "pattern": `^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$`, "description": "such as 48h or 30d"}
	moneyAmount  = object{"type": []string{"number", "string"}, "description": "decimal major units of the scope's currency"}
	expression   = object{"type": []string{"string", "number", "boolean"}, "description": "an expression"}
	texts        = object{"type": "array", "items": object{"type": "string"}}
)

func policySchema() object {
	return record([]string{"apiVersion", "kind", "metadata", "spec"}, object{
		"apiVersion": oneOf("rebound/v1"),
		"kind":       oneOf("GoalPolicy"),
		"metadata": record([]string{"name", "scope", "version"}, object{
			"name": anyText, "scope": described(anyText, `"" for the company, else such as us.ne.0412`), "owner": anyText,
			"version": wholeNumber, "effectiveFrom": anyText, "description": anyText,
		}),
		"spec": object{"anyOf": []object{record(nil, specProperties()), {"type": "null"}}},
	})
}

func specProperties() object {
	return object{
		"currency": object{"type": "string", "pattern": "^[A-Z]{3}$"}, "timezone": anyText,
		"exchange": described(anyNumber, "units of this scope's currency for one of its parent's"),
		"outcomes": mapOf(outcomeSchema()), "models": mapOf(modelSchema()), "goals": mapOf(goalSchema()), "offers": listOf(offerSchema()),
		"constraints": listOf(record([]string{"id", "when", "reason"}, object{"id": identifierIn, "when": expression, "reason": reasonText})),
		"bounds":      record(nil, object{"max_percent_off": shareNumber, "max_liability": moneyAmount}),
		"guardrails":  listOf(guardrailSchema()), "budgets": listOf(budgetSchema()), "caps": listOf(capSchema()),
		"holdout":       record([]string{"id", "percent", "salt"}, object{"id": identifierIn, "percent": object{"type": "number", "minimum": 0, "maximum": 50}, "salt": anyText, "unit": oneOf("profile", "household")}),
		"explore":       exploreSchema(),
		"selection":     record(nil, object{"tieBreak": listOf(oneOf("none", "lowest_ceiling", "offer_id")), "requireLower": truth}),
		"disclosures":   listOf(record([]string{"id", "when", "text"}, object{"id": identifierIn, "when": expression, "text": anyText})),
		"weights":       described(mapOf(anyNumber), "of the company's goals, within their ranges"),
		"deny":          described(texts, "variables that no expression may read"),
		"disableOffers": described(texts, "offers this scope and those below do not make"),
	}
}

func outcomeSchema() object {
	return record([]string{"event"}, object{
		"event": identifierIn, "channel": oneOf(channelNames...), "window": anyText, "from": durationText, "to": durationText,
		"unit": oneOf("probability", "money"),
	})
}

func modelSchema() object {
	lift := record([]string{"lift"}, object{"lift": anyNumber, "sd": object{"type": "number", "minimum": 0}})
	return record(nil, object{
		"without": object{"anyOf": []object{anyNumber, record([]string{"file"}, object{"file": anyText})}},
		"prior":   described(mapOf(lift), "assumed lift per offer"), "file": anyText, "of": anyText, "from": oneOf("profile"),
	})
}

func goalSchema() object {
	ranged := record([]string{"default", "min", "max"}, object{"default": anyNumber, "min": anyNumber, "max": anyNumber})
	return record([]string{"expr"}, object{
		"when": expression, "expr": expression, "unit": anyText, "value": described(anyNumber, "money one unit is worth"),
		"weight": object{"anyOf": []object{anyNumber, ranged}},
	})
}

func offerSchema() object {
	return record([]string{"id", "kind", "validity", "liability", "maxLiability"}, object{
		"id": identifierIn, "kind": oneOf(kindNames()...), "params": mapOf(object{"type": []string{"number", "string"}}),
		"appliesTo": record([]string{"categories"}, object{"categories": object{"anyOf": []object{expression, texts}}}),
		"phases":    listOf(oneOf(phaseNames...)), "channels": listOf(oneOf(channelNames...)), "validity": durationText,
		"eligible": expression, "liability": described(expression, "expected cost if redeemed"), "maxLiability": described(moneyAmount, "the ceiling printed in the terms"),
	})
}

func guardrailSchema() object {
	rule := record([]string{"id", "when", "reason"}, object{"id": identifierIn, "when": expression, "reason": reasonText})
	aggregate := record([]string{"id", "metric", "lower95", "window"}, object{
		"id": identifierIn, "metric": oneOf("margin_vs_holdout"), "lower95": described(anyText, `such as ">= 0"`), "window": durationText, "onBreach": oneOf("none_only"),
	})
	return object{"anyOf": []object{rule, aggregate}}
}

func budgetSchema() object {
	return record([]string{"id", "limit", "period"}, object{
		"id": identifierIn, "limit": moneyAmount, "period": oneOf("day", "week", "month", "fixed"), "from": anyText, "to": anyText,
		"guarantee": oneOf("hard", "expected"), "buffer": moneyAmount, "pacing": oneOf("none", "even", "dual"),
	})
}

func capSchema() object {
	return record([]string{"id", "counts", "limit", "window", "per"}, object{
		"id": identifierIn, "counts": oneOf("offered", "redeemed"), "limit": wholeNumber, "window": durationText, "per": oneOf("profile", "household", "associate"),
	})
}

func exploreSchema() object {
	return record([]string{"strategy"}, object{
		"strategy": oneOf("none", "epsilon", "inverse_gap"), "epsilon": shareNumber, "gamma": anyNumber, "scale": anyNumber, "floor": anyNumber, "maxLiability": moneyAmount,
	})
}

func referenceSchema() object {
	types := slices.Sorted(maps.Keys(factTypes))
	fact := object{"type": []string{"number", "boolean", "string", "array"}}
	return record(nil, object{
		"facts":  mapOf(record([]string{"type"}, object{"type": oneOf(types...), "unit": anyText, "doc": anyText})),
		"stores": mapOf(mapOf(fact)), "categories": mapOf(mapOf(anyNumber)),
	})
}

func suiteSchema() object {
	values := mapOf(object{"type": []string{"number", "boolean", "string", "array"}})
	numbers := mapOf(anyNumber)
	options := record(nil, object{
		"now": anyText, "budgets": object{"anyOf": []object{oneOf("open"), numbers}}, "lambda": object{"anyOf": []object{anyNumber, numbers}},
		"holdout": object{"enum": []any{"on", "off", true, false}}, "explore": object{"enum": []any{"on", "off", true, false}}, "tolerance": anyNumber,
	})
	inputs := object{
		"scope": anyText, "phase": oneOf(phaseNames...), "channel": oneOf(channelNames...), "jurisdiction": anyText,
		"customer": anyText, "return": anyText, "store": anyText, "model": anyText, "basket": anyNumber, "margin_rate": shareNumber,
	}
	expect := record(nil, object{
		"offer": anyText, "scores": numbers, "liability": numbers, "goals": mapOf(numbers), "rejected": mapOf(anyText), "disclosures": texts, "journal": values,
	})
	row := object{"name": anyText, "options": options, "input": record(nil, inputs), "expect": expect}
	test := maps.Clone(row)
	test["table"] = listOf(record([]string{"expect"}, row))
	stub := mapOf(record([]string{"without"}, object{"without": anyNumber, "with": numbers}))
	return record([]string{"name", "tests"}, object{
		"name": anyText, "options": options, "defaults": record(nil, inputs),
		"fixtures":   record(nil, object{"customers": mapOf(values), "returns": mapOf(values), "stores": mapOf(values), "models": mapOf(stub)}),
		"tests":      listOf(record([]string{"name"}, test)),
		"invariants": listOf(record([]string{"id", "when"}, object{"id": identifierIn, "when": expression})),
	})
}
