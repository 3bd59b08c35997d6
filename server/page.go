package server

import (
	"cmp"
	"encoding/base64"
	"strings"

	"github.com/rebound-engine/rebound/engine"
)

// place is where a budget stands in the order of ListBudgets.
type place struct{ scope, id string }

func placeOf(b *engine.Budget) place { return place{b.Scope, b.ID} }

// before is negative for budgets up to and including the place, positive for those after it:
// a binary search for it finds the first one after.
func (p place) before(b *engine.Budget) int {
	if c := cmp.Or(strings.Compare(b.Scope, p.scope), strings.Compare(b.ID, p.id)); c != 0 {
		return c
	}
	return -1
}

func (p place) token() string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.scope + "\x00" + p.id))
}

// budgetPlace reads a page token; an empty one is no place.
func budgetPlace(token string) (place, error) {
	if token == "" {
		return place{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	scope, id, ok := strings.Cut(string(b), "\x00")
	if err != nil || !ok {
		return place{}, engine.ErrPageToken
	}
	return place{scope, id}, nil
}
