package rules

import (
	"encoding/json"
	"fmt"
	"strings"
)

// DocsURL is where the page of a diagnostic code lies, relative to the repository.
func DocsURL(code string) string { return "docs/diagnostics/" + code + ".md" }

// FormatText returns all diagnostics for a terminal, and a line that counts them.
func FormatText(ds []Diagnostic) string {
	var b strings.Builder
	errors, warnings := 0, 0
	for _, d := range ds {
		b.WriteString(d.Format())
		if d.Severity == SeverityError {
			errors++
		} else {
			warnings++
		}
	}
	if len(ds) > 0 {
		fmt.Fprintf(&b, "%s, %s\n", plural(errors, "error"), plural(warnings, "warning"))
	}
	return b.String()
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// jsonDiagnostic is the machine-readable form of a diagnostic.
type jsonDiagnostic struct {
	Code     string        `json:"code"`
	Severity string        `json:"severity"`
	File     string        `json:"file"`
	Line     int           `json:"line,omitempty"`
	Column   int           `json:"column,omitempty"`
	Length   int           `json:"length,omitempty"`
	Message  string        `json:"message"`
	Expected string        `json:"expected,omitempty"`
	Nearest  string        `json:"nearest,omitempty"`
	Help     string        `json:"help,omitempty"`
	Snippet  string        `json:"snippet,omitempty"`
	Related  []jsonRelated `json:"related,omitempty"`
	Docs     string        `json:"docs"`
}

type jsonRelated struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// FormatJSON returns the diagnostics as a JSON array.
func FormatJSON(ds []Diagnostic) ([]byte, error) {
	out := make([]jsonDiagnostic, len(ds))
	for i, d := range ds {
		out[i] = jsonDiagnostic{
			Code: d.Code, Severity: d.Severity.String(), File: d.File, Line: d.Line, Column: d.Column, Length: d.Length,
			Message: d.Message, Expected: d.Expected, Nearest: d.Nearest, Help: d.Help, Snippet: d.Snippet, Docs: DocsURL(d.Code),
		}
		for _, r := range d.Related {
			out[i].Related = append(out[i].Related, jsonRelated{r.File, r.Line, r.Column, r.Message})
		}
	}
	return marshalIndent(out)
}

func marshalIndent(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write diagnostics: %w", err)
	}
	return append(data, '\n'), nil
}

// FormatGitHub returns workflow commands that GitHub shows beside the lines.
// prefix is the bundle's path within the repository.
func FormatGitHub(ds []Diagnostic, prefix string) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "::%s file=%s", d.Severity, propertyEscaper.Replace(joinPath(prefix, d.File)))
		if d.Line > 0 {
			fmt.Fprintf(&b, ",line=%d,col=%d,endColumn=%d", d.Line, d.Column, d.Column+d.Length)
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", d.Code, messageEscaper.Replace(d.Message+notes(d)))
	}
	return b.String()
}

var (
	messageEscaper  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscaper = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// notes joins what is expected, meant and helpful into one line.
func notes(d Diagnostic) string {
	var parts []string
	if d.Expected != "" {
		parts = append(parts, "expected "+d.Expected)
	}
	if d.Nearest != "" {
		parts = append(parts, fmt.Sprintf("did you mean %q?", d.Nearest))
	}
	if d.Help != "" {
		parts = append(parts, d.Help)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func joinPath(prefix, file string) string {
	if prefix == "" || prefix == "." {
		return file
	}
	return strings.TrimSuffix(prefix, "/") + "/" + file
}
