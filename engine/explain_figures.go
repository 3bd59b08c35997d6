package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/rules"
)

// figures lists the path and the arithmetic for engineers.
func (n *narrator) figures() {
	d, p := n.d, &n.d.Provenance
	if len(p.Chain) > 0 {
		n.say("scopes: %s", scopePath(p.Chain))
	}
	for i := range d.Candidates {
		n.candidate(&d.Candidates[i])
	}
	n.say("draw: %s, u %d (bucket %d of 2^32), best %s, assigned %s, delivered %s, holdout share %g",
		d.Draw.Strategy, d.Draw.U, d.Draw.Bucket, d.Draw.Best, d.Assigned, d.Delivered, d.Draw.Holdout)
	for _, a := range d.Arms {
		n.say("experiment %s: arm %s", a.Experiment, a.Arm)
	}
	n.say("bundle %s version %d, digest %s, policy of scope %q; profile at position %d", p.BundleName, p.BundleVersion, p.BundleDigest, p.Scope, p.ProfileVersion)
	for _, m := range p.Models {
		n.say("model of %s: %s %s (assumed: %t)", m.Outcome, m.File, m.Digest, m.Assumed)
	}
}

// scopePath writes a scope chain from the company down.
func scopePath(chain []string) string {
	quoted := make([]string, len(chain))
	for i, s := range chain {
		quoted[i] = strconv.Quote(s)
	}
	return strings.Join(quoted, " -> ")
}

// candidate writes how far a candidate came and the arithmetic of its score.
func (n *narrator) candidate(c *Candidate) {
	score := "not scored"
	if c.Scored {
		score = fmt.Sprintf("score %.6f", c.Score)
	}
	n.say("%s: stage %s, %s, p_choice %.9f, p_shown %.9f%s", c.Offer, c.Stage, score, c.PChoice, c.PShown, refusedAt(c))
	for _, o := range c.Outcomes {
		assumed := ""
		if o.Assumed {
			assumed = ", assumed"
		}
		n.say("  outcome %s: without %.6f, with %.6f, uplift in [%.6f, %.6f], %s%s", o.Outcome, o.Without, o.With, o.Lower, o.Upper, o.Rung, assumed)
	}
	if c.Scored && c.Offer != None || c.LiabilityCost > 0 {
		n.say("  cost: redeem chance %.6f x liability %.6f = %.6f expected, %s charged, ceiling %s",
			c.RedeemChance, c.Liability, c.ExpectedCost, n.money(c.LiabilityCost), n.money(c.Ceiling))
	}
	gained := 0.0
	for _, g := range c.Goals {
		if g.Skipped {
			n.say("  goal %s: does not apply here", g.Goal)
			continue
		}
		gained += g.Contribution
		n.say("  goal %s: %.6f %s x value %g x weight %g = %.6f", g.Goal, g.Amount, g.Unit, g.Value, g.Weight, g.Contribution)
	}
	charged := 0.0
	for _, x := range c.Charges {
		charged += x.Amount
		n.say("  budget %s: lambda %.6f x cost %.6f = %.6f", x.Budget, x.Lambda, c.ExpectedCost, x.Amount)
	}
	if c.Scored && c.Offer != None {
		n.say("  score: goals %.6f - budgets %.6f = %.6f", gained, charged, c.Score)
	}
	if c.LowerScore != 0 {
		n.say("  cautious score: %.6f", c.LowerScore)
	}
}

// refusedAt is the reason and the place of the rule behind it.
func refusedAt(c *Candidate) string {
	switch {
	case c.Reason == "":
		return ""
	case c.Rule.File == "":
		return fmt.Sprintf(", %s", c.Reason)
	}
	at := rules.Position{File: c.Rule.File, Line: c.Rule.Line, Column: c.Rule.Column}
	return fmt.Sprintf(", %s by %s (%s)", c.Reason, c.Rule.ID, at)
}
