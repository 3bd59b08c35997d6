package foreign

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/rebound-engine/rebound/models"
)

// onnxOp computes a node's outputs from its inputs; an optional input that is
// left out is nil.
type onnxOp func(a *arena, in []*tensor) ([]*tensor, error)

// onnxStep is one node of the graph over numbered values.
type onnxStep struct {
	name    string
	run     onnxOp
	in, out []int // -1: left out
}

// onnxProgram runs a graph for one row.
type onnxProgram struct {
	inputs  []onnxInput
	outputs []int
	values  []*tensor // constants at their number
	steps   []onnxStep
	most    int      // inputs of a step
	widths  []int    // values per output
	levels  []string // strings that inputs and labels can be
	scratch sync.Pool
}

// onnxInput is one graph input and the features that fill it.
type onnxInput struct {
	value int
	elem  elemType
	first int // feature
	width int
	shape []int
}

// maxSteps bounds the nodes of a graph.
const maxSteps = 1 << 14

// readONNX reads an ONNX file of classical models (trees, linear models,
// pre-processing, small networks), one row at a time.
func readONNX(data []byte) (*Model, error) {
	m, err := parseONNX(data)
	if err != nil {
		return nil, err
	}
	if len(m.nodes) > maxSteps {
		return nil, fmt.Errorf("%w: ONNX graph of %d nodes", ErrUnsupported, len(m.nodes))
	}
	b := onnxBuilder{model: m, program: &onnxProgram{scratch: sync.Pool{New: func() any { return &arena{} }}}, number: map[string]int{}}
	features, err := b.build()
	if err != nil {
		return nil, err
	}
	outputs, err := b.trial(len(features))
	if err != nil {
		return nil, err
	}
	return &Model{format: ONNX, features: features, outputs: outputs, program: b.program}, nil
}

// onnxBuilder numbers values and compiles nodes.
type onnxBuilder struct {
	model   *onnxModel
	program *onnxProgram
	number  map[string]int
	made    []bool // per value: known before its first use
	onTrial bool
}

func (b *onnxBuilder) value(name string) int {
	n, ok := b.number[name]
	if !ok {
		n = len(b.number)
		b.number[name] = n
		b.program.values = append(b.program.values, nil)
		b.made = append(b.made, false)
	}
	return n
}

func (b *onnxBuilder) build() ([]models.Feature, error) {
	for name, t := range b.model.consts {
		n := b.value(name)
		b.program.values[n], b.made[n] = t, true
	}
	b.program.levels = b.strings()
	features, err := b.inputs()
	if err != nil {
		return nil, err
	}
	for i, n := range b.model.nodes {
		if err := b.node(n); err != nil {
			return nil, fmt.Errorf("ONNX node %d (%s %.60q): %w", i, n.op, n.name, err)
		}
	}
	for _, name := range b.model.output {
		n := b.value(name)
		if !b.made[n] {
			return nil, fmt.Errorf("%w: nothing computes the ONNX output %.60q", ErrCorrupt, name)
		}
		b.program.outputs = append(b.program.outputs, n)
	}
	return features, nil
}

// strings collects every string that a node compares with or answers, in file order.
func (b *onnxBuilder) strings() []string {
	var levels []string
	seen := map[string]bool{}
	for _, n := range b.model.nodes {
		for _, key := range []string{"classlabels_strings", "cats_strings", "keys_strings", "values_strings", "classes_strings"} {
			for _, s := range n.strings(key) {
				if !seen[s] {
					seen[s] = true
					levels = append(levels, s)
				}
			}
		}
	}
	return levels
}

// inputs lays the graph's inputs out as one row of features.
func (b *onnxBuilder) inputs() ([]models.Feature, error) {
	var features []models.Feature
	for _, in := range b.model.inputs {
		n := b.value(in.name)
		if b.made[n] {
			continue // an initializer listed as an input, as old files do
		}
		width, shape, err := in.layout()
		if err != nil {
			return nil, err
		}
		if len(features)+width > maxElements {
			return nil, fmt.Errorf("%w: ONNX inputs of more than %d values", ErrUnsupported, maxElements)
		}
		b.made[n] = true
		b.program.inputs = append(b.program.inputs, onnxInput{
			value: n, elem: in.elem, first: len(features), width: width, shape: shape,
		})
		for _, name := range columnNames(in.name, width) {
			f := models.Feature{Name: name}
			if in.elem == elemString {
				f.Type, f.Levels = models.Category, b.program.levels
			}
			features = append(features, f)
		}
	}
	if len(features) == 0 {
		return nil, fmt.Errorf("%w: ONNX graph without inputs", ErrCorrupt)
	}
	return features, nil
}

// layout is the shape for one row: the first dimension is the batch.
func (v *onnxValue) layout() (width int, shape []int, err error) {
	if v.elem == "" {
		return 0, nil, fmt.Errorf("%w: ONNX input %.60q is no tensor", ErrUnsupported, v.name)
	}
	width = 1
	for i, d := range v.shape {
		if i == 0 {
			shape = append(shape, 1)
			continue
		}
		if d < 1 || d > maxElements || width*int(d) > maxElements {
			return 0, nil, fmt.Errorf("%w: ONNX input %.60q has shape %v; a fixed width is needed", ErrUnsupported, v.name, v.shape)
		}
		width *= int(d)
		shape = append(shape, int(d))
	}
	return width, shape, nil
}

