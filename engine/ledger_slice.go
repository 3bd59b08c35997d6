package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// Slices keep money safe in bounded mode, where a crash may lose the last few
// decisions although their tokens are out. A budget is spent from slices that
// were debited in the log, and are on disk, before use. What of a slice no
// surviving entry accounts for after a crash counts as spent, until every
// token it could have paid for has expired.

// durable is a store that may acknowledge what a crash can still lose.
type durable interface {
	Mode() store.Mode
	// Durable is the position of the last entry on disk.
	Durable() store.Position
}

const (
	sliceShare = 64 // a slice is a 64th of the limit, or eight ceilings
	sliceFit   = 8
	syncPoll   = 200 * time.Microsecond
)

// slice is a debit on its way to the disk.
type slice struct {
	amount int64
	at     store.Position
}

// sliceEntry debits a budget in the log, or (negative) hands back.
type sliceEntry struct {
	charge chargeRef
	amount int64
}

func (s *sliceEntry) append(b []byte) []byte {
	w := wire{append(b, entryVersion)}
	appendCharges(&w, 1, []chargeRef{s.charge})
	w.int(2, s.amount)
	return w.b
}

func parseSlice(b []byte) (*sliceEntry, error) {
	s := new(sliceEntry)
	var charges []chargeRef
	err := payloadFields(b, "slice", func(f field) error {
		switch f.num {
		case 1:
			return parseCharge(f.raw, &charges)
		case 2:
			s.amount = f.int()
		}
		return nil
	})
	if err == nil && len(charges) != 1 {
		err = fmt.Errorf("slice entry: %w: %d budgets", errWire, len(charges))
	}
	if err == nil {
		s.charge = charges[0]
	}
	return s, err
}

func (l *Ledger) applySlice(payload []byte) error {
	s, err := parseSlice(payload)
	if err != nil {
		return err
	}
	l.debit(s)
	return nil
}

func (l *Ledger) debit(s *sliceEntry) *account {
	a := l.account(s.charge.budget, s.charge.start, s.charge.end)
	a.debited += s.amount
	if a.limit == 0 {
		a.limit = s.charge.limit
	}
	return a
}

// spent is what surviving entries account for, in the terms of the guarantee.
func (a *account) spent(hard bool) int64 {
	if hard {
		return a.reserved + a.settled
	}
	return a.expected + a.settled
}

// granted is how much of an account may be spent without waiting for the disk.
func (a *account) granted(on store.Position) int64 {
	kept := a.pending[:0]
	for _, s := range a.pending {
		if s.at > on {
			kept = append(kept, s)
		}
	}
	a.pending = kept
	g := a.debited - a.doubt
	for _, s := range a.pending {
		g -= s.amount
	}
	return g
}

// sliced reports whether this decision spends from slices.
func (t *task) sliced() bool { return t.e.durable != nil && t.override == nil && !t.d.DryRun }

// slices looks what of each budget is granted.
func (t *task) slices(l *Ledger) {
	if !t.sliced() {
		return
	}
	on := t.e.durable.Durable()
	for i := range t.budgets {
		b := &t.budgets[i]
		b.granted = 0
		if a := l.accounts[accountKey{b.id, b.start}]; a != nil {
			b.granted = a.granted(on)
		}
	}
}

// wants asks for a slice if an offer fits its budgets but not what is granted of them.
func (t *task) wants(ceiling, expected int64) {
	for i := range t.budgets {
		b := &t.budgets[i]
		if need := b.take(ceiling, expected); need > 0 && b.spent()+need > b.granted {
			b.want = max(b.want, need)
		}
	}
}

// spent is used less what is in doubt: doubt was taken off what is granted.
func (b *budgetRoom) spent() int64 { return b.used() - b.doubt }

// debitSlices appends a slice for every budget that is asked for one, or (ahead)
// runs low, and returns the position to wait for; 0 if there is none.
func (t *task) debitSlices(tx store.Tx, l *Ledger, ahead bool) (store.Position, error) {
	var last store.Position
	for i := range t.budgets {
		b := &t.budgets[i]
		size := b.slice(t.largest())
		if b.want == 0 && (!ahead || b.granted+l.pendingOf(b)-b.spent() > size/2) {
			continue
		}
		if b.want > 0 {
			if at := l.underway(b); at != 0 {
				last = max(last, at)
				continue
			}
		}
		amount := min(max(size, b.want), b.limit-b.buffer-l.debitedOf(b))
		if amount <= 0 {
			continue
		}
		s := sliceEntry{chargeRef{b.id, b.start, b.end, b.limit}, amount}
		at, err := tx.Append(store.Header{Kind: KindSlice, Time: milli(t.now)}, s.append(nil))
		if err != nil {
			return 0, err
		}
		a := l.debit(&s)
		a.pending = append(a.pending, slice{amount, at})
		l.at = max(l.at, at)
		last = at
	}
	return last, nil
}

