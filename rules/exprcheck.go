package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// exprChecker turns expr's syntax tree into ours, on an allow-list, checking
// types, units, names and the role, and collecting every problem.
type exprChecker struct {
	lang     *language
	role     role
	text     string
	toByte   func(int) int
	problems []exprProblem
	loops    int
}

// analyse parses and checks a text for a role. The tree is nil on any problem.
func (l *language) analyse(text string, r role) (*tree, []exprProblem) {
	parsed, problem := l.parse(text)
	if problem != nil {
		return nil, []exprProblem{*problem}
	}
	c := &exprChecker{lang: l, role: r, text: text, toByte: byteOffsets(text)}
	t := c.convert(parsed.Node)
	if len(c.problems) == 0 {
		c.checkResult(t)
	}
	if len(c.problems) == 0 {
		if p := l.check(parsed); p != nil {
			c.problems = append(c.problems, *p)
		}
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return t, nil
}

func (c *exprChecker) checkResult(t *tree) {
	if t.kind != c.role.want {
		c.fail(t, "RB2008", "this gives %s", t.kind).expected = fmt.Sprintf("%s for %s", c.role.want, c.role.name)
		return
	}
	if t.kind == kindNumber && !c.role.acceptsDimension(t.dim) {
		p := c.fail(t, "RB2004", "this is in %s", t.dim)
		p.expected = fmt.Sprintf("%s for %s", c.role.dim, c.role.name)
		if t.dim.units["money"] == 0 {
			p.help = "multiply by the value of one unit in money"
		}
	}
}

func (c *exprChecker) fail(t *tree, code, format string, args ...any) *exprProblem {
	c.problems = append(c.problems, exprProblem{code: code, from: t.from, to: t.to, message: fmt.Sprintf(format, args...)})
	return &c.problems[len(c.problems)-1]
}

func (c *exprChecker) refuse(n ast.Node, what, help string) *tree {
	t := c.leaf(n, opBad, kindBad)
	c.fail(t, "RB2005", "%s", what+" cannot be used in policies").help = help
	return t
}

// leaf makes a node that spans its own token.
func (c *exprChecker) leaf(n ast.Node, o op, k kind) *tree {
	from, to := tokenExtent(n, c.toByte)
	return &tree{op: o, kind: k, from: from, to: to, slot: -1}
}

// branch makes a node that spans its token and its arguments.
func (c *exprChecker) branch(n ast.Node, o op, k kind, args ...*tree) *tree {
	t := c.leaf(n, o, k)
	t.args = args
	for _, a := range args {
		t.from, t.to = min(t.from, a.from), max(t.to, a.to)
	}
	c.closeBrackets(t)
	return t
}

// closeBrackets widens a node over brackets that its extent opens.
func (c *exprChecker) closeBrackets(t *tree) {
	for range maxExprDepth {
		span := c.text[t.from:t.to]
		open := strings.Count(span, "(") + strings.Count(span, "[") - strings.Count(span, ")") - strings.Count(span, "]")
		if open == 0 {
			return
		}
		if open > 0 {
			i := strings.IndexAny(c.text[t.to:], ")]")
			if i < 0 {
				return
			}
			t.to += i + 1
			continue
		}
		i := strings.LastIndexAny(c.text[:t.from], "([")
		if i < 0 {
			return
		}
		t.from = i
	}
}

func (c *exprChecker) convert(n ast.Node) *tree {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return c.numberNode(n, float64(n.Value), n.Value)
	case *ast.FloatNode:
		return c.numberNode(n, n.Value, 0)
	case *ast.BoolNode:
		t := c.leaf(n, opBool, kindBool)
		if n.Value {
			t.number = 1
		}
		return t
	case *ast.StringNode:
		t := c.leaf(n, opString, kindString)
		t.text = n.Value
		return t
	case *ast.IdentifierNode, *ast.MemberNode:
		return c.name(n)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		return c.unknownCall(n)
	case *ast.NilNode:
		return c.refuse(n, "nil", "a value that does not exist makes the rule fail for this candidate; there is nothing to compare")
	case *ast.VariableDeclaratorNode:
		return c.refuse(n, "let", "write the value out, or make two rules")
	case *ast.SequenceNode:
		return c.refuse(n, "`;`", "write one expression")
	case *ast.ChainNode:
		return c.refuse(n, "`?.`", "use a plain dot: whether a name exists is known at load")
	case *ast.MapNode:
		return c.refuse(n, "a map", "compare with the values directly")
	case *ast.SliceNode:
		return c.refuse(n, "a slice", "use in, any, all or none on the whole list")
	}
	return c.refuse(n, fmt.Sprintf("this construct (%T)", n), "")
}

