package rules

import (
	"regexp"
	"time"
)

// document is one policy file whose frame was checked.
type document struct {
	f         *source
	root      *mapping
	spec      *mapping
	scope     string
	scopeAt   node
	name      string
	version   int
	effective time.Time
}

var (
	companyKeys = []string{"currency", "timezone", "outcomes", "models", "goals", "offers", "constraints", "bounds", "guardrails",
		"budgets", "caps", "holdout", "explore", "selection", "disclosures", "deny"}
	childKeys = []string{"currency", "exchange", "timezone", "weights", "disableOffers", "constraints", "bounds", "guardrails", "budgets", "caps", "disclosures", "deny"}
	// companyOnly are keys a child might expect to have.
	companyOnly = []string{"outcomes", "models", "goals", "offers", "holdout", "explore", "selection"}
	scopeForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$`)
)

// document reads the frame of a policy file: apiVersion, kind, metadata, spec.
func (l *loader) document(f *source, company bool) *document {
	root, ok := l.parseYAML(f)
	if !ok {
		return nil
	}
	m, ok := l.openMap(root, "a policy file", []string{"apiVersion", "kind", "metadata", "spec"})
	if !ok || !m.require("apiVersion", "kind", "metadata", "spec") {
		return nil
	}
	m.enum("apiVersion", "", "rebound/v1")
	m.enum("kind", "", "GoalPolicy")
	d := &document{f: f, root: m}
	if !l.metadata(d, m.get("metadata"), company) {
		return nil
	}
	if company {
		d.spec, ok = l.openMap(m.get("spec"), "spec", companyKeys)
	} else {
		d.spec, ok = l.childSpec(m.get("spec"))
	}
	if !ok {
		return nil
	}
	return d
}

func (l *loader) metadata(d *document, n node, company bool) bool {
	m, ok := l.openMap(n, "metadata", []string{"name", "scope", "owner", "version", "effectiveFrom", "description"})
	if !ok || !m.require("name", "version") {
		return false
	}
	d.name, d.version = m.text("name"), m.integer("version", 0, 0, 1<<31-1)
	d.scope, d.scopeAt = m.text("scope"), m.get("scope")
	switch {
	case !m.has("scope"):
		m.require("scope")
		return false
	case company && d.scope != "":
		l.add("RB3009", d.scopeAt, "company.yaml has the scope %q", d.scope).expected(`the scope ""`)
		return false
	case !company && !scopeForm.MatchString(d.scope):
		l.add("RB1012", d.scopeAt, "the scope is %s", quoteShort(d.scope)).expected("names joined by dots, such as us.ne.0412, at most 8 of them")
		return false
	}
	if m.has("effectiveFrom") {
		t, err := time.Parse(time.RFC3339, m.get("effectiveFrom").Value)
		if err != nil {
			l.add("RB1011", m.get("effectiveFrom"), "metadata.effectiveFrom is %s", quoteShort(m.get("effectiveFrom").Value)).
				expected(`a time such as "2026-09-01T00:00:00Z"`)
		}
		d.effective = t
	}
	return true
}

// childSpec opens a child's spec and explains what only the company declares.
func (l *loader) childSpec(n node) (*mapping, bool) {
	if n.isNull() {
		return &mapping{r: l.report, at: n, what: "spec"}, true
	}
	m, ok := l.openMap(n, "spec", append(append([]string(nil), childKeys...), companyOnly...))
	if !ok {
		return nil, false
	}
	for _, key := range companyOnly {
		if m.has(key) {
			l.add("RB3003", m.name[key], "only the company declares %s", key).
				expected("one of " + orAny(childKeys)).
				help("declare it in company.yaml; a child may move weights, disable offers and add limits")
		}
	}
	return m, true
}

func (d *document) at(n node) Source { return Source{Position: n.position(), Scope: d.scope} }
