// Command learn measures the tournament of models/learner on campaigns with
// known truth, beside published results of Python libraries on the same rows:
//
//	go run ./bench/models/learn -data ../shared -rows 10000 -seeds 5
//	go run ./bench/models/learn -data ../shared -sets retail -rows 100000 -seeds 3
//
// Real campaigns are measured by `rebound evaluate --splits` and `--cross-validate`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// options are the flags.
type options struct {
	data   string
	sets   string
	seeds  int
	rows   int
	refits int
	table  bool
}

func main() {
	var o options
	flag.StringVar(&o.data, "data", "../shared", "folder with the public data sets and published results")
	flag.StringVar(&o.sets, "sets", "A,B,C,D,retail", "generators")
	flag.IntVar(&o.seeds, "seeds", 5, "campaigns per generator")
	flag.IntVar(&o.rows, "rows", 10000, "rows of a campaign")
	flag.IntVar(&o.refits, "refits", -1, "refits for intervals, 0: default, -1: none")
	flag.BoolVar(&o.table, "table", false, "print the tournament's table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := truth(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "learn:", err)
		os.Exit(1)
	}
}
