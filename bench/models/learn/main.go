// Command learn measures the tournament of models/learner on campaigns with
// known truth, beside published results of Python libraries on the same rows:
//
//	go run ./bench/models/learn -data ../shared -what truth -rows 10000 -seeds 5
//	go run ./bench/models/learn -data ../shared -what truth -sets retail -rows 100000 -seeds 3
//
// Real campaigns are measured by `rebound evaluate --splits` and `--cross-validate`.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// options are the flags.
type options struct {
	data   string
	what   string
	sets   string
	seeds  int
	rows   int
	refits int
	table  bool
}

func main() {
	var o options
	flag.StringVar(&o.data, "data", "../shared", "folder with the public data sets and published results")
	flag.StringVar(&o.what, "what", "truth", "truth")
	flag.StringVar(&o.sets, "sets", "A,B,C,D,retail", "of truth: generators")
	flag.IntVar(&o.seeds, "seeds", 5, "of truth: campaigns per generator")
	flag.IntVar(&o.rows, "rows", 10000, "of truth: rows of a campaign")
	flag.IntVar(&o.refits, "refits", -1, "refits for intervals, 0: default, -1: none")
	flag.BoolVar(&o.table, "table", false, "print the tournament's table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "learn:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	switch o.what {
	case "truth":
		return truth(ctx, o, out)
	}
	return fmt.Errorf("-what %q is not truth", o.what)
}
