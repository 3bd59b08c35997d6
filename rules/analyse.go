package rules

import (
	"slices"
	"strings"
)

// analysis looks for rules that cannot matter. What it reports is proved; what it
// does not report may still be so.
type analysis struct {
	*loader
	sources  map[string]*source
	judged   map[*Program]bool
	offers   map[offerQuestion]bool
	pairs    map[[2]*Program]bool
	texts    map[[2]string]bool
	ceilings map[[2]string]bool
}

// offerQuestion identifies "can anybody get this offer": its eligibility and the
// constraints, which scopes share.
type offerQuestion struct {
	offer       int
	constraints *Rule
	count       int
}

// analyse adds warnings to the report. It looks at each expression and at each
// set of constraints once, however many scopes share them.
func (l *loader) analyse(b *Bundle) {
	a := &analysis{loader: l, sources: map[string]*source{}, judged: map[*Program]bool{}, offers: map[offerQuestion]bool{},
		pairs: map[[2]*Program]bool{}, texts: map[[2]string]bool{}, ceilings: map[[2]string]bool{}}
	a.goals(b.policies[""])
	for _, scope := range b.scopes {
		p := b.policies[scope]
		if p.Scope != scope {
			continue
		}
		a.constants(p)
		a.shadows(p)
		a.unreachable(p)
		a.overlaps(p)
	}
}

// warn reports at a program's text, or at a rule when there is none.
func (a *analysis) warn(code string, at Position, width int, format string, args ...any) *Diagnostic {
	f := a.sources[at.File]
	if f == nil {
		f = newSource(at.File, a.files[at.File])
		a.sources[at.File] = f
	}
	return a.addAt(code, f, f.offset(at.Line, at.Column), width, format, args...)
}

// constants reports conditions with one answer.
func (a *analysis) constants(p *Policy) {
	for _, np := range p.Programs() {
		q := np.Program
		if q.root.kind != kindBool || a.judged[q] {
			continue
		}
		a.judged[q] = true
		root := q.root
		if i := slices.IndexFunc(p.Offers, func(o Offer) bool { return o.Eligible == q }); i >= 0 {
			root = bind(root, offerValues(&p.Offers[i]))
		}
		switch {
		case !satisfiable(root):
			a.warn("RB4001", q.source.Position, len(q.text), "%s is never true", np.Name)
		case !satisfiable(negation(root)):
			a.warn("RB4002", q.source.Position, len(q.text), "%s is always true", np.Name)
		}
	}
}

// shadows reports constraints that refuse nothing another does not refuse already.
// One that a child adds may well make its parent's redundant there: that is no fault.
func (a *analysis) shadows(p *Policy) {
	for i, x := range p.Constraints {
		for j, y := range p.Constraints {
			if i == j || len(y.Source.Scope) < len(x.Source.Scope) || a.pairs[[2]*Program{x.When, y.When}] {
				continue
			}
			a.pairs[[2]*Program{x.When, y.When}] = true
			if !proves(x.When, y.When) || i > j && proves(y.When, x.When) {
				continue
			}
			a.warn("RB4003", y.When.source.Position, len(y.When.text), "the constraint %s refuses nothing that %s does not refuse already", y.ID, x.ID).
				relate(x.When.source.Position, "%s", x.ID)
		}
	}
}

// proves tells whether y is true wherever x is; constants are reported elsewhere.
func proves(x, y *Program) bool {
	return !satisfiable(x.root, negation(y.root)) && satisfiable(x.root) && satisfiable(negation(y.root))
}

// unreachable reports offers that nobody can get in a scope.
func (a *analysis) unreachable(p *Policy) {
	for i := range p.Offers {
		o := &p.Offers[i]
		if o.Disabled != nil {
			continue
		}
		if p.Bounds.MaxLiability >= 0 && o.Ceiling > p.Bounds.MaxLiability {
			a.once(p.Bounds.LiabilitySource, o, "its ceiling is above max_liability")
		}
		if share, ok := percentOfBasket(o); ok && p.Bounds.MaxPercentOff >= 0 && share > p.Bounds.MaxPercentOff*(1+1e-9) {
			a.once(p.Bounds.PercentSource, o, "it always takes more than max_percent_off of the basket")
		}
		if len(p.Constraints) == 0 {
			continue
		}
		q := offerQuestion{i, &p.Constraints[0], len(p.Constraints)}
		if a.offers[q] {
			continue
		}
		a.offers[q] = true
		a.reachable(p, o)
	}
}

func (a *analysis) once(bound Source, o *Offer, why string) {
	key := [2]string{bound.String(), o.ID}
	if a.ceilings[key] {
		return
	}
	a.ceilings[key] = true
	a.warn("RB4004", o.Source.Position, len(o.ID), "nobody can get the offer %s in %s: %s", o.ID, scopeName(bound.Scope), why).
		relate(bound.Position, "the bound")
}

