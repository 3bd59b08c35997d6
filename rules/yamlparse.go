package rules

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of the YAML of a bundle.
const (
	maxYAMLBytes = 8 << 20  // 8 MiB, of one file
	maxYAMLDepth = 32       // of nested mappings and lists
	maxYAMLNodes = 500_000  // of one file
	maxYAMLLine  = 64 << 10 // 64 KiB
)

// parseYAML reads one document. It reports syntax errors, aliases, anchors, tags,
// repeated keys and what is too large; ok tells whether the tree may be used.
func (r *report) parseYAML(f *source) (root node, ok bool) {
	if !r.checkText(f) {
		return node{}, false
	}
	dec := yaml.NewDecoder(bytes.NewReader(f.raw))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		r.yamlError(f, err)
		return node{}, false
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.add("RB1013", node{&second, f}, "a file holds one document, and a second one starts here").help("move it to a file of its own")
		return node{}, false
	} else if !errors.Is(err, io.EOF) {
		r.yamlError(f, err)
		return node{}, false
	}
	if len(doc.Content) == 0 {
		r.addFile("RB1013", f.path, "the file is empty")
		return node{}, false
	}
	c := treeChecker{report: r, f: f}
	c.walk(doc.Content[0], 1)
	return node{doc.Content[0], f}, !c.fatal
}

// checkText refuses what would make positions or contents ambiguous.
func (r *report) checkText(f *source) bool {
	if len(f.raw) > maxYAMLBytes {
		r.addFile("RB1006", f.path, "the file has %d bytes, more than %d", len(f.raw), maxYAMLBytes).help("split it")
		return false
	}
	for i, start := range f.starts {
		end := len(f.raw)
		if i+1 < len(f.starts) {
			end = f.starts[i+1]
		}
		if end-start > maxYAMLLine {
			r.addFile("RB1006", f.path, "line %d has %d bytes, more than %d", i+1, end-start, maxYAMLLine).help("break it")
			return false
		}
	}
	for at := 0; at < len(f.raw); {
		c, size := utf8.DecodeRune(f.raw[at:])
		switch {
		case c == utf8.RuneError && size == 1:
			r.addAt("RB1019", f, at, 1, "invalid UTF-8 (byte 0x%02x)", f.raw[at]).expected("UTF-8 text")
			return false
		case c == '\r' && (at+1 == len(f.raw) || f.raw[at+1] != '\n'), c == '\u0085', c == '\u2028', c == '\u2029':
			r.addAt("RB1019", f, at, size, "the line separator %U is not accepted", c).expected("lines that end with a line feed")
			return false
		}
		at += size
	}
	return true
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+)(?:, column (\d+))?: )?`)

// yamlError reports a syntax error of the YAML parser, naming the trap behind it
// where one is recognised.
func (r *report) yamlError(f *source, err error) {
	text := err.Error()
	m := yamlErrorLine.FindStringSubmatch(text)
	line := 0
	if m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if at, width, found := findColonTrap(f, line); found {
		r.addAt("RB1002", f, at, width, "`: ` inside an unquoted value starts a new key").
			help("put the value in quotes, or in a block scalar after `|`")
		return
	}
	if code, at, found := findFlowTrap(f, line); found {
		message := "`[`, `]` or a comma ends an unquoted value inside braces"
		if code == "RB1003" {
			message = "` #` starts a comment, which cuts this line short"
		}
		r.addAt(code, f, at, 1, "%s", message).help("put the value in quotes")
		return
	}
	at, width := f.offset(max(line, 1), 1), 1
	if trimmed := strings.TrimLeft(f.line(line), " \t"); trimmed != "" {
		at += len(f.line(line)) - len(trimmed)
		width = len(trimmed)
	}
	if strings.Contains(text, "tab") || strings.HasPrefix(strings.TrimLeft(f.line(line), " "), "\t") {
		r.addAt("RB1001", f, at, 1, "not YAML: %s", text).help("indent with spaces, not tabs")
		return
	}
	r.addAt("RB1001", f, at, width, "not YAML: %s", text)
}

var keyed = regexp.MustCompile(`^\s*(?:- )?\s*[\w.-]+:\s+(\S.*)$`)

// findColonTrap looks near a line for an unquoted value that holds ": ".
func findColonTrap(f *source, line int) (at, width int, found bool) {
	for _, n := range []int{line, line - 1, line + 1} {
		text := f.line(n)
		m := keyed.FindStringSubmatchIndex(text)
		if m == nil || strings.IndexByte("\"'|>{[&*", text[m[2]]) >= 0 {
			continue
		}
		if i := strings.Index(text[m[2]:], ": "); i >= 0 {
			return f.starts[n-1] + m[2] + i, 2, true
		}
	}
	return 0, 0, false
}

// findFlowTrap looks near a line for a value in braces that a comment, a bracket
// or a comma cuts short.
func findFlowTrap(f *source, line int) (code string, at int, found bool) {
	for _, n := range []int{line, line - 1, line + 1} {
		text := f.line(n)
		open := strings.IndexByte(text, '{')
		if open < 0 {
			continue
		}
		quoted := false
		for i := open; i < len(text); i++ {
			switch c := text[i]; {
			case c == '"' || c == '\'':
				quoted = !quoted
			case quoted:
			case c == '#' && text[i-1] == ' ' && !strings.Contains(text[open:i], "}"):
				return "RB1003", f.starts[n-1] + i, true
			case c == '[' && strings.IndexByte(":,[{", lastNonBlank(text[:i])) < 0:
				return "RB1014", f.starts[n-1] + i, true
			}
		}
	}
	return "", 0, false
}

func lastNonBlank(s string) byte {
	s = strings.TrimRight(s, " \t")
	if s == "" {
		return ':'
	}
	return s[len(s)-1]
}

// treeChecker walks a YAML tree once for what no file may contain.
type treeChecker struct {
	*report
	f     *source
	count int
	fatal bool
}

func (c *treeChecker) walk(y *yaml.Node, depth int) {
	n := node{y, c.f}
	if c.count++; c.count > maxYAMLNodes || depth > maxYAMLDepth {
		if !c.fatal {
			c.add("RB1006", n, "the file nests deeper than %d or has more than %d values", maxYAMLDepth, maxYAMLNodes)
		}
		c.fatal = true
		return
	}
	if y.Kind == yaml.AliasNode {
		c.add("RB1005", n, "aliases (*%s) are not accepted", y.Value).help("write the value out: a policy must be readable from top to bottom")
		c.fatal = true
		return
	}
	if y.Anchor != "" {
		c.add("RB1005", n, "anchors (&%s) are not accepted", y.Anchor).help("remove the anchor and write the value out where it is used")
		c.fatal = true
	}
	if y.Style&yaml.TaggedStyle != 0 {
		c.add("RB1018", n, "tags (%s) are not accepted", y.Tag).help("remove the tag; put text in quotes")
		c.fatal = true
	}
	if y.Kind == yaml.MappingNode {
		c.keys(n)
	}
	for _, child := range y.Content {
		c.walk(child, depth+1)
	}
}

func (c *treeChecker) keys(n node) {
	first := make(map[string]node, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		k := n.child(i)
		if !k.isScalar() {
			c.add("RB1008", k, "a key must be a name, this is %s", k.describe())
			continue
		}
		if before, ok := first[k.Value]; ok {
			c.add("RB1004", k, "the key %q is written twice", k.Value).
				relate(before.position(), "first here").help("keep one of them: YAML would silently use only one")
			continue
		}
		first[k.Value] = k
	}
}
