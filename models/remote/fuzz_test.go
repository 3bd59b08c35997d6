package remote

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/proto/inference"
)

// FuzzAnswer reads any bytes as an answer: it is an error or sound scores.
func FuzzAnswer(f *testing.F) {
	seed := func(r *inference.ModelInferResponse) {
		data, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add(data, true)
	}
	output := func(datatype string, shape ...int64) []*inference.ModelInferResponse_InferOutputTensor {
		return []*inference.ModelInferResponse_InferOutputTensor{{Name: "predict", Datatype: datatype, Shape: shape, Contents: &inference.InferTensorContents{Fp64Contents: []float64{0.1, 0.2}}}}
	}
	seed(&inference.ModelInferResponse{Outputs: output("FP64", 2)})
	seed(&inference.ModelInferResponse{Outputs: output("FP64", 1, 2)})
	seed(&inference.ModelInferResponse{Outputs: output("FP32", 2, 1), RawOutputContents: [][]byte{make([]byte, 8)}})
	seed(&inference.ModelInferResponse{Outputs: output("INT64", 1, 2), RawOutputContents: [][]byte{make([]byte, 16)}})
	seed(&inference.ModelInferResponse{Outputs: output("INT32", 2, 1<<40)})

	rows, columns := fuzzModel(f, "offer_features: [b]\n"), fuzzModel(f, "output: {columns: {none: 0, ten: 1}}\n")
	f.Fuzz(func(t *testing.T, data []byte, perOffer bool) {
		r := new(inference.ModelInferResponse)
		if proto.Unmarshal(data, r) != nil {
			return
		}
		m, cands := rows, []models.Candidate{{Arm: 0, X: []float64{1}}}
		if perOffer {
			m, cands = columns, []models.Candidate{{Arm: 0}}
		}
		a, err := m.readAnswer(r, m.plan.rows(1))
		if err != nil {
			return
		}
		out := make([]models.Score, 1)
		if m.scores(&a, cands, out) != nil {
			return
		}
		if s := out[0]; !(s.With >= 0 && s.With <= 1 && s.Without >= 0 && s.Without <= 1 && s.Lower <= s.Upper) || math.IsInf(s.Lower, 0) || math.IsInf(s.Upper, 0) {
			t.Fatalf("%+v passed", s)
		}
	})
}

func fuzzModel(f *testing.F, more string) *Model {
	f.Helper()
	c, err := Parse([]byte("target: localhost:1\nmodel: m\noutcome: purchase\nunit: probability\nfeatures: [a]\noffers: [ten]\n" + more))
	if err != nil {
		f.Fatal(err)
	}
	m, err := New(c, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = m.Close() })
	return m
}

// FuzzParse reads any text as a descriptor: what passes Validate can be planned.
func FuzzParse(f *testing.F) {
	f.Add([]byte("target: a:1\nplaintext: true\nmodel: m\nunit: count\noutcome: o\nfeatures: [a, {name: b, levels: [x]}]\ninputs: [{name: i, datatype: BYTES, columns: [b]}, {name: j, columns: [a]}]\nhalf_width: 1\n"))
	f.Add([]byte(`{"model": "m", "output": {"columns": {"none": 0}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil || c.Validate() != nil {
			return
		}
		p, err := newPlan(&c)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float64, len(c.Features))
		if _, err := p.request(&c, x, []models.Candidate{{X: make([]float64, len(c.OfferFeatures))}}); err != nil {
			return
		}
	})
}
