package engine

import (
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/store"
)

// append writes a decision's payload: its variables as they were encoded, or, read
// back from a log, as the decision has them. Equal decisions give equal bytes.
func (d *decisionEntry) append(b []byte) []byte {
	w := wire{append(b, entryVersion)}
	if !d.ledger.empty() {
		at := w.open(decLedger)
		d.ledger.append(&w)
		w.close(at)
	}
	w.bytes(decBody, d.body[:])
	d.appendIdentity(&w)
	d.appendAnswer(&w)
	for i := range d.Candidates {
		at := w.open(decCandidate)
		d.Candidates[i].append(&w, d.Candidates[:i], d.values)
		w.close(at)
	}
	for i := range d.Budgets {
		at := w.open(decBudget)
		d.Budgets[i].append(&w)
		w.close(at)
	}
	d.appendCircumstances(&w)
	w.b = append(w.b, d.variables...)
	for i := range d.Variables {
		at := w.open(decVariable)
		d.Variables[i].append(&w)
		w.close(at)
	}
	w.float(decMarginRate, d.MarginRate)
	d.appendShadows(&w)
	d.appendVolatile(&w)
	return w.b
}

func (d *Decision) appendIdentity(w *wire) {
	w.text(decID, d.ID)
	w.text(decRequestID, d.RequestID)
	w.text(decSupersedes, d.Supersedes)
	w.time(decTime, d.Time)
	w.text(decNamespace, d.Customer.Namespace)
	w.text(decValue, d.Customer.Value)
	w.text(decReturnKey, d.ReturnKey)
	w.text(decHousehold, d.Household)
	w.text(decAssociate, d.AssociateID)
	w.text(decScope, d.Scope)
	w.uint(decChannel, uint64(d.Channel))
	w.uint(decPhase, uint64(d.Phase))
	w.text(decCurrency, d.Currency)
	w.int(decExponent, int64(d.Exponent))
	w.bool(decConsent, d.Consent)
	w.bool(decPersonal, d.Personal)
}

func (d *Decision) appendAnswer(w *wire) {
	w.uint(decOutcome, uint64(d.Outcome))
	w.text(decAssigned, d.Assigned)
	w.text(decDelivered, d.Delivered)
	w.bool(decHeldOut, d.HeldOut)
	if d.Offer != nil {
		at := w.open(decTerms)
		d.Offer.append(w)
		w.close(at)
	}
	for _, x := range d.Disclosures {
		at := w.open(decDisclosure)
		w.text(1, x.ID)
		w.text(2, x.Text)
		w.close(at)
	}
	w.float(decPropensity, d.Propensity)
}

func (d *Decision) appendCircumstances(w *wire) {
	at := w.open(decDraw)
	d.Draw.append(w)
	w.close(at)
	for _, a := range d.Arms {
		at := w.open(decArm)
		w.text(1, a.Experiment)
		w.text(2, a.Arm)
		w.float(3, a.Bucket)
		w.float(4, a.Chance)
		w.close(at)
	}
	at = w.open(decProvenance)
	d.Provenance.append(w)
	w.close(at)
	for _, g := range d.Degraded {
		at := w.open(decDegraded)
		w.text(1, g.Subject)
		w.uint(2, uint64(g.Rung))
		w.text(3, g.Cause)
		w.close(at)
	}
}

func (d *Decision) appendVolatile(w *wire) {
	at := w.open(decVolatile)
	w.uint(1, d.Provenance.ProfileVersion)
	for i, t := range d.Timings.parts() {
		w.int(protowire.Number(i+2), int64(*t))
	}
	w.close(at)
}

func (t *Timings) parts() [6]*time.Duration {
	return [...]*time.Duration{&t.Profile, &t.Rules, &t.Scoring, &t.Ledger, &t.Append, &t.Total}
}

// DecodeDecision reads the entry of a decision.
func DecodeDecision(e *store.Entry) (*Decision, error) {
	d, err := parseDecision(e)
	if err != nil {
		return nil, err
	}
	return d.Decision, nil
}

func parseDecision(e *store.Entry) (*decisionEntry, error) {
	d := &decisionEntry{Decision: &Decision{Position: e.Position, Subject: e.Subject, Recorded: recordedTime(e)}}
	err := payloadFields(e.Payload, "decision", d.field)
	sortVariables(d.Variables)
	return d, err
}

func recordedTime(e *store.Entry) time.Time {
	if e.Recorded == 0 {
		return time.Time{}
	}
	return fromMilli(e.Recorded)
}

