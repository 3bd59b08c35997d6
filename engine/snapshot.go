package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
)

// snapshot is everything a decision needs of one bundle: policies, models and
// the offer catalogue, which always belong together. Immutable; a decision uses
// exactly one.
type snapshot struct {
	bundle   *rules.Bundle
	digest   string
	env      *rules.Env
	slots    slots
	outcomes []outcomeModel
	scopes   map[string]*plan
	leaves   map[string]string // last part of a scope, where it is unique
	models   []ModelRef
	contests []contest      // of champions and challengers; nil: there is none
	shadows  []shadow       // models that only watch; nil: there is none
	own      []outcomeModel // outcomes as the policies alone predict them
	budgets  map[string]rules.Budget
	logged   []loggedVariable
	scratch  sync.Pool
}

// plan is the policy of a scope, made ready to be walked.
type plan struct {
	*rules.Policy
	once        []int // constraints that read no candidate field, by index
	before      []int // constraints that read offers, not scores
	after       []int // constraints that read scores
	redeem      int   // outcome whose event is a redemption; -1: every offer is redeemed
	minorPerOne float64
	spans       []atomic.Pointer[span] // by budget: the period of the last decision
	limited     []string               // by offer: why it is not explored where its ceiling is above the limit
}

// slots of the variables the engine itself sets in a frame.
type slots struct {
	channel, phase, scope, store, jurisdiction, consent, hasAssociate, hasBasket, basketInHand rules.Slot
	hour, weekday, dayOfMonth, month, year                                                     rules.Slot
	offerID, offerKind, offerMax, offerHours                                                   rules.Slot
	basketWith, basketWithout, basketMargin                                                    rules.Slot
	costExpected, costLiability                                                                rules.Slot
	liability, maxLiability, marginIfRedeemed, percentOfBasket                                 rules.Slot
	usedPersonal, decisionOffer, chosenID, chosenKind, chosenMax, chosenLiability, chosenScore rules.Slot
	hasNone, assortment                                                                        rules.Slot
	params                                                                                     []rules.Slot // of all offers
	features                                                                                   []featureSlot
}

func (s *slots) bind(env *rules.Env) {
	for name, slot := range map[string]*rules.Slot{
		"request.channel": &s.channel, "request.phase": &s.phase, "request.scope": &s.scope, "request.store": &s.store,
		"request.jurisdiction": &s.jurisdiction, "request.consent": &s.consent, "request.has_associate": &s.hasAssociate,
		"request.has_basket": &s.hasBasket, "request.basket_in_hand": &s.basketInHand,
		"now.hour": &s.hour, "now.weekday": &s.weekday, "now.day_of_month": &s.dayOfMonth, "now.month": &s.month, "now.year": &s.year,
		"offer.id": &s.offerID, "offer.kind": &s.offerKind, "offer.max_liability": &s.offerMax, "offer.validity_hours": &s.offerHours,
		"basket.with": &s.basketWith, "basket.without": &s.basketWithout, "basket.margin_rate": &s.basketMargin,
		"cost.expected": &s.costExpected, "cost.liability": &s.costLiability,
		"candidate.liability": &s.liability, "candidate.max_liability": &s.maxLiability,
		"candidate.margin_if_redeemed": &s.marginIfRedeemed, "candidate.percent_of_basket": &s.percentOfBasket,
		"decision.used_personal_data": &s.usedPersonal, "decision.offer": &s.decisionOffer, "chosen.id": &s.chosenID,
		"chosen.kind": &s.chosenKind, "chosen.max_liability": &s.chosenMax, "chosen.liability": &s.chosenLiability,
		"chosen.score": &s.chosenScore, "has_none_candidate": &s.hasNone, "store.assortment": &s.assortment,
	} {
		*slot = env.Slot(name)
	}
	s.features = bindFeatures(env)
}

// compile makes a snapshot of a bundle and its models.
func (e *Engine) compile(ctx context.Context, b *rules.Bundle) (*snapshot, error) {
	s, err := newSnapshot(b)
	if err != nil {
		return nil, err
	}
	company, _ := b.Policy("")
	if err := s.openModels(ctx, b, company, e.opts.OpenModel); err != nil {
		return nil, err
	}
	return s, e.appoint(ctx, s)
}

