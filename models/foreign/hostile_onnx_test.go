package foreign_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/foreign"
)

// A protobuf message is built from its fields.

func pbBytes(number int, b ...string) string {
	body := strings.Join(b, "")
	head := binary.AppendUvarint(nil, uint64(number)<<3|2)
	return string(binary.AppendUvarint(head, uint64(len(body)))) + body
}

func pbInt(number int, v int64) string {
	return string(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(number)<<3), uint64(v)))
}

func pbFloat(number int, v float64) string {
	b := binary.AppendUvarint(nil, uint64(number)<<3|5)
	return string(binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v))))
}

func onnxIO(number int, name string, dims ...int64) string {
	shape := ""
	for _, d := range dims {
		shape += pbBytes(1, pbInt(1, d))
	}
	return pbBytes(number, pbBytes(1, name), pbBytes(2, pbBytes(1, pbInt(1, 1), pbBytes(2, shape))))
}

func attrInts(name string, values ...int64) string {
	s := pbBytes(1, name)
	for _, v := range values {
		s += pbInt(8, v)
	}
	return pbBytes(5, s)
}

func attrFloats(name string, values ...float64) string {
	s := pbBytes(1, name)
	for _, v := range values {
		s += pbFloat(7, v)
	}
	return pbBytes(5, s)
}

func attrInt(name string, v int64) string { return pbBytes(5, pbBytes(1, name), pbInt(3, v)) }

func attrStrings(name string, values ...string) string {
	s := pbBytes(1, name)
	for _, v := range values {
		s += pbBytes(9, v)
	}
	return pbBytes(5, s)
}

func onnxNodeOf(domain, op, in, out string, attrs ...string) string {
	s := ""
	for name := range strings.FieldsSeq(in) {
		s += pbBytes(1, name)
	}
	return pbBytes(1, s, pbBytes(2, out), pbBytes(4, op), pbBytes(7, domain), strings.Join(attrs, ""))
}

func onnxFile(graph ...string) []byte {
	return []byte(pbInt(1, 8) + pbBytes(8, pbInt(2, 17)) + pbBytes(7, strings.Join(graph, "")))
}

// onnxStump is a TreeEnsembleRegressor of one tree; columns given replace its own.
func onnxStump(replace map[string]string) []byte {
	columns := []string{"nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values",
		"nodes_truenodeids", "nodes_falsenodeids", "target_treeids", "target_nodeids", "target_ids", "target_weights", "n_targets"}
	attrs := map[string]string{
		"nodes_treeids": attrInts("nodes_treeids", 0, 0, 0), "nodes_nodeids": attrInts("nodes_nodeids", 0, 1, 2),
		"nodes_featureids": attrInts("nodes_featureids", 1, 0, 0), "nodes_modes": attrStrings("nodes_modes", "BRANCH_LEQ", "LEAF", "LEAF"),
		"nodes_values": attrFloats("nodes_values", 1.5, 0, 0), "nodes_truenodeids": attrInts("nodes_truenodeids", 1, 0, 0),
		"nodes_falsenodeids": attrInts("nodes_falsenodeids", 2, 0, 0), "target_treeids": attrInts("target_treeids", 0, 0),
		"target_nodeids": attrInts("target_nodeids", 1, 2), "target_ids": attrInts("target_ids", 0, 0),
		"target_weights": attrFloats("target_weights", -1, 1), "n_targets": attrInt("n_targets", 1),
	}
	all := ""
	for _, c := range columns {
		if replace["n_targets"] != "" && c == "target_ids" && strings.Contains(replace["n_targets"], c) {
			continue // given together
		}
		if with, ok := replace[c]; ok {
			all += with
		} else {
			all += attrs[c]
		}
	}
	return onnxFile(onnxNodeOf("ai.onnx.ml", "TreeEnsembleRegressor", "x", "y", all), onnxIO(11, "x", -1, 2), onnxIO(12, "y"))
}

