package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rebound-engine/rebound/store"
)

// Erase implements store.Store. Once the erasing entry is on disk the subject
// is gone for every reader, also after a crash; what follows removes the bytes
// and is taken up again by Open if it was cut off.
func (s *Store) Erase(ctx context.Context, h store.Header, payload []byte) (store.Position, error) {
	if err := s.usable(); err != nil {
		return 0, fmt.Errorf("erase: %w", err)
	}
	defer s.release()
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("erase subject %x: %w", h.Subject, err)
	}
	if h.Subject.IsZero() {
		return 0, errors.New("erase: the subject is nobody")
	}
	if err := store.CheckEntry(h, h.Subject, payload); err != nil {
		return 0, err
	}
	at, err := s.appendErasure(ctx, h, payload)
	if err != nil {
		return at, err
	}
	if err := s.finishErasure(ctx, h.Subject, at); err != nil {
		return at, fmt.Errorf("subject %x is erased, but its bytes are still on disk until the store is opened again: %w", h.Subject, err)
	}
	return at, nil
}

func (s *Store) appendErasure(ctx context.Context, h store.Header, payload []byte) (store.Position, error) {
	s.erasing.RLock()
	defer s.erasing.RUnlock()
	at, err := s.lockedErasure(ctx, h, payload)
	if at == 0 {
		return 0, err
	}
	return at, errors.Join(err, s.log.Wait(ctx, at))
}

func (s *Store) lockedErasure(ctx context.Context, h store.Header, payload []byte) (store.Position, error) {
	l := &s.table.stripe(h.Subject).lock
	l.Lock()
	defer l.Unlock()
	at, recorded, err := s.log.Append(ctx, h, payload, true)
	if err != nil {
		return 0, fmt.Errorf("erase subject %x: %w", h.Subject, err)
	}
	e := store.Entry{Header: h, Position: at, Recorded: recorded, Payload: payload}
	s.remember(&e, new(store.Terms))
	if err := s.table.forget(h.Subject, at); err != nil {
		return at, err
	}
	if s.opts.Machine == nil {
		return at, nil
	}
	if err := s.opts.Machine.Apply(&e); err != nil {
		return at, fmt.Errorf("apply erasing entry %d: %w", at, err)
	}
	return at, nil
}

// finishErasure removes what is left of an erased subject. The order makes it
// safe to repeat: terms are read from payloads, so they go first; the checkpoint
// must not need the payloads any more; then they are overwritten.
func (s *Store) finishErasure(ctx context.Context, of store.Subject, at store.Position) error {
	if err := s.dropTerms(ctx, of, at); err != nil {
		return err
	}
	if err := s.Checkpoint(ctx); err != nil {
		return err
	}
	if err := s.log.Scrub(ctx, of, at); err != nil {
		return err
	}
	return s.db.set(subjectKey(keyErasure, of), encodePosition(at))
}

// dropTerms deletes the references to the subject's entries before the erasing one.
func (s *Store) dropTerms(ctx context.Context, of store.Subject, at store.Position) error {
	s.erasureMu.Lock()
	defer s.erasureMu.Unlock()
	if s.opts.Index == nil {
		return nil
	}
	first := make(map[uint16]store.Position) // of the subject's entries, by page
	err := s.log.Visit(ctx, of, at, func(e *store.Entry) error {
		for t := range s.opts.Index.Of(e) {
			if page := pageOf(hashTerm(s.recent.seed, t)); first[page] == 0 {
				first[page] = e.Position
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w := s.db.batch()
	defer w.Cancel()
	for page, from := range first {
		if err := s.db.prune(w, page, from, at, func(r *ref) bool { return r.subject == of && r.at < at }); err != nil {
			return err
		}
	}
	return w.Flush()
}

// resumeErasures finishes what a crash cut off.
func (s *Store) resumeErasures(ctx context.Context) error {
	all := s.log.Erasures()
	for _, of := range slices.SortedFunc(maps.Keys(all), compareSubjects) {
		b, err := s.db.get(subjectKey(keyErasure, of))
		if err != nil {
			return err
		}
		if done, err := decodePosition(b); err == nil && done >= all[of] {
			continue
		}
		if err := s.finishErasure(ctx, of, all[of]); err != nil {
			return fmt.Errorf("finish erasing subject %x: %w", of, err)
		}
	}
	return nil
}
