package foreign

import (
	"encoding/binary"
	"fmt"
	"math"
)

// wire walks the fields of one protobuf message. It keeps slices of its input and
// allocates nothing itself.
type wire struct {
	rest []byte
	// The field read last.
	number int
	kind   int    // wire type
	value  uint64 // of varint, fixed32 and fixed64
	bytes  []byte // of length-delimited
}

// Wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

var errWire = fmt.Errorf("%w: protobuf is cut short or malformed", ErrCorrupt)

// next reads one field; false at the end.
func (w *wire) next() (bool, error) {
	if len(w.rest) == 0 {
		return false, nil
	}
	tag, err := w.varint()
	if err != nil {
		return false, err
	}
	w.number, w.kind = int(tag>>3), int(tag&7)
	if w.number < 1 || tag>>3 > 1<<29-1 {
		return false, errWire
	}
	switch w.kind {
	case wireVarint:
		w.value, err = w.varint()
	case wireFixed64:
		err = w.take(8)
		if err == nil {
			w.value = binary.LittleEndian.Uint64(w.bytes)
		}
	case wireFixed32:
		err = w.take(4)
		if err == nil {
			w.value = uint64(binary.LittleEndian.Uint32(w.bytes))
		}
	case wireBytes:
		var n uint64
		if n, err = w.varint(); err == nil {
			err = w.take(n)
		}
	default:
		err = errWire
	}
	return err == nil, err
}

func (w *wire) take(n uint64) error {
	if n > uint64(len(w.rest)) {
		return errWire
	}
	w.bytes, w.rest = w.rest[:n], w.rest[n:]
	return nil
}

func (w *wire) varint() (uint64, error) {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		return 0, errWire
	}
	w.rest = w.rest[n:]
	return v, nil
}

// expect checks the wire type of a field.
func (w *wire) expect(kind int) error {
	if w.kind != kind {
		return errWire
	}
	return nil
}

// text is a length-delimited field as a string.
func (w *wire) text() (string, error) { return string(w.bytes), w.expect(wireBytes) }

// ints appends a repeated integer field, packed or not.
func (w *wire) ints(to []int64) ([]int64, error) {
	if w.kind == wireVarint {
		return append(to, int64(w.value)), nil
	}
	if w.kind != wireBytes {
		return to, errWire
	}
	packed := wire{rest: w.bytes}
	for len(packed.rest) > 0 {
		v, err := packed.varint()
		if err != nil {
			return to, err
		}
		to = append(to, int64(v))
	}
	return to, nil
}

// floats appends a repeated float field, packed or not.
func (w *wire) floats(to []float64) ([]float64, error) {
	if w.kind == wireFixed32 {
		return append(to, float64(math.Float32frombits(uint32(w.value)))), nil
	}
	if w.kind != wireBytes || len(w.bytes)%4 != 0 {
		return to, errWire
	}
	for b := w.bytes; len(b) > 0; b = b[4:] {
		to = append(to, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}
	return to, nil
}

// doubles appends a repeated double field, packed or not.
func (w *wire) doubles(to []float64) ([]float64, error) {
	if w.kind == wireFixed64 {
		return append(to, math.Float64frombits(w.value)), nil
	}
	if w.kind != wireBytes || len(w.bytes)%8 != 0 {
		return to, errWire
	}
	for b := w.bytes; len(b) > 0; b = b[8:] {
		to = append(to, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return to, nil
}

// fields calls visit for every field of a message.
func fields(message []byte, visit func(w *wire) error) error {
	w := wire{rest: message}
	for {
		ok, err := w.next()
		if !ok || err != nil {
			return err
		}
		if err := visit(&w); err != nil {
			return err
		}
	}
}