func TestHostileONNXTrees(t *testing.T) {
	m, err := foreign.Open("m.onnx", onnxStump(nil))
	if err != nil {
		t.Fatalf("the sound file: %v", err)
	}
	out := make([]float64, 1)
	if err := m.Predict([]float64{0, 1.5}, out); err != nil || out[0] != -1 {
		t.Fatalf("the sound file predicts %v, %v", out, err)
	}
	cases := map[string][3]string{ // column, replacement, error
		"10^12 targets":   {"n_targets", attrInt("n_targets", 1e12), "n_targets"},
		"cycle":           {"nodes_truenodeids", attrInts("nodes_truenodeids", 0, 0, 0), "two parents or is the root"},
		"far node":        {"nodes_truenodeids", attrInts("nodes_truenodeids", 1e12, 0, 0), "not in the tree"},
		"node twice":      {"nodes_nodeids", attrInts("nodes_nodeids", 0, 1, 1), "twice"},
		"far input":       {"nodes_featureids", attrInts("nodes_featureids", 1e6, 0, 0), "tests input 1000000"},
		"input 2":         {"nodes_featureids", attrInts("nodes_featureids", 2, 0, 0), "input 2 of 2"},
		"negative input":  {"nodes_featureids", attrInts("nodes_featureids", -1, 0, 0), "tests input -1"},
		"NaN threshold":   {"nodes_values", attrFloats("nodes_values", math.NaN(), 0, 0), "NaN"},
		"mode":            {"nodes_modes", attrStrings("nodes_modes", "BRANCH_TELEPATHY", "LEAF", "LEAF"), "BRANCH_TELEPATHY"},
		"no leaves":       {"nodes_modes", attrStrings("nodes_modes", "BRANCH_LT", "BRANCH_LT", "BRANCH_LT"), "corrupt"},
		"short column":    {"nodes_modes", attrStrings("nodes_modes", "LEAF"), "entries"},
		"votes":           {"target_ids", attrInts("target_ids", 0, 9), "output 9 of 1"},
		"sparse votes":    {"n_targets", attrInt("n_targets", 30_000) + attrInts("target_ids", 0, 29_999), "30000 outputs with 2 votes"},
		"votes in number": {"target_weights", attrFloats("target_weights", 1), "differ in length"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, "m.onnx", onnxStump(map[string]string{c[0]: c[1]}), c[2]) })
	}
}

