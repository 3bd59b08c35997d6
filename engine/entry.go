package engine

import (
	"crypto/sha256"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// Kinds of entries in the commit log (docs/formats/entry.md). Never reused.
const (
	KindEvent      uint8 = 1 // an event as profile.AppendEvent writes it
	KindDecision   uint8 = 2 // a decision with its reservation
	KindRepeat     uint8 = 3 // another request that was answered by an earlier decision
	KindActivation uint8 = 4 // a bundle came into force
	KindErasure    uint8 = 5 // a customer was erased
	KindIncentive  uint8 = 6 // a presentation, redemption or release with what it does to the ledger
	KindSlice      uint8 = 7 // a budget slice was debited or handed back (bounded mode)
	KindBlob       uint8 = 8 // part of a bundle's file that is too large for its activation, or of a registered model
	KindCareer     uint8 = 9 // something happened to a registered model
)

// entryVersion is the first byte of every payload but an event's.
const entryVersion = 1

// Fields of a decision's payload. Those from decVolatile on differ between
// runs of the same input and are left out of the canonical form.
const (
	decLedger protowire.Number = iota + 1
	decBody
	decID
	decRequestID
	decSupersedes
	decTime
	decNamespace
	decValue
	decReturnKey
	decHousehold
	decAssociate
	decScope
	decChannel
	decPhase
	decCurrency
	decExponent
	decConsent
	decPersonal
	decOutcome
	decAssigned
	decDelivered
	decHeldOut
	decTerms
	decDisclosure
	decPropensity
	decCandidate
	decBudget
	decDraw
	decArm
	decProvenance
	decDegraded
	decVariable
	decNumbers
	decMarginRate
	decShadow

	decVolatile protowire.Number = 1000 // timings, profile position
)

// decisionEntry is a decision as logged, with what the ledger does.
type decisionEntry struct {
	*Decision
	ledger ledgerChange
	body   [16]byte // digest of the request

	variables []byte  // encoded; nil if the decision has them
	values    *values // of the candidates, encoded; nil if they are to be
}

// ledgerChange is what an entry does to ledger and caps.
type ledgerChange struct {
	reserve *reservation // nil: nothing was delivered or haunted
	release *released    // the decision this one supersedes
	settle  *settlement
	present *released
}

// released names a decision and the units it was counted for.
type released struct {
	id, associate, household string
	at                       int64
}

func (c *ledgerChange) empty() bool {
	return c.reserve == nil && c.release == nil && c.settle == nil && c.present == nil
}

func (c *ledgerChange) append(w *wire) {
	if c.reserve != nil {
		at := w.open(1)
		c.reserve.append(w)
		w.close(at)
	}
	if c.release != nil {
		at := w.open(2)
		c.release.append(w)
		w.close(at)
	}
	if c.settle != nil {
		at := w.open(3)
		c.settle.append(w)
		w.close(at)
	}
	if c.present != nil {
		at := w.open(4)
		c.present.append(w)
		w.close(at)
	}
}

func parseLedgerChange(b []byte) (c ledgerChange, err error) {
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			c.reserve, err = parseReservation(f.raw)
		case 2:
			c.release, err = parseReleased(f.raw)
		case 3:
			c.settle, err = parseSettlement(f.raw)
		case 4:
			c.present, err = parseReleased(f.raw)
		}
		return err
	})
	return c, err
}

func (r *released) append(w *wire) {
	w.text(1, r.id)
	w.text(2, r.associate)
	w.text(3, r.household)
	w.int(4, r.at)
}

func parseReleased(b []byte) (*released, error) {
	r := new(released)
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			r.id = f.text()
		case 2:
			r.associate = f.text()
		case 3:
			r.household = f.text()
		case 4:
			r.at = f.int()
		}
		return nil
	})
	return r, err
}

func (s *settlement) append(w *wire) {
	w.text(1, s.decision)
	w.int(2, s.amount)
	w.int(3, s.at)
	w.int(4, s.lost)
	w.text(5, s.associate)
	w.text(6, s.household)
	appendCharges(w, 7, s.charges)
}

func parseSettlement(b []byte) (*settlement, error) {
	s := new(settlement)
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			s.decision = f.text()
		case 2:
			s.amount = f.int()
		case 3:
			s.at = f.int()
		case 4:
			s.lost = f.int()
		case 5:
			s.associate = f.text()
		case 6:
			s.household = f.text()
		case 7:
			return parseCharge(f.raw, &s.charges)
		}
		return nil
	})
	if err == nil && (s.amount < 0 || s.lost < 0) {
		err = fmt.Errorf("%w: settlement of a negative amount", errWire)
	}
	return s, err
}

// payloadFields checks the version byte and walks the fields.
func payloadFields(b []byte, what string, fn func(field) error) error {
	if len(b) == 0 || b[0] != entryVersion {
		return fmt.Errorf("%s entry: %w: version %v, this build reads %d", what, errWire, b[:min(len(b), 1)], entryVersion)
	}
	if err := fields(b[1:], fn); err != nil {
		return fmt.Errorf("%s entry: %w", what, err)
	}
	return nil
}

