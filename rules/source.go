package rules

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// source is one file of a bundle with the starts of its lines.
type source struct {
	path   string
	raw    []byte
	starts []int // byte offset of each line
}

func newSource(path string, raw []byte) *source {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	s := &source{path: path, raw: raw, starts: []int{0}}
	for i, c := range raw {
		if c == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
	return s
}

// position returns line and column, both from 1, columns in characters.
func (s *source) position(offset int) (line, column int) {
	offset = max(0, min(offset, len(s.raw)))
	line = sort.SearchInts(s.starts, offset+1)
	return line, utf8.RuneCount(s.raw[s.starts[line-1]:offset]) + 1
}

// line returns a line without its end.
func (s *source) line(number int) string {
	if number < 1 || number > len(s.starts) {
		return ""
	}
	rest := s.raw[s.starts[number-1]:]
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return string(bytes.TrimSuffix(rest, []byte("\r")))
}

// offset returns the byte offset of a line and column, both from 1.
func (s *source) offset(line, column int) int {
	if line < 1 || line > len(s.starts) {
		return len(s.raw)
	}
	at := s.starts[line-1]
	for ; column > 1 && at < len(s.raw); column-- {
		_, size := utf8.DecodeRune(s.raw[at:])
		at += size
	}
	return at
}
