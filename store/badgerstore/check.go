package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

const maxProblems = 100

// Report is what Check found.
type Report struct {
	First    store.Position `json:"first"`
	Last     store.Position `json:"last"`
	Segments int            `json:"segments"`
	Entries  int            `json:"entries"` // kept
	Erased   int            `json:"erased"`  // entries whose subject was erased
	Records  int            `json:"records"`
	Terms    int            `json:"terms"`
	// Checkpoint is the position after which the next Open replays.
	Checkpoint store.Position `json:"checkpoint"`
	// Refolded says that every record was compared with a refolding of the
	// whole log; it needs a Fold and a log from position 1.
	Refolded bool `json:"refolded"`
	// Cut is what the next Open would cut from the end of the log; nil if nothing.
	Cut *commitlog.Cut `json:"cut,omitempty"`
	// Problems say where and what, at most 100.
	Problems []string `json:"problems"`
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) problem(format string, a ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, a...))
	}
}

// Check verifies everything it can in the folder of a store that no process has
// open: every byte of the log, that positions have no gaps, that no record or
// index term is ahead of the log or points to nothing. Given Index it compares
// the terms with those of the entries; given Fold and a complete log, every
// record with a refolding (in memory). It changes nothing in the log. The error
// says why it could not look; what it found is in the Report.
func Check(ctx context.Context, dir string, o Options) (*Report, error) {
	r, err := check(ctx, dir, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("check store %s: %w", dir, err)
	}
	return r, nil
}

