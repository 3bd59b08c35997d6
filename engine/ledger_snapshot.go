package engine

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/store"
)

// ledgerVersion is the first byte of a snapshot (docs/formats/ledger.md).
const ledgerVersion = 1

// Fields of a snapshot.
const (
	snapClock protowire.Number = iota + 1
	snapAccount
	snapOpen
	snapUnit
	snapNewest
)

// Snapshot implements store.Machine. Equal ledgers give equal bytes. Decisions
// go on meanwhile: the lock is held to copy the list of open reservations, which
// do not change, and then for a few units at a time, whose marks as they were
// are kept by own.
func (l *Ledger) Snapshot() ([]byte, store.Position) {
	l.snapshots.Lock()
	defer l.snapshots.Unlock()
	s := l.beginSnapshot()
	defer l.endSnapshot()
	w := wire{s.head}
	slices.SortFunc(s.open, func(a, b *reservation) int { return strings.Compare(a.id, b.id) })
	for _, r := range s.open {
		at := w.open(snapOpen)
		r.append(&w)
		w.close(at)
	}
	for _, u := range l.copyUnits(s.order) {
		at := w.open(snapUnit)
		u.append(&w)
		w.close(at)
	}
	w.int(snapNewest, s.newest)
	return w.b, s.at
}

// snapshotStart is the ledger at the moment of a snapshot, but for the units' marks.
type snapshotStart struct {
	head   []byte // version, clock and accounts
	open   []*reservation
	order  []*unit
	newest int64
	at     store.Position
}

func (l *Ledger) beginSnapshot() snapshotStart {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := wire{[]byte{ledgerVersion}}
	w.int(snapClock, l.clock)
	for _, a := range l.sortedAccounts() {
		at := w.open(snapAccount)
		a.append(&w)
		w.close(at)
	}
	l.taken++
	l.copying = l.taken
	return snapshotStart{head: w.b, open: slices.Clone(l.expiring), order: l.order, newest: l.newest.Load(), at: l.at}
}

func (l *Ledger) endSnapshot() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copying = 0
}

// unitsTogether is how many units are copied under one lock.
const unitsTogether = 256

// copyUnits returns the units as they were when the snapshot began, sorted.
func (l *Ledger) copyUnits(order []*unit) []unit {
	out := make([]unit, 0, len(order))
	for part := range slices.Chunk(order, unitsTogether) {
		l.mu.Lock()
		for _, u := range part {
			marks := u.marks
			if u.owned == l.copying {
				marks = u.before
			}
			out = append(out, unit{key: u.key, marks: marks})
		}
		l.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b unit) int {
		return cmp.Or(cmp.Compare(a.key.kind, b.key.kind), strings.Compare(a.key.id, b.key.id))
	})
	return out
}

// unit is an associate or a household with the offers that count in its caps.
type unit struct {
	key    unitKey
	marks  []mark
	owned  uint64 // the snapshot that before was kept for
	before []mark // the marks when that snapshot began
}

// unit returns the unit of a key, a new one if there is none.
func (l *Ledger) unit(k unitKey) *unit {
	u := l.units[k]
	if u == nil {
		k.id = strings.Clone(k.id) // it may be part of a message
		u = &unit{key: k}
		l.units[k] = u
		l.order = append(l.order, u)
	}
	return u
}

// own makes a unit's marks safe to change: those a snapshot may still read stay as they are.
func (l *Ledger) own(u *unit) {
	switch {
	case l.copying == 0:
		u.before = nil
	case u.owned != l.copying:
		u.owned, u.before, u.marks = l.copying, u.marks, slices.Clone(u.marks)
	}
}

// Restore implements store.Machine.
func (l *Ledger) Restore(snapshot []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	if len(snapshot) == 0 {
		return nil
	}
	if snapshot[0] != ledgerVersion {
		return fmt.Errorf("restore ledger: snapshot of version %d, this build reads %d", snapshot[0], ledgerVersion)
	}
	if err := fields(snapshot[1:], l.restoreField); err != nil {
		return fmt.Errorf("restore ledger: %w", err)
	}
	if err := l.check(); err != nil {
		return fmt.Errorf("restore ledger: %w", err)
	}
	return nil
}

