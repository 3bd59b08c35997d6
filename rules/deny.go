package rules

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// addDenials reads deny: variables that no expression of this scope or below may
// read. A child may only add to the list.
func (l *loader) addDenials(d *document, p *Policy) {
	if !d.spec.has("deny") {
		return
	}
	list := d.spec.get("deny")
	var added []Denial
	for _, name := range d.spec.texts("deny") {
		i := slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Value == name })
		item := list.child(max(i, 0))
		slot := l.lang.env.Slot(name)
		if slot < 0 {
			l.add("RB2002", item, "unknown name %s", name).expected("a variable").near(nearest(name, l.lang.env.names))
			continue
		}
		added = append(added, Denial{Variable: name, Slot: slot, Source: d.at(item)})
	}
	p.Denied = joined(p.Denied, added)
}

// checkDenials reports every expression that reads a denied variable, once per
// expression and variable.
func (l *loader) checkDenials(b *Bundle) {
	type read struct {
		program *Program
		slot    Slot
	}
	seen := map[read]bool{}
	sources := map[string]*source{}
	for _, scope := range b.scopes {
		p := b.policies[scope]
		if len(p.Denied) == 0 || p.Scope != scope {
			continue
		}
		for _, np := range p.Programs() {
			for _, x := range p.Denied {
				key := read{np.Program, x.Slot}
				if seen[key] || !slices.Contains(np.Program.reads, x.Slot) {
					continue
				}
				seen[key] = true
				at := np.Program.source.Position
				f := sources[at.File]
				if f == nil {
					f = newSource(at.File, l.files[at.File])
					sources[at.File] = f
				}
				offset, width := f.offset(at.Line, at.Column), 1
				if i := strings.Index(f.line(at.Line)[min(at.Column-1, len(f.line(at.Line))):], x.Variable); i >= 0 {
					offset, width = offset+i, len(x.Variable)
				}
				l.addAt("RB2011", f, offset, width, "%s reads %s, which %s denies", np.Name, x.Variable, scopeName(x.Source.Scope)).
					relate(x.Source.Position, "the deny list")
			}
		}
	}
}
