package server

import (
	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// fromExplanation converts what, beside the candidates, a decision can be redone from.
func fromExplanation(d *engine.Decision) *pb.Explanation {
	m := &pb.Explanation{
		Draw: fromDraw(&d.Draw), Assigned: d.Assigned, Delivered: d.Delivered,
		ReturnKey: d.ReturnKey, UsedPersonalData: d.Personal, Shadows: fromShadows(d.Shadows),
	}
	for i := range d.Variables {
		m.Variables = append(m.Variables, fromVariable(&d.Variables[i]))
	}
	for i := range d.Budgets {
		m.Budgets = append(m.Budgets, fromBudgetUse(&d.Budgets[i], d.Currency))
	}
	return m
}

func fromVariable(v *engine.Variable) *pb.Variable {
	m := &pb.Variable{Name: v.Name}
	switch v.Type {
	case engine.NumberValue:
		m.Value = &pb.Variable_Number{Number: v.Number}
	case engine.BoolValue:
		m.Value = &pb.Variable_Flag{Flag: v.Number != 0}
	case engine.StringValue:
		m.Value = &pb.Variable_Text{Text: v.Text}
	case engine.StringsValue:
		m.Value = &pb.Variable_Texts{Texts: &pb.TextList{Values: v.List}}
	}
	return m
}

func fromBudgetUse(b *engine.BudgetUse, currency string) *pb.BudgetUse {
	return &pb.BudgetUse{
		BudgetId: b.Budget, Scope: b.Scope, Guarantee: b.Guarantee, Pacing: b.Pacing,
		StartsAt: fromTime(b.Start), EndsAt: fromTime(b.End),
		Limit: money(b.Limit, currency), Reserved: money(b.Reserved, currency), Settled: money(b.Settled, currency),
		Available: money(b.Available, currency), Lambda: b.Lambda, Reserves: money(b.Reserves, currency),
	}
}

func fromDraw(d *engine.Draw) *pb.Draw {
	return &pb.Draw{
		Strategy: d.Strategy, U: d.U, Bucket: d.Bucket, Best: d.Best, Explored: d.Explored,
		Epsilon: d.Epsilon, Gamma: d.Gamma, Scale: d.Scale, Floor: d.Floor, K: int32(d.K),
		HoldoutShare: d.Holdout, HoldoutId: d.HoldoutID,
	}
}

// fromBudget converts the state of a budget.
func fromBudget(b *engine.Budget) *pb.Budget {
	return &pb.Budget{
		BudgetId: b.ID, Scope: b.Scope, Period: b.Period, StartsAt: fromTime(b.Start), EndsAt: fromTime(b.End),
		Guarantee: b.Guarantee, Pacing: b.Pacing, Limit: money(b.Limit, b.Currency), Reserved: money(b.Reserved, b.Currency),
		Expected: money(b.Expected, b.Currency), Settled: money(b.Settled, b.Currency), Released: money(b.Released, b.Currency),
		Held: money(b.Held, b.Currency), Overrun: money(b.Overrun, b.Currency), Lambda: b.Lambda, OverrunChance: b.OverrunChance,
	}
}
