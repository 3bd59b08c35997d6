package rulestest

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Update rewrites the suites so that they expect what was decided: a failing value
// is replaced in place, everything else stays as it is, comments included. It
// returns the changed files and how many failures it could not put into a suite.
func (r *Report) Update(files map[string][]byte) (changed map[string][]byte, left int) {
	edits := map[string][]Failure{}
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			for _, f := range c.Failures {
				if f.Got == "" || files[f.At.File] == nil {
					left++
					continue
				}
				edits[f.At.File] = append(edits[f.At.File], f)
			}
		}
	}
	changed = map[string][]byte{}
	for file, failures := range edits {
		changed[file] = rewrite(files[file], failures)
	}
	return changed, left
}

// rewrite replaces values from the end, so that earlier places stay valid.
func rewrite(data []byte, failures []Failure) []byte {
	slices.SortFunc(failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.At.Line, a.At.Line), cmp.Compare(b.At.Column, a.At.Column))
	})
	failures = slices.CompactFunc(failures, func(a, b Failure) bool { return a.At == b.At })
	lines := strings.SplitAfter(string(data), "\n")
	for _, f := range failures {
		if f.At.Line > len(lines) {
			continue
		}
		line := lines[f.At.Line-1]
		start := byteColumn(line, f.At.Column)
		lines[f.At.Line-1] = line[:start] + f.Got + line[start+valueWidth(line[start:]):]
	}
	return []byte(strings.Join(lines, ""))
}

// byteColumn converts a column in characters, from 1, to a byte offset.
func byteColumn(line string, column int) int {
	at := 0
	for ; column > 1 && at < len(line); column-- {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at
}

// valueWidth is the length of the YAML value a text starts with: a list in
// brackets, a quoted text, or what ends at a comma, bracket, comment or line end.
func valueWidth(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case '[':
		return strings.IndexByte(s+"]", ']') + 1
	case '"', '\'':
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return end + 2
		}
	}
	end := len(s)
	for _, stop := range []string{",", "}", "]", " #", "\n", "\r"} {
		if i := strings.Index(s, stop); i >= 0 {
			end = min(end, i)
		}
	}
	return len(strings.TrimRight(s[:end], " "))
}
