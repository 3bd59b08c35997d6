package rules

import (
	"maps"
	"slices"
	"strings"
)

// Fact is a typed value of store.* for one store.
type Fact struct {
	Slot   Slot
	Type   Type
	Number float64 // of Number, Money and Share
	Bool   bool
	Text   string
	List   []string
}

// Set puts the fact into a frame.
func (x Fact) Set(f *Frame) {
	switch kindOf(x.Type) {
	case kindBool:
		f.SetBool(x.Slot, x.Bool)
	case kindString:
		f.SetString(x.Slot, x.Text)
	case kindStrings:
		f.SetStrings(x.Slot, x.List)
	default:
		f.SetNumber(x.Slot, x.Number)
	}
}

// factTable collects the reference files: typed facts by scope and by category.
type factTable struct {
	declared   map[string]Variable // facts: name -> type, unit
	kinds      map[string]factKind
	stores     map[string]map[string]Fact // scope -> name -> value
	places     map[string]node            // of each scope
	categories map[string]map[string]float64
	rates      bool // a scope has a currency of its own
}

// currencyRate is the fact that every scope has when one has a currency of its
// own: Policy.CurrencyRate, to write amounts in expressions as 15 * store.currency_rate.
const currencyRate = "currency_rate"

type factKind struct {
	typ Type
	at  node
}

func newFactTable() *factTable {
	return &factTable{declared: map[string]Variable{}, kinds: map[string]factKind{}, stores: map[string]map[string]Fact{},
		places: map[string]node{}, categories: map[string]map[string]float64{}}
}

var factTypes = map[string]Type{"bool": Bool, "number": Number, "money": Money, "share": Share, "text": String, "texts": Strings}

// facts reads one reference file.
func (l *loader) facts(t *factTable, f *source) {
	root, ok := l.parseYAML(f)
	if !ok {
		return
	}
	m, ok := l.openMap(root, "a reference file", []string{"facts", "stores", "categories"})
	if !ok {
		return
	}
	l.factDeclarations(t, m)
	l.storeFacts(t, m)
	l.categoryFacts(t, m)
}

// factDeclarations reads facts: name: {type, unit, doc}, which is optional.
func (l *loader) factDeclarations(t *factTable, m *mapping) {
	if !m.has("facts") {
		return
	}
	section, ok := l.openMap(m.get("facts"), "facts", nil)
	if !ok {
		return
	}
	for _, name := range section.keys {
		item, ok := l.openMap(section.get(name), "fact "+name, []string{"type", "unit", "doc"})
		if !ok || !item.require("type") {
			continue
		}
		v := Variable{Name: name, Unit: item.text("unit"), Doc: item.text("doc")}
		v.Type = factTypes[item.enum("type", "number", slices.Sorted(maps.Keys(factTypes))...)]
		t.declared[name] = v
	}
}

func (l *loader) storeFacts(t *factTable, m *mapping) {
	if !m.has("stores") {
		return
	}
	section, ok := l.openMap(m.get("stores"), "stores", nil)
	if !ok {
		return
	}
	for _, scope := range section.keys {
		at := section.name[scope]
		if scope != "" && !scopeForm.MatchString(scope) {
			l.add("RB1012", at, "the scope is %s", quoteShort(scope)).expected("names joined by dots, such as us.ne.0412")
			continue
		}
		if before, twice := t.places[scope]; twice {
			l.add("RB3008", at, "the store %q is described twice", scope).relate(before.position(), "first here")
			continue
		}
		t.places[scope] = at
		values, ok := l.openMap(section.get(scope), "store "+scope, nil)
		if !ok {
			continue
		}
		t.stores[scope] = l.storeValues(t, values)
	}
}

func (l *loader) storeValues(t *factTable, m *mapping) map[string]Fact {
	out := make(map[string]Fact, len(m.keys))
	for _, name := range m.keys {
		v := m.get(name)
		if !variableName.MatchString(name) {
			l.add("RB1012", m.name[name], "the fact %s cannot be read as store.%s", quoteShort(name), name).expected("lower-case letters, digits and '_', starting with a letter")
			continue
		}
		if name == currencyRate {
			l.add("RB1012", m.name[name], "the fact %s follows from the scope's exchange", name).expected("another name, or exchange in the scope's policy")
			continue
		}
		fact, ok := l.factValue(v, m.what+"."+name)
		if !ok {
			continue
		}
		first, known := t.kinds[name]
		if !known {
			t.kinds[name] = factKind{fact.Type, v}
		} else if first.typ != fact.Type {
			l.add("RB3015", v, "the fact %q is %s here and %s elsewhere", name, kindOf(fact.Type), kindOf(first.typ)).relate(first.at.position(), "the other kind here")
			continue
		}
		out[name] = fact
	}
	return out
}

