package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

func (c *exprChecker) binary(n *ast.BinaryNode) *tree {
	if refused, ok := refusedOperators[n.Operator]; ok {
		return c.refuse(n, "`"+n.Operator+"`", refused)
	}
	left, right := c.convert(n.Left), c.convert(n.Right)
	switch n.Operator {
	case "and", "&&":
		return c.logical(n, opAnd, left, right)
	case "or", "||":
		return c.logical(n, opOr, left, right)
	case "+":
		return c.sum(n, opAdd, left, right)
	case "-":
		return c.sum(n, opSub, left, right)
	case "*":
		return c.product(n, opMul, 1, left, right)
	case "/":
		return c.product(n, opDiv, -1, left, right)
	case "==":
		return c.equality(n, opEq, left, right)
	case "!=":
		return c.equality(n, opNe, left, right)
	case "<":
		return c.ordering(n, opLt, left, right)
	case "<=":
		return c.ordering(n, opLe, left, right)
	case ">":
		return c.ordering(n, opGt, left, right)
	case ">=":
		return c.ordering(n, opGe, left, right)
	case "in":
		return c.membership(n, left, right)
	case "contains":
		return c.textTest(n, opContains, left, right)
	case "startsWith":
		return c.textTest(n, opStartsWith, left, right)
	case "endsWith":
		return c.textTest(n, opEndsWith, left, right)
	}
	return c.refuse(n, "`"+n.Operator+"`", "")
}

var refusedOperators = map[string]string{
	"matches": "use startsWith, endsWith, contains or in: a pattern can take unbounded time",
	"..":      "compare with < and <=",
	"??":      "a value that does not exist makes the rule fail for this candidate; a default would hide it",
	"%":       "use round, floor or ceil",
	"**":      "multiply",
	"^":       "multiply",
}

func (c *exprChecker) logical(n ast.Node, o op, left, right *tree) *tree {
	word := map[op]string{opAnd: "and", opOr: "or"}[o]
	c.want(left, kindBool, word)
	c.want(right, kindBool, word)
	return c.branch(n, o, kindBool, left, right)
}

func (c *exprChecker) sum(n *ast.BinaryNode, o op, left, right *tree) *tree {
	t := c.branch(n, o, kindNumber, left, right)
	if n.Operator == "+" && left.kind == kindString && right.kind == kindString {
		c.fail(t, "RB2005", "texts cannot be joined in policies").help = "compare the parts one by one"
		t.kind = kindBad
		return t
	}
	l, r := c.want(left, kindNumber, n.Operator), c.want(right, kindNumber, n.Operator)
	if l && r {
		t.dim = c.joinUnits(t, left, right, map[op]string{opAdd: "added", opSub: "subtracted"}[o])
	}
	return t
}

func (c *exprChecker) product(n *ast.BinaryNode, o op, power int, left, right *tree) *tree {
	t := c.branch(n, o, kindNumber, left, right)
	l, r := c.want(left, kindNumber, n.Operator), c.want(right, kindNumber, n.Operator)
	if l && r {
		t.dim = left.dim.times(right.dim, power)
	}
	if o == opDiv && right.op == opNumber && right.number == 0 {
		c.fail(right, "RB2003", "division by zero").expected = "a number that is not 0"
	}
	return t
}

func (c *exprChecker) ordering(n *ast.BinaryNode, o op, left, right *tree) *tree {
	t := c.branch(n, o, kindBool, left, right)
	l, r := c.want(left, kindNumber, n.Operator), c.want(right, kindNumber, n.Operator)
	if l && r {
		c.joinUnits(t, left, right, "compared")
	}
	return t
}

func (c *exprChecker) equality(n *ast.BinaryNode, o op, left, right *tree) *tree {
	t := c.branch(n, o, kindBool, left, right)
	if left.kind == kindBad || right.kind == kindBad {
		return t
	}
	if left.kind != right.kind {
		c.fail(t, "RB2003", "%s is compared with %s", left.kind, right.kind).expected = "two values of one kind"
		return t
	}
	if left.kind == kindStrings || left.kind == kindNumbers {
		c.fail(t, "RB2003", "lists cannot be compared with %s", n.Operator).help = "use in, any, all or none"
		return t
	}
	c.joinUnits(t, left, right, "compared")
	c.checkEnum(left, right)
	c.checkEnum(right, left)
	return t
}

// checkEnum reports a text that an enumerated variable can never have.
func (c *exprChecker) checkEnum(variable, literal *tree) {
	if variable.op != opVar || len(variable.variable.Values) == 0 {
		return
	}
	texts := literal.list
	if literal.op == opString {
		texts = []string{literal.text}
	}
	for _, text := range texts {
		if slices.Contains(variable.variable.Values, text) {
			continue
		}
		at := *literal
		if i := strings.Index(c.text[literal.from:literal.to], text); literal.op == opList && i > 0 {
			at.from, at.to = literal.from+i-1, literal.from+i+len(text)+1
		}
		p := c.fail(&at, "RB2010", "%s is never %q", variable.variable.Name, text)
		p.expected = "one of " + strings.Join(variable.variable.Values, ", ")
		p.near = nearest(text, variable.variable.Values)
	}
}

