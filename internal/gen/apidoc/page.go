package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// pkg is the package the page is about.
const pkg = "rebound.v1"

// writer builds the page.
type writer struct{ strings.Builder }

func (w *writer) linef(format string, args ...any) { fmt.Fprintf(&w.Builder, format+"\n", args...) }

// page renders the services first, then the messages and enums of each file, files by name.
func page(files *protoregistry.Files) string {
	var all []protoreflect.FileDescriptor
	files.RangeFilesByPackage(pkg, func(f protoreflect.FileDescriptor) bool {
		all = append(all, f)
		return true
	})
	slices.SortFunc(all, func(a, b protoreflect.FileDescriptor) int { return strings.Compare(a.Path(), b.Path()) })
	w := new(writer)
	w.linef("<!-- Generated from proto/rebound/v1 by make generate. Do not edit. -->\n# API reference: %s\n", pkg)
	for _, f := range all {
		if f.Syntax() == protoreflect.Proto3 && strings.HasSuffix(f.Path(), "/common.proto") {
			w.linef("%s\n", packageComment(f))
		}
	}
	for _, f := range all {
		for i := range f.Services().Len() {
			w.service(f.Services().Get(i))
		}
	}
	for _, f := range all {
		w.linef("## %s\n", strings.TrimPrefix(f.Path(), "rebound/v1/"))
		for i := range f.Messages().Len() {
			w.message(f.Messages().Get(i))
		}
		for i := range f.Enums().Len() {
			w.enum(f.Enums().Get(i))
		}
	}
	return strings.TrimRight(w.String(), "\n") + "\n"
}

// packageField is the number of FileDescriptorProto.package.
const packageField = 2

func packageComment(f protoreflect.FileDescriptor) string {
	text := f.SourceLocations().ByPath(protoreflect.SourcePath{packageField}).LeadingComments
	return strings.TrimSpace(strings.ReplaceAll(text, "\n ", "\n"))
}

// comment is the text above a declaration, on one line.
func comment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return strings.Join(strings.Fields(text), " ")
}

// cell escapes what would end a table cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func (w *writer) service(s protoreflect.ServiceDescriptor) {
	w.linef("## %s\n\n%s\n", s.Name(), comment(s))
	w.linef("| call | request | answer | |\n|---|---|---|---|")
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		w.linef("| `%s` | %s | %s | %s |", m.Name(), streamed(m.IsStreamingClient(), m.Input()), streamed(m.IsStreamingServer(), m.Output()), cell(comment(m)))
	}
	w.linef("")
}

func streamed(stream bool, m protoreflect.MessageDescriptor) string {
	if stream {
		return "stream of " + link(m)
	}
	return link(m)
}

// link refers to a declaration of the page, or names one of elsewhere.
func link(d protoreflect.Descriptor) string {
	if d.ParentFile().Package() != pkg {
		return "`" + string(d.FullName()) + "`"
	}
	return fmt.Sprintf("[%s](#%s)", d.Name(), strings.ToLower(string(d.Name())))
}

func (w *writer) message(m protoreflect.MessageDescriptor) {
	w.linef("### %s\n\n%s\n", m.Name(), comment(m))
	if m.Fields().Len() == 0 {
		return
	}
	w.linef("| field | type | rules | |\n|---|---|---|---|")
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		w.linef("| `%s` | %s | %s | %s |", f.Name(), fieldType(f), cell(rules(f)), cell(comment(f)))
	}
	w.linef("")
}

func fieldType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("map of %s to %s", scalar(f.MapKey()), scalar(f.MapValue()))
	case f.IsList():
		return "list of " + scalar(f)
	case f.ContainingOneof() != nil && !f.ContainingOneof().IsSynthetic():
		return scalar(f) + ", one of `" + string(f.ContainingOneof().Name()) + "`"
	case f.HasOptionalKeyword():
		return scalar(f) + ", may be unset"
	}
	return scalar(f)
}

func scalar(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return link(f.Message())
	case f.Enum() != nil:
		return link(f.Enum())
	}
	return f.Kind().String()
}

func (w *writer) enum(e protoreflect.EnumDescriptor) {
	w.linef("### %s\n\n%s\n", e.Name(), comment(e))
	w.linef("| value | number | |\n|---|---|---|")
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		w.linef("| `%s` | %d | %s |", v.Name(), v.Number(), cell(comment(v)))
	}
	w.linef("")
}