func TestHostileONNXGraphs(t *testing.T) {
	tensor := func(dims []int64, data string) string {
		s := ""
		for _, d := range dims {
			s += pbInt(1, d)
		}
		return s + pbInt(2, 1) + pbBytes(8, "c") + data
	}
	x, y := onnxIO(11, "x", -1, 2), onnxIO(12, "y")
	wide := strings.Repeat("x ", 20_000)
	cases := map[string]struct {
		file []byte
		want string
	}{
		"no graph":          {[]byte(pbInt(1, 8)), "no ONNX graph"},
		"unknown operator":  {onnxFile(onnxNodeOf("", "Telepathy", "x", "y"), x, y), "Telepathy"},
		"unknown domain":    {onnxFile(onnxNodeOf("my.ops", "Add", "x x", "y"), x, y), "my.ops"},
		"no inputs":         {onnxFile(y), "without inputs"},
		"nothing computed":  {onnxFile(x, y), "nothing computes"},
		"a cycle of nodes":  {onnxFile(onnxNodeOf("", "Relu", "z", "y"), onnxNodeOf("", "Relu", "y", "z"), x, y), "before it is computed"},
		"computed twice":    {onnxFile(onnxNodeOf("", "Relu", "x", "y"), onnxNodeOf("", "Relu", "x", "y"), x, y), "a second time"},
		"10^12 inputs":      {onnxFile(onnxNodeOf("", "Relu", "x", "y"), onnxIO(11, "x", -1, 1e12), y), "fixed width"},
		"open width":        {onnxFile(onnxNodeOf("", "Relu", "x", "y"), onnxIO(11, "x", -1, -1), y), "fixed width"},
		"10^12 elements":    {onnxFile(pbBytes(5, tensor([]int64{1e12}, "")), onnxNodeOf("", "Add", "x c", "y"), x, y), "1000000000000"},
		"product overflows": {onnxFile(pbBytes(5, tensor([]int64{1 << 40, 1 << 40}, "")), onnxNodeOf("", "Add", "x c", "y"), x, y), "tensor of shape"},
		"negative size":     {onnxFile(pbBytes(5, tensor([]int64{-1}, "")), onnxNodeOf("", "Add", "x c", "y"), x, y), "tensor of shape"},
		"half a float":      {onnxFile(pbBytes(5, tensor([]int64{1}, pbBytes(9, "abc"))), onnxNodeOf("", "Add", "x c", "y"), x, y), "raw bytes"},
		"float16":           {onnxFile(pbBytes(5, pbInt(2, 10)), x, y), "element type 10"},
		"data elsewhere":    {onnxFile(pbBytes(5, tensor(nil, pbBytes(13, "file"))), x, y), "outside the tensor"},
		"shapes":            {onnxFile(pbBytes(5, tensor([]int64{3}, pbBytes(4, strings.Repeat("\x00", 12)))), onnxNodeOf("", "Add", "x c", "y"), x, y), "do not broadcast"},
		"reshape":           {onnxFile(onnxNodeOf("", "Reshape", "x", "y", attrInts("shape", 1<<40)), x, y), "shape"},
		"axis":              {onnxFile(onnxNodeOf("", "Softmax", "x", "y", attrInt("axis", 99)), x, y), "axis 99"},
		"wide concat":       {onnxFile(onnxNodeOf("", "Concat", wide, "y", attrInt("axis", 1)), x, y), "4096 inputs"},
		"scaler":            {onnxFile(onnxNodeOf("ai.onnx.ml", "Scaler", "x", "y", attrFloats("offset", 1, 2, 3), attrFloats("scale", 1)), x, y), "parameters"},
		"coefficients":      {onnxFile(onnxNodeOf("ai.onnx.ml", "LinearRegressor", "x", "y", attrFloats("coefficients", 1)), x, y), "coefficients"},
		"no labels":         {onnxFile(onnxNodeOf("ai.onnx.ml", "LinearClassifier", "x", "y", attrFloats("coefficients", 1, 1)), x, y), "without labels"},
		"length":            {[]byte("\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "protobuf"},
		"endless varint":    {[]byte("\x08" + strings.Repeat("\xff", 20)), "protobuf"},
		"wire type":         {[]byte("\x08\x08\x0b"), "protobuf"},
		"missing input":     {onnxFile(onnxNodeOf("", "MatMul", "x", "y"), x, y), "MatMul of one input"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, "m.onnx", c.file, c.want) })
	}
}

// TestDoublingONNXGraphIsRefused joins a tensor with itself again and again.
func TestDoublingONNXGraphIsRefused(t *testing.T) {
	graph := []string{onnxIO(11, "x0", -1, 2), onnxIO(12, "x40")}
	for i := range 40 {
		from, to := "x"+string(rune('0'+i/10))+string(rune('0'+i%10)), "x"+string(rune('0'+(i+1)/10))+string(rune('0'+(i+1)%10))
		if i == 0 {
			from = "x0"
		}
		if i == 39 {
			to = "x40"
		}
		graph = append(graph, onnxNodeOf("", "Concat", from+" "+from, to, attrInt("axis", 1)))
	}
	_, bytes, err := openCounting("m.onnx", onnxFile(graph...))
	if err == nil {
		t.Error("opens")
	}
	if bytes > 4*refusalLimit { // the tensors below the limit, and their growth
		t.Errorf("refusing took %d bytes", bytes)
	}
}

func TestONNXCategoryThatMustBeKnown(t *testing.T) {
	file := onnxFile(onnxNodeOf("ai.onnx.ml", "OneHotEncoder", "x", "y", attrInts("cats_int64s", 5, 7), attrInt("zeros", 0)),
		onnxIO(11, "x", -1, 1), onnxIO(12, "y"))
	m, err := foreign.Open("m.onnx", file)
	if err != nil {
		t.Fatalf("a file whose categories leave out 0: %v", err)
	}
	out := make([]float64, 2)
	if err := m.Predict([]float64{7}, out); err != nil || out[0] != 0 || out[1] != 1 {
		t.Errorf("category 7: %v, %v", out, err)
	}
	if err := m.Predict([]float64{6}, out); err == nil {
		t.Error("an unknown category is scored")
	}
}
