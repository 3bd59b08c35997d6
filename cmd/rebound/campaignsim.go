package main

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/models/learner/synth"
)

func (a *app) simCampaignCmd() *cobra.Command {
	var rows int
	var seed uint64
	var unlabelled bool
	cmd := &cobra.Command{
		Use:   "campaign",
		Short: "Write a simulated past campaign with four incentives as CSV",
		Long: `Campaign writes customers at a return, the incentive each got by a known rule of
chance, that chance per arm, and whether the customer bought again. The effects are
known: some customers would have bought anyway, some never, some are put off.`,
		Example: "  rebound sim campaign --rows 10000 > campaign.csv",
		Args:    args(cobra.NoArgs),
		RunE: func(_ *cobra.Command, _ []string) error {
			if rows < 1 || rows > 10_000_000 {
				return usageErrorf("--rows %d: want 1 to 10,000,000", rows)
			}
			return writeCampaign(a.out, synth.Retail(rows, seed), unlabelled)
		},
	}
	f := cmd.Flags()
	f.IntVar(&rows, "rows", 10_000, "customers")
	f.Uint64Var(&seed, "seed", 1, "of the simulation")
	f.BoolVar(&unlabelled, "unlabelled", false, "leave out what is known only afterwards: incentive, chances and purchase")
	return cmd
}

// campaignColumn is a column of the table: a number, or the level of which one
// of several indicator columns is 1.
type campaignColumn struct {
	name   string
	of     []int // indexes of the features behind it
	levels []string
}

// campaignColumns folds indicators such as category_0 … category_7 into one column.
func campaignColumns(c *synth.Campaign) []campaignColumn {
	var out []campaignColumn
	for j, f := range c.Data.Features {
		name, level, coded := strings.Cut(f.Name, "_")
		if _, err := strconv.Atoi(level); !coded || err != nil {
			out = append(out, campaignColumn{name: f.Name, of: []int{j}})
			continue
		}
		if last := len(out) - 1; out[last].name != name {
			out = append(out, campaignColumn{name: name})
		}
		last := &out[len(out)-1]
		last.of, last.levels = append(last.of, j), append(last.levels, name+" "+level)
	}
	return out
}

func (k *campaignColumn) cell(x [][]float64, i int) string {
	if k.levels == nil {
		return strconv.FormatFloat(x[k.of[0]][i], 'g', 6, 64)
	}
	for n, j := range k.of {
		if x[j][i] == 1 {
			return k.levels[n]
		}
	}
	return ""
}

func writeCampaign(out io.Writer, c *synth.Campaign, unlabelled bool) error {
	w := csv.NewWriter(out)
	columns := campaignColumns(c)
	arms := append([]string{"none"}, c.Data.Offers...)
	head := []string{"customer"}
	for _, k := range columns {
		head = append(head, k.name)
	}
	if !unlabelled {
		head = append(head, "incentive")
		for _, a := range arms {
			head = append(head, "chance_"+a)
		}
		head = append(head, "purchase")
	}
	if err := w.Write(head); err != nil {
		return err
	}
	for i := range c.Data.Rows() {
		line := []string{"c" + strconv.Itoa(i+1)}
		for _, k := range columns {
			line = append(line, k.cell(c.Data.X, i))
		}
		if !unlabelled {
			line = append(line, arms[c.Data.Arm[i]])
			for a := range arms {
				line = append(line, strconv.FormatFloat(c.Chance[a][i], 'g', 10, 64))
			}
			line = append(line, strconv.FormatFloat(c.Data.Y[i], 'g', -1, 64))
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