func (c *exprChecker) numberNode(n ast.Node, v float64, whole int) *tree {
	t := c.leaf(n, opNumber, kindNumber)
	t.number = v
	if whole > 1<<53 || math.IsInf(v, 0) {
		c.fail(t, "RB2005", "the number is too large to be exact").expected = "at most 9007199254740992"
	}
	return t
}

// name resolves an identifier or group.member to a variable.
func (c *exprChecker) name(n ast.Node) *tree {
	dotted, base, ok := dottedName(n)
	if !ok {
		return c.refuse(n, "an index", "use in, any, all or none on the whole list")
	}
	t := c.leaf(n, opBad, kindBad)
	from, _ := tokenExtent(base, c.toByte)
	t.from = min(t.from, from)
	slot := c.lang.env.Slot(dotted)
	if slot < 0 {
		c.unknownName(t, dotted)
		return t
	}
	v := &c.lang.env.vars[slot]
	if !c.role.permits(*v) {
		p := c.fail(t, "RB2006", "%s cannot be read in %s: %s", dotted, c.role.name, c.role.reason)
		p.expected = "variables known at that time: " + strings.Join(c.groups(), ", ")
		return t
	}
	t.op, t.kind, t.variable, t.slot, t.dim = opVar, kindOf(v.Type), v, slot, dimensionOf(*v)
	return t
}

// dottedName joins the parts of a name and returns its first node.
func dottedName(n ast.Node) (name string, base ast.Node, ok bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value, n, true
	case *ast.MemberNode:
		property, isText := n.Property.(*ast.StringNode)
		if !isText || n.Optional {
			return "", n, false
		}
		left, base, ok := dottedName(n.Node)
		return left + "." + property.Value, base, ok
	}
	return "", n, false
}

func (c *exprChecker) unknownName(t *tree, dotted string) {
	p := c.fail(t, "RB2002", "unknown name %s", dotted)
	group, _, nested := strings.Cut(dotted, ".")
	var members, permitted []string
	for _, v := range c.lang.env.vars {
		if member, ok := strings.CutPrefix(v.Name, group+"."); ok {
			members = append(members, member)
		}
		if c.role.permits(v) {
			permitted = append(permitted, v.Name)
		}
	}
	p.near = nearest(dotted, permitted)
	switch {
	case !nested && len(members) > 0:
		p.message = dotted + " is a group of names, not a value"
		p.expected = dotted + "." + strings.Join(members, ", "+dotted+".")
	case len(members) > 0 && len(members) <= 12:
		p.expected = group + "." + strings.Join(members, ", "+group+".")
	case len(members) == 0:
		p.expected = "a name of " + strings.Join(c.groups(), ", ")
	}
	if p.near == "" && !nested && strings.ToUpper(dotted) == dotted {
		p.help = fmt.Sprintf("texts need quotes: %q", dotted)
	}
}

// groups lists the groups of variables the role may read.
func (c *exprChecker) groups() []string {
	var out []string
	for _, v := range c.lang.env.vars {
		group, _, _ := strings.Cut(v.Name, ".")
		if c.role.permits(v) && !slices.Contains(out, group) {
			out = append(out, group)
		}
	}
	slices.Sort(out)
	return out
}

