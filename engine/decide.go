package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// task is one decision on its way through the steps.
type task struct {
	*scratch
	e    *Engine
	ctx  context.Context
	snap *snapshot
	plan *plan
	req  *Request
	d    *Decision

	now      time.Time // business time in the scope's time zone, milliseconds
	key      [8]byte   // return key
	unit     []byte    // of the holdout
	held     bool
	share    float64 // held out, exact
	fallback bool    // nothing could be scored

	offersRead bool // t.offers is the record at offersAt
	body       [16]byte
	offersAt   store.Position
	live       string         // a decision that answers already
	slice      store.Position // a budget slice that has to be on disk first
	before     *offerItem
	cap        verdict // of the first cap that is reached
	change     ledgerChange
	override   *override           // of a what-if
	watch      func(candidate int) // sees the frame after each candidate's last rule; nil but for a what-if
	started    time.Time
}

// prepare is everything that needs no lock: steps 1 to 8 but for shadow prices.
func (t *task) prepare() error {
	for _, step := range [...]func(*task) error{
		(*task).identify, (*task).see, (*task).describe, (*task).eligible, (*task).scoreAll, (*task).value,
	} {
		if err := step(t); err != nil {
			return err
		}
	}
	return nil
}

// begin fixes clock, scope and the decision's frame of reference.
func (e *Engine) begin(ctx context.Context, s *snapshot, req *Request) (*task, error) {
	x := s.scratch.Get().(*scratch)
	t := &task{scratch: x, e: e, ctx: ctx, snap: s, req: req, d: &Decision{}, started: e.opts.Clock()}
	x.reset()
	if err := t.locate(); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

func (t *task) end() { t.snap.scratch.Put(t.scratch) }

func (x *scratch) reset() {
	x.frame.Reset()
	clear(x.rungs)
	x.index, x.budgets, x.draws, x.drawn = x.index[:0], x.budgets[:0], x.draws[:0], x.drawn[:0]
}

// locate is step 2 for the policies: one snapshot, the scope's plan, business time.
func (t *task) locate() error {
	scope, p, exact := t.snap.resolve(t.req.Scope)
	if !exact && t.req.StrictScope {
		return fmt.Errorf("scope %q: %w", t.req.Scope, ErrUnknownScope)
	}
	if t.req.Currency != p.Currency {
		return fmt.Errorf("request in %q, policy of scope %q in %q: %w", t.req.Currency, p.Scope, p.Currency, ErrCurrencyMismatch)
	}
	t.plan = p
	t.now = t.e.businessTime(t.req, t.started).Truncate(time.Millisecond).In(p.Location)
	b := t.snap.bundle
	if from := b.EffectiveFrom(); t.now.Before(from) {
		return fmt.Errorf("bundle %q is in force from %s, the decision is for %s: %w",
			b.Name(), from.Format(time.RFC3339), t.now.Format(time.RFC3339), ErrNoBundle)
	}
	d, r := t.d, t.req
	d.RequestID, d.Time, d.Scope = r.RequestID, t.now.UTC(), scope
	d.AssociateID, d.Channel, d.Phase, d.DryRun = r.AssociateID, r.Channel, r.Phase, r.DryRun
	d.Currency, d.Exponent = p.Currency, p.Exponent
	d.Provenance = Provenance{
		BundleName: b.Name(), BundleVersion: b.Version(), BundleDigest: t.snap.digest,
		Scope: p.Scope, ScopeExact: exact, Chain: p.Chain, Models: t.snap.models, Seed: t.e.opts.SaltName,
	}
	if !exact {
		d.Degraded = append(d.Degraded, Degradation{Subject: "scope " + scope, Cause: fmt.Sprintf("the bundle does not know it; the policy of %q decides", p.Scope)})
	}
	d.Candidates = make([]Candidate, 1+len(p.Offers))
	d.Candidates[0] = Candidate{Offer: None, Kind: None, Stage: StageDraw, Scored: true}
	return nil
}

// identify is step 1: whose profile, and which return.
func (t *task) identify() error {
	t.key = t.returnKey()
	t.d.ReturnKey = hex.EncodeToString(t.key[:])
	if len(t.req.Customer) > 0 {
		t.d.Customer = t.req.Customer[0]
		t.d.Subject = profile.SubjectOf(t.d.Customer)
		return nil
	}
	t.d.Subject = profile.SubjectOf(profile.Identity{Namespace: "\x00return", Value: t.d.ReturnKey})
	return nil
}

// returnKey is what split and re-scanned returns share: original order and
// local day; without an order the return's own id; without either nothing.
func (t *task) returnKey() (key [8]byte) {
	r := &t.req.Return
	day := t.now
	if !r.Time.IsZero() {
		day = r.Time.In(t.plan.Location)
	}
	local := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
	name := r.OrderID
	switch {
	case name != "":
	case r.ID != "":
		name = "return\x00" + r.ID
	default:
		name = "request\x00" + t.req.RequestID
	}
	binary.BigEndian.PutUint64(key[:], profile.ReturnKey(name, local))
	return key
}

// see is step 3: the profile as it stands, seen with this return.
func (t *task) see() error {
	r := &t.req.Return
	t.ret = profile.Return{ID: r.ID, OrderID: r.OrderID, Authorization: r.Authorization, Channel: t.req.Channel, Lines: r.Lines, Refund: r.Refund, Tender: r.Tender}
	if err := t.readProfile(); err != nil {
		return fmt.Errorf("read profile: %w", err)
	}
	view := t.seen.View()
	t.d.Household = strings.Clone(view.Household())
	t.d.Consent = t.consents(view)
	t.d.Personal = t.d.Consent && view.Known()
	t.d.Provenance.ProfileAge = -1
	if newest, ok := view.Newest(); ok {
		t.d.Provenance.ProfileAge = max(t.now.Sub(newest), 0)
	}
	return nil
}

// consents: the request says, else the profile; a stranger has not consented.
func (t *task) consents(view profile.View) bool {
	if len(t.req.Customer) == 0 {
		return false
	}
	switch t.req.Consent {
	case ConsentGranted:
		return true
	case ConsentDenied:
		return false
	}
	declared, _ := view.Consent()
	return declared
}

// readProfile reads the customer, seen with the return.
func (t *task) readProfile() error {
	if len(t.req.Customer) == 0 {
		return t.seen.Read(nil, nil, &t.ret, t.now, t.plan.Currency)
	}
	return t.readRecords(&t.ret)
}

// readRecords reads both records; a write between the two reads repeats them.
func (t *task) readRecords(ret *profile.Return) error {
	for range 4 {
		features, at, err := t.e.opts.Store.Get(profile.Key(profile.TableFeatures, t.d.Subject))
		if err != nil {
			return err
		}
		history, with, err := t.e.opts.Store.Get(profile.Key(profile.TableHistory, t.d.Subject))
		if err != nil {
			return err
		}
		if at != with {
			continue
		}
		t.d.Provenance.ProfileVersion = uint64(at)
		return t.seen.Read(features, history, ret, t.now, t.plan.Currency)
	}
	return fmt.Errorf("%w: the profile changed during every read", ErrUnavailable)
}

// describe is step 4: the variables that rules and models read.
func (t *task) describe() error {
	t.setRequest()
	t.setFacts(t.snap.bundle.StoreFacts(t.d.Scope))
	t.setFeatures()
	t.setBasket()
	t.d.Timings.Profile = t.e.opts.Clock().Sub(t.started)
	return nil
}

// decide makes a decision and records it, unless it is a dry run.
func (e *Engine) decide(ctx context.Context, s *snapshot, req *Request, body [16]byte, anew bool) (*Decision, error) {
	t, err := e.begin(ctx, s, req)
	if err != nil {
		return nil, err
	}
	defer t.end()
	t.body = body
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
	b, at, err := r.Get(store.Key(TableOffers, t.d.Subject))
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
	l.mu.Lock()
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
	t.d.ID = t.decisionID()
	t.conclude()
	t.d.Timings.Ledger = t.e.opts.Clock().Sub(locked)
	entry := decisionEntry{Decision: t.d, ledger: t.change, body: t.body}
	t.entry = entry.append(t.entry[:0], t.snap, t.frame)
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
	r := repeatEntry{requestID: t.req.RequestID, decisionID: t.live, body: t.body}
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

// decisionID is the same for the same request, so that a replay gives the same ids.
func (t *task) decisionID() string {
	w := wire{t.entry[:0]}
	w.text(1, t.e.opts.Salt)
	w.text(2, t.req.RequestID)
	w.bytes(3, t.d.Subject[:])
	w.bytes(4, t.key[:])
	t.entry = w.b
	sum := sha256.Sum256(w.b)
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

// periodOf returns the borders of the budget's period around now, in Unix ms;
// ok is false outside a fixed period.
func periodOf(b *rules.Budget, now time.Time) (start, end int64, ok bool) {
	local := now.In(b.Location)
	y, m, d := local.Date()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, b.Location) }
	var from, to time.Time
	switch b.Period.Kind {
	case "day":
		from, to = day(y, m, d), day(y, m, d+1)
	case "week":
		monday := d - (int(local.Weekday())+6)%7
		from, to = day(y, m, monday), day(y, m, monday+7)
	case "month":
		from, to = day(y, m, 1), day(y, m+1, 1)
	default:
		from, to = b.Period.From, b.Period.To
	}
	return milli(from), milli(to), !local.Before(from) && local.Before(to)
}
