package foreign

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// isUBJSON tells a UBJSON object from JSON: its first key starts with a length
// marker, not with a quote.
func isUBJSON(data []byte) bool {
	if len(data) < 2 || data[0] != '{' {
		return false
	}
	switch data[1] {
	case 'i', 'U', 'I', 'l', 'L', '#', '$':
		return true
	}
	return false
}

// readXGBoostUBJSON rewrites UBJSON (draft 12) as JSON and reads that. The text
// is a small multiple of the input, whatever counts the input claims.
func readXGBoostUBJSON(data []byte) (*Model, error) {
	t := ubjTranscoder{in: data, out: make([]byte, 0, len(data))}
	if err := t.value(0); err != nil {
		return nil, fmt.Errorf("%w: UBJSON at byte %d: %w", ErrCorrupt, t.at, err)
	}
	if t.at != len(data) {
		return nil, fmt.Errorf("%w: %d bytes behind the UBJSON document", ErrCorrupt, len(data)-t.at)
	}
	return readXGBoostJSON(t.out, XGBoostUBJSON)
}

// ubjTranscoder turns one UBJSON document into JSON.
type ubjTranscoder struct {
	in  []byte
	at  int
	out []byte
}

var errUBJShort = fmt.Errorf("ends too early")

func (t *ubjTranscoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(t.in)-t.at {
		return nil, errUBJShort
	}
	b := t.in[t.at : t.at+n]
	t.at += n
	return b, nil
}

// marker reads the next type marker, passing over no-ops.
func (t *ubjTranscoder) marker() (byte, error) {
	for {
		b, err := t.take(1)
		if err != nil {
			return 0, err
		}
		if b[0] != 'N' {
			return b[0], nil
		}
	}
}

func (t *ubjTranscoder) peek() byte {
	if t.at < len(t.in) {
		return t.in[t.at]
	}
	return 0
}

func (t *ubjTranscoder) value(depth int) error {
	m, err := t.marker()
	if err != nil {
		return err
	}
	return t.typed(m, depth)
}

// typed writes the value of type m that starts here.
func (t *ubjTranscoder) typed(m byte, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested more than %d deep", maxNesting)
	}
	switch m {
	case '{':
		return t.container(depth, true)
	case '[':
		return t.container(depth, false)
	case 'S', 'H':
		return t.text()
	case 'C':
		b, err := t.take(1)
		if err != nil {
			return err
		}
		return t.quote(b)
	case 'Z':
		t.out = append(t.out, "null"...)
	case 'T':
		t.out = append(t.out, '1')
	case 'F':
		t.out = append(t.out, '0')
	case 'd', 'D':
		return t.float(m)
	default:
		v, err := t.integer(m)
		if err != nil {
			return err
		}
		t.out = strconv.AppendInt(t.out, v, 10)
	}
	return nil
}

func (t *ubjTranscoder) float(m byte) error {
	size := 8
	if m == 'd' {
		size = 4
	}
	b, err := t.take(size)
	if err != nil {
		return err
	}
	var v float64
	bits := 64
	if m == 'd' {
		v, bits = float64(math.Float32frombits(binary.BigEndian.Uint32(b))), 32
	} else {
		v = math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("number %v", v)
	}
	t.out = strconv.AppendFloat(t.out, v, 'g', -1, bits)
	return nil
}

func (t *ubjTranscoder) integer(m byte) (int64, error) {
	size := map[byte]int{'i': 1, 'U': 1, 'I': 2, 'l': 4, 'L': 8}[m]
	if size == 0 {
		return 0, fmt.Errorf("unknown type %q", m)
	}
	b, err := t.take(size)
	if err != nil {
		return 0, err
	}
	switch m {
	case 'i':
		return int64(int8(b[0])), nil
	case 'U':
		return int64(b[0]), nil
	case 'I':
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case 'l':
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	default:
		return int64(binary.BigEndian.Uint64(b)), nil
	}
}

// length reads a count; it can never exceed the bytes that are left.
func (t *ubjTranscoder) length() (int, error) {
	m, err := t.marker()
	if err != nil {
		return 0, err
	}
	n, err := t.integer(m)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64(len(t.in)-t.at) {
		return 0, fmt.Errorf("a length of %d with %d bytes left", n, len(t.in)-t.at)
	}
	return int(n), nil
}

func (t *ubjTranscoder) text() error {
	n, err := t.length()
	if err != nil {
		return err
	}
	b, err := t.take(n)
	if err != nil {
		return err
	}
	return t.quote(b)
}

func (t *ubjTranscoder) quote(b []byte) error {
	q, err := json.Marshal(string(b))
	t.out = append(t.out, q...)
	return err
}

// container writes an array or object: open-ended, counted, or typed and counted.
func (t *ubjTranscoder) container(depth int, object bool) error {
	elem, count, err := t.containerHeader()
	if err != nil {
		return err
	}
	open, end := byte('['), byte(']')
	if object {
		open, end = '{', '}'
	}
	t.out = append(t.out, open)
	for i := 0; i != count; i++ {
		if count < 0 {
			for t.peek() == 'N' {
				t.at++
			}
			if t.peek() == end {
				t.at++
				break
			}
		}
		if i > 0 {
			t.out = append(t.out, ',')
		}
		if err := t.element(elem, depth, object); err != nil {
			return err
		}
	}
	t.out = append(t.out, end)
	return nil
}

func (t *ubjTranscoder) element(elem byte, depth int, object bool) error {
	if object {
		if err := t.text(); err != nil {
			return err
		}
		t.out = append(t.out, ':')
	}
	if elem == 0 {
		return t.value(depth + 1)
	}
	return t.typed(elem, depth+1)
}

// containerHeader reads the optional "$type" and "#count"; count is -1 if open-ended.
func (t *ubjTranscoder) containerHeader() (elem byte, count int, err error) {
	if t.peek() == '$' {
		t.at++
		b, err := t.take(1)
		if err != nil {
			return 0, 0, err
		}
		if elem = b[0]; elem == 'Z' || elem == 'T' || elem == 'F' || elem == 'N' {
			return 0, 0, fmt.Errorf("an array of type %q, whose elements take no room", elem)
		}
		if t.peek() != '#' {
			return 0, 0, fmt.Errorf("a typed array without a count")
		}
	}
	if t.peek() != '#' {
		return 0, -1, nil
	}
	t.at++
	count, err = t.length()
	return elem, count, err
}
