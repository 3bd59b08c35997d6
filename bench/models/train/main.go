// Command train fits one learner on a table and prints how long that took, and
// how long one prediction takes; train.py runs it beside LightGBM, XGBoost,
// causalml and econml on the same rows.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/rebound-engine/rebound/bench/models/cpu"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// job is what to fit: boosted trees on the outcome, or a learner of effects.
type job struct {
	Boost *learner.BoostSettings
	Fit   *learner.FitSpec
}

// result is what the command prints.
type result struct {
	Seconds float64 `json:"seconds"` // of training, binning included
	CPU     float64 `json:"cpu"`     // processor time of the same
	OneRow  float64 `json:"one_row"` // microseconds of processor time for one row, all arms
}

// options are the flags.
type options struct {
	job, train, test, out string
	threads               int
	warm                  bool
}

func main() {
	var o options
	flag.StringVar(&o.job, "job", "", "what to fit, as JSON")
	flag.StringVar(&o.train, "train", "", "CSV to learn from: inputs, arm (0: none), outcome")
	flag.StringVar(&o.test, "test", "", "CSV to predict")
	flag.StringVar(&o.out, "out", "", "file for the predictions: a line per row")
	flag.IntVar(&o.threads, "threads", 2, "threads to train with")
	flag.BoolVar(&o.warm, "warm", true, "fit once untimed before")
	flag.Parse()
	r, err := run(context.Background(), o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (*result, error) {
	var j job
	if err := json.Unmarshal([]byte(o.job), &j); err != nil { //nolint:musttag // settings go by their names in Go
		return nil, fmt.Errorf("job: %w", err)
	}
	if (j.Boost == nil) == (j.Fit == nil) {
		return nil, errors.New("job: needs Boost or Fit")
	}
	train, err := read(o.train)
	if err != nil {
		return nil, err
	}
	test, err := read(o.test)
	if err != nil {
		return nil, err
	}
	if o.warm {
		if _, err := j.fit(ctx, train, o.threads); err != nil {
			return nil, err
		}
	}
	start, used := time.Now(), cpu.Time()
	m, err := j.fit(ctx, train, o.threads)
	if err != nil {
		return nil, err
	}
	r := &result{Seconds: time.Since(start).Seconds(), CPU: (cpu.Time() - used).Seconds()}
	if r.OneRow, err = m.timeRow(test); err != nil {
		return nil, err
	}
	return r, m.write(o.out, test)
}

// read takes a table of the script, arms drawn with equal chances.
func read(name string) (*learner.Dataset, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	d, err := learner.ReadCSV(f, learner.Mapping{Outcome: "outcome", Unit: "probability", Treatment: "arm", Control: "0"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.Logged = make([][]float64, d.Arms())
	for a := range d.Logged {
		d.Logged[a] = make([]float64, d.Rows())
		for i := range d.Logged[a] {
			d.Logged[a][i] = 1 / float64(d.Arms())
		}
	}
	return d, nil
}

// trained is what a job made.
type trained struct {
	predict func(x, out []float64) // a probability, or the effect of each offer
	outputs int
	serve   func(x []float64) error // one row as it is served: all arms with their intervals
}

func (j *job) fit(ctx context.Context, d *learner.Dataset, threads int) (*trained, error) {
	if j.Boost != nil {
		return boost(ctx, d, *j.Boost, threads)
	}
	spec := *j.Fit
	spec.Threads = threads
	u, err := learner.Fit(ctx, spec, d)
	if err != nil {
		return nil, err
	}
	arms, scores := make([]models.Candidate, len(d.Offers)), make([]models.Score, len(d.Offers))
	for a := range arms {
		arms[a].Arm = a
	}
	return &trained{u.Effects, len(d.Offers), func(x []float64) error { return u.Score(ctx, x, arms, scores) }}, nil
}

func boost(ctx context.Context, d *learner.Dataset, s learner.BoostSettings, threads int) (*trained, error) {
	rows := make([]int32, d.Rows())
	for i := range rows {
		rows[i] = int32(i)
	}
	m, err := learner.TrainBoosted(ctx, learner.NewBins(d.Features, d.X, threads), d.Y, nil, rows, nil, s, threads)
	if err != nil {
		return nil, err
	}
	scorer, err := models.NewScorer(m.Ensemble())
	if err != nil {
		return nil, err
	}
	out := make([]float64, 1)
	return &trained{scorer.Predict, 1, func(x []float64) error { scorer.Predict(x, out); return nil }}, nil
}

// timeRow is processor time per row, in microseconds, over at least 0.1 s.
func (m *trained) timeRow(d *learner.Dataset) (float64, error) {
	const span = 100 * time.Millisecond
	x := make([]float64, len(d.Features))
	rows, start := 0, cpu.Time()
	for cpu.Time()-start < span {
		for range 200 {
			d.Row(rows%d.Rows(), x)
			if err := m.serve(x); err != nil {
				return 0, err
			}
			rows++
		}
	}
	return float64((cpu.Time() - start).Nanoseconds()) / 1000 / float64(rows), nil
}

// write writes a line per row.
func (m *trained) write(name string, d *learner.Dataset) error {
	var text []byte
	x, out := make([]float64, len(d.Features)), make([]float64, m.outputs)
	for i := range d.Rows() {
		d.Row(i, x)
		m.predict(x, out)
		for k, v := range out {
			if k > 0 {
				text = append(text, ',')
			}
			text = strconv.AppendFloat(text, v, 'g', -1, 64)
		}
		text = append(text, '\n')
	}
	return os.WriteFile(name, text, 0o644)
}
