package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format returns a policy, reference or test file in the one layout: two blanks
// per level, lists indented below their key, no blanks at line ends, at most one
// empty line in a row, one line feed at the end. Comments stay where they are, and
// no value changes: the result is parsed and compared. The error of a file that is
// not YAML is a *DiagnosticsError.
func Format(name string, data []byte) ([]byte, error) {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	r := &report{}
	f := newSource(name, data)
	root, ok := r.parseYAML(f)
	if !ok {
		return nil, &DiagnosticsError{Diagnostics: SortDiagnostics(r.list)}
	}
	x := &formatter{f: f, want: map[int]int{}, verbatim: map[int]bool{}}
	x.walk(root, 0)
	out := []byte(x.text())
	again := &report{}
	formatted, ok := again.parseYAML(newSource(name, out))
	if !ok || !sameValue(root.Node, formatted.Node) {
		return nil, fmt.Errorf("format %s: the layout cannot be changed without changing a value", name)
	}
	return out, nil
}

// formatter computes the indentation of each line that starts a key or an item.
type formatter struct {
	f        *source
	want     map[int]int  // line -> blanks before its first character
	verbatim map[int]bool // lines inside block scalars: moved, otherwise as they are
}

func (x *formatter) walk(n node, indent int) {
	switch {
	case n.isScalar() && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		x.blockScalar(n)
	case n.Style&yaml.FlowStyle != 0:
	case n.isMap():
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, v := n.child(i), n.child(i+1)
			x.start(key.Line, key.Column, indent)
			x.walk(v, indent+2)
		}
	case n.isList():
		for i := range n.Content {
			item := n.child(i)
			if text := x.f.line(item.Line); strings.HasPrefix(strings.TrimLeft(text, " "), "-") {
				x.want[item.Line] = indent
			}
			x.walk(item, indent+2)
		}
	}
}

// start records a key that is the first thing on its line.
func (x *formatter) start(line, column, indent int) {
	if text := x.f.line(line); len(text)-len(strings.TrimLeft(text, " ")) == column-1 {
		x.want[line] = indent
	}
}

// blockScalar marks the lines of a literal or folded text.
func (x *formatter) blockScalar(n node) {
	indent := -1
	for line := n.Line + 1; line <= len(x.f.starts); line++ {
		text := x.f.line(line)
		trimmed := strings.TrimLeft(text, " ")
		if trimmed == "" {
			x.verbatim[line] = true
			continue
		}
		if indent < 0 {
			indent = len(text) - len(trimmed)
			if owner := x.f.line(n.Line); indent <= len(owner)-len(strings.TrimLeft(owner, " ")) {
				return
			}
		}
		if len(text)-len(trimmed) < indent {
			return
		}
		x.verbatim[line] = true
	}
}

// text writes the lines with their indentation. A line without one of its own
// moves with the line it continues; a comment moves with what follows it.
func (x *formatter) text() string {
	count := len(x.f.starts)
	if bytes.HasSuffix(x.f.raw, []byte("\n")) {
		count-- // nothing follows the last line feed
	}
	lines := make([]string, count)
	shift := make([]int, len(lines))
	current := 0
	for i := range lines {
		lines[i] = x.f.line(i + 1)
		if want, ok := x.want[i+1]; ok {
			current = want - leadingBlanks(lines[i])
		}
		shift[i] = current
	}
	for i, next := range slices.Backward(lines) {
		if strings.HasPrefix(strings.TrimLeft(next, " "), "#") && !x.verbatim[i+1] {
			shift[i] = x.commentShift(lines, shift, i)
		}
	}
	var b strings.Builder
	empty := 0
	for i, line := range lines {
		if !x.verbatim[i+1] {
			line = strings.TrimRight(line, " \t")
		}
		if strings.TrimSpace(line) == "" && !x.verbatim[i+1] {
			empty++
			continue
		}
		if empty > 0 && b.Len() > 0 {
			b.WriteByte('\n')
		}
		empty = 0
		b.WriteString(moved(line, shift[i]) + "\n")
	}
	return b.String()
}

func leadingBlanks(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// commentShift aligns a comment with the next line when it stood so, else it
// moves as far as that line.
func (x *formatter) commentShift(lines []string, shift []int, i int) int {
	for k := i + 1; k < len(lines); k++ {
		if _, ok := x.want[k+1]; ok {
			return shift[k]
		}
		if strings.HasPrefix(strings.TrimLeft(lines[k], " "), "#") {
			return shift[k]
		}
	}
	return shift[i]
}

func moved(line string, by int) string {
	if by >= 0 {
		if strings.TrimSpace(line) == "" {
			return line
		}
		return strings.Repeat(" ", by) + line
	}
	return line[min(-by, leadingBlanks(line)):]
}

// sameValue compares two YAML trees by what they mean.
func sameValue(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !sameValue(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