func (b *onnxBuilder) node(n *onnxNode) error {
	n.trial = &b.onTrial
	run, err := onnxOpOf(n)
	if err != nil {
		return err
	}
	s := onnxStep{name: n.op, run: run}
	for _, name := range n.in {
		if name == "" {
			s.in = append(s.in, -1)
			continue
		}
		v := b.value(name)
		if !b.made[v] {
			return fmt.Errorf("%w: reads %.60q before it is computed", ErrCorrupt, name)
		}
		s.in = append(s.in, v)
	}
	for _, name := range n.out {
		if name == "" {
			s.out = append(s.out, -1)
			continue
		}
		v := b.value(name)
		if b.made[v] {
			return fmt.Errorf("%w: computes %.60q a second time", ErrCorrupt, name)
		}
		b.made[v] = true
		s.out = append(s.out, v)
	}
	b.program.most = max(b.program.most, len(s.in))
	b.program.steps = append(b.program.steps, s)
	return nil
}

// trial predicts one row of zeros: what the graph cannot compute shows now, and
// the number of outputs is known.
func (b *onnxBuilder) trial(features int) ([]string, error) {
	p := b.program
	b.onTrial = true
	values, err := p.run(&arena{}, make([]float64, features))
	b.onTrial = false
	if err != nil {
		return nil, err
	}
	var names []string
	for i, v := range p.outputs {
		n := values[v].len()
		if n == 0 || len(names)+n > maxElements {
			return nil, fmt.Errorf("%w: ONNX output %.60q of %d values", ErrUnsupported, b.model.output[i], n)
		}
		p.widths = append(p.widths, n)
		names = append(names, columnNames(b.model.output[i], n)...)
	}
	return names, nil
}

// maxWork bounds the values computed for one row over all nodes.
const maxWork = 1 << 20

func (p *onnxProgram) run(a *arena, row []float64) ([]*tensor, error) {
	values := a.list(p.values...)
	for _, in := range p.inputs {
		values[in.value] = p.input(a, in, row[in.first:in.first+in.width])
	}
	work := 0
	in := a.lists.take(p.most)
	for _, s := range p.steps {
		in = in[:0]
		for _, v := range s.in {
			if v < 0 {
				in = append(in, nil)
			} else {
				in = append(in, values[v])
			}
		}
		out, err := s.run(a, in)
		if err != nil {
			return nil, fmt.Errorf("ONNX %s: %w", s.name, err)
		}
		for i, v := range s.out {
			if v < 0 {
				continue
			}
			if i >= len(out) {
				return nil, fmt.Errorf("%w: ONNX %s gives %d outputs", ErrUnsupported, s.name, len(out))
			}
			values[v] = out[i]
			if work += out[i].len(); work > maxWork {
				return nil, fmt.Errorf("%w: ONNX graph computes more than %d values for one row", ErrUnsupported, maxWork)
			}
		}
	}
	return values, nil
}

func (p *onnxProgram) input(a *arena, in onnxInput, row []float64) *tensor {
	t := a.header(in.elem, in.shape)
	if in.elem == elemString {
		t.text = a.texts.take(len(row))
		for i, v := range row {
			t.text[i] = p.level(v)
		}
		return t
	}
	t.num = a.numbers.take(len(row))
	for i, v := range row {
		t.num[i] = in.elem.round(v)
	}
	return t
}

// level is the string with the given code. A code that names none becomes a
// string that no file holds.
func (p *onnxProgram) level(code float64) string {
	if code >= 0 && code < float64(len(p.levels)) && code == math.Trunc(code) {
		return p.levels[int(code)]
	}
	return "\x00unknown"
}

func (p *onnxProgram) rawOutputs() int { return 0 }

func (p *onnxProgram) raw(_, _ []float64) error { return ErrNotProvided }

func (p *onnxProgram) predict(row, out []float64) error {
	a := p.scratch.Get().(*arena)
	defer p.scratch.Put(a)
	a.reset()
	values, err := p.run(a, row)
	if err != nil {
		return err
	}
	for i, v := range p.outputs {
		t := values[v]
		if t.len() != p.widths[i] {
			return fmt.Errorf("%w: ONNX output %d has %d values, %d at load", ErrUnsupported, i, t.len(), p.widths[i])
		}
		p.write(t, out[:p.widths[i]])
		out = out[p.widths[i]:]
	}
	return nil
}

// write copies numbers. A label that is a string becomes the number it spells,
// else its code among the strings of the graph.
func (p *onnxProgram) write(t *tensor, out []float64) {
	copy(out, t.num)
	for i, s := range t.text {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			v = math.NaN()
			if code := slices.Index(p.levels, s); code >= 0 {
				v = float64(code)
			}
		}
		out[i] = v
	}
}
