package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rebound-engine/rebound/models/learner"
)

// speed times one boosted model (100 trees of 31 leaves, binning included) and
// a causal forest on Hillstrom, to be read beside the peers' times of the same run.
func speed(ctx context.Context, o options, out io.Writer) error {
	f, err := os.Open(filepath.Join(o.data, "data", "hillstrom", "hillstrom_minethatdata_2008.csv.gz"))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	d, err := learner.ReadHillstrom(f, "visit", "probability")
	if err != nil {
		return err
	}
	rows := make([]int32, d.Rows())
	for i := range rows {
		rows[i] = int32(i)
	}
	s := learner.BoostSettings{Loss: learner.LossLogistic, Trees: 100, LearningRate: 0.1, Leaves: 31, MinRows: 20, MinHessian: 1e-3}
	for _, threads := range []int{1, 2} {
		for range 3 {
			start := time.Now()
			if _, err := learner.TrainBoosted(ctx, learner.NewBins(d.Features, d.X, threads), d.Y, nil, rows, nil, s, threads); err != nil {
				return err
			}
			fmt.Fprintf(out, "boosted trees, %d rows, 100 × 31 leaves, %d threads: %.3f s\n", d.Rows(), threads, time.Since(start).Seconds())
		}
	}
	return nil
}
