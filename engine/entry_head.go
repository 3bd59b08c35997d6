package engine

import (
	"fmt"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// decisionHead is what fold, index and queries need of a decision: the fields
// before its trace. The strings share the payload's memory.
type decisionHead struct {
	id, requestID, supersedes              string
	time                                   int64
	namespace, value                       string
	returnKey, household, associate, scope string
	phase                                  Phase
	consent                                bool
	outcome                                OutcomeValue
	delivered                              string

	reserves bool // an offer was delivered or haunted
	offer    string
	expires  int64
	ghost    bool
}

func parseDecisionHead(e *store.Entry) (decisionHead, error) {
	var d decisionHead
	if len(e.Payload) == 0 || e.Payload[0] != entryVersion {
		return d, fmt.Errorf("decision entry: %w: version %v, this build reads %d", errWire, e.Payload[:min(len(e.Payload), 1)], entryVersion)
	}
	r := fieldReader{b: e.Payload[1:]}
	for r.next() && r.num <= decDelivered {
		if err := d.field(&r.field); err != nil {
			return d, fmt.Errorf("decision entry: %w", err)
		}
	}
	if r.err != nil {
		return d, fmt.Errorf("decision entry: %w", r.err)
	}
	return d, nil
}

func (d *decisionHead) field(f *field) error {
	switch f.num {
	case decLedger:
		return d.ledger(f.raw)
	case decID:
		d.id = f.shared()
	case decRequestID:
		d.requestID = f.shared()
	case decSupersedes:
		d.supersedes = f.shared()
	case decTime:
		d.time = f.int()
	case decNamespace:
		d.namespace = f.shared()
	case decValue:
		d.value = f.shared()
	case decReturnKey:
		d.returnKey = f.shared()
	case decHousehold:
		d.household = f.shared()
	case decAssociate:
		d.associate = f.shared()
	case decScope:
		d.scope = f.shared()
	case decPhase:
		d.phase = Phase(f.v)
	case decConsent:
		d.consent = f.bool()
	case decOutcome:
		d.outcome = OutcomeValue(f.v)
	case decDelivered:
		d.delivered = f.shared()
	}
	return nil
}

// ledger reads what the head needs of the reservation.
func (d *decisionHead) ledger(b []byte) error {
	r := fieldReader{b: b}
	for r.next() {
		if r.num != 1 {
			continue
		}
		d.reserves = true
		f := fieldReader{b: r.raw}
		for f.next() {
			switch f.num {
			case 2:
				d.offer = f.shared()
			case 6:
				d.expires = f.int()
			case 7:
				d.ghost = f.bool()
			}
		}
		if f.err != nil {
			return f.err
		}
	}
	return r.err
}

func (d *decisionHead) customer() profile.Identity {
	return profile.Identity{Namespace: d.namespace, Value: d.value}
}
