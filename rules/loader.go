package rules

import (
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/internal/currency"
)

// loader holds what is needed while one bundle is read.
type loader struct {
	*report
	files map[string][]byte
	lang  *language
}

// expression compiles a scalar for a role. It returns nil after reporting.
func (l *loader) expression(v node, r role, scope string) *Program {
	at := Source{Position: v.position(), Scope: scope}
	if v.isList() && r.want == kindStrings {
		list := l.texts(v, r.name)
		if len(list) == 0 && len(v.Content) == 0 {
			l.add("RB1011", v, "%s is an empty list, which nothing can match", r.name).help("remove appliesTo to mean all categories")
		}
		t := &tree{op: opList, kind: kindStrings, list: list, slot: -1}
		return newProgram("["+strings.Join(list, ", ")+"]", at, r, l.lang.env, t)
	}
	if !v.isScalar() || v.isNull() || strings.TrimSpace(v.Value) == "" {
		l.add("RB1008", v, "%s is %s", r.name, describeNonNumber(v)).expected("an expression")
		return nil
	}
	t, problems := l.lang.analyse(v.Value, r)
	if t == nil {
		l.exprProblems(v, problems)
		return nil
	}
	return newProgram(v.Value, at, r, l.lang.env, t)
}

// exprProblems places problems of an expression inside its YAML scalar.
func (l *loader) exprProblems(v node, problems []exprProblem) {
	var offsets []int
	if len(v.Value) <= maxExprBytes {
		offsets = v.scalarOffsets()
	}
	for _, p := range problems {
		if p.code == "RB2001" && (l.hashTrap(v) || l.cutByComma(v)) {
			continue
		}
		if p.code == "RB2001" && isTruthWord(v.Value) {
			p.help = "write true or false"
		}
		offset, width := v.offset(), v.width()
		if p.to < len(offsets) && p.from <= p.to {
			offset = offsets[p.from]
			width = max(offsets[p.to]-offset, 1)
		}
		d := l.addAt(p.code, v.f, offset, width, "%s", p.message)
		d.Expected, d.Nearest, d.Help = p.expected, p.near, p.help
	}
}

// hashTrap reports a comment that cuts an unquoted expression short.
func (l *loader) hashTrap(v node) bool {
	if !v.isPlain() {
		return false
	}
	end := v.offset() + len(v.Value)
	if offsets := v.scalarOffsets(); len(offsets) > 0 {
		end = offsets[len(offsets)-1]
	}
	rest := string(v.f.raw[min(end, len(v.f.raw)):])
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	trimmed := strings.TrimLeft(rest, " \t")
	if trimmed == rest || !strings.HasPrefix(trimmed, "#") {
		return false
	}
	l.addAt("RB1003", v.f, end+len(rest)-len(trimmed), len(trimmed), "` #` starts a comment, so the expression ends before it").
		help("put the expression in quotes, or in a block scalar after `|`")
	return true
}

// cutByComma tells whether a comma that cuts this value short was reported.
func (l *loader) cutByComma(v node) bool {
	return v.isPlain() && slices.ContainsFunc(l.list, func(d Diagnostic) bool {
		return d.Code == "RB1014" && d.File == v.f.path && d.Line == v.Line && d.Column > v.Column
	})
}

// money reads an amount exactly, in minor units.
func (m *mapping) money(key, code string, fallback int64) int64 {
	v, ok := m.vals[key]
	if !ok {
		return fallback
	}
	if !v.isScalar() || v.isNull() {
		m.r.add("RB1008", v, "%s.%s is %s", m.what, key, v.describe()).expected("an amount of money such as 20.00")
		return fallback
	}
	minor, err := currency.Parse(v.Value, code)
	if err != nil {
		m.r.add("RB1017", v, "%s.%s: %v", m.what, key, err).expected("decimal " + code + ", such as 20.00")
		return fallback
	}
	if minor < 0 {
		m.r.add("RB1017", v, "%s.%s is negative", m.what, key).expected("an amount of at least 0")
		return fallback
	}
	return minor
}
