package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/store"
)

// Record appends events and answers with one result each, in order, once what
// was accepted is acknowledged. An event that was recorded before is a
// duplicate and changes nothing, so a call that failed half-way is safe to repeat.
func (e *Engine) Record(ctx context.Context, events []*profile.Event) ([]EventResult, error) {
	results := make([]EventResult, len(events))
	var order []store.Subject
	of := map[store.Subject][]int{}
	now := e.opts.Clock()
	for i, ev := range events {
		results[i] = EventResult{EventID: ev.ID}
		if err := profile.Validate(ev, now, e.opts.MaxSkew); err != nil {
			results[i].reject(EventInvalid, err.Error())
			continue
		}
		s := profile.SubjectOf(ev.Customer)
		if of[s] == nil {
			order = append(order, s)
		}
		of[s] = append(of[s], i)
	}
	var last store.Position
	for _, s := range order {
		at, err := e.recordOf(ctx, s, events, of[s], results)
		if err != nil {
			return nil, unavailable("record events", err)
		}
		last = max(last, at)
	}
	if err := e.opts.Store.Acknowledged(ctx, last); err != nil {
		return nil, unavailable("record events", err)
	}
	return results, nil
}

// recordOf records the events of one customer under one lock, and returns the
// position to wait for: of a duplicate, too, the first may not be on disk yet.
func (e *Engine) recordOf(ctx context.Context, s store.Subject, events []*profile.Event, which []int, results []EventResult) (store.Position, error) {
	var known store.Position
	last, err := e.opts.Store.Apply(ctx, s, func(tx store.Tx) error {
		for _, i := range which {
			at, err := e.recordOne(tx, s, events[i], &results[i])
			if err != nil {
				return fmt.Errorf("record event %q: %w", events[i].ID, err)
			}
			known = max(known, at)
		}
		return nil
	})
	return max(last, known), err
}

func (r *EventResult) reject(reason EventReason, detail string) {
	r.Status, r.Reason, r.Detail = EventRejected, reason, detail
}

// recordOne records an event and returns the position it is known at.
func (e *Engine) recordOne(tx store.Tx, s store.Subject, ev *profile.Event, r *EventResult) (store.Position, error) {
	records, at, err := readProfile(tx, s)
	if err != nil {
		return 0, err
	}
	known, err := profile.Contains(records.History, ev.ID)
	if err != nil {
		return 0, err
	}
	if known {
		r.Status = EventDuplicate
		return at, nil
	}
	switch ev.Kind {
	case profile.KindPresentation, profile.KindRedemption, profile.KindRelease:
		return r.Position, e.recordIncentive(tx, s, ev, r)
	}
	at, err = tx.Append(store.Header{Kind: KindEvent, Subject: s, Time: milli(ev.Time)}, profile.AppendEvent(nil, ev))
	if err != nil {
		return 0, err
	}
	r.Status, r.Position = EventAccepted, at
	e.opts.Ledger.happened(milli(ev.Time))
	return at, nil
}

// recordIncentive checks an event about an offer and appends it together with
// what it does to the ledger, under the ledger's lock.
func (e *Engine) recordIncentive(tx store.Tx, s store.Subject, ev *profile.Event, r *EventResult) error {
	offers, err := readOffers(tx, s)
	if err != nil {
		return err
	}
	l := e.opts.Ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := incentiveEntry{}
	switch item := offers.find(ev.DecisionID); ev.Kind {
	case profile.KindPresentation:
		entry.present(item)
	case profile.KindRelease:
		entry.giveUp(item, r)
	case profile.KindRedemption:
		e.redeem(s, ev, item, &entry, r)
	}
	if r.Status == EventRejected {
		return nil
	}
	entry.event = profile.AppendEvent(nil, ev)
	at, err := tx.Append(store.Header{Kind: KindIncentive, Subject: s, Time: milli(ev.Time)}, entry.append(nil))
	if err != nil {
		return err
	}
	r.Overrun = l.change(&entry.ledger, milli(ev.Time))
	l.at = max(l.at, at)
	r.Status, r.Position = EventAccepted, at
	e.opts.Ledger.happened(milli(ev.Time))
	return nil
}

// present notes that the offer of a decision was shown; an offer somebody else
// made counts in the customer's caps alone.
func (i *incentiveEntry) present(item *offerItem) {
	if item != nil {
		i.ledger.present = item.units()
	}
}

func (o *offerItem) units() *released {
	return &released{id: o.decision, associate: o.associate, household: o.household}
}

