package server

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// strange are values of each kind at and beyond every limit of the protos.
func strange(k protoreflect.Kind) []protoreflect.Value {
	var out []protoreflect.Value
	switch k {
	case protoreflect.StringKind:
		for _, n := range []int{0, 1, 2, 3, 4, 16, 17, 64, 65, 128, 129, 256, 257, 100_000} {
			out = append(out, protoreflect.ValueOfString(strings.Repeat("x", n)), protoreflect.ValueOfString(strings.Repeat("é", n)))
		}
		out = append(out, protoreflect.ValueOfString("\xff"), protoreflect.ValueOfString("a\xc3\x28"), protoreflect.ValueOfString("\x00"))
	case protoreflect.Int64Kind:
		for _, n := range []int64{-1 << 63, -1, 0, 1, 1_000_000, 1_000_001, 1e15, 1e15 + 1, 1<<63 - 1} {
			out = append(out, protoreflect.ValueOfInt64(n))
		}
	case protoreflect.EnumKind:
		for n := protoreflect.EnumNumber(-1); n < 12; n++ {
			out = append(out, protoreflect.ValueOfEnum(n))
		}
	case protoreflect.BoolKind:
		out = append(out, protoreflect.ValueOfBool(true))
	}
	return out
}

// mutate calls try after every strange change of m and of all within it, and undoes the change.
func mutate(m protoreflect.Message, path string, try func(path string)) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		name := path + string(f.Name())
		switch {
		case f.IsList():
			mutateList(m, f, name, try)
		case f.Message() != nil:
			if f.Message().ParentFile().Package() == "google.protobuf" {
				continue // times have no rules
			}
			if m.Has(f) {
				old := m.Get(f)
				mutate(old.Message(), name+".", try)
				m.Clear(f)
				try(name + " unset")
				m.Set(f, old)
			}
			old := m.Get(f)
			had := m.Has(f)
			m.Set(f, m.NewField(f))
			try(name + " empty")
			if m.Clear(f); had {
				m.Set(f, old)
			}
		default:
			mutateScalar(m, f, name, try)
		}
	}
}

func mutateScalar(m protoreflect.Message, f protoreflect.FieldDescriptor, name string, try func(string)) {
	before := proto.Clone(m.Interface())
	for _, v := range strange(f.Kind()) {
		m.Set(f, v) // in a oneof this clears the other members
		try(fmt.Sprintf("%s = %.20q", name, v.String()))
	}
	proto.Reset(m.Interface())
	proto.Merge(m.Interface(), before)
}

func mutateList(m protoreflect.Message, f protoreflect.FieldDescriptor, name string, try func(string)) {
	var items []protoreflect.Value
	for i := range m.Get(f).List().Len() {
		item := m.Get(f).List().Get(i)
		mutate(item.Message(), fmt.Sprintf("%s[%d].", name, i), try)
		items = append(items, item)
	}
	fill := func(n int) {
		m.Clear(f)
		for i := range n {
			m.Mutable(f).List().Append(items[i%len(items)])
		}
	}
	for _, n := range []int{0, 1, 2, 3, 500, 501} {
		fill(n)
		try(fmt.Sprintf("%d %s", n, name))
	}
	fill(len(items))
}

func TestSoundNeverVouchesForWhatTheRulesRefuse(t *testing.T) {
	v, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	m := benchRequest()
	if !sound(m) {
		t.Fatal("a plain request takes the long way")
	}
	tried, vouched := 0, 0
	mutate(m.ProtoReflect(), "", func(path string) {
		tried++
		if !sound(m) {
			return
		}
		vouched++
		if err := v.judge(m); err != nil {
			t.Errorf("%s: sound, but %v", path, err)
		}
	})
	if tried < 500 || vouched < 100 {
		t.Errorf("%d changes tried, %d vouched for: too few to mean anything", tried, vouched)
	}
	if !proto.Equal(m, benchRequest()) {
		t.Error("a change was not undone")
	}
}

func BenchmarkSound(b *testing.B) {
	m := benchRequest()
	b.ReportAllocs()
	for b.Loop() {
		if !sound(m) {
			b.Fatal("not sound")
		}
	}
}
