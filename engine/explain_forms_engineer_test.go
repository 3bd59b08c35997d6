package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
)

// figureForms is what engineers hear besides.
var figureForms = []form{
	says(engine.VoiceEngineer, `scopes: (".*")`, func(x *explanation, m []string) {
		var chain []string
		for s := range strings.SplitSeq(m[1], " -> ") {
			scope, err := strconv.Unquote(s)
			x.want(err == nil, "%s is no scope", s)
			chain = append(chain, scope)
		}
		x.want(slices.Equal(chain, x.d.Provenance.Chain), "the path is %q", x.d.Provenance.Chain)
		x.note("path")
	}),
	says(engine.VoiceEngineer, `(\S+): stage ([A-Z]+), (?:not scored|score `+decimal+`), p_choice `+decimal+`, p_shown `+decimal+`(?:, ([A-Z0-9_]+)(?: by (\S+) \((\S+)\))?)?`, candidateLine),
	says(engine.VoiceEngineer, `  outcome (\S+): without `+decimal+`, with `+decimal+`, uplift in \[`+decimal+`, `+decimal+`\], ([A-Z_]+)(, assumed)?`, func(x *explanation, m []string) {
		o := pick(x, x.of().Outcomes, "outcome", m[1], func(o *engine.OutcomeScore) string { return o.Outcome })
		for i, v := range []float64{o.Without, o.With, o.Lower, o.Upper} {
			x.figure(m[2+i], v, 6)
		}
		x.want(m[6] == o.Rung.String() && (m[7] != "") == o.Assumed, "its rung is %s, assumed: %t", o.Rung, o.Assumed)
	}),
	says(engine.VoiceEngineer, `  cost: redeem chance `+decimal+` x liability `+decimal+` = `+decimal+` expected, `+money+` charged, ceiling `+money, func(x *explanation, m []string) {
		c := x.of()
		x.figure(m[1], c.RedeemChance, 6)
		x.figure(m[2], c.Liability, 6)
		x.figure(m[3], c.ExpectedCost, 6)
		x.figure(m[3], c.RedeemChance*c.Liability, 6)
		x.minor(m[4], c.LiabilityCost)
		x.minor(m[5], c.Ceiling)
		x.note(c.Offer + " cost")
	}),
	says(engine.VoiceEngineer, `  goal (\S+): does not apply here`, func(x *explanation, m []string) {
		g := pick(x, x.of().Goals, "goal", m[1], func(g *engine.GoalValue) string { return g.Goal })
		x.want(g.Skipped && g.Contribution == 0, "it does")
	}),
	says(engine.VoiceEngineer, `  goal (\S+): `+decimal+` (\S+) x value `+general+` x weight `+general+` = `+decimal, func(x *explanation, m []string) {
		g := pick(x, x.of().Goals, "goal", m[1], func(g *engine.GoalValue) string { return g.Goal })
		x.want(!g.Skipped && m[3] == g.Unit, "its unit is %q, skipped: %t", g.Unit, g.Skipped)
		x.figure(m[2], g.Amount, 6)
		x.exact(m[4], g.Value)
		x.exact(m[5], g.Weight)
		x.figure(m[6], g.Contribution, 6)
		x.figure(m[6], g.Amount*g.Value*g.Weight, 6)
	}),
	says(engine.VoiceEngineer, `  budget (\S+): lambda `+decimal+` x cost `+decimal+` = `+decimal, func(x *explanation, m []string) {
		b := pick(x, x.of().Charges, "budget", m[1], func(c *engine.Charge) string { return c.Budget })
		x.figure(m[2], b.Lambda, 6)
		x.figure(m[3], x.cur.ExpectedCost, 6)
		x.figure(m[4], b.Amount, 6)
		x.figure(m[4], b.Lambda*x.cur.ExpectedCost, 6)
	}),
	says(engine.VoiceEngineer, `  score: goals `+decimal+` - budgets `+decimal+` = `+decimal, func(x *explanation, m []string) {
		c, gained, charged := x.of(), 0.0, 0.0
		x.want(c.Scored && c.Offer != engine.None, "it has no score of its own")
		for _, g := range c.Goals {
			gained += g.Contribution
		}
		for _, b := range c.Charges {
			charged += b.Amount
		}
		x.figure(m[1], gained, 6)
		x.figure(m[2], charged, 6)
		x.figure(m[3], c.Score, 6)
		x.figure(m[3], gained-charged, 6)
		x.note(c.Offer + " sum")
	}),
	says(engine.VoiceEngineer, `  cautious score: `+decimal, func(x *explanation, m []string) {
		x.figure(m[1], x.of().LowerScore, 6)
		x.note(x.cur.Offer + " cautious")
	}),
	says(engine.VoiceEngineer, `draw: (\S+), u ([0-9]+) \(bucket ([0-9]+) of 2\^32\), best (\S+), assigned (\S+), delivered (\S+), holdout share `+general, func(x *explanation, m []string) {
		w := &x.d.Draw
		want := []string{w.Strategy, fmt.Sprint(w.U), fmt.Sprint(w.Bucket), w.Best, x.d.Assigned, x.d.Delivered}
		x.want(slices.Equal(m[1:7], want), "it was %q", want)
		x.exact(m[7], w.Holdout)
		x.note("draw")
	}),
	says(engine.VoiceEngineer, `experiment (\S+): arm (\S+)`, func(x *explanation, m []string) {
		x.want(slices.ContainsFunc(x.d.Arms, func(a engine.Arm) bool { return a.Experiment == m[1] && a.Arm == m[2] }), "it is not so")
		x.note("experiment " + m[1])
	}),
	says(engine.VoiceEngineer, `bundle (\S+) version ([0-9]+), digest ([0-9a-f]+), policy of scope "(.*)"; profile at position ([0-9]+)`, func(x *explanation, m []string) {
		p := &x.d.Provenance
		want := []string{p.BundleName, fmt.Sprint(p.BundleVersion), p.BundleDigest, p.Scope, fmt.Sprint(p.ProfileVersion)}
		x.want(slices.Equal(m[1:], want), "it is %q", want)
		x.note("bundle")
	}),
	says(engine.VoiceEngineer, `model of (\S+): (\S*) (.*) \(assumed: (true|false)\)`, func(x *explanation, m []string) {
		ref := engine.ModelRef{Outcome: m[1], File: m[2], Digest: m[3], Assumed: m[4] == "true"}
		x.want(slices.Contains(x.d.Provenance.Models, ref), "it is not so")
		x.note("model " + m[2] + " of " + m[1])
	}),
}