// newSnapshot makes a snapshot without models.
func newSnapshot(b *rules.Bundle) (*snapshot, error) {
	company, _ := b.Policy("")
	s := &snapshot{bundle: b, digest: b.Digest(), env: b.Env(), scopes: map[string]*plan{}, leaves: map[string]string{}, budgets: map[string]rules.Budget{}}
	s.slots.bind(s.env)
	for i := range company.Offers {
		for _, p := range company.Offers[i].Params {
			if !slices.Contains(s.slots.params, p.Slot) {
				s.slots.params = append(s.slots.params, p.Slot)
			}
		}
	}
	s.logged = loggedVariables(s.env)
	s.outcomes = make([]outcomeModel, len(company.Outcomes))
	for i, o := range company.Outcomes {
		s.outcomes[i] = outcomeModel{Outcome: o, of: -1}
		if o.Model == rules.ModelAlias {
			s.outcomes[i].of = slices.IndexFunc(company.Outcomes, func(x rules.Outcome) bool { return x.Name == o.Of })
		}
	}
	for _, scope := range b.Scopes() {
		if err := s.addScope(b, scope); err != nil {
			return nil, err
		}
	}
	s.scratch.New = func() any { return newScratch(s) }
	return s, nil
}

func (s *snapshot) addScope(b *rules.Bundle, scope string) error {
	p, _ := b.Policy(scope)
	pl := &plan{Policy: p, redeem: -1}
	scale, err := currency.Scale(p.Currency)
	if err != nil {
		return fmt.Errorf("scope %q: %w", scope, err)
	}
	pl.minorPerOne = float64(scale)
	for i, r := range p.Constraints {
		switch origins := r.When.Origins(); {
		case origins&rules.OriginScore != 0:
			pl.after = append(pl.after, i)
		case origins&rules.OriginOffer != 0:
			pl.before = append(pl.before, i)
		default:
			pl.once = append(pl.once, i)
		}
	}
	for i := range s.outcomes {
		if s.outcomes[i].Event == "redemption" && pl.redeem < 0 {
			pl.redeem = i
		}
	}
	for i := range p.Offers {
		pl.limited = append(pl.limited, "not the best, and its ceiling of "+currency.Text(p.Offers[i].Ceiling, p.Currency)+" is above what exploration may risk")
	}
	pl.spans = make([]atomic.Pointer[span], len(p.Budgets))
	for _, g := range p.Budgets {
		if g.Currency != p.Currency {
			return fmt.Errorf("scope %q: budget %s is in %s, offers are in %s; give both one currency", scope, g.ID, g.Currency, p.Currency)
		}
		s.budgets[g.ID] = g
	}
	for _, c := range p.Caps {
		if c.Window > capHorizon {
			return fmt.Errorf("scope %q: cap %s looks back %s, at most %s are kept", scope, c.ID, c.Window, capHorizon)
		}
	}
	s.scopes[scope] = pl
	s.addLeaf(scope)
	return nil
}

// addLeaf lets a store be named by its own number where that is unique.
func (s *snapshot) addLeaf(scope string) {
	leaf := scope[strings.LastIndexByte(scope, '.')+1:]
	if leaf == scope {
		return
	}
	if _, twice := s.leaves[leaf]; twice {
		scope = ""
	}
	s.leaves[leaf] = scope
}

// resolve finds the plan for a scope or bare store number: the scope as it is
// called, its plan or the nearest ancestor's, and whether it was exact.
func (s *snapshot) resolve(scope string) (string, *plan, bool) {
	if full := s.leaves[scope]; full != "" && s.scopes[scope] == nil {
		scope = full
	}
	for at := scope; ; {
		if p := s.scopes[at]; p != nil {
			return scope, p, at == scope
		}
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			return scope, s.scopes[""], scope == ""
		}
		at = at[:i]
	}
}

func valueType(t rules.Type) VariableType {
	switch t {
	case rules.Bool:
		return BoolValue
	case rules.String:
		return StringValue
	case rules.Strings:
		return StringsValue
	}
	return NumberValue
}

// modelFor is what opens a bundle's model file; see Options.OpenModel.
type modelFor func(b *rules.Bundle, path string) (models.Model, string, error)
