package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/foreign"
)

func (a *app) modelCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "model", Short: "Look into model files; register, promote and watch models"}
	cmd.AddCommand(a.registryCmds()...)
	cmd.AddCommand(a.modelShowCmd(), a.modelCheckCmd(), a.modelConvertCmd(), a.modelPredictCmd())
	return cmd
}

func (a *app) modelShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Show what a model file is: native artifact, LightGBM, XGBoost, CatBoost or ONNX",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, arg []string) error {
			data, err := os.ReadFile(arg[0])
			if err != nil {
				return err
			}
			if models.IsArtifact(data) {
				return a.showModel(arg[0])
			}
			m, err := foreign.Open(arg[0], data)
			if err != nil {
				return err
			}
			return a.print(describeForeign(m), func(w io.Writer) {
				row(w, "model", arg[0])
				row(w, "format", m.Format())
				row(w, "digest", models.Digest(data))
				row(w, "trees", m.Trees())
				row(w, "outputs", m.Outputs())
				for _, f := range m.Features() {
					row(w, "feature", f.Name, levels(f))
				}
			})
		},
	}
}

// foreignModel is what `model show` prints as data.
type foreignModel struct {
	Format   foreign.Format   `json:"format"`
	Trees    int              `json:"trees"`
	Outputs  []string         `json:"outputs"`
	Features []models.Feature `json:"features"`
}

func describeForeign(m *foreign.Model) foreignModel {
	return foreignModel{m.Format(), m.Trees(), m.Outputs(), m.Features()}
}

func levels(f models.Feature) string {
	if f.Type != models.Category {
		return "number"
	}
	return fmt.Sprintf("category of %d levels", len(f.Levels))
}

func (a *app) modelCheckCmd() *cobra.Command {
	var expect string
	cmd := &cobra.Command{
		Use:   "check FILE --expect FILE.csv",
		Short: "Compare a foreign model's predictions with those of the library that trained it",
		Long: `Check runs the rows of a CSV file through a model file and compares every output
column (pred, raw, leaf_t, contrib_f …) with what the original library gave.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, arg []string) error {
			data, err := os.ReadFile(arg[0])
			if err != nil {
				return err
			}
			m, err := foreign.Open(arg[0], data)
			if err != nil {
				return err
			}
			reference, err := os.Open(expect)
			if err != nil {
				return err
			}
			defer reference.Close() //nolint:errcheck // read only
			report, err := foreign.Check(m, reference)
			if err != nil {
				return fmt.Errorf("reference %s: %w", expect, err)
			}
			if err := a.print(report, func(w io.Writer) { modelCheckTable(w, report) }); err != nil {
				return err
			}
			if !report.OK() {
				return &exitError{exitTests, fmt.Errorf("model %s differs from %s", arg[0], expect)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&expect, "expect", "", "reference predictions")
	cobra.CheckErr(cmd.MarkFlagRequired("expect"))
	return cmd
}
