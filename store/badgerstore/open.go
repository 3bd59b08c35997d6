package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
)

// Names in the folder.
const (
	formatFile = "FORMAT"
	lockFile   = "LOCK"
	logFolder  = "log"
	dataFolder = "state"

	formatName = "rebound-store"
	// FormatVersion is the layout of the folder this build reads and writes.
	FormatVersion = 3
)

// Open opens the store in dir, creating it if dir is empty or not there, and
// recovers: it verifies the log, restores the Machine and replays what the last
// checkpoint does not include. It fails with ErrLocked, ErrVersion or
// ErrCorrupt, each saying what to do. A damaged log, a newer format and a held
// lock leave every file as it was; where log and state do not belong together, the torn end of
// the log may have been cut, or a missing log begun, before that shows.
func Open(dir string, o Options) (*Store, error) {
	start := time.Now()
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{
		dir: dir, opts: o, filter: newFilter(), relief: make(chan struct{}), flushNow: make(chan struct{}, 1),
		sealed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := s.open(context.Background()); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, errors.Join(err, s.abandon()))
	}
	s.start()
	if err := s.resumeErasures(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), s.Close())
	}
	s.recovery.Took = time.Since(start)
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.lock, err = claim(s.dir); err != nil {
		return err
	}
	s.log, s.recovery.Cut, err = commitlog.Open(ctx, filepath.Join(s.dir, logFolder), commitlog.Options{
		FS: s.opts.FS, Mode: s.opts.Mode, SegmentSize: s.opts.SegmentSize, Queue: s.opts.Queue,
		SegmentAge: s.opts.Retention.Age / 4, SyncEvery: s.opts.SyncEvery, Clock: s.opts.Clock,
		Sealed: func(commitlog.SegmentInfo) { poke(s.sealed) },
	})
	if err != nil {
		return err
	}
	if c := s.recovery.Cut; c != nil {
		s.opts.Logger.Warn("store: cut the torn end of the commit log",
			"file", c.File, "from", c.From, "to", c.To, "position", uint64(c.Position))
	}
	if s.db, err = openBadger(filepath.Join(s.dir, dataFolder), s.opts); err != nil {
		return err
	}
	s.table = newTable(s.db, s.log.ID(), s.opts.CacheBytes)
	return s.recover(ctx)
}

// abandon closes what a failed open had opened.
func (s *Store) abandon() error {
	var errs []error
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

func (s *Store) start() {
	s.running.Add(4)
	go s.fillFilters()
	go s.behind()
	go s.indexer()
	go s.checkpointer()
	poke(s.sealed)
}

// claim locks the folder and checks its format.
func claim(dir string) (*lock, error) {
	if err := recognise(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	l, err := acquire(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	if err := settleFormat(dir); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// recognise refuses a folder that holds something else.
func recognise(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == formatFile {
			return nil
		}
	}
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != formatFile+".tmp" {
			return fmt.Errorf("folder has no %s file but holds %q: it is no store; name an empty folder", formatFile, e.Name())
		}
	}
	return nil
}

// settleFormat checks the format version, or writes it in a new folder.
func settleFormat(dir string) error {
	name := filepath.Join(dir, formatFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return writeFormat(dir, name)
	}
	if err != nil {
		return err
	}
	return checkFormat(name, string(b))
}

func checkFormat(name, text string) error {
	var version int
	if n, err := fmt.Sscanf(text, formatName+" %d\n", &version); n != 1 || err != nil {
		return fmt.Errorf("%s says %q, want %q: %w", name, strings.TrimSpace(text), fmt.Sprintf("%s %d", formatName, FormatVersion), store.ErrCorrupt)
	}
	if version != FormatVersion {
		return fmt.Errorf("%s says version %d, this build reads version %d; open the folder with the rebound that wrote it, or a newer one: %w",
			name, version, FormatVersion, store.ErrVersion)
	}
	return nil
}

func writeFormat(dir, name string) error {
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d\n", formatName, FormatVersion)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return commitlog.OS{}.SyncDir(dir)
}

// heal removes the empty files a kill can leave behind: Badger creates .mem and
// .vlog files, then sizes them, and between the two its next Open fails.
func heal(dir string, log *slog.Logger) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if ext := filepath.Ext(name); ext != ".mem" && ext != ".vlog" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			continue
		}
		if err := os.Remove(name); err != nil {
			return err
		}
		log.Warn("store: removed an empty file a crash left", "file", name)
	}
	return nil
}

// openBadger opens Badger with every value inline: its value log is never
// written to and never collected, for that made deleted keys readable again.
func openBadger(dir string, o Options) (*state, error) {
	if err := heal(dir, o.Logger); err != nil {
		return nil, err
	}
	return openState(badgerOptions(dir, o))
}

func openState(o badger.Options) (*state, error) {
	db, err := badger.OpenManaged(o)
	if err != nil {
		return nil, fmt.Errorf("open badger: %w", err)
	}
	return newState(db), nil
}

func badgerOptions(dir string, o Options) badger.Options {
	return badger.DefaultOptions(dir).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithMemTableSize(o.MemTableSize).
		WithValueThreshold(1 << 20). // the most Badger takes, above any record
		WithValueLogFileSize(max(o.MemTableSize, 64<<20)).
		WithNumVersionsToKeep(1).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithNumCompactors(2).
		WithLogger(badgerLogger{o.Logger})
}

// badgerLogger passes on what is worth an operator's attention.
type badgerLogger struct{ log *slog.Logger }

func (l badgerLogger) Errorf(f string, a ...any)   { l.log.Error("badger", "text", line(f, a)) }
func (l badgerLogger) Warningf(f string, a ...any) { l.log.Warn("badger", "text", line(f, a)) }
func (l badgerLogger) Infof(f string, a ...any)    { l.log.Debug("badger", "text", line(f, a)) }
func (l badgerLogger) Debugf(string, ...any)       {}

func line(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