// giveUp releases the reservation of an offer before its expiry.
func (i *incentiveEntry) giveUp(item *offerItem, r *EventResult) {
	switch {
	case item == nil:
		r.reject(EventUnknownDecision, "no decision of this customer has this id")
	case item.redeemed > 0:
		r.reject(EventAlreadyRedeemed, "a redeemed offer cannot be given up")
	default:
		i.ledger.release = item.units()
	}
}

// redeem checks the token and settles. A redemption without a token is taken
// for an offer this log knows nothing of, and settles nothing.
func (e *Engine) redeem(s store.Subject, ev *profile.Event, item *offerItem, entry *incentiveEntry, r *EventResult) {
	if len(ev.Token) == 0 {
		if item != nil && item.offer != "" {
			r.reject(EventTokenMissing, "send the token the offer was made with")
		}
		return
	}
	t, err := e.opts.TokenKeys.Verify(ev.Token)
	if err != nil {
		r.reject(EventTokenForged, err.Error())
		return
	}
	if reason, detail := checkToken(t, s, ev, item); reason != "" {
		r.reject(reason, detail)
		return
	}
	entry.token = &redeemToken{offer: t.OfferID, ceiling: t.Ceiling, issued: milli(t.Issued), expires: milli(t.Expires)}
	entry.ledger.settle = e.settlementOf(t, ev, item)
	r.Settled = ev.Amount
}

// checkToken holds the redemption against what was promised.
func checkToken(t *Token, s store.Subject, ev *profile.Event, item *offerItem) (EventReason, string) {
	switch {
	case t.Subject != s:
		return EventTokenCustomer, "the offer was made to another customer"
	case t.DecisionID != ev.DecisionID || ev.OfferID != "" && t.OfferID != ev.OfferID:
		return EventTokenForged, fmt.Sprintf("the token is for offer %q of decision %q", t.OfferID, t.DecisionID)
	case !strings.EqualFold(t.Currency, ev.Currency):
		return EventInvalid, fmt.Sprintf("the offer is in %s, the redemption in %s", t.Currency, ev.Currency)
	case !ev.Time.Before(t.Expires):
		return EventTokenExpired, "the offer was valid until " + t.Expires.Format("2006-01-02T15:04:05.000Z07:00")
	case ev.Amount > t.Ceiling:
		return EventAboveCeiling, fmt.Sprintf("%s is above the ceiling of %s", currency.Text(ev.Amount, t.Currency), currency.Text(t.Ceiling, t.Currency))
	case item == nil:
		return "", ""
	case item.redeemed > 0:
		return EventAlreadyRedeemed, "a token settles once"
	case item.released:
		return EventOfferReleased, "the offer was given up"
	case item.superseded:
		return EventOfferReleased, "a later decision for the same return replaced the offer"
	}
	return "", ""
}

// settlementOf charges a redemption to the periods of its Decide. The token
// stands in for a decision that was lost.
func (e *Engine) settlementOf(t *Token, ev *profile.Event, item *offerItem) *settlement {
	s := &settlement{decision: t.DecisionID, amount: ev.Amount, at: max(milli(ev.Time), 1)}
	if item != nil {
		s.associate, s.household = item.associate, item.household
	} else {
		s.lost = t.Ceiling
	}
	for _, b := range t.Budgets {
		s.charges = append(s.charges, chargeRef{budget: b.ID, start: milli(b.Start), end: milli(b.End), limit: e.limitOf(b.ID)})
	}
	return s
}

// limitOf is the budget's limit in the active bundle, for accounts nothing is known of.
func (e *Engine) limitOf(id string) int64 {
	s := e.active.Load()
	if s == nil {
		return 0
	}
	b, ok := s.budgets[id]
	if !ok {
		return 0
	}
	return b.Limit
}

// Declare records declared attributes as events whose ids are the request ids.
func (e *Engine) Declare(ctx context.Context, attributes []Attributes) ([]EventResult, error) {
	events := make([]*profile.Event, len(attributes))
	for i := range attributes {
		a := &attributes[i]
		at := a.Time
		if at.IsZero() {
			at = e.businessNow(e.opts.Clock())
		}
		events[i] = &profile.Event{
			ID: a.RequestID, Kind: profile.KindAttributes, Customer: a.Customer, Time: at,
			LoyaltyMember: a.LoyaltyMember, LoyaltyTier: a.LoyaltyTier, Consent: a.Consent, Household: a.Household,
		}
	}
	return e.Record(ctx, events)
}
