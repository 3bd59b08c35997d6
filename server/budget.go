package server

import (
	"context"
	"slices"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// defaultBudgetPage is the size of a page of budgets where the caller names none.
const defaultBudgetPage = 50

// budgetServer serves BudgetService.
type budgetServer struct {
	pb.UnimplementedBudgetServiceServer
	budgets Budgets
}

// ListBudgets implements BudgetServiceServer. A page token is the place of the last budget shown, so that
// budgets that come or go between two pages neither repeat nor hide others.
func (s *budgetServer) ListBudgets(ctx context.Context, m *pb.ListBudgetsRequest) (*pb.ListBudgetsResponse, error) {
	after, err := budgetPlace(m.GetPageToken())
	if err != nil {
		return nil, err
	}
	all, err := s.budgets.Budgets(ctx, m.GetScope())
	if err != nil {
		return nil, err
	}
	start := 0
	if m.GetPageToken() != "" {
		start, _ = slices.BinarySearchFunc(all, after, func(b engine.Budget, p place) int { return p.before(&b) })
	}
	size := int(m.GetPageSize())
	if size == 0 {
		size = defaultBudgetPage
	}
	resp := new(pb.ListBudgetsResponse)
	end := min(start+size, len(all))
	for i := start; i < end; i++ {
		resp.Budgets = append(resp.Budgets, fromBudget(&all[i]))
	}
	if end < len(all) {
		resp.NextPageToken = placeOf(&all[end-1]).token()
	}
	return resp, nil
}

// GetBudget implements BudgetServiceServer.
func (s *budgetServer) GetBudget(ctx context.Context, m *pb.GetBudgetRequest) (*pb.GetBudgetResponse, error) {
	all, err := s.budgets.Budgets(ctx, m.GetScope())
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == m.GetBudgetId() && all[i].Scope == m.GetScope() {
			return &pb.GetBudgetResponse{Budget: fromBudget(&all[i])}, nil
		}
	}
	return nil, named(engine.ErrNotFound, pb.ErrorReason_ERROR_REASON_BUDGET_NOT_FOUND, "budget", m.GetBudgetId())
}
