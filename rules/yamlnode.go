package rules

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a YAML value together with the file it stands in.
type node struct {
	*yaml.Node
	f *source
}

func (n node) offset() int { return n.f.offset(n.Line, n.Column) }

// width returns the bytes a caret should span: a scalar's own text, one
// character of anything larger.
func (n node) width() int {
	if n.Kind != yaml.ScalarNode {
		return 1
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return 1
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return len(n.Value) + 2
	}
	return len(n.Value)
}

func (n node) position() Position {
	line, column := n.f.position(n.offset())
	return Position{File: n.f.path, Line: line, Column: column}
}

func (n node) child(i int) node { return node{n.Content[i], n.f} }

func (n node) isMap() bool    { return n.Node != nil && n.Kind == yaml.MappingNode }
func (n node) isList() bool   { return n.Node != nil && n.Kind == yaml.SequenceNode }
func (n node) isScalar() bool { return n.Node != nil && n.Kind == yaml.ScalarNode }
func (n node) isNull() bool   { return n.isScalar() && n.Tag == "!!null" }
func (n node) isPlain() bool {
	return n.isScalar() && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// describe names what a value is, for messages.
func (n node) describe() string {
	switch {
	case n.isMap():
		return "a mapping"
	case n.isList():
		return "a list"
	case n.isNull():
		return "nothing"
	case n.Tag == "!!bool":
		return "the truth value " + n.Value
	case n.Tag == "!!int", n.Tag == "!!float":
		return "the number " + n.Value
	}
	return "the text " + quoteShort(n.Value)
}

func quoteShort(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:37]) + "..."
	}
	return `"` + strings.ReplaceAll(s, "\n", " ") + `"`
}

// scalarOffsets maps every byte of a scalar's value, and its end, to the byte of
// the file it was written at. The result is nil when the two do not line up, as
// after an escape this does not follow; the caller then points at the scalar.
func (n node) scalarOffsets() []int {
	raw, at := n.f.raw, n.offset()
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return alignQuoted(raw, at+1, n.Value, '\\')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return alignQuoted(raw, at+1, n.Value, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return alignBlock(raw, at, n.Value)
	}
	return alignFlow(raw, at, n.Value)
}

// alignFlow follows a plain scalar: a line break with its indentation stands for
// one space, further breaks for line feeds.
func alignFlow(raw []byte, at int, value string) []int {
	out := make([]int, 0, len(value)+1)
	for i := range len(value) {
		if at >= len(raw) {
			return nil
		}
		out = append(out, at)
		if raw[at] == value[i] && (value[i] != ' ' || !breaksLine(raw, at)) {
			at++
			continue
		}
		next := skipBlank(raw, at)
		if (value[i] != ' ' && value[i] != '\n') || next == at {
			return nil
		}
		if i+1 < len(value) && value[i+1] != '\n' {
			at = next
		}
	}
	return append(out, at)
}

// breaksLine tells whether only blanks lie between at and the line's end.
func breaksLine(raw []byte, at int) bool {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\t' || raw[at] == '\r') {
		at++
	}
	return at < len(raw) && raw[at] == '\n'
}

func skipBlank(raw []byte, at int) int {
	for at < len(raw) && strings.IndexByte(" \t\r\n", raw[at]) >= 0 {
		at++
	}
	return at
}

// alignQuoted follows a quoted scalar; escape is the character that starts an
// escape: a backslash, or the quote itself in single quotes.
func alignQuoted(raw []byte, at int, value string, escape byte) []int {
	out := make([]int, 0, len(value)+1)
	for i := range len(value) {
		if at >= len(raw) {
			return nil
		}
		switch c := raw[at]; {
		case c == escape && at+1 < len(raw) && raw[at+1] == value[i] && strings.IndexByte(`"'\/ `, value[i]) >= 0:
			out = append(out, at)
			at += 2
		case c == escape:
			return nil
		case c == value[i] && (c != ' ' || !breaksLine(raw, at)):
			out = append(out, at)
			at++
		case value[i] == ' ':
			out = append(out, at)
			at = skipBlank(raw, at)
		default:
			return nil
		}
	}
	return append(out, at)
}

// alignBlock follows a literal or folded block scalar from its | or >.
func alignBlock(raw []byte, at int, value string) []int {
	for at < len(raw) && raw[at] != '\n' {
		at++
	}
	at++
	indent := blockIndent(raw, at)
	at = skipIndent(raw, at, indent)
	out := make([]int, 0, len(value)+1)
	for i := range len(value) {
		if at >= len(raw) {
			out = append(out, len(raw))
			continue
		}
		if raw[at] == '\r' {
			at++
		}
		out = append(out, at)
		switch {
		case raw[at] == '\n' && (value[i] == '\n' || value[i] == ' '):
			at = skipIndent(raw, at+1, indent)
		case raw[at] == value[i]:
			at++
		default:
			return nil
		}
	}
	return append(out, min(at, len(raw)))
}

// blockIndent returns the indentation of the first line that has text.
func blockIndent(raw []byte, at int) int {
	for at < len(raw) {
		n := 0
		for at+n < len(raw) && raw[at+n] == ' ' {
			n++
		}
		if at+n < len(raw) && raw[at+n] != '\n' && raw[at+n] != '\r' {
			return n
		}
		at += n + 1
	}
	return 0
}

func skipIndent(raw []byte, at, indent int) int {
	for ; indent > 0 && at < len(raw) && raw[at] == ' '; indent-- {
		at++
	}
	return at
}