func (c *exprChecker) pointer(n *ast.PointerNode) *tree {
	if n.Name != "" || c.loops == 0 {
		return c.refuse(n, "#"+n.Name, "inside any, all and none write # for the element")
	}
	return c.leaf(n, opElem, kindString)
}

func (c *exprChecker) unary(n *ast.UnaryNode) *tree {
	arg := c.convert(n.Node)
	switch n.Operator {
	case "not", "!":
		t := c.branch(n, opNot, kindBool, arg)
		arg.inner = n.Location() == n.Node.Location()
		c.want(arg, kindBool, n.Operator)
		return t
	case "-":
		t := c.branch(n, opNeg, kindNumber, arg)
		c.want(arg, kindNumber, n.Operator)
		t.dim = arg.dim
		return t
	case "+":
		if !c.want(arg, kindNumber, n.Operator) {
			return c.leaf(n, opBad, kindBad)
		}
		return arg
	}
	return c.refuse(n, n.Operator, "")
}

// want reports an argument of another kind.
func (c *exprChecker) want(t *tree, k kind, operator string) bool {
	if t.kind == k {
		return true
	}
	if t.kind != kindBad {
		c.fail(t, "RB2003", "this is %s", t.kind).expected = fmt.Sprintf("%s for `%s`", k, operator)
	}
	return false
}

func (c *exprChecker) conditional(n *ast.ConditionalNode) *tree {
	cond, yes, no := c.convert(n.Cond), c.convert(n.Exp1), c.convert(n.Exp2)
	t := &tree{op: opCond, kind: yes.kind, args: []*tree{cond, yes, no}, slot: -1, from: cond.from, to: no.to}
	c.closeBrackets(t)
	c.want(cond, kindBool, "?")
	if yes.kind == kindBad || no.kind == kindBad {
		t.kind = kindBad
		return t
	}
	if yes.kind != no.kind {
		c.fail(no, "RB2003", "this is %s", no.kind).expected = fmt.Sprintf("%s, as before the `:`", yes.kind)
		t.kind = kindBad
		return t
	}
	t.dim = c.joinUnits(t, yes, no, "chosen between")
	return t
}

// joinUnits reports two numbers whose units cannot meet.
func (c *exprChecker) joinUnits(at, a, b *tree, verb string) dimension {
	if a.kind != kindNumber || b.kind != kindNumber {
		return dimension{}
	}
	d, ok := a.dim.join(b.dim)
	if !ok {
		p := c.fail(at, "RB2004", "%s and %s cannot be %s", a.dim, b.dim, verb)
		p.expected = "two numbers of the same unit"
		p.help = "multiply by the value of one unit in money before adding it to money"
	}
	return d
}

func (c *exprChecker) array(n *ast.ArrayNode) *tree {
	args := make([]*tree, len(n.Nodes))
	for i, item := range n.Nodes {
		args[i] = c.convert(item)
	}
	t := c.branch(n, opList, kindStrings, args...)
	t.args = nil
	for i, a := range args {
		switch {
		case a.op == opString && (i == 0 || t.kind == kindStrings):
			t.list = append(t.list, a.text)
		case isLiteralNumber(a) && (i == 0 || t.kind == kindNumbers):
			t.op, t.kind = opNumbers, kindNumbers
			t.numbers = append(t.numbers, literalNumber(a))
		case a.kind != kindBad:
			c.fail(a, "RB2003", "a list holds only texts or only numbers, written out").expected = "a literal of the kind of the first one"
			t.kind = kindBad
			return t
		}
	}
	return t
}

func isLiteralNumber(t *tree) bool {
	return t.op == opNumber || t.op == opNeg && t.args[0].op == opNumber
}

func literalNumber(t *tree) float64 {
	if t.op == opNeg {
		return -t.args[0].number
	}
	return t.number
}
