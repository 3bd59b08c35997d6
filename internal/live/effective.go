package live

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// Effective implements server.Policies. A store may be named by its own number
// where that is unique.
func (p *Policies) Effective(_ context.Context, scope string) (*server.Effective, error) {
	status, ok := p.Active()
	if !ok {
		return nil, engine.ErrNoBundle
	}
	e := EffectiveOf(status.Bundle, scope)
	e.Status = status
	return e, nil
}

// EffectiveOf lists every value in force at a scope of a bundle with the place
// that wrote it, sorted by path.
func EffectiveOf(b *rules.Bundle, scope string) *server.Effective {
	scope = fullScope(b, scope)
	policy, _ := b.Policy(scope)
	lines, exact := b.Effective(scope)
	e := &server.Effective{Chain: slices.Clone(policy.Chain), Exact: exact}
	if exact && policy.Scope != scope {
		e.Chain = append(e.Chain, scope) // described in a reference file, without a policy of its own
	}
	for _, l := range lines {
		e.Values = append(e.Values, server.EffectiveValue{Path: l.Section + "." + l.Name, Value: l.Value, Scope: l.Source.Scope, Position: l.Source.Position})
	}
	slices.SortStableFunc(e.Values, func(x, y server.EffectiveValue) int { return cmp.Compare(x.Path, y.Path) })
	return e
}

// fullScope finds the scope a store's own number stands for.
func fullScope(b *rules.Bundle, name string) string {
	if strings.Contains(name, ".") || slices.Contains(b.Scopes(), name) {
		return name
	}
	found := name
	for _, s := range b.Scopes() {
		if strings.HasSuffix(s, "."+name) {
			if found != name {
				return name
			}
			found = s
		}
	}
	return found
}
