package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rebound-engine/rebound/internal/currency"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func (a *app) decideCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "decide",
		Short: "Decide one return: JSON in, table or JSON out",
		Long:  "Decide reads a DecideRequest as JSON (docs/reference/api.md) and prints the answer.",
		Example: `  rebound decide --addr 127.0.0.1:7420 -f return.json
  rebound decide -f - -o json < return.json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &pb.DecideRequest{}
			data, err := a.readFile(file)
			if err != nil {
				return err
			}
			if err := protojson.Unmarshal(data, req); err != nil {
				return usageErrorf("%s: %w", file, err)
			}
			s, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			resp, err := s.Decisions.Decide(cmd.Context(), req)
			if err != nil {
				return err
			}
			return a.print(resp, func(w io.Writer) { decisionTable(w, resp) })
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "-", "the request; - is standard input")
	a.stateFlags(cmd)
	return cmd
}

// readFile reads a file, or standard input for "-".
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(name)
}

func decisionTable(w io.Writer, d *pb.DecideResponse) {
	row(w, "decision", d.GetDecisionId())
	row(w, "outcome", enumWord(d.GetOutcome().String(), "OUTCOME_"))
	if o := d.GetOffer(); o != nil {
		row(w, "offer", fmt.Sprintf("%s (%s), at most %s, until %s", o.GetOfferId(), o.GetKind(), money(o.GetCeiling()), o.GetExpiresAt().AsTime().Format("2006-01-02 15:04 MST")))
		for _, x := range o.GetDisclosures() {
			row(w, "disclosure", x.GetText())
		}
	}
	for _, x := range d.GetDegraded() {
		row(w, "degraded", x.GetSubject()+": "+x.GetCause())
	}
	row(w)
	row(w, "CANDIDATE", "SCORE", "CHANCE", "STAGE", "REFUSED", "BECAUSE")
	for _, c := range d.GetCandidates() {
		score := "-"
		if c.GetScored() || c.GetOfferId() == "none" {
			score = fmt.Sprintf("%.3f", c.GetScore())
		}
		row(w, c.GetOfferId(), score, fmt.Sprintf("%.4f", c.GetPChoice()), enumWord(c.GetStage().String(), "STAGE_"), c.GetRefusal().GetReason(), c.GetRefusal().GetDetail())
	}
}

func enumWord(s, prefix string) string {
	if len(s) > len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):]
	}
	return s
}

// money writes an amount with its currency, e.g. "12.50 USD".
func money(m *pb.Money) string {
	return currency.Text(m.GetMinorUnits(), m.GetCurrencyCode())
}
