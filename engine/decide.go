package engine

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
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
	named      named
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
	t := &x.task
	*t = task{scratch: x, e: e, ctx: ctx, snap: s, req: req, d: e.blank(), started: e.opts.Clock()}
	x.reset()
	if err := t.locate(); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// end gives the task's memory back.
func (t *task) end() {
	x, s := t.scratch, t.snap
	*t = task{}
	s.scratch.Put(x)
}

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
	d.Candidates = room(&d.memory.candidates, 1+len(p.Offers))
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
	if err := t.look(&t.ret); err != nil {
		return err
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

// look reads the customer's records, seen with a return (nil: without).
func (t *task) look(ret *profile.Return) error {
	if len(t.req.Customer) == 0 {
		return t.seen.Read(profile.Records{}, nil, ret, t.now, t.plan.Currency)
	}
	records, at, err := readProfile(t.e.opts.Store, t.d.Subject)
	if err != nil {
		return err
	}
	if !t.offersRead {
		if err := t.readOffers(t.e.opts.Store); err != nil {
			return err
		}
	}
	t.d.Provenance.ProfileVersion = uint64(at)
	t.known = t.offers.known(t.known[:0], milli(t.now))
	return t.seen.Read(records, t.known, ret, t.now, t.plan.Currency)
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
