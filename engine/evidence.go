package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/store"
)

// maxEvidence bounds the decisions a promotion looks at: the newest ones whose
// outcomes are complete.
const maxEvidence = 100_000

// ModelEvidence is what the journal says of a registered model against what
// decides now: the champion, or the policies themselves while there is none (and
// for the champion itself). Decisions count that were made after the model was
// trained, with consent, with something to choose, and whose outcomes are
// complete. A journal without any is a *registry.RefusedError that says why.
func (e *Engine) ModelEvidence(ctx context.Context, outcome, digest string, progress func(read int)) (*registry.Evidence, error) {
	p, err := e.proofOf(ctx, outcome, digest)
	if err != nil {
		return nil, err
	}
	return e.evidence(ctx, p, progress)
}

func (e *Engine) proofOf(ctx context.Context, outcome, digest string) (*proof, error) {
	unlock, err := e.lockCareers(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	m, err := e.careers.find(outcome, digest)
	if err != nil {
		return nil, err
	}
	s := e.active.Load()
	if s == nil {
		return nil, ErrNoBundle
	}
	return e.careers.proof(s, m), nil
}

// inquiry gathers the columns of a trial, decision by decision.
type inquiry struct {
	e         *Engine
	ctx       context.Context
	snap      *snapshot
	index     int          // of the model's outcome
	model     outcomeModel // the outcome as the candidate predicts it
	candidate []outcomeModel
	incumbent []outcomeModel
	after     time.Time     // decisions at or before taught the model
	window    time.Duration // of all outcomes
	newest    time.Time     // end of what is known

	customers map[store.Subject]followed
	trial     registry.Trial
	ids       []string
	watched   *watch
	left      map[string]int
}

// Why a decision does not count.
const (
	leftTaught  = "made before the model was trained"
	leftOpen    = "whose outcomes are not complete"
	leftNobody  = "of nobody known"
	leftConsent = "without consent"
	leftSecond  = "made again on the same return"
	leftNothing = "with nothing to choose"
	leftReach   = "that cannot be made again under this bundle"
)

var leftOrder = []string{leftTaught, leftOpen, leftNobody, leftConsent, leftSecond, leftNothing, leftReach}

// evidence judges a model on the journal.
func (e *Engine) evidence(ctx context.Context, p *proof, progress func(read int)) (*registry.Evidence, error) {
	q, err := e.inquire(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("evidence for model %s: %w", short(p.model.Digest), err)
	}
	before, err := e.positionAfter(ctx, q.newest.Add(-q.window))
	if err != nil {
		return nil, fmt.Errorf("evidence for model %s: %w", short(p.model.Digest), err)
	}
	read := 0
	err = e.decisionsFrom(ctx, before, maxEvidence, func(d *Decision) (bool, error) {
		if read++; progress != nil && read%1000 == 0 {
			progress(read)
		}
		return q.add(d)
	})
	if err != nil {
		return nil, fmt.Errorf("evidence for model %s: %w", short(p.model.Digest), err)
	}
	if len(q.trial.Arms.Outcome) == 0 {
		return nil, &registry.RefusedError{Reasons: []string{"the journal has no decision to judge by" + q.why()}}
	}
	return q.judge()
}

func (e *Engine) inquire(ctx context.Context, p *proof) (*inquiry, error) {
	i, err := p.snap.predictedOutcome(p.model.Outcome)
	if err != nil {
		return nil, err
	}
	h, err := e.hire(ctx, p.snap, i, p.registration)
	if err != nil {
		return nil, err
	}
	q := &inquiry{
		e: e, ctx: ctx, snap: p.snap, index: i, model: h.outcome, candidate: slices.Clone(p.snap.outcomes), incumbent: p.snap.outcomes,
		after: taughtUntil(h.card, p.registration.At), newest: fromMilli(e.opts.Ledger.newest.Load()),
		customers: map[store.Subject]followed{}, left: map[string]int{},
	}
	q.candidate[i] = h.outcome
	q.trial.Against = registry.Bundle
	if p.reigned && p.model.Role != registry.Champion {
		q.trial.Against = string(registry.Champion)
	}
	if p.model.Role == registry.Champion {
		q.incumbent = slices.Clone(p.snap.outcomes)
		q.incumbent[i] = p.snap.own[i]
	}
	company, _ := p.snap.bundle.Policy("")
	for k := range p.snap.own {
		q.window = max(q.window, p.snap.own[k].To)
	}
	q.trial.Arms.Names = append(q.trial.Arms.Names, None)
	for k := range company.Offers {
		q.trial.Arms.Names = append(q.trial.Arms.Names, company.Offers[k].ID)
		q.window = max(q.window, company.Offers[k].Validity)
	}
	q.trial.Window = q.window
	q.watched = newWatch(h.card, h.outcome.model)
	return q, nil
}

// taughtUntil is the last moment the model may have learned from: of what does
// not say so, its registration.
func taughtUntil(card *models.Card, registered time.Time) time.Time {
	if card != nil && card.Training != nil && !card.Training.To.IsZero() {
		return card.Training.To
	}
	return registered
}

// staleBatch is how many decisions may lie before the end of the model's training
// until the rest of the journal is taken to do so too.
const staleBatch = 1000

// add judges one decision; false: the rest is too old.
func (q *inquiry) add(d *Decision) (bool, error) {
	if !d.Time.After(q.after) {
		q.left[leftTaught]++
		return q.left[leftTaught] < staleBatch, nil
	}
	if why := q.unfit(d); why != "" {
		q.left[why]++
		return true, nil
	}
	err := q.judgeOne(d)
	if errors.Is(err, errOutOfReach) {
		q.left[leftReach]++
		err = nil
	}
	return true, err
}

func (q *inquiry) unfit(d *Decision) string {
	switch {
	case d.Time.Add(q.window).After(q.newest):
		return leftOpen
	case d.Customer == profile.Identity{}:
		return leftNobody
	case !d.Consent:
		return leftConsent
	case d.Supersedes != "":
		return leftSecond
	}
	return ""
}

// judgeOne adds a row.
func (q *inquiry) judgeOne(d *Decision) error {
	a, err := q.e.decideAgain(q.ctx, q.snap, d)
	if err != nil {
		return err
	}
	defer a.end()
	arms := &q.trial.Arms
	given, chance := slices.Index(arms.Names, d.Delivered), d.Candidate(d.Delivered)
	if len(a.index) == 0 {
		q.left[leftNothing]++
		return nil
	}
	if given < 0 || chance == nil || !(chance.PShown > 0) {
		return errOutOfReach
	}
	incumbent, err := a.choice(q.incumbent)
	if err != nil {
		return err
	}
	candidate, err := a.choice(q.candidate)
	if err != nil {
		return err
	}
	past, err := q.customer(d)
	if err != nil {
		return err
	}
	h, err := a.occurred(past.events, past.settled)
	if err != nil {
		return err
	}
	worth, err := a.worth(given, h)
	if err != nil {
		return err
	}
	expected, err := a.expected()
	if err != nil {
		return err
	}
	arms.Outcome, arms.Mu = append(arms.Outcome, worth), append(arms.Mu, expected)
	arms.Arm, arms.Propensity = append(arms.Arm, given), append(arms.Propensity, chance.PShown)
	q.trial.Incumbent, q.trial.Candidate = append(q.trial.Incumbent, incumbent), append(q.trial.Candidate, candidate)
	if p, ok := a.forecast(&q.model, given); ok {
		q.trial.Predicted, q.trial.Happened = append(q.trial.Predicted, p), append(q.trial.Happened, h.outcomes[q.index])
	}
	q.watched.add(a)
	q.ids = append(q.ids, string(d.Subject[:]))
	if q.trial.To.IsZero() || d.Time.After(q.trial.To) {
		q.trial.To = d.Time
	}
	if q.trial.From.IsZero() || d.Time.Before(q.trial.From) {
		q.trial.From = d.Time
	}
	return nil
}

// judge turns the columns into evidence, in the order of time. The order, and
// with it the intervals, does not depend on when it is asked.
func (q *inquiry) judge() (*registry.Evidence, error) {
	t := &q.trial
	slices.Reverse(t.Arms.Outcome)
	slices.Reverse(t.Arms.Mu)
	slices.Reverse(t.Arms.Arm)
	slices.Reverse(t.Arms.Propensity)
	slices.Reverse(t.Candidate)
	slices.Reverse(t.Incumbent)
	slices.Reverse(t.Predicted)
	slices.Reverse(t.Happened)
	slices.Reverse(q.ids)
	t.Arms.Unit, t.Arms.Cluster = "money", eval.Clusters(q.ids)
	t.Reads, t.Answers = q.watched.columns()
	e, err := registry.Judge(*t, eval.Bootstrap{Seed: 1})
	if errors.Is(err, eval.ErrUndefined) {
		return nil, &registry.RefusedError{Reasons: []string{err.Error() + q.why()}}
	}
	return e, err
}

// why says what was left out.
func (q *inquiry) why() string {
	var parts []string
	for _, reason := range leftOrder {
		if n := q.left[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, reason))
		}
	}
	if parts == nil {
		return ""
	}
	return " (left out: " + strings.Join(parts, ", ") + ")"
}