func (d *decisionEntry) field(f field) (err error) {
	switch f.num {
	case decLedger:
		d.ledger, err = parseLedgerChange(f.raw)
	case decBody:
		copy(d.body[:], f.raw)
	case decCandidate:
		earlier := d.Candidates
		err = parseInto(f.raw, &d.Candidates, func(c *Candidate, f field) error { return c.field(f, earlier) })
	case decBudget:
		err = parseInto(f.raw, &d.Budgets, (*BudgetUse).field)
	case decVariable:
		err = parseInto(f.raw, &d.Variables, (*Variable).field)
	case decDisclosure:
		err = parseInto(f.raw, &d.Disclosures, (*Disclosure).field)
	case decMarginRate:
		d.MarginRate = f.float()
	case decShadow:
		err = parseInto(f.raw, &d.Shadows, (*ShadowScores).field)
	case decArm:
		err = parseInto(f.raw, &d.Arms, (*Arm).field)
	case decDegraded:
		err = parseInto(f.raw, &d.Degraded, (*Degradation).field)
	case decTerms:
		d.Offer = new(Terms)
		err = fields(f.raw, d.Offer.field)
	case decDraw:
		err = fields(f.raw, d.Draw.field)
	case decProvenance:
		err = fields(f.raw, d.Provenance.field)
	case decNumbers:
		err = d.numbers(f.raw)
	case decVolatile:
		err = fields(f.raw, d.volatile)
	default:
		d.scalar(f)
	}
	return err
}

func (d *Decision) scalar(f field) {
	switch f.num {
	case decID:
		d.ID = f.text()
	case decRequestID:
		d.RequestID = f.text()
	case decSupersedes:
		d.Supersedes = f.text()
	case decTime:
		d.Time = f.time()
	case decNamespace:
		d.Customer.Namespace = f.text()
	case decValue:
		d.Customer.Value = f.text()
	case decReturnKey:
		d.ReturnKey = f.text()
	case decHousehold:
		d.Household = f.text()
	case decAssociate:
		d.AssociateID = f.text()
	case decScope:
		d.Scope = f.text()
	case decChannel:
		d.Channel = profile.Channel(f.v)
	case decPhase:
		d.Phase = Phase(f.v)
	case decCurrency:
		d.Currency = f.text()
	case decExponent:
		d.Exponent = int(f.int())
	case decConsent:
		d.Consent = f.bool()
	case decPersonal:
		d.Personal = f.bool()
	case decOutcome:
		d.Outcome = OutcomeValue(f.v)
	case decAssigned:
		d.Assigned = f.text()
	case decDelivered:
		d.Delivered = f.text()
	case decHeldOut:
		d.HeldOut = f.bool()
	case decPropensity:
		d.Propensity = f.float()
	}
}

func (d *Decision) volatile(f field) error {
	parts := d.Timings.parts()
	if f.num == 1 {
		d.Provenance.ProfileVersion = f.v
	} else if i := int(f.num) - 2; i >= 0 && i < len(parts) {
		*parts[i] = time.Duration(f.int())
	}
	return nil
}

// parseInto appends one element parsed field by field.
func parseInto[T any](b []byte, out *[]T, set func(*T, field) error) error {
	var x T
	if err := fields(b, func(f field) error { return set(&x, f) }); err != nil {
		return err
	}
	*out = append(*out, x)
	return nil
}

func (t *Terms) append(w *wire) {
	w.text(1, t.OfferID)
	w.text(2, t.Kind)
	for _, p := range t.Params {
		at := w.open(3)
		w.text(1, p.Name)
		w.float(2, p.Number)
		w.text(3, p.Text)
		w.bool(4, p.IsText)
		w.close(at)
	}
	w.int(4, t.Ceiling)
	w.time(5, t.ValidFrom)
	w.time(6, t.Expires)
	w.texts(7, t.Channels)
	w.texts(8, t.Categories)
}

func (t *Terms) field(f field) error {
	switch f.num {
	case 1:
		t.OfferID = f.text()
	case 2:
		t.Kind = f.text()
	case 3:
		return parseInto(f.raw, &t.Params, (*Param).field)
	case 4:
		t.Ceiling = f.int()
	case 5:
		t.ValidFrom = f.time()
	case 6:
		t.Expires = f.time()
	case 7:
		t.Channels = append(t.Channels, f.text())
	case 8:
		t.Categories = append(t.Categories, f.text())
	}
	return nil
}

func (p *Param) field(f field) error {
	switch f.num {
	case 1:
		p.Name = f.text()
	case 2:
		p.Number = f.float()
	case 3:
		p.Text = f.text()
	case 4:
		p.IsText = f.bool()
	}
	return nil
}

func (x *Disclosure) field(f field) error {
	switch f.num {
	case 1:
		x.ID = f.text()
	case 2:
		x.Text = f.text()
	}
	return nil
}

func (a *Arm) field(f field) error {
	switch f.num {
	case 1:
		a.Experiment = f.text()
	case 2:
		a.Arm = f.text()
	case 3:
		a.Bucket = f.float()
	case 4:
		a.Chance = f.float()
	}
	return nil
}

func (g *Degradation) field(f field) error {
	switch f.num {
	case 1:
		g.Subject = f.text()
	case 2:
		g.Rung = Rung(f.v)
	case 3:
		g.Cause = f.text()
	}
	return nil
}
