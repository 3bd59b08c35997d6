// Command learn measures the tournament of models/learner on real trials and
// on campaigns with known truth, by the definitions of models/eval:
//
//	go run ./bench/models/learn -data ../shared -what hillstrom -splits 10 -salt 0
//	go run ./bench/models/learn -what truth -rows 10000 -seeds 5
//	go run ./bench/models/learn -data ../shared -what insurance
//	go run ./bench/models/learn -data ../shared -what voucher
//	go run ./bench/models/learn -data ../shared -what speed
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

// options are the flags.
type options struct {
	data    string
	what    string
	outcome string
	splits  int
	salt    uint64
	seeds   int
	rows    int
	refits  int
	table   bool
}

func main() {
	var o options
	flag.StringVar(&o.data, "data", "../shared", "folder with the public data sets (data/...)")
	flag.StringVar(&o.what, "what", "hillstrom", "hillstrom, truth, insurance, voucher or speed")
	flag.StringVar(&o.outcome, "outcome", "visit", "of hillstrom: visit or spend")
	flag.IntVar(&o.splits, "splits", 10, "of hillstrom: repeats")
	flag.Uint64Var(&o.salt, "salt", 0, "of hillstrom: added to the split's hash input")
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
	case "hillstrom":
		return hillstrom(ctx, o, out)
	case "truth":
		return truth(ctx, o, out)
	case "insurance":
		return insurance(ctx, o, out)
	case "voucher":
		return voucher(ctx, o, out)
	case "speed":
		return speed(ctx, o, out)
	}
	return fmt.Errorf("-what %q is not hillstrom, truth, insurance, voucher or speed", o.what)
}

// open opens a file of the data folder.
func (o options) open(path ...string) (*os.File, error) {
	return os.Open(filepath.Join(append([]string{o.data, "data"}, path...)...))
}