// underway is the position to wait for if slices on their way to the disk cover
// what is wanted; 0 if they do not.
func (l *Ledger) underway(b *budgetRoom) store.Position {
	a := l.accounts[accountKey{b.id, b.start}]
	if a == nil {
		return 0
	}
	covered := b.granted
	for _, s := range a.pending {
		if covered += s.amount; covered >= b.spent()+b.want {
			return s.at
		}
	}
	return 0
}

// slice is the usual size of a budget's slices.
func (b *budgetRoom) slice(ceiling int64) int64 { return max(b.limit/sliceShare, sliceFit*ceiling) }

// pendingOf adds up the slices on their way to the disk.
func (l *Ledger) pendingOf(b *budgetRoom) (sum int64) {
	if a := l.accounts[accountKey{b.id, b.start}]; a != nil {
		for _, s := range a.pending {
			sum += s.amount
		}
	}
	return sum
}

func (l *Ledger) debitedOf(b *budgetRoom) int64 {
	if a := l.accounts[accountKey{b.id, b.start}]; a != nil {
		return a.debited
	}
	return 0
}

// largest is the highest ceiling in the catalogue.
func (t *task) largest() int64 {
	c := int64(0)
	for i := range t.plan.Offers {
		c = max(c, t.plan.Offers[i].Ceiling)
	}
	return c
}

// awaitDurable waits until an entry is on disk.
func (e *Engine) awaitDurable(ctx context.Context, at store.Position) error {
	tick := time.NewTicker(syncPoll)
	defer tick.Stop()
	for e.durable.Durable() < at {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a budget slice to be on disk: %w: %w", ErrUnavailable, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}

// inDoubt puts what slices hold and no entry accounts for in doubt, after a start.
func (l *Ledger) inDoubt(since int64, hard func(budget string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		a.doubt = max(a.debited-a.spent(hard(a.budget)), 0)
		a.doubtSince = since
	}
}

// reconcile hands back what was in doubt, once every token a lost decision
// could have given out has expired.
func (t *task) reconcile(tx store.Tx, l *Ledger) error {
	for i := range t.budgets {
		b := &t.budgets[i]
		if b.doubt == 0 || !t.e.doubtOver(l.accounts[accountKey{b.id, b.start}], t.now) {
			continue
		}
		a := l.accounts[accountKey{b.id, b.start}]
		if err := l.handBack(tx, a, a.doubt, milli(t.now)); err != nil {
			return err
		}
		a.doubt, b.doubt = 0, 0
	}
	return nil
}

// doubtOver reports whether every token lost in the crash has expired.
func (e *Engine) doubtOver(a *account, now time.Time) bool {
	return milli(now) >= a.doubtSince+e.validity.Load()
}

// Close hands back what is left of budget slices, so that the next start finds
// nothing in doubt. It does not close the store, and does nothing in lossless mode.
func (e *Engine) Close(ctx context.Context) error {
	if e.durable == nil {
		return nil
	}
	now := milli(e.businessNow(e.opts.Clock()))
	err := e.opts.Store.Update(ctx, nobody(), func(tx store.Tx) error {
		l := e.opts.Ledger
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, a := range l.sortedAccounts() {
			if left := a.debited - a.doubt - a.spent(e.isHard(a.budget)); left > 0 {
				if err := l.handBack(tx, a, left, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("hand back budget slices: %w", err)
	}
	return nil
}

// handBack appends the entry that takes an amount off an account's debits.
func (l *Ledger) handBack(tx store.Tx, a *account, amount, now int64) error {
	s := sliceEntry{chargeRef{a.budget, a.start, a.end, a.limit}, -amount}
	at, err := tx.Append(store.Header{Kind: KindSlice, Time: now}, s.append(nil))
	if err != nil {
		return err
	}
	l.debit(&s)
	l.at = max(l.at, at)
	return nil
}

// isHard is the guarantee of a budget in the active bundle; unknown ones are hard.
func (e *Engine) isHard(budget string) bool {
	s := e.active.Load()
	if s == nil {
		return true
	}
	b, ok := s.budgets[budget]
	return !ok || b.Guarantee != "expected"
}

// startDoubt opens the first bundle's budgets after a start.
func (e *Engine) startDoubt(s *snapshot) {
	p, _ := s.bundle.Policy("")
	for i := range p.Offers {
		e.validity.Store(max(e.validity.Load(), p.Offers[i].Validity.Milliseconds()))
	}
	if e.durable == nil || e.active.Load() != nil {
		return
	}
	e.opts.Ledger.inDoubt(milli(e.businessNow(e.opts.Clock())), func(budget string) bool {
		b, ok := s.budgets[budget]
		return !ok || b.Guarantee != "expected"
	})
}
