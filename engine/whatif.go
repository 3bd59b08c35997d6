package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// WhatIf decides cases of policy tests with the steps of a real decision, on
// given variables and stub scores, with nothing read from or written to a
// store. It implements rulestest.Decider and is safe for concurrent use.
type WhatIf struct {
	engine *Engine
	mu     sync.Mutex
	bundle *rules.Bundle
	snap   *snapshot
}

// NewWhatIf returns a decider; salt seeds the draw of cases that explore.
func NewWhatIf(salt string) *WhatIf {
	return &WhatIf{engine: &Engine{opts: Options{Clock: time.Now, Ledger: NewLedger(), Salt: salt, SaltName: "what-if"}}}
}

// snapshot compiles a bundle once, however many cases it is asked for.
func (w *WhatIf) snapshot(b *rules.Bundle) (*snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bundle == b {
		return w.snap, nil
	}
	s, err := newSnapshot(b)
	if err != nil {
		return nil, err
	}
	w.bundle, w.snap = b, s
	return s, nil
}

// DecideCase decides one case. A variable or outcome the bundle does not know,
// or an outcome the case has no scores for, is an error.
func (w *WhatIf) DecideCase(ctx context.Context, b *rules.Bundle, c rulestest.Case) (*rulestest.Outcome, error) {
	out, _, err := w.ExplainCase(ctx, b, c)
	return out, err
}

// ExplainCase is DecideCase that also returns the decision, for Narrate.
func (w *WhatIf) ExplainCase(ctx context.Context, b *rules.Bundle, c rulestest.Case) (*rulestest.Outcome, *Decision, error) {
	s, err := w.snapshot(b)
	if err != nil {
		return nil, nil, fmt.Errorf("case %q: %w", c.Name, err)
	}
	req, err := caseRequest(s, &c)
	if err != nil {
		return nil, nil, fmt.Errorf("case %q: %w", c.Name, err)
	}
	t, err := w.engine.begin(ctx, s, req)
	if err != nil {
		return nil, nil, fmt.Errorf("case %q: %w", c.Name, err)
	}
	defer t.end()
	out, err := t.runCase(&c)
	if err != nil {
		return nil, nil, fmt.Errorf("case %q: %w", c.Name, err)
	}
	return out, t.d, nil
}

func caseRequest(s *snapshot, c *rulestest.Case) (*Request, error) {
	_, p, _ := s.resolve(c.Scope)
	req := &Request{Scope: c.Scope, Jurisdiction: c.Jurisdiction, Currency: p.Currency, AsOf: c.Now, DryRun: true}
	var ok bool
	if req.Phase, ok = ParsePhase(c.Phase); !ok {
		return nil, fmt.Errorf("phase %q is none of %s", c.Phase, strings.Join(phaseNames[1:], ", "))
	}
	i := slices.Index(channelNames(), c.Channel)
	if i < 0 {
		return nil, fmt.Errorf("channel %q is none of %s", c.Channel, strings.Join(channelNames(), ", "))
	}
	req.Channel = profile.ChannelStore + profile.Channel(i)
	return req, nil
}

// runCase takes a case through the steps from eligibility on.
func (t *task) runCase(c *rulestest.Case) (*rulestest.Outcome, error) {
	if err := t.fixtures(c); err != nil {
		return nil, err
	}
	frames := make([]*rules.Frame, len(t.d.Candidates))
	t.watch = func(i int) { frames[i] = copyFrame(t.snap.env, t.frame) }
	if err := t.eligible(); err != nil {
		return nil, err
	}
	if err := t.stubScores(c.Scores); err != nil {
		return nil, err
	}
	if err := t.value(); err != nil {
		return nil, err
	}
	if c.Holdout {
		t.assignHoldout()
	}
	if err := t.overrides(c); err != nil {
		return nil, err
	}
	t.choose(NewLedger())
	t.conclude()
	t.setChosen(t.d.Candidate(t.d.Assigned))
	return t.caseOutcome(frames), nil
}

// fixtures sets the case's variables.
func (t *task) fixtures(c *rulestest.Case) error {
	t.d.Consent, t.d.Personal = c.Consent, c.Consent
	t.d.Subject = profile.SubjectOf(profile.Identity{Namespace: "\x00case", Value: c.Name})
	copy(t.key[:], t.d.Subject[:])
	t.setRequest()
	for _, part := range []struct {
		prefix string
		values map[string]any
	}{{"customer.", c.Customer}, {"ret.", c.Return}, {"store.", c.Store}} {
		for _, name := range slices.Sorted(maps.Keys(part.values)) {
			if err := t.setVariable(part.prefix+name, part.values[name]); err != nil {
				return err
			}
		}
	}
	f, s := t.frame, &t.snap.slots
	f.SetNumber(s.basketWith, c.Basket)
	f.SetNumber(s.basketWithout, c.Basket)
	f.SetNumber(s.basketMargin, c.MarginRate)
	return nil
}

