package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/store"
)

// errWire is wrapped by every refusal of damaged or hostile bytes.
var errWire = errors.New("malformed entry")

// errEnough ends the walk over a message's fields without an error.
var errEnough = errors.New("enough")

// wire appends fields in protobuf wire format. Zero values are left out, so
// that one meaning has one encoding.
type wire struct{ b []byte }

func (w *wire) int(n protowire.Number, v int64) { w.uint(n, protowire.EncodeZigZag(v)) }

func (w *wire) uint(n protowire.Number, v uint64) {
	if v != 0 {
		w.tag(n, protowire.VarintType)
		w.varint(v)
	}
}

// tag and varint are protowire's with the short cases, which are most, in line.
func (w *wire) tag(n protowire.Number, t protowire.Type) { w.varint(uint64(n)<<3 | uint64(t)) }

func (w *wire) varint(v uint64) {
	if v < 0x80 {
		w.b = append(w.b, byte(v))
		return
	}
	w.b = protowire.AppendVarint(w.b, v)
}

func (w *wire) bool(n protowire.Number, v bool) {
	if v {
		w.uint(n, 1)
	}
}

func (w *wire) fixed(n protowire.Number, v uint64) {
	if v != 0 {
		w.tag(n, protowire.Fixed64Type)
		w.b = binary.LittleEndian.AppendUint64(w.b, v)
	}
}

// float writes every value, NaN and -0 included, bit for bit; +0 is left out.
func (w *wire) float(n protowire.Number, v float64) { w.fixed(n, math.Float64bits(v)) }

func (w *wire) text(n protowire.Number, v string) {
	if v != "" {
		w.element(n, v)
	}
}

func (w *wire) element(n protowire.Number, v string) {
	w.tag(n, protowire.BytesType)
	w.varint(uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *wire) bytes(n protowire.Number, v []byte) {
	if len(v) != 0 {
		w.tag(n, protowire.BytesType)
		w.varint(uint64(len(v)))
		w.b = append(w.b, v...)
	}
}

// texts writes every element, empty ones included.
func (w *wire) texts(n protowire.Number, vs []string) {
	for _, v := range vs {
		w.element(n, v)
	}
}

// time has millisecond precision; the zero time is left out.
func (w *wire) time(n protowire.Number, t time.Time) {
	if !t.IsZero() {
		w.int(n, t.UnixMilli())
	}
}

// open starts a nested message and returns what close needs. Its length takes one
// byte, or four: then nothing long is moved when it is known.
func (w *wire) open(n protowire.Number) int {
	w.tag(n, protowire.BytesType)
	w.b = append(w.b, 0, 0, 0, 0)
	return len(w.b)
}

func (w *wire) close(at int) {
	n := len(w.b) - at
	if n < 0x80 {
		w.b[at-4] = byte(n)
		w.b = w.b[:at-3+copy(w.b[at-3:], w.b[at:])]
		return
	}
	w.b[at-4] = byte(n) | 0x80
	w.b[at-3] = byte(n>>7) | 0x80
	w.b[at-2] = byte(n>>14) | 0x80
	w.b[at-1] = byte(n >> 21)
}

// field is one field of a message.
type field struct {
	num  protowire.Number
	wire protowire.Type
	v    uint64 // varint or fixed
	raw  []byte // bytes
}

func (f field) int() int64     { return protowire.DecodeZigZag(f.v) }
func (f field) bool() bool     { return f.v != 0 }
func (f field) float() float64 { return math.Float64frombits(f.v) }
func (f field) text() string   { return string(f.raw) }

// shared is text without a copy: for values that do not outlive the message.
func (f field) shared() string {
	if len(f.raw) == 0 {
		return ""
	}
	return unsafe.String(&f.raw[0], len(f.raw)) //nolint:gosec // payloads and records are not changed while they are read
}

func (f field) time() time.Time {
	return time.UnixMilli(f.int()).UTC()
}

func (f field) subject(s *store.Subject) error {
	if len(f.raw) != len(s) {
		return fmt.Errorf("%w: subject of %d bytes", errWire, len(f.raw))
	}
	copy(s[:], f.raw)
	return nil
}

// fieldReader walks the fields of a message in place.
type fieldReader struct {
	field
	b   []byte
	err error
}

// next moves to the next field; false at the end or at an error.
func (r *fieldReader) next() bool {
	if len(r.b) == 0 || r.err != nil {
		return false
	}
	if r.short() {
		return true
	}
	num, typ, n := protowire.ConsumeTag(r.b)
	if n < 0 {
		r.err = fmt.Errorf("%w: %w", errWire, protowire.ParseError(n))
		return false
	}
	r.b = r.b[n:]
	r.field = field{num: num, wire: typ}
	switch typ {
	case protowire.VarintType:
		r.v, n = protowire.ConsumeVarint(r.b)
	case protowire.Fixed64Type:
		r.v, n = protowire.ConsumeFixed64(r.b)
	case protowire.BytesType:
		r.raw, n = protowire.ConsumeBytes(r.b)
	default:
		r.err = fmt.Errorf("%w: field %d has wire type %d", errWire, num, typ)
		return false
	}
	if n < 0 {
		r.err = fmt.Errorf("%w: field %d: %w", errWire, num, protowire.ParseError(n))
		return false
	}
	r.b = r.b[n:]
	return true
}

// short reads a field whose tag and value, or length, take a byte each, which most do.
func (r *fieldReader) short() bool {
	b := r.b
	if len(b) < 2 || b[0] < 1<<3 || b[0]|b[1] >= 0x80 {
		return false
	}
	num, v := protowire.Number(b[0]>>3), uint64(b[1])
	switch typ := protowire.Type(b[0] & 7); {
	case typ == protowire.VarintType:
		r.field, r.b = field{num: num, wire: typ, v: v}, b[2:]
	case typ == protowire.BytesType && v <= uint64(len(b)-2):
		r.field, r.b = field{num: num, wire: typ, raw: b[2 : 2+v : 2+v]}, b[2+v:]
	default:
		return false
	}
	return true
}

// fields calls fn for every field of a message. Unknown numbers are the
// caller's to ignore: a newer build may have written them.
func fields(b []byte, fn func(field) error) error {
	r := fieldReader{b: b}
	for r.next() {
		if err := fn(r.field); err != nil {
			if err == errEnough { //nolint:errorlint // never wrapped
				return nil
			}
			return err
		}
	}
	return r.err
}
