package rulestest

import (
	"fmt"
	"strings"

	"github.com/rebound-engine/rebound/rules"
)

// CoverageReport says which branches of which expressions the cases took.
type CoverageReport struct {
	Rules        []RuleCoverage // in the order of the files
	Taken, Total int            // branches
}

// RuleCoverage is the coverage of one expression.
type RuleCoverage struct {
	Name         string
	At           rules.Position
	Taken, Total int
	Missed       []rules.Missed
}

// Percent returns the share of branches taken, 0 to 100; 100 of nothing.
func (c CoverageReport) Percent() float64 {
	if c.Total == 0 {
		return 100
	}
	return 100 * float64(c.Taken) / float64(c.Total)
}

func newCoverageReport(b *rules.Bundle, c *rules.Coverage) CoverageReport {
	var out CoverageReport
	for _, np := range b.Programs() {
		taken, total, missed := c.Program(np.Program)
		out.Rules = append(out.Rules, RuleCoverage{Name: np.Name, At: np.Program.Source().Position, Taken: taken, Total: total, Missed: missed})
		out.Taken, out.Total = out.Taken+taken, out.Total+total
	}
	return out
}

// Text returns a line per expression and one per branch that was not taken.
func (c CoverageReport) Text() string {
	var b strings.Builder
	for _, r := range c.Rules {
		fmt.Fprintf(&b, "%3d/%-3d %s (%s)\n", r.Taken, r.Total, r.Name, r.At)
		for _, m := range r.Missed {
			fmt.Fprintf(&b, "        never %s: %s\n", m.Want, strings.Join(strings.Fields(m.Text), " "))
		}
	}
	fmt.Fprintf(&b, "coverage: %d of %d branches, %.1f %%\n", c.Taken, c.Total, c.Percent())
	return b.String()
}

// observe counts the branches that a decision's frames take. Rules whose
// variables a rejected candidate never got do not count.
func observe(c *rules.Coverage, p *rules.Policy, o *Outcome) {
	for _, candidate := range o.Candidates {
		if candidate.Frame == nil {
			continue
		}
		for _, np := range candidatePrograms(p, candidate.Offer) {
			c.Observe(np.Program, candidate.Frame)
		}
	}
	if o.Frame == nil {
		return
	}
	for _, d := range p.Disclosures {
		c.Observe(d.When, o.Frame)
	}
}
