package foreign

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// onnxModel is the part of ModelProto that prediction needs (onnx/onnx.proto).
type onnxModel struct {
	graph  []byte
	opsets map[string]int64
	nodes  []*onnxNode
	consts map[string]*tensor
	inputs []onnxValue
	output []string
}

type onnxNode struct {
	op, domain, name string
	in, out          []string
	attrs            map[string]*onnxAttr
	opset            int64 // of its domain
	trial            *bool // the row is the made-up one of the load
}

type onnxAttr struct {
	f       float64
	i       int64
	s       string
	t       *tensor
	floats  []float64
	ints    []int64
	strings []string
}

// onnxValue is a graph input: its name, element type and shape (-1: any).
type onnxValue struct {
	name  string
	elem  elemType
	shape []int64
}

func parseONNX(data []byte) (*onnxModel, error) {
	m := &onnxModel{opsets: map[string]int64{}, consts: map[string]*tensor{}}
	err := fields(data, func(w *wire) error {
		switch w.number {
		case 7:
			m.graph = w.bytes
			return w.expect(wireBytes)
		case 8:
			return m.parseOpset(w)
		case 25:
			return fmt.Errorf("%w: ONNX model-local functions", ErrUnsupported)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.graph == nil {
		return nil, fmt.Errorf("%w: no ONNX graph", ErrCorrupt)
	}
	if err := fields(m.graph, m.parseGraph); err != nil {
		return nil, err
	}
	for _, n := range m.nodes {
		n.opset = m.opsets[n.domain]
	}
	return m, nil
}

func (m *onnxModel) parseOpset(w *wire) error {
	if err := w.expect(wireBytes); err != nil {
		return err
	}
	domain, version := "", int64(0)
	err := fields(w.bytes, func(w *wire) error {
		switch w.number {
		case 1:
			domain = string(w.bytes)
		case 2:
			version = int64(w.value)
		}
		return nil
	})
	if domain == "ai.onnx" {
		domain = ""
	}
	m.opsets[domain] = version
	return err
}

func (m *onnxModel) parseGraph(w *wire) error {
	switch w.number {
	case 1:
		n, err := parseNode(w.bytes)
		m.nodes = append(m.nodes, n)
		return err
	case 5:
		t, name, err := parseTensor(w.bytes)
		if err != nil {
			return fmt.Errorf("initializer %.80q: %w", name, err)
		}
		m.consts[name] = t
	case 11:
		v, err := parseValue(w.bytes)
		m.inputs = append(m.inputs, v)
		return err
	case 12:
		v, err := parseValue(w.bytes)
		m.output = append(m.output, v.name)
		return err
	case 15:
		return fmt.Errorf("%w: ONNX sparse initializers", ErrUnsupported)
	}
	return nil
}

// maxNodeInputs bounds the inputs of a node.
const maxNodeInputs = 1 << 12

func parseNode(b []byte) (*onnxNode, error) {
	n := &onnxNode{attrs: map[string]*onnxAttr{}}
	err := fields(b, func(w *wire) error {
		if err := w.expect(wireBytes); err != nil {
			return err
		}
		text := ""
		if w.number != 5 {
			text = string(w.bytes)
		}
		switch w.number {
		case 1:
			n.in = append(n.in, text)
			if len(n.in) > maxNodeInputs {
				return fmt.Errorf("%w: an ONNX node of more than %d inputs", ErrUnsupported, maxNodeInputs)
			}
		case 2:
			n.out = append(n.out, text)
		case 3:
			n.name = text
		case 4:
			n.op = text
		case 5:
			name, a, err := parseAttr(w.bytes)
			n.attrs[name] = a
			return err
		case 7:
			n.domain = text
		}
		return nil
	})
	if n.domain == "ai.onnx" {
		n.domain = ""
	}
	return n, err
}

func parseAttr(b []byte) (string, *onnxAttr, error) {
	a, name := &onnxAttr{}, ""
	err := fields(b, func(w *wire) (err error) {
		switch w.number {
		case 1:
			name, err = w.text()
		case 2:
			a.f, err = float64(math.Float32frombits(uint32(w.value))), w.expect(wireFixed32)
		case 3:
			a.i, err = int64(w.value), w.expect(wireVarint)
		case 4:
			a.s, err = w.text()
		case 5:
			a.t, _, err = parseTensor(w.bytes)
		case 6, 11:
			err = fmt.Errorf("%w: ONNX subgraph in attribute %q", ErrUnsupported, name)
		case 7:
			a.floats, err = w.floats(a.floats)
		case 8:
			a.ints, err = w.ints(a.ints)
		case 9:
			var s string
			s, err = w.text()
			a.strings = append(a.strings, s)
		}
		return err
	})
	return name, a, err
}

// parseTensor reads a TensorProto; its shape must agree with its data.
func parseTensor(b []byte) (*tensor, string, error) {
	var (
		dims, ints []int64
		raw        []byte
		name       string
		kind       int64
		t          = &tensor{}
	)
	err := fields(b, func(w *wire) (err error) {
		switch w.number {
		case 1:
			dims, err = w.ints(dims)
		case 2:
			kind = int64(w.value)
		case 3, 13, 14:
			err = fmt.Errorf("%w: ONNX tensor data outside the tensor", ErrUnsupported)
			if w.number == 14 && w.value == 0 {
				err = nil
			}
		case 4:
			t.num, err = w.floats(t.num)
		case 5, 7:
			ints, err = w.ints(ints)
		case 6:
			var s string
			s, err = w.text()
			t.text = append(t.text, s)
		case 8:
			name, err = w.text()
		case 9:
			raw, err = w.bytes, w.expect(wireBytes)
		case 10:
			t.num, err = w.doubles(t.num)
		}
		return err
	})
	if err != nil {
		return nil, name, err
	}
	if t.elem, err = elemTypeOf(kind); err != nil {
		return nil, name, err
	}
	for _, v := range ints {
		t.num = append(t.num, float64(v))
	}
	if raw != nil {
		if t.num, err = rawNumbers(raw, t.elem); err != nil {
			return nil, name, err
		}
	}
	return t, name, t.setShape(dims)
}

func rawNumbers(raw []byte, elem elemType) ([]float64, error) {
	size := map[elemType]int{elemFloat: 4, elemDouble: 8, elemInt64: 8, elemInt32: 4, elemBool: 1, elemUint8: 1}[elem]
	if size == 0 || len(raw)%size != 0 {
		return nil, fmt.Errorf("%w: %d raw bytes of %s", ErrCorrupt, len(raw), elem)
	}
	out := make([]float64, 0, len(raw)/size)
	for b := range slices.Chunk(raw, size) {
		switch elem {
		case elemFloat:
			out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		case elemDouble:
			out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		case elemInt64:
			out = append(out, float64(int64(binary.LittleEndian.Uint64(b))))
		case elemInt32:
			out = append(out, float64(int32(binary.LittleEndian.Uint32(b))))
		default:
			out = append(out, float64(b[0]))
		}
	}
	return out, nil
}

func parseValue(b []byte) (onnxValue, error) {
	v := onnxValue{}
	err := fields(b, func(w *wire) (err error) {
		switch w.number {
		case 1:
			v.name, err = w.text()
		case 2:
			err = fields(w.bytes, v.parseType)
		}
		return err
	})
	return v, err
}

func (v *onnxValue) parseType(w *wire) error {
	if w.number != 1 {
		return nil // sequence or map: the output of ZipMap
	}
	return fields(w.bytes, func(w *wire) (err error) {
		switch w.number {
		case 1:
			v.elem, err = elemTypeOf(int64(w.value))
		case 2:
			err = fields(w.bytes, v.parseDim)
		}
		return err
	})
}

func (v *onnxValue) parseDim(w *wire) error {
	size := int64(-1)
	err := fields(w.bytes, func(w *wire) error {
		if w.number == 1 {
			size = int64(w.value)
		}
		return nil
	})
	v.shape = append(v.shape, size)
	return err
}

// Attribute access with defaults.

func (n *onnxNode) float(name string, missing float64) float64 {
	if a := n.attrs[name]; a != nil {
		return a.f
	}
	return missing
}

func (n *onnxNode) int(name string, missing int64) int64 {
	if a := n.attrs[name]; a != nil {
		return a.i
	}
	return missing
}

func (n *onnxNode) string(name, missing string) string {
	if a := n.attrs[name]; a != nil {
		return a.s
	}
	return missing
}

func (n *onnxNode) floats(name string) []float64 {
	if a := n.attrs[name]; a != nil {
		return a.floats
	}
	return nil
}

func (n *onnxNode) ints(name string) []int64 {
	if a := n.attrs[name]; a != nil {
		return a.ints
	}
	return nil
}

func (n *onnxNode) strings(name string) []string {
	if a := n.attrs[name]; a != nil {
		return a.strings
	}
	return nil
}

// numbers is an attribute of floats, or the same as a tensor (name_as_tensor).
func (n *onnxNode) numbers(name string) []float64 {
	if a := n.attrs[name+"_as_tensor"]; a != nil && a.t != nil {
		return a.t.num
	}
	if a := n.attrs[name]; a != nil && a.t != nil {
		return a.t.num
	}
	return n.floats(name)
}