func (c *exprChecker) membership(n *ast.BinaryNode, left, right *tree) *tree {
	t := c.branch(n, opIn, kindBool, left, right)
	switch right.kind {
	case kindStrings:
		c.want(left, kindString, "in")
		c.checkEnum(left, right)
		c.checkEnum(right, left)
	case kindNumbers:
		c.want(left, kindNumber, "in")
	case kindBad:
	default:
		p := c.fail(right, "RB2003", "this is %s", right.kind)
		p.expected = "a list after `in`"
		if right.kind == kindString {
			p.help = "use contains for a part of a text"
		}
	}
	return t
}

func (c *exprChecker) textTest(n *ast.BinaryNode, o op, left, right *tree) *tree {
	if left.kind == kindStrings {
		p := c.fail(left, "RB2003", "this is a list of texts")
		p.expected, p.help = fmt.Sprintf("a text before `%s`", n.Operator), "write `x in list`"
		return c.branch(n, o, kindBool, left, right)
	}
	c.want(left, kindString, n.Operator)
	c.want(right, kindString, n.Operator)
	return c.branch(n, o, kindBool, left, right)
}

// call checks one of the allowed functions.
func (c *exprChecker) call(n ast.Node, name string, args []ast.Node) *tree {
	switch name {
	case "min", "max":
		return c.extreme(n, name, args)
	case "abs", "floor", "ceil", "round":
		return c.rounding(n, name, args)
	case "len":
		return c.length(n, args)
	case "any", "all", "none":
		return c.loop(n, name, args)
	}
	t := c.refuse(n, name+"(…)", "")
	p := &c.problems[len(c.problems)-1]
	p.expected = "one of " + strings.Join(functions, ", ")
	p.near = nearest(name, functions)
	return t
}

func (c *exprChecker) unknownCall(n *ast.CallNode) *tree {
	name, _, ok := dottedName(n.Callee)
	if !ok {
		return c.refuse(n, "a call", "")
	}
	return c.call(n, name, n.Arguments)
}

func (c *exprChecker) arity(t *tree, name string, got, least, most int) bool {
	if got >= least && got <= most {
		return true
	}
	want := fmt.Sprintf("%d arguments", least)
	if least != most {
		want = fmt.Sprintf("%d to %d arguments", least, most)
	} else if least == 1 {
		want = "1 argument"
	}
	c.fail(t, "RB2009", "%s has %d arguments", name, got).expected = want
	t.kind = kindBad
	return false
}

func (c *exprChecker) extreme(n ast.Node, name string, nodes []ast.Node) *tree {
	args := c.convertAll(nodes)
	o := map[string]op{"min": opMin, "max": opMax}[name]
	t := c.branch(n, o, kindNumber, args...)
	c.coverCall(t)
	if !c.arity(t, name, len(args), 2, 16) {
		return t
	}
	for i, a := range args {
		if !c.want(a, kindNumber, name) {
			t.kind = kindBad
			continue
		}
		if i == 0 {
			t.dim = a.dim
			continue
		}
		joined := *t
		joined.dim = t.dim
		t.dim = c.joinUnits(t, &joined, a, "compared")
	}
	return t
}

func (c *exprChecker) rounding(n ast.Node, name string, nodes []ast.Node) *tree {
	args := c.convertAll(nodes)
	o := map[string]op{"abs": opAbs, "floor": opFloor, "ceil": opCeil, "round": opRound}[name]
	t := c.branch(n, o, kindNumber, args...)
	c.coverCall(t)
	if c.arity(t, name, len(args), 1, 1) && c.want(args[0], kindNumber, name) {
		t.dim = args[0].dim
	}
	return t
}

func (c *exprChecker) length(n ast.Node, nodes []ast.Node) *tree {
	args := c.convertAll(nodes)
	t := c.branch(n, opLen, kindNumber, args...)
	c.coverCall(t)
	t.dim = dimension{state: dimKnown}
	if c.arity(t, "len", len(args), 1, 1) && args[0].kind != kindString && args[0].kind != kindStrings && args[0].kind != kindBad {
		c.fail(args[0], "RB2003", "this is %s", args[0].kind).expected = "a text or a list of texts for len"
	}
	return t
}

// loop checks any, all and none over a list of texts.
func (c *exprChecker) loop(n ast.Node, name string, nodes []ast.Node) *tree {
	o := map[string]op{"any": opAny, "all": opAll, "none": opNone}[name]
	if len(nodes) != 2 {
		t := c.branch(n, o, kindBool)
		c.arity(t, name, len(nodes), 2, 2)
		return t
	}
	list := c.convert(nodes[0])
	body := nodes[1]
	if p, ok := body.(*ast.PredicateNode); ok {
		body = p.Node
	}
	c.loops++
	deep := c.loops > maxExprLoops
	test := c.convert(body)
	c.loops--
	t := c.branch(n, o, kindBool, list, test)
	c.coverCall(t)
	if deep {
		c.fail(t, "RB2007", "any, all and none nest deeper than %d", maxExprLoops)
	}
	c.want(list, kindStrings, name)
	c.want(test, kindBool, name)
	return t
}

func (c *exprChecker) convertAll(nodes []ast.Node) []*tree {
	out := make([]*tree, len(nodes))
	for i, n := range nodes {
		out[i] = c.convert(n)
	}
	return out
}

// coverCall widens a call over its closing bracket.
func (c *exprChecker) coverCall(t *tree) {
	if len(t.args) == 0 {
		if i := strings.IndexByte(c.text[t.to:], ')'); i >= 0 {
			t.to += i + 1
		}
	}
	c.closeBrackets(t)
}
