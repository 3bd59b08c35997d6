package server

import (
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// textPlan lists the fields of a message type that are or contain strings. The
// generated vtprotobuf decoder does not check UTF-8; the plans of all request
// types, made once, keep the check at a fraction of a microsecond.
type textPlan struct {
	texts []protoreflect.FieldDescriptor // strings and lists of strings
	nests []textNest
}

type textNest struct {
	field protoreflect.FieldDescriptor // a message or a list of messages
	plan  *textPlan
}

type textPlans map[protoreflect.FullName]*textPlan

// add makes the plan of a message type and of all it contains. Requests have no maps.
func (t textPlans) add(d protoreflect.MessageDescriptor) *textPlan {
	if p := t[d.FullName()]; p != nil {
		return p
	}
	p := new(textPlan)
	t[d.FullName()] = p
	for i := range d.Fields().Len() {
		switch f := d.Fields().Get(i); f.Kind() {
		case protoreflect.StringKind:
			p.texts = append(p.texts, f)
		case protoreflect.MessageKind:
			if nested := t.add(f.Message()); len(nested.texts) > 0 || len(nested.nests) > 0 {
				p.nests = append(p.nests, textNest{f, nested})
			}
		}
	}
	return p
}

// invalid returns the path of the first string that is not valid UTF-8; empty if all are.
func (p *textPlan) invalid(m protoreflect.Message) string {
	for _, f := range p.texts {
		v := m.Get(f)
		if !f.IsList() {
			if !utf8.ValidString(v.String()) {
				return string(f.Name())
			}
			continue
		}
		for i, list := 0, v.List(); i < list.Len(); i++ {
			if !utf8.ValidString(list.Get(i).String()) {
				return at(f, i)
			}
		}
	}
	for _, n := range p.nests {
		if path := n.invalid(m); path != "" {
			return path
		}
	}
	return ""
}

func (n *textNest) invalid(m protoreflect.Message) string {
	if !m.Has(n.field) {
		return ""
	}
	v := m.Get(n.field)
	if !n.field.IsList() {
		if path := n.plan.invalid(v.Message()); path != "" {
			return string(n.field.Name()) + "." + path
		}
		return ""
	}
	for i, list := 0, v.List(); i < list.Len(); i++ {
		if path := n.plan.invalid(list.Get(i).Message()); path != "" {
			return at(n.field, i) + "." + path
		}
	}
	return ""
}

func at(f protoreflect.FieldDescriptor, i int) string {
	return string(f.Name()) + "[" + strconv.Itoa(i) + "]"
}
