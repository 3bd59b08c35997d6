package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/store"
)

// Career is something that happened to a registered model, as it is logged.
type Career struct {
	registry.Change
	Position store.Position
	Request  string // id of the request that asked; may be empty
	File     string // of a registration: the file's name, whose ending says what it is
	Bytes    int    // of a registration: the file's size
	sum      string // of a registration: SHA-256 of the file, which is logged apart
}

// careers are all registered models and how they came to where they are. They
// are read from the log before the first bundle is compiled, and changed with
// Engine.swap held.
type careers struct {
	loaded bool
	state  *registry.Registry
	log    []Career       // oldest first
	from   store.Position // the oldest entry they are read from
}

// Fields of a career's payload. A copy that retention made holds every change
// so far instead of one.
const (
	careerChange protowire.Number = iota + 1 // as JSON; see registry.Change
	careerRequest
	careerFile
	careerBytes
	careerSum
	careerPosition
	careerAll // all changes so far, each with the fields above
)

func (c *Career) fields(w *wire) error {
	change, err := json.Marshal(&c.Change)
	if err != nil {
		return fmt.Errorf("encode career of %s: %w", c.Digest, err)
	}
	w.bytes(careerChange, change)
	w.text(careerRequest, c.Request)
	w.text(careerFile, c.File)
	w.int(careerBytes, int64(c.Bytes))
	w.text(careerSum, c.sum)
	w.uint(careerPosition, uint64(c.Position))
	return nil
}

func (c *Career) append() ([]byte, error) {
	w := wire{[]byte{entryVersion}}
	err := c.fields(&w)
	return w.b, err
}

// appendCareers writes all changes so far as one entry.
func appendCareers(log []Career) ([]byte, error) {
	w := wire{[]byte{entryVersion}}
	for i := range log {
		at := w.open(careerAll)
		if err := log[i].fields(&w); err != nil {
			return nil, err
		}
		w.close(at)
	}
	return w.b, nil
}

// parseCareers reads one change, or with all set every change before it too.
func parseCareers(b []byte) (log []Career, all bool, err error) {
	var one Career
	err = payloadFields(b, "career", func(f field) error {
		if f.num == careerAll {
			all = true
			return parseInto(f.raw, &log, (*Career).field)
		}
		return one.field(f)
	})
	if !all {
		log = []Career{one}
	}
	return log, all, err
}

func (c *Career) field(f field) error {
	switch f.num {
	case careerChange:
		if err := json.Unmarshal(f.raw, &c.Change); err != nil {
			return fmt.Errorf("%w: %w", errWire, err)
		}
	case careerRequest:
		c.Request = f.text()
	case careerFile:
		c.File = f.text()
	case careerBytes:
		c.Bytes = int(f.int())
	case careerSum:
		c.sum = f.text()
	case careerPosition:
		c.Position = store.Position(f.v)
	}
	return nil
}

// loadCareers reads the careers from the log, once. The caller holds Engine.swap.
func (e *Engine) loadCareers(ctx context.Context) error {
	if e.careers.loaded {
		return nil
	}
	log, from, err := e.readCareers(ctx)
	if err != nil {
		return fmt.Errorf("read the careers of models: %w", err)
	}
	changes := make([]registry.Change, len(log))
	for i := range log {
		changes[i] = log[i].Change
	}
	state, err := registry.Replay(changes)
	if err != nil {
		return fmt.Errorf("read the careers of models: %w", err)
	}
	e.careers = careers{loaded: true, state: state, log: log, from: from}
	return nil
}

// readCareers walks back to the first change, or to a copy of all before it.
func (e *Engine) readCareers(ctx context.Context) (log []Career, from store.Position, err error) {
	for before := store.Position(0); ; {
		at, err := e.opts.Store.Lookup(ctx, term(termCareer, ""), before, true, activationPage)
		if err != nil {
			return nil, 0, err
		}
		for _, pos := range at {
			entry, err := e.opts.Store.Read(ctx, pos)
			if err != nil {
				return nil, 0, fmt.Errorf("entry %d: %w", pos, err)
			}
			found, all, err := parseCareers(entry.Payload)
			if err != nil {
				return nil, 0, fmt.Errorf("entry %d: %w", pos, err)
			}
			if !all {
				found[0].Position = pos
			}
			log, from = append(found, log...), pos
			if all {
				return log, from, nil
			}
		}
		if len(at) < activationPage {
			return log, from, nil
		}
		before = at[len(at)-1]
	}
}

// keepCareers logs again what retention is about to drop of the careers: the
// files of all models, and every change in one entry. The caller holds Engine.swap.
func (e *Engine) keepCareers(ctx context.Context, before store.Position) error {
	if err := e.loadCareers(ctx); err != nil {
		return err
	}
	for i := range e.careers.log {
		c := &e.careers.log[i]
		if c.sum == "" {
			continue
		}
		if err := e.keepBlob(ctx, c.sum, before); err != nil {
			return fmt.Errorf("keep model %s: %w", c.Digest, err)
		}
	}
	if len(e.careers.log) == 0 || e.careers.from >= before {
		return nil
	}
	payload, err := appendCareers(e.careers.log)
	if err != nil {
		return err
	}
	at, err := e.appendGlobal(ctx, KindCareer, e.opts.Ledger.newest.Load(), payload)
	if err == nil {
		e.careers.from = at
	}
	return err
}

// logCareer appends a change and, of a registration, the file before it.
func (e *Engine) logCareer(ctx context.Context, c *Career, content []byte) error {
	if len(content) > 0 {
		if err := e.logBlob(ctx, content, 0); err != nil {
			return fmt.Errorf("log the file: %w", err)
		}
	}
	payload, err := c.append()
	if err != nil {
		return err
	}
	if c.Position, err = e.appendGlobal(ctx, KindCareer, milli(c.At), payload); err != nil {
		return err
	}
	return nil
}

var errNoArtifacts = errors.New("this engine was made without OpenArtifact")
