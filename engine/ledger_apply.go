package engine

import (
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// Apply implements store.Machine: what recovery sees is done to the ledger
// exactly as it was done live.
func (l *Ledger) Apply(e *store.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	change, touches, err := changeOf(e)
	if err != nil {
		return fmt.Errorf("ledger: entry %d: %w", e.Position, err)
	}
	if touches {
		l.change(&change, e.Time)
	}
	if e.Kind == KindSlice {
		if err := l.applySlice(e.Payload); err != nil {
			return fmt.Errorf("ledger: entry %d: %w", e.Position, err)
		}
	}
	l.at = max(l.at, e.Position)
	switch e.Kind {
	case KindEvent, KindIncentive, KindDecision, KindRepeat:
		l.happened(e.Time)
	}
	return nil
}

// changeOf reads what an entry does to the ledger; touches is false for
// entries the ledger does not see.
func changeOf(e *store.Entry) (c ledgerChange, touches bool, err error) {
	switch e.Kind {
	case KindDecision:
		c, err = decisionChange(e.Payload)
		return c, true, err
	case KindIncentive:
		i, err := parseIncentive(e.Payload)
		if err != nil {
			return c, false, err
		}
		return i.ledger, true, nil
	}
	return c, false, nil
}

// decisionChange reads only the ledger part of a decision, its first field.
func decisionChange(payload []byte) (c ledgerChange, err error) {
	err = payloadFields(payload, "decision", func(f field) (err error) {
		if f.num != decLedger {
			return errEnough
		}
		c, err = parseLedgerChange(f.raw)
		return err
	})
	return c, err
}

// change does what an entry asks for, in the order a decision does it live:
// expiries first, then what is given up, then what is taken.
func (l *Ledger) change(c *ledgerChange, now int64) (overrun bool) {
	l.advance(now)
	if r := c.release; r != nil {
		l.release(r.id, r.associate, r.household)
	}
	if p := c.present; p != nil {
		l.present(p.id, p.associate, p.household)
	}
	if c.settle != nil {
		overrun = l.settle(c.settle)
	}
	if r := c.reserve; r != nil {
		l.mark(r)
		if !r.ghost {
			l.reserve(r)
		}
	}
	return overrun
}
