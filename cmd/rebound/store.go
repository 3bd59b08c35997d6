package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/store/badgerstore"
)

func (a *app) storeCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look after a store folder"}
	cmd.AddCommand(&cobra.Command{
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
	})
	return cmd
}
