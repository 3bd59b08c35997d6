package models

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrCorrupt is wrapped by every refusal of a damaged or hostile artifact.
var ErrCorrupt = errors.New("corrupt model artifact")

// encoder appends little-endian values to a payload.
type encoder struct{ b []byte }

func (e *encoder) u8(v uint8)    { e.b = append(e.b, v) }
func (e *encoder) u32(v uint32)  { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) f64(v float64) { e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(v)) }

// flag is a bool as one byte.
func flag(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}

func (e *encoder) f64s(v []float64) {
	e.u32(uint32(len(v)))
	for _, x := range v {
		e.f64(x)
	}
}

func (e *encoder) i32s(v []int32) {
	e.u32(uint32(len(v)))
	for _, x := range v {
		e.u32(uint32(x))
	}
}

func (e *encoder) u32s(v []uint32) {
	e.u32(uint32(len(v)))
	for _, x := range v {
		e.u32(x)
	}
}

func (e *encoder) bytes(v []byte) {
	e.u32(uint32(len(v)))
	e.b = append(e.b, v...)
}

// decoder reads what encoder wrote. The first fault sticks; every count is
// held against the bytes that are left before anything is allocated for it.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: byte %d: %s", ErrCorrupt, d.at, fmt.Sprintf(format, args...))
	}
}

func (d *decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.b)-d.at {
		d.fail("%d bytes needed, %d left", n, len(d.b)-d.at)
		return nil
	}
	b := d.b[d.at : d.at+n]
	d.at += n
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) f64() float64 {
	if b := d.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// finite reads a float64 that must be neither NaN nor infinite.
func (d *decoder) finite(what string) float64 {
	v := d.f64()
	if math.IsNaN(v) || math.IsInf(v, 0) {
		d.fail("%s is not finite", what)
		return 0
	}
	return v
}

// count reads a number of elements of at least size bytes each.
func (d *decoder) count(size int, what string) int {
	n := int(d.u32())
	if d.err == nil && n > (len(d.b)-d.at)/size {
		d.fail("%d %s do not fit in %d bytes", n, what, len(d.b)-d.at)
	}
	if d.err != nil {
		return 0
	}
	return n
}

func (d *decoder) finites(what string) []float64 {
	n := d.count(8, what)
	if n == 0 {
		return nil
	}
	v := make([]float64, n)
	for i := range v {
		v[i] = d.finite(what)
	}
	return v
}

func (d *decoder) i32s(what string) []int32 {
	n := d.count(4, what)
	if n == 0 {
		return nil
	}
	v := make([]int32, n)
	for i := range v {
		v[i] = int32(d.u32())
	}
	return v
}

func (d *decoder) u32s(what string) []uint32 {
	n := d.count(4, what)
	if n == 0 {
		return nil
	}
	v := make([]uint32, n)
	for i := range v {
		v[i] = d.u32()
	}
	return v
}

func (d *decoder) bytes(what string) []byte { return d.take(d.count(1, what)) }

// done reports the sticky fault, or bytes that nobody asked for.
func (d *decoder) done() error {
	if d.err == nil && d.at != len(d.b) {
		d.fail("%d bytes too many", len(d.b)-d.at)
	}
	return d.err
}
