// Command score times the evaluation of one model file in Go: a single row by
// walking and by masks, and eight candidates of one decision with the offers'
// inputs applied beforehand. score.py runs it side by side with LightGBM's C API
// and ONNX Runtime on the same rows.
package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/rebound-engine/rebound/bench/models/cpu"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/foreign"
)

// candidates is the number of offers of one decision.
const candidates = 8

func main() {
	model := flag.String("model", "", "model file")
	rows := flag.String("rows", "", "CSV with a header: inputs, then the expected raw score")
	offer := flag.Int("offer", 4, "how many of the last inputs describe the offer")
	span := flag.Duration("time", 300*time.Millisecond, "time for each figure")
	flag.Parse()
	if err := run(*model, *rows, *offer, *span, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

// result is what the command prints: microseconds per call.
type result struct {
	MaxDifference float64            `json:"max_difference"` // from the expected raw score
	Micros        map[string]float64 `json:"micros"`
}

func run(modelFile, rowsFile string, offer int, span time.Duration, out io.Writer) error {
	data, err := os.ReadFile(modelFile)
	if err != nil {
		return err
	}
	m, err := foreign.Open(modelFile, data)
	if err != nil {
		return err
	}
	e := m.Ensemble()
	if e == nil {
		return fmt.Errorf("%s is no plain tree ensemble", modelFile)
	}
	x, want, err := readRows(rowsFile, len(m.Features()))
	if err != nil {
		return err
	}
	b, err := newBench(e, x, offer)
	if err != nil {
		return err
	}
	r := result{Micros: map[string]float64{}, MaxDifference: b.difference(want)}
	for name, f := range b.figures() {
		r.Micros[name] = timeCall(span, f)
	}
	return json.NewEncoder(out).Encode(r)
}

// readRows returns the inputs of each row and the last column.
func readRows(name string, inputs int) (x [][]float64, want []float64, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	for i, record := range records[1:] {
		if len(record) != inputs+1 {
			return nil, nil, fmt.Errorf("read %s: row %d has %d columns for %d inputs", name, i, len(record), inputs)
		}
		row := make([]float64, len(record))
		for j, text := range record {
			if row[j], err = strconv.ParseFloat(text, 64); err != nil {
				return nil, nil, fmt.Errorf("read %s: row %d: %w", name, i, err)
			}
		}
		x, want = append(x, row[:inputs]), append(want, row[inputs])
	}
	return x, want, nil
}

// bench holds the compiled model and its inputs.
type bench struct {
	ensemble *models.Ensemble
	scorer   *models.Scorer
	split    *models.Split
	adapter  *models.Adapter
	rows     [][]float64
	offers   []*models.PreparedOffer
	cands    []models.Candidate
	customer int
}

func newBench(e *models.Ensemble, rows [][]float64, offer int) (*bench, error) {
	b := &bench{ensemble: e, rows: rows, customer: len(e.Features) - offer}
	var err error
	if b.scorer, err = models.NewScorer(e); err != nil {
		return nil, err
	}
	columns := make([]int32, len(e.Features))
	for i := range columns {
		columns[i] = int32(i)
	}
	if b.split, err = b.scorer.Split(columns[:b.customer], columns[b.customer:]); err != nil {
		return nil, err
	}
	schema := models.Schema{Unit: "probability", Features: e.Features[:b.customer], OfferFeatures: e.Features[b.customer:]}
	for i := range candidates {
		values := rows[i][b.customer:]
		schema.Offers = append(schema.Offers, strconv.Itoa(i))
		b.offers = append(b.offers, b.split.Prepare(values))
		b.cands = append(b.cands, models.Candidate{Arm: i, X: values})
	}
	inputs, err := models.Bind(e.Features, &schema, models.Binding{})
	if err != nil {
		return nil, err
	}
	b.adapter, err = models.NewAdapter(models.AdapterConfig{
		Schema: schema, Without: models.Function{Ensemble: e}, Inputs: inputs, SLearner: true,
	})
	return b, err
}

// difference is the largest distance of walk, masks and split from the expected scores.
func (b *bench) difference(want []float64) float64 {
	largest := 0.0
	var out [1]float64
	for i, row := range b.rows {
		for _, score := range []func(x, out []float64){b.ensemble.Raw, b.scorer.Raw, b.scoreSplit} {
			score(row, out[:])
			largest = max(largest, math.Abs(out[0]-want[i]))
		}
	}
	return largest
}

func (b *bench) scoreSplit(x, out []float64) {
	b.split.Raw(x[:b.customer], []*models.PreparedOffer{b.split.Prepare(x[b.customer:])}, out)
}

// figures are the calls to be timed, given the number of the call.
func (b *bench) figures() map[string]func(i int) {
	out, scores, ctx := make([]float64, candidates), make([]models.Score, candidates), context.Background()
	joined := make([][]float64, candidates)
	for k := range joined {
		joined[k] = slices.Clone(b.rows[k])
	}
	row := func(i int) []float64 { return b.rows[i%len(b.rows)] }
	return map[string]func(i int){
		"go walk, 1 row":  func(i int) { b.ensemble.Raw(row(i), out) },
		"go masks, 1 row": func(i int) { b.scorer.Raw(row(i), out) },
		"go masks, 8 rows one by one": func(i int) {
			for k := range joined {
				copy(joined[k][:b.customer], row(i))
				b.scorer.Raw(joined[k], out[k:])
			}
		},
		"go split, 8 candidates": func(i int) { b.split.Raw(row(i)[:b.customer], b.offers, out) },
		"go model, 8 candidates": func(i int) {
			if err := b.adapter.Score(ctx, row(i)[:b.customer], b.cands, scores); err != nil {
				panic(err) // the inputs are fixed
			}
		},
	}
}

// timeCall returns microseconds of processor time per call, over at least span.
func timeCall(span time.Duration, f func(i int)) float64 {
	for i := range 200 {
		f(i)
	}
	calls := 0
	start := cpu.Time()
	for cpu.Time()-start < span {
		for range 100 {
			f(calls)
			calls++
		}
	}
	return float64((cpu.Time() - start).Nanoseconds()) / 1000 / float64(calls)
}
