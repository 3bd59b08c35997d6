package rules

// Code documents one kind of diagnostic. The pages of docs/diagnostics are
// generated from this table.
type Code struct {
	Code     string
	Severity Severity
	Title    string
	Why      string // what it means and why it matters
	Bad      string // an example that is refused
	Good     string // the same, right
}

// Codes returns the documentation of every diagnostic, by code.
func Codes() []Code { return codeTable[:] }

// LookupCode returns the documentation of one code.
func LookupCode(code string) (Code, bool) {
	for _, c := range codeTable {
		if c.Code == code {
			return c, true
		}
	}
	return Code{}, false
}

func severityOf(code string) Severity {
	if len(code) > 2 && code[2] == '4' || code == "RB5002" {
		return SeverityWarning
	}
	return SeverityError
}

// codeTable: RB1 the YAML and its values, RB2 expressions, RB3 the bundle and
// inheritance, RB4 analysis (warnings), RB5 test suites, RB6 what activating it would find.
var codeTable = [...]Code{
	{"RB1001", SeverityError, "Not YAML", "The file cannot be read as YAML, so none of its rules is known.", "spec:\n\tbounds: {}", "spec:\n  bounds: {}"},
	{"RB1002", SeverityError, "`: ` inside an unquoted value", "YAML takes a colon followed by a space for the start of a new key, so an unquoted expression with `a ? b : c` breaks.", "when: ret.reason == \"SIZE\" ? true : false", "when: 'ret.reason == \"SIZE\" ? true : false'"},
	{"RB1003", SeverityError, "` #` cuts an unquoted value short", "YAML takes a blank followed by `#` for a comment, so the rest of the line is not part of the expression.", "when: any(store.assortment, # == \"shoes\")", "when: 'any(store.assortment, # == \"shoes\")'"},
	{"RB1004", SeverityError, "Key written twice", "YAML readers keep only one of two equal keys, silently.", "bounds: {max_liability: 40.00, max_liability: 50.00}", "bounds: {max_liability: 40.00}"},
	{"RB1005", SeverityError, "Anchor or alias", "Anchors and aliases hide what a value is, and a few hundred bytes of them can expand to gigabytes.", "liability: &cost 5.00\nmaxLiability: *cost", "liability: \"5.00\"\nmaxLiability: 5.00"},
	{"RB1006", SeverityError, "File too large or too deep", "A policy file holds at most 8 MiB, 500,000 values and 32 levels, and lines of at most 64 KiB.", "spec: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "spec: {}"},
	{"RB1007", SeverityError, "Unknown key", "A key nobody reads is a setting that does nothing: usually a misspelt one.", "bounds: {max_percent_of: 0.2}", "bounds: {max_percent_off: 0.2}"},
	{"RB1008", SeverityError, "Value of the wrong kind", "The value is a text, number, list or mapping where another of these is read.", "percent: ten", "percent: 10"},
	{"RB1009", SeverityError, "Word read as a truth value or number", "Unquoted `no`, `yes`, `on`, `off` are a truth value to some YAML readers and a text to others; 007 and true are not texts.", "clearance_event: no", "clearance_event: false"},
	{"RB1010", SeverityError, "Required key missing", "The entry cannot work without this key.", "- {id: ne-week, limit: 90000.00, guarantee: hard}", "- {id: ne-week, limit: 90000.00, period: week, guarantee: hard}"},
	{"RB1011", SeverityError, "Value not allowed", "The value is of the right kind but not among those accepted, or outside its range.", "guarantee: maybe", "guarantee: hard"},
	{"RB1012", SeverityError, "Bad identifier", "Identifiers appear in journals, metrics and URLs, so they hold letters, digits, '-', '_' and '.' only. Names used in expressions are lower case with '_'.", "id: 20% off!", "id: pct-20"},
	{"RB1013", SeverityError, "Empty file or second document", "Each file holds exactly one YAML document.", "---\nkind: GoalPolicy\n---\nkind: GoalPolicy", "kind: GoalPolicy"},
	{"RB1014", SeverityError, "Comma or bracket cuts an unquoted value in braces", "Inside `{...}` an unquoted value ends at a comma or bracket, so the rest of the expression is lost.", "- {id: a, when: min(basket.with, 5) > 3, reason: X}", "- {id: a, when: \"min(basket.with, 5) > 3\", reason: X}"},
	{"RB1015", SeverityError, "Unexpected file", "A YAML file that no rule reads is usually in the wrong folder.", "region/us.yaml", "regions/us.yaml"},
	{"RB1016", SeverityError, "Bad duration", "Durations are whole weeks, days, hours, minutes or seconds.", "validity: two days", "validity: 48h"},
	{"RB1017", SeverityError, "Bad amount of money", "Money is decimal major units of the scope's currency, with no more decimals than it has.", "maxLiability: 20.005", "maxLiability: 20.01"},
	{"RB1018", SeverityError, "YAML tag", "Tags change how a value is read without showing it.", "version: !!str 3", "version: 3"},
	{"RB1019", SeverityError, "Not clean UTF-8 text", "Invalid bytes and unusual line separators make positions and texts ambiguous.", "a line that ends in U+2028", "a line that ends in a line feed"},
	{"RB2001", SeverityError, "Not an expression", "The text does not follow the grammar of expressions.", "eligible: ret.refund_value >= ", "eligible: ret.refund_value >= 15"},
	{"RB2002", SeverityError, "Unknown name", "The name is not declared. It would never have a value.", "when: customer.abuse_scor < 0.85", "when: customer.abuse_score < 0.85"},
	{"RB2003", SeverityError, "Types do not fit", "An operator or function got a value of a kind it cannot work on.", "when: ret.reason >= 3", "when: ret.refund_value >= 3"},
	{"RB2004", SeverityError, "Units do not fit", "Amounts in different units cannot be added or compared: a visit is not a dollar until it has a value.", "expr: visit.with + cost.expected", "expr: visit.with * 3.20 + cost.expected"},
	{"RB2005", SeverityError, "Construct not part of the language", "Policies use a small part of expr, so that every rule is fast, bounded and can be reasoned about.", "when: ret.reason matches \"^D\"", "when: ret.reason startsWith \"D\""},
	{"RB2006", SeverityError, "Value not known yet", "The rule runs before this value exists.", "eligible: candidate.liability < 10", "constraints:\n  - {id: small, when: candidate.liability < 10, reason: TOO_DEAR}"},
	{"RB2007", SeverityError, "Expression too large", "An expression has at most 4096 bytes, 32 levels of brackets, 400 parts and loops two deep.", "((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))", "1"},
	{"RB2008", SeverityError, "Result of the wrong kind", "A rule needs true or false, a liability and a goal need a number.", "when: customer.abuse_score", "when: customer.abuse_score < 0.85"},
	{"RB2009", SeverityError, "Wrong number of arguments", "The function takes another number of arguments.", "expr: min(basket.with)", "expr: min(basket.with, 100)"},
	{"RB2010", SeverityError, "Value this variable never has", "The variable has a fixed set of values, and this is none of them, so the comparison has one answer for ever.", "when: request.channel == \"BORSI\"", "when: request.channel == \"BORIS\""},
	{"RB2011", SeverityError, "Denied variable", "The variable is on the deny list of this scope or of an ancestor: a protected attribute or a proxy of one.", "deny: [ret.category]\n# and elsewhere\nwhen: ret.category != \"maternity\"", "when: ret.refund_value > 20"},
	{"RB3001", SeverityError, "Bound loosened", "A child may lower a bound of its parent, never raise it.", "bounds: {max_percent_off: 0.40}  # the company's is 0.30", "bounds: {max_percent_off: 0.20}"},
	{"RB3002", SeverityError, "Weight outside its range", "A child may move a goal's weight within the company's [min, max] only, so that no store outbids another.", "weights: {traffic: 9}", "weights: {traffic: 1.8}"},
	{"RB3003", SeverityError, "Child may not declare this", "Outcomes, models, goals, offers, holdout, exploration and selection belong to the company: a child may disable offers and move weights.", "# regions/us.ne.yaml\noffers: [{id: extra}]", "# company.yaml\noffers: [{id: extra}]"},
	{"RB3004", SeverityError, "Constraint loosened", "A child that repeats the id of a parent's constraint must be at least as strict, and the loader must be able to prove it.", "- {id: abuse-risk, when: customer.abuse_score < 0.95, reason: ABUSE_RISK}", "- {id: abuse-risk, when: customer.abuse_score < 0.80, reason: ABUSE_RISK}"},
	{"RB3005", SeverityError, "Cap loosened", "A child that repeats a cap may lower its limit or lengthen its window, nothing else.", "caps: [{id: offers-30d, counts: offered, limit: 9, window: 30d, per: profile}]", "caps: [{id: offers-30d, counts: offered, limit: 2, window: 30d, per: profile}]"},
	{"RB3006", SeverityError, "Guardrail overridden", "Nobody overrides a guardrail of a parent; a child may add its own under another id.", "guardrails: [{id: no-loss-per-decision, when: \"true\", reason: X}]", "guardrails: [{id: ne-no-loss, when: goal.margin >= 0, reason: MARGIN_LOSS}]"},
	{"RB3007", SeverityError, "Unknown reference", "The name refers to an offer, goal, outcome or budget that is not declared.", "disableOffers: [pct-15]", "disableOffers: [pct-10]"},
	{"RB3008", SeverityError, "Declared twice", "Ids are unique in a bundle, so that a journal entry names exactly one rule.", "two budgets with the id ne-week", "ne-week and ne-week-2"},
	{"RB3009", SeverityError, "Company file or scope missing", "A bundle has company.yaml with the scope \"\", and one file per scope.", "two files of scope us.ne", "one file of scope us.ne"},
	{"RB3010", SeverityError, "Outcome without a model, or model without an outcome", "Every outcome needs a model, and every model predicts a declared outcome.", "outcomes: {visit: {event: store_visit, window: 30d}}\nmodels: {}", "models: {visit: {without: 0.4}}"},
	{"RB3011", SeverityError, "Margin is the yardstick", "Every company has the goal margin, in money, with weight 1; other goals are weighed against it.", "goals: {traffic: {...}}", "goals: {margin: {expr: ...}, traffic: {...}}"},
	{"RB3012", SeverityError, "Currency does not fit", "A decision and its budgets are in one currency.", "currency: DOLLARS", "currency: USD"},
	{"RB3013", SeverityError, "Window shorter than a validity", "Margin compares purchases in a window that must outlast every offer, else purchases pulled forward would count as uplift.", "purchase: {event: purchase, window: 7d}  # with an offer valid for 14d", "purchase: {event: purchase, window: 30d}"},
	{"RB3014", SeverityError, "File not in the bundle", "A model refers to a file the bundle does not hold.", "purchase: {file: models/purchse.rbm}", "purchase: {file: models/purchase.rbm}"},
	{"RB3015", SeverityError, "Fact or parameter of two kinds", "A name has one type in all stores and offers, else an expression could not be typed.", "a: {cogs_rate: 0.5}\nb: {cogs_rate: high}", "a: {cogs_rate: 0.5}\nb: {cogs_rate: 0.6}"},
	{"RB3017", SeverityError, "Too large a bundle", "A bundle holds at most 20,000 files and 256 MiB.", "", ""},
	{"RB4001", SeverityWarning, "Never true", "Within the declared ranges and sets of its variables the condition is false for everybody.", "when: customer.abuse_score > 1", "when: customer.abuse_score > 0.9"},
	{"RB4002", SeverityWarning, "Always true", "Within the declared ranges and sets of its variables the condition is true for everybody, so the rule refuses nothing.", "when: customer.abuse_score <= 1", "when: customer.abuse_score <= 0.85"},
	{"RB4003", SeverityWarning, "Shadowed constraint", "Whenever this constraint refuses, another one refuses already.", "a: customer.abuse_score < 0.8\nb: customer.abuse_score < 0.9", "a: customer.abuse_score < 0.8"},
	{"RB4004", SeverityWarning, "Offer nobody can get", "Eligibility, constraints and bounds leave no customer for the offer in this scope.", "eligible: ret.refund_value > 100 and ret.refund_value < 50", "eligible: ret.refund_value > 50 and ret.refund_value < 100"},
	{"RB4005", SeverityWarning, "Goal no offer moves", "The assumed lifts of the outcomes this goal reads are zero for every offer.", "", ""},
	{"RB4006", SeverityWarning, "Overlapping disclosures", "Two disclosures with the same text can both be due.", "", ""},
	{"RB5001", SeverityError, "Bad test suite", "The suite cannot be run as written.", "", ""},
	{"RB5002", SeverityWarning, "Fixture not used", "No test refers to this fixture.", "", ""},
	{"RB6001", SeverityError, "Bundle cannot be activated", "The bundle compiles, but nothing could decide by it: a model file does not open or reads what this build does not know, or a budget or cap cannot be kept.", "", ""},
}
