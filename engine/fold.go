package engine

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// NewFold returns the fold a store builds its records with, for live use and
// recovery alike: events into the customer's profile (engine/profile),
// decisions and what became of them into the offer record.
func NewFold() store.Fold {
	f := &folder{}
	return f.fold
}

type folder struct{ profiles profile.Folder }

func (f *folder) fold(r store.Reader, e *store.Entry, w store.Writer) error {
	switch e.Kind {
	case KindEvent:
		ev, err := profile.DecodeEvent(e.Payload)
		if err != nil {
			return err
		}
		return f.event(r, e.Subject, &ev, w)
	case KindIncentive:
		return f.incentive(r, e, w)
	case KindDecision:
		return f.decision(r, e, w)
	}
	return nil
}

func (f *folder) event(r store.Reader, s store.Subject, ev *profile.Event, w store.Writer) error {
	before, _, err := readProfile(r, s)
	if err != nil {
		return err
	}
	after, result, err := f.profiles.Event(before.History, ev)
	if err != nil {
		return fmt.Errorf("fold event %q: %w", ev.ID, err)
	}
	if result != profile.Duplicate {
		w.Put(store.Key(profile.TableProfiles, s), after.Profile())
	}
	return nil
}

// readProfile reads a customer's profile and the position of the last event in it.
func readProfile(r store.Reader, s store.Subject) (profile.Records, store.Position, error) {
	b, at, err := r.Get(store.Key(profile.TableProfiles, s))
	if err != nil {
		return profile.Records{}, 0, fmt.Errorf("read profile: %w", err)
	}
	records, err := profile.ParseRecords(b)
	return records, at, err
}

func (f *folder) incentive(r store.Reader, e *store.Entry, w store.Writer) error {
	i, err := parseIncentive(e.Payload)
	if err != nil {
		return err
	}
	ev, err := profile.DecodeEvent(i.event)
	if err != nil {
		return err
	}
	offers, err := readOffers(r, e.Subject)
	if err != nil {
		return err
	}
	w.Put(store.Key(TableOffers, e.Subject), offers.happened(&ev, i.token).append(nil))
	return f.event(r, e.Subject, &ev, w)
}

func (f *folder) decision(r store.Reader, e *store.Entry, w store.Writer) error {
	d, err := parseDecisionHead(e)
	if err != nil {
		return err
	}
	key := store.Key(TableOffers, e.Subject)
	old, _, err := r.Get(key)
	if err != nil {
		return fmt.Errorf("read offer record: %w", err)
	}
	record, err := decidedRecord(old, &d)
	if err != nil {
		return err
	}
	w.Put(key, record)
	return nil
}

// Terms of the index: a letter for the kind, then the value. Each is a write per
// entry, so there is none for what a filter over another one finds.
const (
	termDecision   = 'd' // decision id; of a repeat, the id its request would have given one
	termSubject    = 'u' // subject
	termScope      = 's' // scope, and every scope above it
	termActivation = 'a' // every activation
	termBlob       = 'b' // SHA-256 of a file logged apart
	termErasure    = 'x' // request id of an erasure
	termCareer     = 'm' // every change of a registered model
)

func term(kind byte, value string) []byte {
	t := make([]byte, 0, 1+len(value))
	t = append(t, kind)
	return append(t, value...)
}

// Index adds the terms an entry is found by. It implements store.Index.
func Index(e *store.Entry, t *store.Terms) {
	switch e.Kind {
	case KindDecision:
		indexDecision(e, t)
	case KindRepeat:
		if r, err := parseRepeat(e.Payload); err == nil {
			t.Add(termDecision, decisionID(r.requestID))
		}
	case KindEvent, KindIncentive:
		t.Add(termSubject, string(e.Subject[:]))
	case KindActivation:
		t.Add(termActivation, "")
	case KindBlob:
		if c, err := parseBlob(e.Payload); err == nil {
			t.Add(termBlob, c.sum)
		}
	case KindCareer:
		t.Add(termCareer, "")
	case KindErasure:
		if id := erasureRequest(e.Payload); id != "" {
			t.Add(termErasure, id)
		}
	}
}

func indexDecision(e *store.Entry, t *store.Terms) {
	d, err := parseDecisionHead(e)
	if err != nil {
		return
	}
	t.Add(termDecision, d.id)
	if !e.Subject.IsZero() {
		t.Add(termSubject, string(e.Subject[:]))
	}
	for i := range len(d.scope) { // every scope above, but for the company
		if d.scope[i] == '.' {
			t.Add(termScope, d.scope[:i])
		}
	}
	if d.scope != "" {
		t.Add(termScope, d.scope)
	}
}

func returnKeyBytes(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