// setVariable sets a variable by name; a personal one does not exist without consent.
func (t *task) setVariable(name string, value any) error {
	slot := t.snap.env.Slot(name)
	if slot < 0 {
		return fmt.Errorf("%s is no variable of this bundle", name)
	}
	v := t.snap.env.Variables()[slot]
	if v.Purpose == rules.PurposePersonal && !t.d.Consent {
		return nil
	}
	switch x := value.(type) {
	case bool:
		t.frame.SetBool(slot, x)
	case float64:
		t.frame.SetNumber(slot, x)
	case string:
		t.frame.SetString(slot, x)
	case []string:
		t.frame.SetStrings(slot, x)
	default:
		return fmt.Errorf("%s is a %T, want a number, bool, string or list of strings", name, value)
	}
	return nil
}

// stubScores puts the case's scores where models would have put theirs.
func (t *task) stubScores(scores map[string]rulestest.StubScore) error {
	t.outcomes = t.snap.outcomes
	t.survivors()
	for i := range t.snap.outcomes {
		o := &t.snap.outcomes[i]
		t.rungs[i] = RungStated
		if o.Model != rules.ModelPrior && o.Model != rules.ModelFile {
			continue
		}
		stub, ok := scores[o.Name]
		if !ok {
			return fmt.Errorf("the case has no scores for the outcome %s", o.Name)
		}
		for k := range t.plan.Offers {
			v := models.Score{Without: stub.Without, With: stub.Without}
			if with, ok := stub.With[t.plan.Offers[k].ID]; ok {
				v.With = with
			}
			v.Lower, v.Upper = v.Uplift(), v.Uplift()
			t.scores[i][k] = v
		}
	}
	return nil
}

// overrides takes budgets, shadow prices and exploration from the case.
func (t *task) overrides(c *rulestest.Case) error {
	o := &override{explore: c.Explore, left: map[string]int64{}, lambda: func(budget string) float64 {
		if x, ok := c.Lambda[budget]; ok {
			return x
		}
		return c.DefaultLambda
	}}
	for id, major := range c.Budgets {
		minor, err := currency.RoundDown(major, t.plan.Currency)
		if err != nil {
			return fmt.Errorf("budget %s: %w", id, err)
		}
		o.left[id] = minor
	}
	t.override = o
	return nil
}

func (t *task) caseOutcome(frames []*rules.Frame) *rulestest.Outcome {
	out := &rulestest.Outcome{Offer: t.d.Delivered, Frame: copyFrame(t.snap.env, t.frame), Journal: t.d.journalFields()}
	for i := 1; i < len(t.d.Candidates); i++ {
		c := &t.d.Candidates[i]
		x := rulestest.CandidateOutcome{Offer: c.Offer, Rejected: string(c.Reason), Source: c.Rule.source(), Liability: c.Liability, Goals: map[string]float64{}, Frame: frames[i]}
		if c.Scored {
			x.Score = &c.Score
		}
		for _, g := range c.Goals {
			x.Goals[g.Goal] = g.Amount
		}
		out.Candidates = append(out.Candidates, x)
	}
	for _, x := range t.d.Disclosures {
		out.Disclosures = append(out.Disclosures, x.ID)
	}
	return out
}

func (r RuleRef) source() rules.Source {
	return rules.Source{Position: rules.Position{File: r.File, Line: r.Line, Column: r.Column}, Scope: r.Scope}
}

// journalFields are fields of the entry a real decision would have written, by dotted name.
func (d *Decision) journalFields() map[string]any {
	out := map[string]any{
		"outcome": d.Outcome.String(), "assigned": d.Assigned, "delivered": d.Delivered, "held_out": d.HeldOut,
		"propensity": d.Propensity, "scope": d.Scope, "policy_scope": d.Provenance.Scope, "strategy": d.Draw.Strategy,
		"used_personal_data": d.Personal, "best": d.Draw.Best,
	}
	for i := range d.Candidates {
		c := &d.Candidates[i]
		out["p_choice."+c.Offer], out["p_shown."+c.Offer] = c.PChoice, c.PShown
	}
	for _, b := range d.Budgets {
		out["lambda."+b.Budget], out["reserves."+b.Budget] = b.Lambda, float64(b.Reserves)
	}
	return out
}

// copyFrame returns a frame with the same variables.
func copyFrame(env *rules.Env, f *rules.Frame) *rules.Frame {
	out := env.NewFrame()
	for i, v := range env.Variables() {
		slot := rules.Slot(i)
		switch valueType(v.Type) {
		case StringValue:
			if x, ok := f.Text(slot); ok {
				out.SetString(slot, x)
			}
		case StringsValue:
			if x, ok := f.List(slot); ok {
				out.SetStrings(slot, slices.Clone(x))
			}
		case BoolValue:
			if x, ok := f.Number(slot); ok {
				out.SetBool(slot, x != 0)
			}
		default:
			if x, ok := f.Number(slot); ok {
				out.SetNumber(slot, x)
			}
		}
	}
	return out
}
