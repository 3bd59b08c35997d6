package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func (a *app) budgetCmd() *cobra.Command {
	var scope string
	cmd := &cobra.Command{
		Use:   "budget",
		Short: "Show budgets: limit, reserved, settled and shadow price",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.connectExisting(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			all := &pb.ListBudgetsResponse{}
			for token := ""; ; {
				page, err := s.Budgets.ListBudgets(cmd.Context(), &pb.ListBudgetsRequest{Scope: scope, PageSize: 1000, PageToken: token})
				if err != nil {
					return err
				}
				all.Budgets = append(all.Budgets, page.GetBudgets()...)
				if token = page.GetNextPageToken(); token == "" {
					break
				}
			}
			return a.print(all, func(w io.Writer) { budgetTable(w, all.GetBudgets()) })
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "", "only this scope and those below")
	a.stateFlags(cmd)
	return cmd
}

func budgetTable(w io.Writer, budgets []*pb.Budget) {
	row(w, "BUDGET", "SCOPE", "PERIOD", "FROM", "LIMIT", "RESERVED", "SETTLED", "RELEASED", "LAMBDA", "GUARANTEE", "PACING")
	for _, b := range budgets {
		scope := b.GetScope()
		if scope == "" {
			scope = "company"
		}
		row(w, b.GetBudgetId(), scope, b.GetPeriod(), b.GetStartsAt().AsTime().Format("2006-01-02"),
			money(b.GetLimit()), money(b.GetReserved()), money(b.GetSettled()), money(b.GetReleased()),
			fmt.Sprintf("%.4f", b.GetLambda()), b.GetGuarantee(), b.GetPacing())
	}
}
