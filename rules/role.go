package rules

import "strings"

// role is what an expression is for. It fixes the type of its result and which
// variables are known by the time it runs.
type role struct {
	name   string
	want   kind
	dim    dimension // of a number
	allow  Origin
	deny   []string // prefixes of names that depend on this expression's own result
	reason string   // why other origins are not known yet
}

const beforeScores = OriginRequest | OriginReference | OriginProfile | OriginOffer

var (
	moneyDimension = dimension{state: dimKnown, units: map[string]int{"money": 1}}
	anyDimension   = dimension{state: dimUnknown}
)

func roleEligible() role {
	return role{name: "eligible", want: kindBool, allow: beforeScores, reason: "eligibility is decided before scoring"}
}

func roleCategories() role {
	return role{name: "appliesTo.categories", want: kindStrings, allow: beforeScores, reason: "eligibility is decided before scoring"}
}

func roleConstraint() role {
	return role{name: "constraint", want: kindBool, allow: beforeScores | OriginScore, deny: []string{"goal."},
		reason: "constraints are checked before the goals are valued and the draw is made"}
}

func roleLiability() role {
	return role{name: "liability", want: kindNumber, dim: moneyDimension, allow: beforeScores | OriginScore,
		deny: []string{"goal.", "cost.", "candidate."}, reason: "it depends on the liability itself"}
}

func roleGoal(unit string) role {
	r := role{name: "goal", want: kindNumber, allow: beforeScores | OriginScore, deny: []string{"goal."},
		reason: "goals are valued one by one, before the draw"}
	if unit == "money" {
		r.dim = moneyDimension
	} else {
		r.dim = dimension{state: dimKnown, units: map[string]int{unit: 1}}
	}
	return r
}

func roleGoalWhen() role {
	return role{name: "goal.when", want: kindBool, allow: beforeScores, reason: "whether a goal counts is decided before scoring"}
}

func roleGuardrail() role {
	return role{name: "guardrail", want: kindBool, allow: beforeScores | OriginScore, reason: "guardrails are checked before the draw"}
}

func roleDisclosure() role {
	return role{name: "disclosure", want: kindBool, allow: OriginRequest | OriginReference | OriginProfile | OriginDecision,
		reason: "after the draw only the chosen offer counts: use chosen.* and decision.*"}
}

// roleInvariant is an invariant of a test suite.
func roleInvariant() role {
	r := roleDisclosure()
	r.name = "invariant"
	return r
}

// permits tells whether an expression of this role may read a variable.
func (r role) permits(v Variable) bool {
	if v.Origin&r.allow == 0 {
		return false
	}
	for _, prefix := range r.deny {
		if strings.HasPrefix(v.Name, prefix) {
			return false
		}
	}
	return true
}

// acceptsDimension tells whether a result of a unit may be this role's value.
// A goal in visits, say, is a ratio (a difference of chances) or in visits.
func (r role) acceptsDimension(d dimension) bool {
	if d.fits(r.dim) {
		return true
	}
	return r.name == "goal" && r.dim.units["money"] == 0 && d.state == dimKnown && len(d.units) == 0
}
