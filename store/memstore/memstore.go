// Package memstore is the store contract in memory: the twin of the store on
// disk, for tests, demos and dry runs.
//
// It owns the order of entries, the records folded from them and the terms they
// are found by. It refuses to know files: nothing survives the process, but an
// Image handed to two Opens plays the part of the folder, so that recovery can be tested.
package memstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/rebound-engine/rebound/store"
)

const stripes = 256

// Options say what the store builds from entries. Every field may be left out.
type Options struct {
	Fold    store.Fold
	Machine store.Machine
	Index   store.Index
	// Clock is wall time, for Entry.Recorded; time.Now if nil.
	Clock func() time.Time
	// Image is what Open recovers from and writes to; a new one if nil.
	Image *Image
}

// Image is what would be on disk: the log and the last checkpoint of the
// Machine. The zero value is empty. One open store at a time may use it.
type Image struct {
	entries  []logged
	snapshot []byte
	at       store.Position // what snapshot includes
	open     bool
	mu       sync.Mutex // guards open
}

type logged struct {
	store.Entry
	erasing bool
}

type record struct {
	value []byte
	at    store.Position
}

// Store implements store.Store. Use Open.
type Store struct {
	opts    Options
	seed    maphash.Seed
	stripes [stripes]sync.Mutex
	nobody  sync.Mutex   // around each append for nobody, taken under any stripe
	erasing sync.RWMutex // Erase reads, Checkpoint writes: no snapshot between an erasing entry and its Apply

	mu      sync.RWMutex // guards all below, and img's entries
	img     *Image
	records map[string]record
	terms   map[string][]store.Position
	erased  map[store.Subject]store.Position
	changed chan struct{}
	closed  bool
}

var _ store.Store = (*Store)(nil)

// Open returns a store with what the Image holds; ErrLocked if the Image is open already.
func Open(o Options) (*Store, error) {
	if o.Image == nil {
		o.Image = new(Image)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if err := o.Image.acquire(); err != nil {
		return nil, err
	}
	s := &Store{
		opts: o, seed: maphash.MakeSeed(), img: o.Image,
		records: make(map[string]record), terms: make(map[string][]store.Position),
		erased: make(map[store.Subject]store.Position), changed: make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		o.Image.release()
		return nil, fmt.Errorf("recover memory store: %w", err)
	}
	return s, nil
}

func (i *Image) acquire() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open {
		return fmt.Errorf("open memory store: image of another open store: %w", store.ErrLocked)
	}
	i.open = true
	return nil
}

func (i *Image) release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open = false
}

// recover folds the whole log again and brings the Machine up to date.
func (s *Store) recover() error {
	if s.opts.Machine != nil {
		if err := s.opts.Machine.Restore(s.img.snapshot); err != nil {
			return fmt.Errorf("restore machine at position %d: %w", s.img.at, err)
		}
	}
	for i := range s.img.entries {
		if e := &s.img.entries[i]; e.erasing {
			s.erased[e.Subject] = e.Position
		}
	}
	for i := range s.img.entries {
		if err := s.replay(&s.img.entries[i]); err != nil {
			return fmt.Errorf("replay entry %d: %w", s.img.entries[i].Position, err)
		}
	}
	return nil
}

func (s *Store) replay(e *logged) error {
	gone := !e.erasing && s.erased[e.Subject] >= e.Position
	if !gone {
		s.addTerms(&e.Entry)
	}
	if !gone && !e.erasing && s.opts.Fold != nil {
		m, err := s.fold(&tx{s: s}, e.Header, e.Payload)
		if err != nil {
			return err
		}
		s.apply(m, e.Position)
	}
	if s.opts.Machine != nil && e.Position > s.img.at {
		return s.opts.Machine.Apply(&e.Entry)
	}
	return nil
}

func (s *Store) fold(r store.Reader, h store.Header, payload []byte) (store.Mutations, error) {
	var m store.Mutations
	if s.opts.Fold == nil {
		return nil, nil
	}
	if err := s.opts.Fold(r, &store.Entry{Header: h, Payload: payload}, &m); err != nil {
		return nil, fmt.Errorf("fold entry of kind %d: %w", h.Kind, err)
	}
	return m, m.Check(h.Subject)
}

func (s *Store) apply(m store.Mutations, at store.Position) {
	for i := range m {
		if m[i].Delete {
			delete(s.records, string(m[i].Key))
			continue
		}
		s.records[string(m[i].Key)] = record{m[i].Value, at}
	}
}

func (s *Store) addTerms(e *store.Entry) {
	if s.opts.Index == nil {
		return
	}
	for t := range s.opts.Index.Of(e) {
		if ps := s.terms[string(t)]; len(ps) == 0 || ps[len(ps)-1] != e.Position {
			s.terms[string(t)] = append(ps, e.Position)
		}
	}
}

func (s *Store) last() store.Position { return store.Position(len(s.img.entries)) }

func (s *Store) lock(of store.Subject) *sync.Mutex {
	return &s.stripes[maphash.Bytes(s.seed, of[:])%stripes]
}

// Close forgets the records; the Image keeps the log.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.changed)
	s.img.release()
	return nil
}

// Last implements store.Store: every appended entry is acknowledged.
func (s *Store) Last() store.Position {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last()
}

// Changed implements store.Store; the channel is closed for good after Close.
func (s *Store) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// Checkpoint saves the Machine in the Image.
func (s *Store) Checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	s.erasing.Lock()
	defer s.erasing.Unlock()
	if s.opts.Machine == nil {
		return s.usable("checkpoint")
	}
	settled := s.settle()
	snapshot, at := s.opts.Machine.Snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("checkpoint: %w", store.ErrClosed)
	}
	s.img.snapshot, s.img.at = append([]byte(nil), snapshot...), max(at, settled)
	return nil
}

// settle returns a position such that every entry up to it is through its Update.
func (s *Store) settle() store.Position {
	at := s.Last()
	for i := range s.stripes {
		s.stripes[i].Lock()
		s.stripes[i].Unlock() //nolint:staticcheck // passing through is the point
	}
	return at
}

func (s *Store) usable(step string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("%s: %w", step, store.ErrClosed)
	}
	return nil
}
