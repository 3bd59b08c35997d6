package rules

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Change is a difference between two bundles, in words.
type Change struct {
	Scopes []string // whose effective policy or facts it changes, sorted
	Text   string
}

// Diff says what changes from bundle a to bundle b, for which scopes. A change
// that several scopes share is listed once; the order follows the sections.
func Diff(a, b *Bundle) []Change {
	d := &differ{index: map[string]int{}}
	scopes := slices.Concat(a.scopes, b.scopes)
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	cache := map[[2]*Policy][]string{}
	for _, scope := range scopes {
		before, _ := a.Policy(scope)
		after, _ := b.Policy(scope)
		key := [2]*Policy{before, after}
		texts, ok := cache[key]
		if !ok {
			oldLines, _ := a.Effective(scope)
			newLines, _ := b.Effective(scope)
			texts = compareLines(oldLines, newLines)
			cache[key] = texts
		}
		for _, text := range slices.Concat(texts, factChanges(a, b, scope)) {
			d.add(scope, text)
		}
	}
	for _, text := range categoryChanges(a, b) {
		d.add("", text)
	}
	for _, text := range fileChanges(a, b) {
		for _, scope := range scopes {
			d.add(scope, text)
		}
	}
	return d.changes
}

// FormatDiff writes changes as text; at most eight scopes are named per change.
func FormatDiff(changes []Change) string {
	if len(changes) == 0 {
		return "no policy changes\n"
	}
	var b strings.Builder
	for _, c := range changes {
		names := make([]string, 0, 8)
		for _, s := range c.Scopes[:min(len(c.Scopes), 8)] {
			names = append(names, scopeName(s))
		}
		if more := len(c.Scopes) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		fmt.Fprintf(&b, "%s (%s)\n", c.Text, strings.Join(names, ", "))
	}
	return b.String()
}

type differ struct {
	changes []Change
	index   map[string]int
}

func (d *differ) add(scope, text string) {
	i, ok := d.index[text]
	if !ok {
		i = len(d.changes)
		d.index[text] = i
		d.changes = append(d.changes, Change{Text: text})
	}
	d.changes[i].Scopes = append(d.changes[i].Scopes, scope)
}

// compareLines puts the differences of two merged policies into words.
func compareLines(before, after []EffectiveValue) []string {
	old := make(map[string]string, len(before))
	for _, l := range before {
		old[l.Section+" "+l.Name] = l.Value
	}
	var out []string
	kept := make(map[string]bool, len(after))
	for _, l := range after {
		key := l.Section + " " + l.Name
		kept[key] = true
		was, known := old[key]
		switch {
		case l.Name == "chain":
		case !known:
			out = append(out, fmt.Sprintf("%s %s is new: %s", singular(l.Section), l.Name, l.Value))
		case was != l.Value:
			out = append(out, changed(singular(l.Section), l.Name, was, l.Value))
		}
	}
	for _, l := range before {
		if !kept[l.Section+" "+l.Name] {
			out = append(out, fmt.Sprintf("%s %s is gone: it was %s", singular(l.Section), l.Name, l.Value))
		}
	}
	return out
}

func changed(section, name, was, is string) string {
	if section == "offer" && is == "disabled" {
		return fmt.Sprintf("offer %s is switched off", name)
	}
	if section == "offer" && was == "disabled" {
		return fmt.Sprintf("offer %s is switched on: %s", name, is)
	}
	return fmt.Sprintf("%s %s changes from %s to %s", section, name, was, is)
}

func singular(section string) string {
	switch section {
	case "policy", "holdout", "explore", "selection":
		return section
	}
	return strings.TrimSuffix(section, "s")
}

// factChanges puts the differences of a store's facts into words.
func factChanges(a, b *Bundle, scope string) []string {
	return textChanges("fact", factTexts(a, scope), factTexts(b, scope))
}

// textChanges puts the differences of named texts into words.
func textChanges(kind string, before, after map[string]string) []string {
	var out []string
	for _, name := range sortedKeys(before, after) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case !had:
			out = append(out, fmt.Sprintf("%s %s is new: %s", kind, name, is))
		case !has:
			out = append(out, fmt.Sprintf("%s %s is gone: it was %s", kind, name, was))
		case was != is:
			out = append(out, fmt.Sprintf("%s %s changes from %s to %s", kind, name, was, is))
		}
	}
	return out
}

func factTexts(b *Bundle, scope string) map[string]string {
	out := map[string]string{}
	for _, x := range b.StoreFacts(scope) {
		v := value{kind: kindOf(x.Type), number: x.Number, text: x.Text, list: x.List}
		if x.Bool {
			v.number = 1
		}
		out[b.env.vars[x.Slot].Name] = v.String()
	}
	return out
}

func categoryChanges(a, b *Bundle) []string {
	flat := func(b *Bundle) map[string]string {
		out := map[string]string{}
		for category, facts := range b.categories {
			for name, x := range facts {
				out[category+"."+name] = formatNumber(x)
			}
		}
		return out
	}
	before, after := flat(a), flat(b)
	var out []string
	for _, name := range sortedKeys(before, after) {
		was, had := before[name]
		is, has := after[name]
		if had != has || was != is {
			out = append(out, fmt.Sprintf("category %s changes from %s to %s", name, orNothing(was), orNothing(is)))
		}
	}
	return out
}

// policyFolders hold what Diff compares by meaning, and the tests.
var policyFolders = []string{"company.yaml", "regions", "stores", "reference", "tests"}

// fileChanges names the files that models need (their own, certificates) whose content
// differs. What the YAML files of the policies say is compared by meaning, and tests decide nothing.
func fileChanges(a, b *Bundle) []string {
	return textChanges("file", modelFiles(a), modelFiles(b))
}

// modelFiles returns size and digest of the files that are no policies, tests or notes.
func modelFiles(b *Bundle) map[string]string {
	out := map[string]string{}
	for name, content := range b.files {
		folder, _, _ := strings.Cut(name, "/")
		if !slices.Contains(policyFolders, folder) && path.Ext(name) != ".md" {
			sum := sha256.Sum256(content)
			out[name] = fmt.Sprintf("%d bytes, SHA-256 %x", len(content), sum[:6])
		}
	}
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func sortedKeys(maps ...map[string]string) []string {
	var out []string
	for _, m := range maps {
		for k := range m {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
