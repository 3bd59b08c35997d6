package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// named is what names a request in the log; empty for a dry run.
type named struct {
	id   string   // of its decision
	body [16]byte // digest of all that it says
}

// decide makes a decision and records it, unless it is a dry run.
func (e *Engine) decide(ctx context.Context, s *snapshot, req *Request, as named, anew bool) (*Decision, error) {
	t, err := e.begin(ctx, s, req)
	if err != nil {
		return nil, err
	}
	defer t.end()
	t.named = as
	if err := t.identify(); err != nil {
		return nil, err
	}
	if !req.DryRun && !anew {
		if d, err := t.answered(); d != nil || err != nil {
			return d, err
		}
	}
	if err := t.prepare(); err != nil {
		return nil, err
	}
	t.d.Timings.Scoring = e.opts.Clock().Sub(t.started) - t.d.Timings.Profile
	t.assignHoldout()
	if req.DryRun {
		return t.dryRun()
	}
	return t.record(anew)
}

// answered looks whether a live decision answers for this return already,
// before anything is computed. The answer is checked again under the lock.
func (t *task) answered() (*Decision, error) {
	if err := t.readOffers(t.e.opts.Store); err != nil {
		return nil, err
	}
	if !t.answers(t.offers.live(string(t.key[:]), milli(t.now))) {
		return nil, nil
	}
	err := t.e.opts.Store.Update(t.ctx, t.d.Subject, func(tx store.Tx) error {
		if err := t.readOffers(tx); err != nil {
			return err
		}
		if live := t.offers.live(string(t.key[:]), milli(t.now)); t.answers(live) {
			t.live = live.decision
			return t.appendRepeat(tx)
		}
		return nil
	})
	if err != nil || t.live == "" {
		return nil, unavailable("record decision", err)
	}
	return t.e.repeated(t.ctx, t.live, t.req)
}

// readOffers reads the customer's offer record, unless it is the one read last.
func (t *task) readOffers(r store.Reader) error {
	t.scratch.key = append(append(t.scratch.key[:0], TableOffers), t.d.Subject[:]...)
	b, at, err := r.Get(t.scratch.key)
	if err != nil {
		return fmt.Errorf("read offer record: %w", err)
	}
	if t.offersRead && at == t.offersAt {
		return nil
	}
	if t.offers, err = parseOffers(t.offers[:0], b); err != nil {
		return err
	}
	t.offersAt, t.offersRead = at, true
	return nil
}

// answers reports whether a live decision stands: a later phase replaces it,
// unless its offer has been shown or redeemed.
func (t *task) answers(live *offerItem) bool {
	return live != nil && (t.req.Phase <= live.phase || live.presented > 0 || live.redeemed > 0)
}

// assignHoldout finds the holdout's unit and whether it is held out.
func (t *task) assignHoldout() {
	h := t.plan.Holdout
	if h == nil {
		return
	}
	t.unit = t.d.Subject[:]
	if h.Unit == "household" && t.d.Household != "" {
		t.unit = []byte(t.d.Household)
	}
	t.held, t.share = heldOut(h, t.unit)
	arm := "treated"
	if t.held {
		arm = "holdout"
	}
	t.d.Arms = append(t.d.Arms, Arm{Experiment: h.ID, Arm: arm, Bucket: holdoutPlace(h, t.unit)})
}

// record is steps 9 to 13: under the customer's and the ledger's lock the draw
// is made and one entry appended; what fn appended is acknowledged on return.
func (t *task) record(anew bool) (*Decision, error) {
	t.d.ID = t.named.id
	t.encoded = t.snap.appendVariables(t.encoded[:0], t.frame)
	t.values.encode(t.d.Candidates)
	for {
		locked := t.e.opts.Clock()
		d, err := t.recordOnce(anew, locked)
		if err != nil || t.slice == 0 {
			return d, err
		}
		if err := t.e.awaitDurable(t.ctx, t.slice); err != nil {
			return nil, err
		}
	}
}