func (l *Ledger) restoreField(f field) error {
	switch f.num {
	case snapClock:
		l.clock = f.int()
	case snapAccount:
		a, err := parseAccount(f.raw)
		if err != nil {
			return err
		}
		l.accounts[a.accountKey] = a
		if before, ok := l.latest[a.budget]; !ok || before < a.start {
			l.latest[a.budget] = a.start
		}
	case snapOpen:
		r, err := parseReservation(f.raw)
		if err != nil {
			return err
		}
		l.open[r.id] = r
		heap.Push(&l.expiring, r)
	case snapUnit:
		return l.restoreUnit(f.raw)
	case snapNewest:
		l.newest.Store(f.int())
	}
	return nil
}

func (a *account) amounts() [12]*int64 {
	return [...]*int64{&a.start, &a.end, &a.limit, &a.issued, &a.reserved, &a.returned, &a.expected,
		&a.variance, &a.settled, &a.redeemed, &a.carried, &a.debited}
}

func (a *account) append(w *wire) {
	w.text(1, a.budget)
	for i, v := range a.amounts() {
		w.int(protowire.Number(i+2), *v)
	}
}

func parseAccount(b []byte) (*account, error) {
	a := new(account)
	amounts := a.amounts()
	err := fields(b, func(f field) error {
		if f.num == 1 {
			a.budget = f.text()
		} else if i := int(f.num) - 2; i >= 0 && i < len(amounts) {
			*amounts[i] = f.int()
		}
		return nil
	})
	if err == nil && a.end <= a.start {
		err = fmt.Errorf("%w: budget %q has a period that ends before it starts", errWire, a.budget)
	}
	return a, err
}

// append writes a reservation; entries and snapshots share the form.
func (r *reservation) append(w *wire) {
	w.text(1, r.id)
	w.text(2, r.offer)
	w.int(3, r.ceiling)
	w.int(4, r.expected)
	w.int(5, r.issued)
	w.int(6, r.expires)
	w.bool(7, r.ghost)
	w.text(8, r.associate)
	w.text(9, r.household)
	appendCharges(w, 10, r.charges)
}

func parseReservation(b []byte) (*reservation, error) {
	r := new(reservation)
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			r.id = f.text()
		case 2:
			r.offer = f.text()
		case 3:
			r.ceiling = f.int()
		case 4:
			r.expected = f.int()
		case 5:
			r.issued = f.int()
		case 6:
			r.expires = f.int()
		case 7:
			r.ghost = f.bool()
		case 8:
			r.associate = f.text()
		case 9:
			r.household = f.text()
		case 10:
			return parseCharge(f.raw, &r.charges)
		}
		return nil
	})
	if err == nil && (r.ceiling < 0 || r.expected < 0) {
		err = fmt.Errorf("%w: reservation %q of a negative amount", errWire, r.id)
	}
	return r, err
}

func appendCharges(w *wire, n protowire.Number, charges []chargeRef) {
	for _, c := range charges {
		at := w.open(n)
		w.text(1, c.budget)
		w.int(2, c.start)
		w.int(3, c.end)
		w.int(4, c.limit)
		w.close(at)
	}
}

func parseCharge(b []byte, out *[]chargeRef) error {
	var c chargeRef
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			c.budget = f.text()
		case 2:
			c.start = f.int()
		case 3:
			c.end = f.int()
		case 4:
			c.limit = f.int()
		}
		return nil
	})
	if err == nil && c.end <= c.start {
		err = fmt.Errorf("%w: charge to budget %q in a period that ends before it starts", errWire, c.budget)
	}
	*out = append(*out, c)
	return err
}

func (u *unit) append(w *wire) {
	w.uint(1, uint64(u.key.kind))
	w.text(2, u.key.id)
	for _, m := range u.marks {
		at := w.open(3)
		w.text(1, m.decision)
		w.int(2, m.at)
		w.int(3, m.expires)
		w.int(4, m.redeemed)
		w.bool(5, m.presented)
		w.bool(6, m.ghost)
		w.close(at)
	}
}

func (l *Ledger) restoreUnit(b []byte) error {
	var k unitKey
	var marks []mark
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			k.kind = byte(f.v)
		case 2:
			k.id = f.text()
		case 3:
			m, err := parseMark(f.raw)
			marks = append(marks, m)
			return err
		}
		return nil
	})
	l.unit(k).marks = marks
	return err
}

func parseMark(b []byte) (m mark, err error) {
	err = fields(b, func(f field) error {
		switch f.num {
		case 1:
			m.decision = f.text()
		case 2:
			m.at = f.int()
		case 3:
			m.expires = f.int()
		case 4:
			m.redeemed = f.int()
		case 5:
			m.presented = f.bool()
		case 6:
			m.ghost = f.bool()
		}
		return nil
	})
	return m, err
}
