package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/rules"
)

// Budgets returns the budgets of a scope and below in their current periods,
// sorted by scope and id.
func (e *Engine) Budgets(_ context.Context, scope string) ([]Budget, error) {
	s := e.active.Load()
	if s == nil {
		return nil, fmt.Errorf("list budgets: %w", ErrNoBundle)
	}
	var out []Budget
	for _, id := range sortedKeys(s.budgets) {
		b := s.budgets[id]
		if within(b.Scope, scope) {
			out = append(out, e.budget(&b))
		}
	}
	slices.SortFunc(out, func(a, b Budget) int { return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Budget returns one budget in its current period. The error wraps ErrNotFound.
func (e *Engine) Budget(_ context.Context, id string) (*Budget, error) {
	s := e.active.Load()
	if s == nil {
		return nil, fmt.Errorf("budget %q: %w", id, ErrNoBundle)
	}
	b, ok := s.budgets[id]
	if !ok {
		return nil, fmt.Errorf("budget %q: %w", id, ErrNotFound)
	}
	out := e.budget(&b)
	return &out, nil
}

// budget looks at an account as it stands now; what has expired by now is
// shown as released, and released by the next entry.
func (e *Engine) budget(b *rules.Budget) Budget {
	now := e.businessNow(e.opts.Clock())
	start, end, inside := periodOf(b, now)
	exponent, _ := currency.Exponent(b.Currency)
	out := Budget{
		ID: b.ID, Scope: b.Scope, Currency: b.Currency, Exponent: exponent, Period: b.Period.Kind,
		Start: fromMilli(start), End: fromMilli(end), Guarantee: b.Guarantee, Pacing: b.Pacing, Limit: b.Limit,
	}
	l := e.opts.Ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	room := budgetRoom{id: b.ID, start: start, end: end, limit: b.Limit, buffer: b.Buffer, hard: b.Guarantee != "expected", pacing: b.Pacing}
	l.fill(&room, milli(now))
	l.expiredBy(&room, milli(now))
	out.Reserved, out.Expected, out.Settled, out.Held = room.reserved, room.expected, room.settled, room.doubt
	out.Lambda = float64(room.lambda) / lambdaUnit
	if !inside {
		out.Lambda = 0
	}
	if a := l.accounts[accountKey{b.ID, start}]; a != nil {
		out.Released = max(a.issued-out.Reserved-a.settled, 0)
		out.OverrunChance = overrunChance(&room, a.variance)
	}
	out.Overrun = max(out.Settled-b.Limit, 0)
	return out
}

// overrunChance is the chance that open tokens cost more than is left, with
// their cost as normal: the mean is the expected cost, the variance that of
// tokens that cost their ceiling or nothing.
func overrunChance(b *budgetRoom, variance int64) float64 {
	if b.hard {
		return 0
	}
	left := float64(b.limit - b.settled - b.expected)
	if variance <= 0 {
		if left < 0 {
			return 1
		}
		return 0
	}
	return math.Erfc(left/math.Sqrt(2*float64(variance))) / 2
}
