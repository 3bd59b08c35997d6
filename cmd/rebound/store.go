package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/store/badgerstore"
)

func (a *app) storeCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look after a store folder"}
	cmd.AddCommand(a.storeCheckCmd(), a.storeCompactCmd())
	return cmd
}

func (a *app) storeCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR",
		Short: "Verify everything that can be verified of a store folder",
		Long: `Check reads every segment and record of a folder no process holds: checksums,
positions, index entries, and that folding the log again gives the same records.
It changes nothing.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			report, err := badgerstore.Check(cmd.Context(), arg[0], checkOptions())
			if err != nil {
				return err
			}
			if err := a.print(report, func(w io.Writer) { checkTable(w, report) }); err != nil {
				return err
			}
			if !report.OK() {
				return fmt.Errorf("store %s: %d problems", arg[0], len(report.Problems))
			}
			return nil
		},
	}
}

func (a *app) storeCompactCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "compact DIR",
		Short: "Rewrite the records of a store folder without what was deleted or erased",
		Long: `Compact rewrites the records of a folder no process holds: older versions of them,
deleted ones and those of erased customers are not in its files any more. The server
does the same when it is stopped in order after customers were erased. It needs room
for a copy of the records.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, arg []string) error {
			if err := holdsStore(arg[0]); err != nil {
				return err
			}
			before, err := stateBytes(arg[0])
			if err != nil {
				return err
			}
			if err := badgerstore.Compact(arg[0], checkOptions()); err != nil {
				return err
			}
			after, err := stateBytes(arg[0])
			if err != nil {
				return err
			}
			r := compactReport{before, after}
			return a.print(r, func(w io.Writer) {
				row(w, "bytes of records before", r.Before)
				row(w, "bytes of records after", r.After)
			})
		},
	}
}

// compactReport is what `rebound store compact` prints.
type compactReport struct {
	Before int64 `json:"bytes_before"`
	After  int64 `json:"bytes_after"`
}

// stateBytes is the size of the tables that hold a store's records.
func stateBytes(dir string) (size int64, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "state", "*.sst"))
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, err
}