func check(ctx context.Context, dir string, o Options) (*Report, error) {
	if _, err := os.Stat(filepath.Join(dir, formatFile)); err != nil {
		return nil, fmt.Errorf("no store: %w", err)
	}
	l, err := claim(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.release() }()
	r := &Report{Problems: []string{}}
	log, cut, err := commitlog.Verify(ctx, filepath.Join(dir, logFolder), commitlog.Options{FS: o.FS, SegmentSize: o.SegmentSize})
	if errors.Is(err, store.ErrCorrupt) {
		r.problem("%v", err)
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	db, err := openBadger(filepath.Join(dir, dataFolder), o)
	if err != nil {
		r.problem("%v", err)
		return r, nil
	}
	defer func() { _ = db.Close() }()
	r.Cut = cut
	c := &checker{r: r, opts: o, log: log, db: db, table: newTable(db, log.ID(), 0)}
	return r, c.run(ctx)
}

// checker walks log and Badger and compares.
type checker struct {
	r        *Report
	opts     Options
	log      *commitlog.Log
	db       *state
	table    *table
	saved    checkpoint
	complete map[store.Subject]store.Position // of records and deletions; see upTo
	state    refold
}

func (c *checker) run(ctx context.Context) error {
	c.r.Last = c.log.Appended()
	for _, g := range c.log.Segments() {
		if c.r.Segments == 0 {
			c.r.First = g.First
		}
		c.r.Segments++
	}
	for _, step := range []func(context.Context) error{c.checkpoint, c.subjects, c.entries, c.records, c.terms} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkpoint(context.Context) error {
	saved, err := loadCheckpoint(c.db)
	if errors.Is(err, store.ErrCorrupt) {
		c.r.problem("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	c.saved, c.r.Checkpoint = saved, saved.replayFrom()-1
	if c.r.Segments == 0 {
		return nil
	}
	if err := (&Store{log: c.log}).fits(saved); err != nil {
		c.r.problem("%v", err)
	}
	for n := range saved.chunks {
		if part, err := c.db.get(machineKey(saved.machine, n)); err != nil || part == nil {
			c.r.problem("machine snapshot at entry %d: part %d of %d is missing", saved.machine, n, saved.chunks)
		}
	}
	return nil
}

// subjects reads what the records of each subject include.
func (c *checker) subjects(context.Context) error {
	c.complete = make(map[store.Subject]store.Position)
	err := eachItem(c.db, []byte{keySubject}, func(key, value []byte) error {
		at, err := decodePosition(value)
		if len(key) != 1+len(store.Subject{}) || err != nil {
			c.r.problem("subject key %x is damaged", key)
			return nil //nolint:nilerr // damage is told in the report
		}
		c.includes(store.Subject(key[1:]), at)
		return nil
	})
	if err != nil {
		return err
	}
	err = c.table.each(nil, func(key, _ []byte, at store.Position) error {
		if of, ok := store.SubjectOf(key); ok {
			c.includes(of, at)
		}
		return nil
	})
	return c.damage(err)
}

func (c *checker) includes(of store.Subject, at store.Position) {
	c.complete[of] = max(c.complete[of], at)
	if at > c.r.Last {
		c.r.problem("records of subject %x include entry %d, but the log ends at %d", of, at, c.r.Last)
	}
}

// upTo is the last entry the subject's records have to include.
func (c *checker) upTo(of store.Subject) store.Position { return max(c.complete[of], c.saved.records) }

// damage takes what Badger is damaged by into the report.
func (c *checker) damage(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		c.r.problem("%v", err)
		return nil
	}
	return err
}

// entries walks the log: it refolds, and looks for the terms Badger should have.
func (c *checker) entries(ctx context.Context) error {
	if c.opts.Fold != nil && c.r.First == 1 {
		c.r.Refolded = true
		c.state = make(refold)
	}
	if c.r.Last == 0 || c.r.Segments == 0 {
		return nil
	}
	return c.log.ScanAll(ctx, c.r.First, func(e *store.Entry, k commitlog.Standing) error {
		if k == commitlog.Gone {
			c.r.Erased++
			return nil
		}
		c.r.Entries++
		if k == commitlog.Kept && c.state != nil && e.Position <= c.upTo(e.Subject) {
			if err := c.state.take(c.opts.Fold, e); err != nil {
				c.r.problem("refold entry %d: %v", e.Position, err)
			}
		}
		return c.expectTerms(e)
	})
}

func (c *checker) expectTerms(e *store.Entry) error {
	if c.opts.Index == nil || e.Position > c.saved.indexed {
		return nil
	}
	for t := range c.opts.Index.Of(e) {
		found, err := c.indexed(hashTerm(c.log.ID(), t), e)
		if err != nil {
			return err
		}
		if !found {
			c.r.problem("entry %d: its term %q is not in the index", e.Position, t)
		}
	}
	return nil
}

// indexed looks for the reference to an entry.
func (c *checker) indexed(hash uint64, e *store.Entry) (found bool, err error) {
	err = c.db.chunks(pageOf(hash), e.Position, false, func(_ []byte, p packed) (bool, error) {
		from, to := p.of(hash)
		for i := from; i < to && !found; i++ {
			r := p.ref(i)
			found = r.at == e.Position && r.subject == e.Subject
		}
		return !found, nil
	})
	return found, err
}

// records compares what Badger has with what the log says.
func (c *checker) records(ctx context.Context) error {
	err := c.table.each(nil, func(key, value []byte, at store.Position) error {
		c.r.Records++
		of, ok := store.SubjectOf(key)
		switch {
		case !ok:
			c.r.problem("record key %x is too short", key)
		case c.state != nil && c.log.Erased(of) <= c.upTo(of):
			c.compare(key, value, at)
		}
		delete(c.state, string(key))
		return ctx.Err()
	})
	if err := c.damage(err); err != nil {
		return err
	}
	for _, key := range c.state.rest() {
		of, _ := store.SubjectOf([]byte(key))
		if c.log.Erased(of) <= c.upTo(of) {
			c.r.problem("record %x is missing; the log says it is of entry %d", key, c.state[key].at)
		}
	}
	return nil
}

func (c *checker) compare(key, value []byte, at store.Position) {
	want, ok := c.state[string(key)]
	switch {
	case !ok:
		c.r.problem("record %x of entry %d: the log says there is none", key, at)
	case want.at != at:
		c.r.problem("record %x is of entry %d, the log says %d", key, at, want.at)
	case !bytes.Equal(want.value, value):
		c.r.problem("record %x of entry %d differs from what the log folds to", key, at)
	}
}

// terms looks for references that point to nothing.
func (c *checker) terms(ctx context.Context) error {
	return eachItem(c.db, []byte{keyTerm}, func(key, value []byte) error {
		page, last, err := splitChunk(key)
		if err != nil || len(value)%refSize != 0 {
			c.r.problem("index key %x is damaged", key)
			return nil //nolint:nilerr // damage is told in the report
		}
		p := packed(value)
		for i := range p.len() {
			c.r.Terms++
			r := p.ref(i)
			if pageOf(r.hash) != page || r.at > last {
				c.r.problem("term %016x of entry %d is in page %d up to entry %d, where it does not belong", r.hash, r.at, page, last)
			}
			if err := c.pointsTo(ctx, &r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *checker) pointsTo(ctx context.Context, r *ref) error {
	e, err := c.log.Read(ctx, r.at)
	switch {
	case errors.Is(err, store.ErrErased): // hidden; Open removes it
	case errors.Is(err, store.ErrNotFound):
		c.r.problem("term %016x points to entry %d, the log has %d to %d", r.hash, r.at, c.r.First, c.r.Last)
	case err != nil:
		return err
	case c.opts.Index != nil && !c.has(&e, r.hash):
		c.r.problem("term %016x points to entry %d, which does not have it", r.hash, r.at)
	}
	return nil
}

func (c *checker) has(e *store.Entry, hash uint64) bool {
	for t := range c.opts.Index.Of(e) {
		if hashTerm(c.log.ID(), t) == hash {
			return true
		}
	}
	return false
}

// eachItem calls fn with key and value of everything under the prefix.
func eachItem(db *state, prefix []byte, fn func(key, value []byte) error) error {
	return db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix, PrefetchValues: true, PrefetchSize: 100})
		defer it.Close()
		for it.Rewind(); it.ValidForPrefix(prefix); it.Next() {
			err := it.Item().Value(func(value []byte) error { return fn(it.Item().KeyCopy(nil), value) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// refold is the state folded from the log once more.
type refold map[string]record

// Get implements store.Reader.
func (m refold) Get(key []byte) ([]byte, store.Position, error) {
	r := m[string(key)]
	return r.value, r.at, nil
}

func (m refold) take(fold store.Fold, e *store.Entry) error {
	var w store.Mutations
	if err := fold(m, &store.Entry{Header: e.Header, Payload: bytes.Clone(e.Payload)}, &w); err != nil {
		return err
	}
	for i := range w {
		if w[i].Delete {
			delete(m, string(w[i].Key))
			continue
		}
		m[string(w[i].Key)] = record{value: w[i].Value, at: e.Position}
	}
	return nil
}

// rest is what the walk over Badger has not met, in order.
func (m refold) rest() []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