// recordOnce leaves t.slice set if a budget slice has to be on disk first.
func (t *task) recordOnce(anew bool, locked time.Time) (*Decision, error) {
	t.slice, t.before = 0, nil
	err := t.e.opts.Store.Update(t.ctx, t.d.Subject, func(tx store.Tx) error {
		if err := t.readOffers(tx); err != nil {
			return err
		}
		if live := t.offers.live(string(t.key[:]), milli(t.now)); live != nil && !anew {
			if t.answers(live) {
				t.live = live.decision
				return t.appendRepeat(tx)
			}
			t.before = live
		}
		return t.commit(tx, locked)
	})
	if err != nil || t.slice != 0 {
		return nil, unavailable("record decision", err)
	}
	if t.live != "" {
		return t.e.repeated(t.ctx, t.live, t.req)
	}
	t.d.Timings.Total = t.e.opts.Clock().Sub(t.started)
	t.d.Timings.Append = t.d.Timings.Total - locked.Sub(t.started) - t.d.Timings.Ledger
	t.finish()
	return t.d, nil
}

// commit draws, appends and, once the log has it, changes the ledger.
func (t *task) commit(tx store.Tx, locked time.Time) error {
	l := t.e.opts.Ledger
	l.lock()
	defer l.mu.Unlock()
	l.advance(milli(t.now))
	t.admit(l)
	var err error
	if t.sliced() {
		if err := t.reconcile(tx, l); err != nil {
			return err
		}
		if t.slice, err = t.debitSlices(tx, l, false); err != nil || t.slice != 0 {
			return err
		}
	}
	t.draw()
	t.conclude()
	t.d.Timings.Ledger = t.e.opts.Clock().Sub(locked)
	entry := decisionEntry{Decision: t.d, ledger: t.change, body: t.named.body, variables: t.encoded, values: &t.values}
	t.entry = entry.append(t.entry[:0])
	at, err := tx.Append(store.Header{Kind: KindDecision, Subject: t.d.Subject, Time: milli(t.now)}, t.entry)
	if err != nil {
		return err
	}
	t.d.Position = at
	l.change(&t.change, milli(t.now))
	l.at = max(l.at, at)
	t.e.opts.Ledger.happened(milli(t.now))
	t.debitAhead(tx, l)
	return nil
}

// debitAhead keeps slices ready, so that few decisions wait for one. If that
// fails the next decision asks again; this one is in the log.
func (t *task) debitAhead(tx store.Tx, l *Ledger) {
	if !t.sliced() {
		return
	}
	t.rooms(l)
	t.slices(l)
	if _, err := t.debitSlices(tx, l, true); err != nil {
		t.d.Degraded = append(t.d.Degraded, Degradation{Subject: "budget slices", Cause: err.Error()})
	}
}

func (t *task) appendRepeat(tx store.Tx) error {
	r := repeatEntry{requestID: t.req.RequestID, decisionID: t.live, body: t.named.body}
	_, err := tx.Append(store.Header{Kind: KindRepeat, Subject: t.d.Subject, Time: milli(t.now)}, r.append(nil))
	if err == nil {
		t.e.opts.Ledger.happened(milli(t.now))
	}
	return err
}

// dryRun draws as it would be drawn, and changes nothing.
func (t *task) dryRun() (*Decision, error) {
	if err := t.readOffers(t.e.opts.Store); err != nil {
		return nil, err
	}
	l := t.e.opts.Ledger
	l.mu.Lock()
	t.choose(l)
	l.mu.Unlock()
	t.conclude()
	t.d.Timings.Total = t.e.opts.Clock().Sub(t.started)
	t.finish()
	return t.d, nil
}

// decisionID names the decision of a request: the same in every replay, and one
// term of the index finds it by its id and by that of its request.
func decisionID(requestID string) string {
	sum := sha256.Sum256([]byte("decision\x00" + requestID))
	return hex.EncodeToString(sum[:16])
}

// finish completes the answer: the token is signed, the trace cut to what was asked.
func (t *task) finish() {
	if t.req.Explain == ExplainFull {
		t.d.Variables = t.frameVariables()
	}
	if !t.d.DryRun {
		t.e.sign(t.d, t.change.reserve)
	}
	t.d.trim(t.req.Explain)
}

// trim cuts the trace to what was asked for.
func (d *Decision) trim(x Explain) {
	switch x {
	case ExplainNone:
		d.Candidates, d.Budgets, d.Variables = nil, nil, nil
	case ExplainReasons:
		d.Variables = nil
	}
}

// unavailable turns failures of the log into one error callers branch on.
func unavailable(step string, err error) error {
	switch {
	case errors.Is(err, store.ErrOverloaded), errors.Is(err, store.ErrFailed), errors.Is(err, store.ErrClosed):
		return fmt.Errorf("%s: %w: %w", step, ErrUnavailable, err)
	case err != nil:
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}