// factValue types a value: number, true or false, text, list of texts.
func (l *loader) factValue(v node, what string) (Fact, bool) {
	switch {
	case v.isList():
		return Fact{Type: Strings, List: l.texts(v, what)}, true
	case v.isPlain() && (v.Tag == "!!int" || v.Tag == "!!float"):
		x, ok := l.number(v, what)
		return Fact{Type: Number, Number: x}, ok
	case v.isPlain() && (v.Tag == "!!bool" || isTruthWord(v.Value)):
		b, ok := l.flag(v, what)
		return Fact{Type: Bool, Bool: b}, ok
	}
	s, ok := l.text(v, what)
	return Fact{Type: String, Text: s}, ok
}

func (l *loader) categoryFacts(t *factTable, m *mapping) {
	if !m.has("categories") {
		return
	}
	section, ok := l.openMap(m.get("categories"), "categories", nil)
	if !ok {
		return
	}
	for _, category := range section.keys {
		values, ok := l.openMap(section.get(category), "category "+category, nil)
		if !ok {
			continue
		}
		facts := make(map[string]float64, len(values.keys))
		for _, name := range values.keys {
			if x, ok := l.number(values.get(name), values.what+"."+name); ok {
				facts[name] = x
			}
			if rate := facts[name]; name == "margin_rate" && (rate < 0 || rate > 1) {
				l.add("RB1011", values.get(name), "%s.margin_rate is %s", values.what, formatNumber(rate)).expected("a share from 0 to 1")
			}
		}
		t.categories[category] = facts
	}
}

// declare adds store.<fact> for every fact, by name.
func (t *factTable) declare(b *envBuilder) {
	names := slices.Collect(maps.Keys(t.kinds))
	for name := range t.declared {
		if _, used := t.kinds[name]; !used {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		v, ok := t.declared[name]
		if !ok {
			v = Variable{Type: t.kinds[name].typ}
		}
		v.Name, v.Origin = "store."+name, OriginReference
		b.add(v)
	}
	if t.rates {
		b.add(Variable{Name: "store." + currencyRate, Type: Number, Origin: OriginReference, Doc: "units of the scope's currency per unit of the company's"})
	}
}

// checkDeclared reports facts whose values are not of their declared type.
func (l *loader) checkDeclared(t *factTable) {
	for _, name := range slices.Sorted(maps.Keys(t.declared)) {
		used, ok := t.kinds[name]
		if ok && kindOf(used.typ) != kindOf(t.declared[name].Type) {
			l.add("RB3015", used.at, "the fact %q is %s here and declared as %s", name, kindOf(used.typ), kindOf(t.declared[name].Type))
		}
	}
}

// byScope returns the facts of every described scope, inherited down the chain
// and ordered by slot.
func (t *factTable) byScope(env *Env) map[string][]Fact {
	out := make(map[string][]Fact, len(t.stores))
	for scope := range t.stores {
		merged := map[string]Fact{}
		for s, more := scope, true; more; s, more = parentScope(s) {
			for name, fact := range t.stores[s] {
				if _, nearer := merged[name]; !nearer {
					merged[name] = fact
				}
			}
		}
		list := make([]Fact, 0, len(merged))
		for name, fact := range merged {
			fact.Slot = env.Slot("store." + name)
			fact.Type = env.vars[fact.Slot].Type
			list = append(list, fact)
		}
		slices.SortFunc(list, func(a, b Fact) int { return int(a.Slot - b.Slot) })
		out[scope] = list
	}
	return out
}

// parentScope cuts the last part of a scope; the parent of "us" is "".
func parentScope(scope string) (parent string, ok bool) {
	if scope == "" {
		return "", false
	}
	i := strings.LastIndexByte(scope, '.')
	return scope[:max(i, 0)], true
}
