package rules

import (
	"fmt"
	"strings"
)

// CodePage returns the documentation page of a code as Markdown.
func CodePage(c Code) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n\n%s\n", c.Code, c.Title, c.Why)
	if c.Severity == SeverityWarning {
		b.WriteString("\nThis is a warning: the bundle loads.\n")
	} else {
		b.WriteString("\nThis is an error: the bundle does not load.\n")
	}
	if c.Bad != "" {
		fmt.Fprintf(&b, "\nInstead of\n\n```yaml\n%s\n```\n\nwrite\n\n```yaml\n%s\n```\n", c.Bad, c.Good)
	}
	return b.String()
}

// CodeIndex returns the list of all codes as Markdown.
func CodeIndex() string {
	var b strings.Builder
	b.WriteString("# Diagnostics of policies\n\nEvery problem that `rebound policy check` finds has a code. RB1 concerns the YAML and its values, RB2 expressions, RB3 the bundle and inheritance, RB4 rules that cannot matter, RB5 test suites, RB6 what activating the bundle would find.\n\n| code | severity | what |\n|---|---|---|\n")
	for _, c := range Codes() {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", c.Code, c.Code, c.Severity, c.Title)
	}
	return b.String()
}