// incentiveEntry is an event about an offer with what it does to the ledger.
type incentiveEntry struct {
	ledger ledgerChange
	event  []byte       // as profile.AppendEvent writes it
	token  *redeemToken // of a redemption: what the token said
}

// redeemToken is kept of a redeemed token, so that a lost decision leaves a trace.
type redeemToken struct {
	offer           string
	ceiling         int64
	issued, expires int64
}

func (i *incentiveEntry) append(b []byte) []byte {
	w := wire{append(b, entryVersion)}
	at := w.open(1)
	i.ledger.append(&w)
	w.close(at)
	w.bytes(2, i.event)
	if t := i.token; t != nil {
		at := w.open(3)
		w.text(1, t.offer)
		w.int(2, t.ceiling)
		w.int(3, t.issued)
		w.int(4, t.expires)
		w.close(at)
	}
	return w.b
}

func parseIncentive(b []byte) (*incentiveEntry, error) {
	i := new(incentiveEntry)
	err := payloadFields(b, "incentive", func(f field) (err error) {
		switch f.num {
		case 1:
			i.ledger, err = parseLedgerChange(f.raw)
		case 2:
			i.event = f.raw
		case 3:
			i.token, err = parseRedeemToken(f.raw)
		}
		return err
	})
	return i, err
}

func parseRedeemToken(b []byte) (*redeemToken, error) {
	t := new(redeemToken)
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			t.offer = f.text()
		case 2:
			t.ceiling = f.int()
		case 3:
			t.issued = f.int()
		case 4:
			t.expires = f.int()
		}
		return nil
	})
	return t, err
}

// repeatEntry records that a request was answered by an earlier decision.
type repeatEntry struct {
	requestID, decisionID string
	body                  [16]byte
}

func (r *repeatEntry) append(b []byte) []byte {
	w := wire{append(b, entryVersion)}
	w.text(1, r.requestID)
	w.text(2, r.decisionID)
	w.bytes(3, r.body[:])
	return w.b
}

func parseRepeat(b []byte) (*repeatEntry, error) {
	r := new(repeatEntry)
	err := payloadFields(b, "repeat", func(f field) error {
		switch f.num {
		case 1:
			r.requestID = f.text()
		case 2:
			r.decisionID = f.text()
		case 3:
			copy(r.body[:], f.raw)
		}
		return nil
	})
	return r, err
}

// append writes an activation with the bundle's files in path order.
func (a *Activation) append() []byte {
	w := wire{[]byte{entryVersion}}
	w.text(1, a.Digest)
	w.text(2, a.Name)
	w.int(3, int64(a.Version))
	w.time(4, a.At)
	w.text(5, a.Previous)
	w.bool(6, a.Rollback)
	limit := inlineLimit(a.Files)
	for _, path := range sortedKeys(a.Files) {
		at := w.open(7)
		w.text(1, path)
		if sum, ok := a.apart[path]; ok {
			w.bytes(3, []byte(sum))
		} else if content := a.Files[path]; len(content) <= limit {
			w.bytes(2, content)
		} else {
			sum := sha256.Sum256(content)
			w.bytes(3, sum[:])
		}
		w.close(at)
	}
	w.text(8, a.By)
	w.text(9, a.Request)
	w.text(10, a.Signature)
	w.bool(11, a.Superseded)
	return w.b
}

func parseActivation(b []byte) (*Activation, error) {
	a := &Activation{Files: map[string][]byte{}, apart: map[string]string{}}
	err := payloadFields(b, "activation", func(f field) error {
		switch f.num {
		case 1:
			a.Digest = f.text()
		case 2:
			a.Name = f.text()
		case 3:
			a.Version = int(f.int())
		case 4:
			a.At = f.time()
		case 5:
			a.Previous = f.text()
		case 6:
			a.Rollback = f.bool()
		case 7:
			return a.addFile(f.raw)
		case 8:
			a.By = f.text()
		case 9:
			a.Request = f.text()
		case 10:
			a.Signature = f.text()
		case 11:
			a.Superseded = f.bool()
		}
		return nil
	})
	return a, err
}

func (a *Activation) addFile(b []byte) error {
	var path, sum string
	content := []byte{}
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			path = f.text()
		case 2:
			content = append(content, f.raw...)
		case 3:
			sum = f.text()
		}
		return nil
	})
	a.Files[path] = content
	if sum != "" {
		a.apart[path] = sum
	}
	return err
}

// decodeEvent reads the event of an event or incentive entry.
func decodeEvent(e *store.Entry) (profile.Event, error) {
	raw := e.Payload
	if e.Kind == KindIncentive {
		i, err := parseIncentive(raw)
		if err != nil {
			return profile.Event{}, err
		}
		raw = i.event
	}
	return profile.DecodeEvent(raw)
}

func milli(t time.Time) int64 { return t.UnixMilli() }

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
