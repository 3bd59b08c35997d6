package rules

// Coverage counts which branches of expressions evaluations took. Not safe for
// concurrent use: keep one per goroutine and Merge.
type Coverage struct {
	branches map[*Program]map[*tree]uint8
	runs     map[*Program]int
}

// The outcomes a condition can have had.
const (
	sawTrue uint8 = 1 << iota
	sawFalse
)

// NewCoverage returns an empty count.
func NewCoverage() *Coverage {
	return &Coverage{branches: map[*Program]map[*tree]uint8{}, runs: map[*Program]int{}}
}

// Observe evaluates a program on a frame and counts its branches. An evaluation
// that fails counts the conditions it decided before.
func (c *Coverage) Observe(p *Program, f *Frame) {
	if p == nil || len(f.set) != p.width {
		return
	}
	seen := c.branches[p]
	if seen == nil {
		seen = map[*tree]uint8{}
		c.branches[p] = seen
	}
	t := tracer{frame: f, visit: func(n *tree, v value, _ int) {
		switch {
		case v.fault != "" || !isCondition(n):
		case v.truth():
			seen[n] |= sawTrue
		default:
			seen[n] |= sawFalse
		}
	}}
	if v := t.eval(p.root, 0); v.fault == "" {
		c.runs[p]++
	}
}

// Merge adds what another count saw.
func (c *Coverage) Merge(o *Coverage) {
	for p, n := range o.runs {
		c.runs[p] += n
	}
	for p, branches := range o.branches {
		mine := c.branches[p]
		if mine == nil {
			mine = map[*tree]uint8{}
			c.branches[p] = mine
		}
		for n, saw := range branches {
			mine[n] |= saw
		}
	}
}

// isCondition tells whether a part is decided both ways: a comparison or a truth
// variable, not a combination of others.
func isCondition(n *tree) bool {
	if n.kind != kindBool || n.inner {
		return false
	}
	switch n.op {
	case opNot:
		return n.args[0].inner
	case opAnd, opOr, opCond, opBool:
		return false
	}
	return true
}

// Missed is a branch no evaluation took.
type Missed struct {
	Position
	Text string // the condition
	Want string // "true", "false" or "evaluated"
}

// Program returns how many branches a program has, how many were taken and which
// were not. An expression without conditions has one branch: that it gave a value.
func (c *Coverage) Program(p *Program) (taken, total int, missed []Missed) {
	conditions := 0
	p.root.walk(func(n *tree) {
		if !isCondition(n) {
			return
		}
		conditions++
		total += 2
		saw := c.branches[p][n]
		for _, branch := range []struct {
			bit  uint8
			want string
		}{{sawTrue, "true"}, {sawFalse, "false"}} {
			if saw&branch.bit != 0 {
				taken++
				continue
			}
			missed = append(missed, Missed{Position: p.source.Position, Text: p.text[n.from:n.to], Want: branch.want})
		}
	})
	if conditions > 0 {
		return taken, total, missed
	}
	if c.runs[p] > 0 {
		return 1, 1, nil
	}
	return 0, 1, []Missed{{Position: p.source.Position, Text: p.text, Want: "evaluated"}}
}

// NamedProgram is an expression with the rule it belongs to.
type NamedProgram struct {
	Name    string // "constraint abuse-risk", "offer pct-10: eligible"
	Program *Program
}

// Programs returns every expression of the bundle once, by place.
func (b *Bundle) Programs() []NamedProgram {
	var out []NamedProgram
	seen := map[*Program]bool{}
	for _, scope := range b.scopes {
		for _, np := range b.policies[scope].Programs() {
			if !seen[np.Program] {
				seen[np.Program] = true
				out = append(out, np)
			}
		}
	}
	return out
}

// Programs returns every expression of the policy, in the order of its sections.
func (p *Policy) Programs() []NamedProgram {
	var out []NamedProgram
	add := func(name string, program *Program) {
		if program != nil {
			out = append(out, NamedProgram{Name: name, Program: program})
		}
	}
	for _, o := range p.Offers {
		add("offer "+o.ID+": eligible", o.Eligible)
		add("offer "+o.ID+": appliesTo", o.Categories)
		add("offer "+o.ID+": liability", o.Liability)
	}
	for _, g := range p.Goals {
		add("goal "+g.Name+": when", g.When)
		add("goal "+g.Name, g.Expr)
	}
	for _, r := range p.Constraints {
		add("constraint "+r.ID, r.When)
	}
	for _, r := range p.Guardrails {
		add("guardrail "+r.ID, r.When)
	}
	for _, d := range p.Disclosures {
		add("disclosure "+d.ID, d.When)
	}
	return out
}