// candidateLine opens the figures of a candidate.
func candidateLine(x *explanation, m []string) {
	c := x.candidate(m[1])
	x.cur = c
	x.want(m[2] == c.Stage.String(), "its stage is %s", c.Stage)
	x.want((m[3] != "") == c.Scored, "scored: %t", c.Scored)
	if m[3] != "" {
		x.figure(m[3], c.Score, 6)
	}
	x.figure(m[4], c.PChoice, 9)
	x.figure(m[5], c.PShown, 9)
	x.want(m[6] == string(c.Reason), "its reason is %q", c.Reason)
	if m[7] != "" || c.Rule.File != "" {
		at := rules.Position{File: c.Rule.File, Line: c.Rule.Line, Column: c.Rule.Column}
		x.want(m[7] == c.Rule.ID && m[8] == at.String(), "it was %+v", c.Rule)
	}
	x.note("candidate " + m[1])
}

// of is the candidate whose figures are being read.
func (x *explanation) of() *engine.Candidate {
	if x.cur == nil {
		x.wrong("it belongs to no candidate")
		x.cur = &engine.Candidate{}
	}
	return x.cur
}

// pick finds an item of the current candidate by name and notes that it was told.
func pick[T any](x *explanation, list []T, what, name string, of func(*T) string) T {
	for i := range list {
		if of(&list[i]) == name {
			x.note(x.cur.Offer + " " + what + " " + name)
			return list[i]
		}
	}
	x.wrong("there is no %s %s", what, name)
	var none T
	return none
}
