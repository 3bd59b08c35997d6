package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
)

// The journal keeps numbers and bools of the engine's own variables by number:
// request.* and now.* below firstFeature in the order of requestVariables, the
// feature table from there on. Both lists are only ever appended to. Everything
// else (texts, lists, facts of the bundle) is kept by name.
const firstFeature = 64

// loggedVariable is a variable the journal keeps.
type loggedVariable struct {
	slot   rules.Slot
	typ    VariableType
	number uint64 // 0: kept by name
	head   []byte // name and type, encoded
	source rules.Variable
}

func loggedVariables(env *rules.Env) []loggedVariable {
	numbers := map[string]uint64{}
	for n, v := range numberedVariables() {
		numbers[v.Name] = n
	}
	var out []loggedVariable
	for i, v := range env.Variables() {
		if v.Origin&(rules.OriginRequest|rules.OriginReference|rules.OriginProfile) == 0 {
			continue
		}
		l := loggedVariable{slot: rules.Slot(i), typ: valueType(v.Type), number: numbers[v.Name], source: v}
		w := wire{}
		w.text(1, v.Name)
		w.uint(2, uint64(l.typ))
		l.head = w.b
		out = append(out, l)
	}
	return out
}

// numberedVariables are the numbers and bools among the engine's own variables
// by their numbers. It is a constant, made once.
var numberedVariables = sync.OnceValue(func() map[uint64]rules.Variable {
	out := map[uint64]rules.Variable{}
	add := func(n int, v rules.Variable) {
		if t := valueType(v.Type); t == NumberValue || t == BoolValue {
			out[uint64(n)] = v
		}
	}
	for i, v := range requestVariables() {
		add(1+i, v)
	}
	for i, f := range profile.Table() {
		add(firstFeature+i, featureVariable(f))
	}
	return out
})

// appendVariables writes what is set in a frame as the fields of a decision's entry.
func (s *snapshot) appendVariables(b []byte, f *rules.Frame) []byte {
	w := wire{b}
	for i := range s.logged {
		if l := &s.logged[i]; l.number == 0 {
			l.append(&w, f)
		}
	}
	at := w.open(decNumbers)
	for i := range s.logged {
		if l := &s.logged[i]; l.number != 0 {
			if v, ok := f.Number(l.slot); ok {
				w.b = appendNumber(w.b, l.number, v)
			}
		}
	}
	w.close(at)
	return w.b
}

// append writes a variable that is kept by name.
func (l *loggedVariable) append(w *wire, f *rules.Frame) {
	if _, set := f.Number(l.slot); !set {
		return
	}
	at := w.open(decVariable)
	w.b = append(w.b, l.head...)
	switch l.typ {
	case StringValue:
		text, _ := f.Text(l.slot)
		w.text(4, text)
	case StringsValue:
		list, _ := f.List(l.slot)
		w.texts(5, list)
	default:
		v, _ := f.Number(l.slot)
		w.float(3, v)
	}
	w.uint(6, uint64(l.source.Purpose))
	w.close(at)
}

// maxWhole bounds the whole numbers that are kept as integers.
const maxWhole = 1 << 53

// appendNumber writes a number's variable and value: twice the number as a
// varint and a zigzag varint if the value is whole, else one more and 8 bytes.
func appendNumber(b []byte, number uint64, v float64) []byte {
	if whole := int64(v); float64(whole) == v && whole > -maxWhole && whole < maxWhole && (v != 0 || !math.Signbit(v)) {
		b = binary.AppendUvarint(b, number<<1)
		return binary.AppendUvarint(b, protowire.EncodeZigZag(whole))
	}
	b = binary.AppendUvarint(b, number<<1|1)
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

// numbers reads the variables kept by number. One a newer build wrote is named by its number.
func (d *Decision) numbers(b []byte) error {
	known := numberedVariables()
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w: numbers are cut off", errWire)
		}
		b = b[n:]
		var v float64
		if key&1 == 0 {
			z, n := binary.Uvarint(b)
			if n <= 0 {
				return fmt.Errorf("%w: numbers are cut off", errWire)
			}
			v, b = float64(protowire.DecodeZigZag(z)), b[n:]
		} else {
			if len(b) < 8 {
				return fmt.Errorf("%w: numbers are cut off", errWire)
			}
			v, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		}
		x := Variable{Name: fmt.Sprintf("variable-%d", key>>1), Type: NumberValue, Number: v}
		if source, ok := known[key>>1]; ok {
			x.Name, x.Type, x.Purpose = source.Name, valueType(source.Type), uint8(source.Purpose)
		}
		d.Variables = append(d.Variables, x)
	}
	return nil
}

func sortVariables(vs []Variable) {
	slices.SortStableFunc(vs, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
}
