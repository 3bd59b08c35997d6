package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity of a diagnostic. Only errors keep a bundle from loading.
type Severity uint8

// The severities, most serious first.
const (
	SeverityError Severity = iota + 1
	SeverityWarning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Related is a second place a diagnostic speaks of, such as the parent's value
// that a child loosens.
type Related struct {
	Position
	Message string
}

// Diagnostic is one problem of a bundle, with the exact place of its cause.
type Diagnostic struct {
	Code     string // documented, e.g. "RB1007"
	Severity Severity
	Position
	Length   int    // characters under the caret, at least 1
	Snippet  string // the source line
	Message  string
	Expected string // what would have been right; may be empty
	Nearest  string // the nearest known name; may be empty
	Help     string // what to do; may be empty
	Related  []Related
}

// String returns the one-line form, file:line:column: error RB1007: message.
func (d Diagnostic) String() string {
	return fmt.Sprintf("%s: %s %s: %s", d.Position, d.Severity, d.Code, d.Message)
}

// String returns file:line:column, without the parts that are unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Format returns the form for a terminal: the message, the source line with
// carets under the cause, what was expected and what to do.
func (d Diagnostic) Format() string {
	var b strings.Builder
	b.WriteString(d.String())
	b.WriteByte('\n')
	d.writeSnippet(&b)
	d.writeNotes(&b)
	return b.String()
}

func (d Diagnostic) writeSnippet(b *strings.Builder) {
	if d.Snippet == "" {
		return
	}
	number := fmt.Sprintf("%5d", d.Line)
	fmt.Fprintf(b, "%s | %s\n", number, strings.ReplaceAll(d.Snippet, "\t", " "))
	fmt.Fprintf(b, "%s | %s%s\n", strings.Repeat(" ", len(number)), strings.Repeat(" ", max(d.Column-1, 0)), strings.Repeat("^", max(d.Length, 1)))
}

func (d Diagnostic) writeNotes(b *strings.Builder) {
	if d.Expected != "" {
		fmt.Fprintf(b, "      = expected: %s\n", d.Expected)
	}
	if d.Nearest != "" {
		fmt.Fprintf(b, "      = did you mean %q?\n", d.Nearest)
	}
	if d.Help != "" {
		fmt.Fprintf(b, "      = help: %s\n", d.Help)
	}
	for _, r := range d.Related {
		fmt.Fprintf(b, "      = %s: %s\n", r.Position, r.Message)
	}
}

// DiagnosticsError is the error of a bundle that does not load. It holds every
// problem found, sorted by place.
type DiagnosticsError struct{ Diagnostics []Diagnostic }

// Error returns the number of problems and each in one line.
func (e *DiagnosticsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bundle has %d problems", len(e.Diagnostics))
	if len(e.Diagnostics) == 1 {
		b.Reset()
		b.WriteString("bundle has 1 problem")
	}
	for _, d := range e.Diagnostics {
		b.WriteString("\n")
		b.WriteString(d.String())
	}
	return b.String()
}

// SortDiagnostics orders by file, line, column, code and message and drops
// exact repetitions.
func SortDiagnostics(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.Position == b.Position && a.Code == b.Code && a.Message == b.Message
	})
}

// maxDiagnostics bounds a report: a file of a million mistakes is one mistake.
const maxDiagnostics = 1000

// report collects diagnostics while a bundle is read.
type report struct {
	list    []Diagnostic
	failed  bool       // an error was reported, kept or not
	dropped Diagnostic // what came after the first maxDiagnostics
}

// add records a problem at n and returns it for further notes. The pointer is
// valid until the next add.
func (r *report) add(code string, n node, format string, args ...any) *Diagnostic {
	return r.addAt(code, n.f, n.offset(), n.width(), format, args...)
}

// addAt records a problem at the bytes [offset, offset+width) of a file.
func (r *report) addAt(code string, f *source, offset, width int, format string, args ...any) *Diagnostic {
	d := r.keep(Diagnostic{Code: code, Severity: severityOf(code), Message: fmt.Sprintf(format, args...)})
	if d != &r.dropped {
		d.place(f, offset, width)
	}
	return d
}

// keep appends a diagnostic while there is room.
func (r *report) keep(d Diagnostic) *Diagnostic {
	r.failed = r.failed || d.Severity == SeverityError
	if len(r.list) >= maxDiagnostics {
		r.dropped = d
		return &r.dropped
	}
	r.list = append(r.list, d)
	return &r.list[len(r.list)-1]
}

// addFile records a problem of a file as a whole.
func (r *report) addFile(code, file, format string, args ...any) *Diagnostic {
	return r.keep(Diagnostic{Code: code, Severity: severityOf(code), Message: fmt.Sprintf(format, args...), Position: Position{File: file}, Length: 1})
}

// errors tells whether anything recorded keeps the bundle from loading.
func (r *report) errors() bool { return r.failed }

func (d *Diagnostic) place(f *source, offset, width int) {
	line, column := f.position(offset)
	d.Position = Position{File: f.path, Line: line, Column: column}
	d.Snippet = f.line(line)
	rest := utf8.RuneCountInString(d.Snippet) - column + 1
	end := min(offset+max(width, 1), len(f.raw))
	d.Length = max(1, min(utf8.RuneCount(f.raw[min(offset, end):end]), rest))
}

func (d *Diagnostic) expected(s string) *Diagnostic { d.Expected = s; return d }
func (d *Diagnostic) near(s string)                 { d.Nearest = s }
func (d *Diagnostic) help(s string)                 { d.Help = s }

func (d *Diagnostic) relate(p Position, format string, args ...any) *Diagnostic {
	d.Related = append(d.Related, Related{Position: p, Message: fmt.Sprintf(format, args...)})
	return d
}
