package rules

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
)

// functions are the builtins a policy may call.
var functions = []string{"abs", "all", "any", "ceil", "floor", "len", "max", "min", "none", "round"}

// language parses and checks expressions with expr, over one environment.
// expr never runs them.
type language struct {
	env    *Env
	config *conf.Config
}

func newLanguage(env *Env) *language {
	c := conf.CreateNew()
	c.WithEnv(exprTypes(env))
	c.MaxNodes = maxExprNodes
	c.DisableIfOperator = true
	for _, b := range builtin.Builtins {
		if !slices.Contains(functions, b.Name) {
			c.Disabled[b.Name] = true
		}
	}
	return &language{env: env, config: c}
}

// exprTypes is the environment as expr's checker sees it: strict maps, so that a
// name that does not exist is an error.
func exprTypes(env *Env) types.Map {
	root := types.Map{}
	for _, v := range env.vars {
		group, name, nested := strings.Cut(v.Name, ".")
		if !nested {
			root[v.Name] = exprType(v.Type)
			continue
		}
		inner, ok := root[group].(types.Map)
		if !ok {
			inner = types.Map{}
			root[group] = inner
		}
		inner[name] = exprType(v.Type)
	}
	return root
}

func exprType(t Type) types.Type {
	switch kindOf(t) {
	case kindBool:
		return types.Bool
	case kindString:
		return types.String
	case kindStrings:
		return types.TypeOf([]string(nil))
	}
	return types.Float64
}

// exprProblem is one thing wrong with an expression, by bytes of its text.
type exprProblem struct {
	code            string
	from, to        int
	message         string
	expected, near  string
	help            string
	unexpectedAtEnd bool // the text stops too early
}

// parse turns a text into expr's syntax tree.
func (l *language) parse(text string) (*parser.Tree, *exprProblem) {
	if at, problem := exceedsLimits(text); problem != "" {
		return nil, &exprProblem{code: "RB2007", from: at, to: at + 1, message: problem, help: "split it, or move values to reference files"}
	}
	parsed, err := parser.ParseWithConfig(text, l.config)
	if err == nil {
		return parsed, nil
	}
	p := &exprProblem{code: "RB2001", to: len(text), message: "not an expression: " + err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		toByte := byteOffsets(text)
		p.from, p.to = toByte(at.From), toByte(at.To)
		p.message = "not an expression: " + at.Message
		p.unexpectedAtEnd = strings.Contains(at.Message, "token EOF") || strings.Contains(at.Message, "not terminated") || strings.Contains(at.Message, "unexpected end")
		if strings.Contains(at.Message, "maximum allowed nodes") {
			p.code, p.message = "RB2007", tooManyParts
		}
		p.help = syntaxHelp(text, p)
	}
	return nil, p
}

// syntaxHelp names frequent slips of people who know other languages.
func syntaxHelp(text string, p *exprProblem) string {
	around := text[max(0, p.from-1):min(len(text), p.to+1)]
	switch {
	case strings.Contains(around, "="):
		return "compare with ==, not ="
	case strings.HasPrefix(text[min(p.from, len(text)):], "AND"), strings.HasPrefix(text[min(p.from, len(text)):], "OR"):
		return "write and, or, not in lower case"
	}
	return ""
}

// check asks expr's own checker, as a second opinion after ours: nothing is
// compiled that expr would not accept too.
func (l *language) check(parsed *parser.Tree) *exprProblem {
	_, err := checker.Check(parsed, l.config)
	if err == nil {
		return nil
	}
	p := &exprProblem{code: "RB2003", message: err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		toByte := byteOffsets(parsed.Source.String())
		p.from, p.to, p.message = toByte(at.From), toByte(at.To), at.Message
	}
	return p
}

// byteOffsets converts expr's positions, counted in characters, to bytes.
func byteOffsets(text string) func(int) int {
	if utf8.RuneCountInString(text) == len(text) {
		return func(n int) int { return max(0, min(n, len(text))) }
	}
	var at []int
	for i := range text {
		at = append(at, i)
	}
	return func(n int) int {
		if n >= len(at) {
			return len(text)
		}
		return at[max(n, 0)]
	}
}

// extent of a syntax node in bytes, from its own token only.
func tokenExtent(n ast.Node, toByte func(int) int) (from, to int) {
	loc := n.Location()
	return toByte(loc.From), toByte(loc.To)
}