func scopeName(scope string) string {
	if scope == "" {
		return "the company"
	}
	return scope
}

// reachable checks an offer's eligibility together with each constraint and with
// all of them.
func (a *analysis) reachable(p *Policy, o *Offer) {
	values := offerValues(o)
	eligible := &tree{op: opBool, kind: kindBool, number: 1, slot: -1}
	if o.Eligible != nil {
		eligible = bind(o.Eligible.root, values)
	}
	if !satisfiable(eligible) {
		return // reported as never true
	}
	all := []*tree{eligible}
	for _, r := range p.Constraints {
		bound := bind(r.When.root, values)
		all = append(all, bound)
		if !satisfiable(eligible, bound) {
			a.warn("RB4004", o.Source.Position, len(o.ID), "nobody can get the offer %s in %s: %s refuses all who are eligible", o.ID, scopeName(p.Scope), r.ID).
				relate(r.Source.Position, "the constraint")
			return
		}
	}
	if !satisfiable(all...) {
		a.warn("RB4004", o.Source.Position, len(o.ID), "nobody can get the offer %s in %s: eligibility and constraints exclude each other", o.ID, scopeName(p.Scope))
	}
}

// percentOfBasket recognises liability = offer.percent * basket.with.
func percentOfBasket(o *Offer) (float64, bool) {
	if o.Kind != PercentOff || o.Liability == nil || o.Liability.root.op != opMul {
		return 0, false
	}
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		x, y := o.Liability.root.args[order[0]], o.Liability.root.args[order[1]]
		if x.op != opVar || y.op != opVar || y.variable.Name != "basket.with" {
			continue
		}
		name, isParam := strings.CutPrefix(x.variable.Name, "offer.")
		i := slices.IndexFunc(o.Params, func(p Param) bool { return p.Name == name && !p.IsText })
		if isParam && i >= 0 {
			return o.Params[i].Number, true
		}
	}
	return 0, false
}

// offerValues are the variables that an offer fixes.
func offerValues(o *Offer) map[string]*tree {
	number := func(x float64) *tree { return &tree{op: opNumber, kind: kindNumber, number: x, slot: -1} }
	text := func(s string) *tree { return &tree{op: opString, kind: kindString, text: s, slot: -1} }
	out := map[string]*tree{"offer.id": text(o.ID), "offer.kind": text(string(o.Kind)), "offer.validity_hours": number(o.Validity.Hours())}
	for _, param := range o.Params {
		if param.IsText {
			out["offer."+param.Name] = text(param.Text)
		} else {
			out["offer."+param.Name] = number(param.Number)
		}
	}
	return out
}

// bind replaces variables by constants.
func bind(t *tree, values map[string]*tree) *tree {
	if t.op == opVar {
		if v, ok := values[t.variable.Name]; ok {
			return v
		}
		return t
	}
	if len(t.args) == 0 {
		return t
	}
	out := *t
	out.args = make([]*tree, len(t.args))
	for i, arg := range t.args {
		out.args[i] = bind(arg, values)
	}
	return &out
}

// goals reports goals whose outcomes no offer is assumed to change.
func (a *analysis) goals(p *Policy) {
	still := map[string]bool{"basket": true}
	for _, o := range p.Outcomes {
		moved := o.Model == ModelFile
		for _, lift := range o.Prior {
			moved = moved || lift.Mean != 0
		}
		still[o.Name] = !moved && o.Model == ModelPrior
	}
	for _, o := range p.Outcomes {
		if o.Model == ModelAlias || o.Model == ModelProfile {
			still[o.Name] = o.Model == ModelProfile || still[o.Of]
		}
	}
	for _, g := range p.Goals {
		moved, scored := false, false
		for _, s := range g.Expr.reads {
			v := p.Env.vars[s]
			group, _, _ := strings.Cut(v.Name, ".")
			moved = moved || v.Origin == OriginOffer || v.Origin == OriginScore && !still[group]
			scored = scored || v.Origin == OriginScore
		}
		if scored && !moved {
			a.warn("RB4005", g.Source.Position, len(g.Name), "no offer moves the goal %s: every offer has the same outcomes as none", g.Name)
		}
	}
}

// overlaps reports two disclosures of one text that can both be due.
func (a *analysis) overlaps(p *Policy) {
	for i, x := range p.Disclosures {
		for _, y := range p.Disclosures[:i] {
			key := [2]string{x.ID, y.ID}
			if x.Text != y.Text || a.texts[key] || !satisfiable(x.When.root, y.When.root) {
				continue
			}
			a.texts[key] = true
			a.warn("RB4006", x.Source.Position, len(x.ID), "the disclosures %s and %s show one text and can both be due", y.ID, x.ID).
				relate(y.Source.Position, "%s", y.ID)
		}
	}
}
