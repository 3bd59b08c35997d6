package main

import (
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// words are the rules in plain English; a rule that is not listed keeps its own name.
var words = map[protoreflect.Name]string{
	"min_len": "at least %v characters", "max_len": "at most %v characters", "len": "exactly %v characters",
	"min_items": "at least %v", "max_items": "at most %v",
	"gt": "more than %v", "gte": "at least %v", "lte": "at most %v",
	"required": "required", "defined_only": "a defined value", "not_in": "not %v", // used of enums alone, to forbid 0
}

// rules tells the field rules of a field, in the order of their numbers.
func rules(f protoreflect.FieldDescriptor) string {
	r, ok := proto.GetExtension(f.Options(), validate.E_Field).(*validate.FieldRules)
	if !ok || r == nil {
		return ""
	}
	return strings.Join(flatten(r.ProtoReflect()), ", ")
}

func flatten(m protoreflect.Message) []string {
	var out []string
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case !m.Has(f):
		case f.Kind() == protoreflect.MessageKind && !f.IsList():
			out = append(out, flatten(m.Get(f).Message())...)
		default:
			out = append(out, phrase(f, m.Get(f)))
		}
	}
	return out
}

func phrase(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	text, known := words[f.Name()]
	switch {
	case !known:
		return fmt.Sprintf("%s %v", f.Name(), v)
	case !strings.Contains(text, "%v"):
		return text
	case f.Name() == "not_in":
		return "not unspecified"
	case f.Parent().Name() == "BytesRules":
		text = strings.ReplaceAll(text, "characters", "bytes")
	}
	return fmt.Sprintf(text, v)
}
