package live

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/rebound-engine/rebound/server"
)

// Watch acts on a directory whenever it changes, until Close. File system
// notifications wake it; readings at intervals find what they miss (network
// drives, restored files). A directory that is being written is left alone
// until two readings agree.
func (p *Policies) Watch(dir string) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.ended = stop, make(chan struct{})
	w := &watcher{policies: p, dir: dir}
	if notify, err := fsnotify.NewWatcher(); err != nil {
		p.log.Warn("no file notifications; the directory is only polled", "directory", dir, "error", err)
	} else {
		w.notify = notify
	}
	go func() {
		defer close(p.ended)
		w.run(ctx)
	}()
}

// Close ends the watch. The active bundle stays.
func (p *Policies) Close() error {
	if p.stop != nil {
		p.stop()
		<-p.ended
	}
	return nil
}

type watcher struct {
	policies *Policies
	dir      string
	notify   *fsnotify.Watcher // nil: polling only
	before   sight             // of the last reading
	complain string            // last error of reading, logged once
}

func (w *watcher) run(ctx context.Context) {
	var changes chan fsnotify.Event
	var errs chan error
	if w.notify != nil {
		defer w.notify.Close() //nolint:errcheck // there is nothing to lose
		changes, errs = w.notify.Events, w.notify.Errors
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			timer.Reset(w.policies.options.settle)
		case err := <-errs:
			w.policies.log.Warn("file notifications failed; the next poll makes up for it", "directory", w.dir, "error", err)
		case <-timer.C:
			timer.Reset(w.look(ctx))
		}
	}
}

// look reads the directory once and tells when to look again.
func (w *watcher) look(ctx context.Context) time.Duration {
	begin := time.Now()
	w.follow()
	found, err := readDirectory(w.dir)
	if err != nil {
		w.unreadable(err)
		return w.policies.options.poll
	}
	w.complain = ""
	now := found.sight()
	settled := now == w.before
	w.before = now
	if !w.changed(ctx, now) {
		// Reading takes at most a fiftieth of the time.
		return max(w.policies.options.poll, 50*time.Since(begin))
	}
	if !settled {
		return w.policies.options.settle
	}
	w.act(ctx, found)
	return w.policies.options.poll
}

// changed tells whether the directory shows something it was not acted on for.
func (w *watcher) changed(ctx context.Context, now sight) bool {
	unlock, err := w.policies.lock(ctx)
	if err != nil {
		return false
	}
	defer unlock()
	return now != w.policies.seen
}

func (w *watcher) act(ctx context.Context, found contents) {
	unlock, err := w.policies.lock(ctx)
	if err != nil {
		return
	}
	defer unlock()
	if err := w.policies.act(ctx, found, server.SourceWatch); err != nil && ctx.Err() == nil {
		w.policies.refused("watch", "the bundle before goes on", err)
	}
}

// unreadable logs an error of reading once, however often it comes back.
func (w *watcher) unreadable(err error) {
	w.before = sight{}
	if err.Error() == w.complain {
		return
	}
	w.complain = err.Error()
	w.policies.log.Error("watched policies are unreadable; the bundle before goes on", "error", err)
}

// follow asks for notifications of every folder there is now.
func (w *watcher) follow() {
	if w.notify == nil {
		return
	}
	err := filepath.WalkDir(w.dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil //nolint:nilerr // a folder that went away is the poll's business
		}
		if name != w.dir && hidden(filepath.Base(name)) {
			return fs.SkipDir
		}
		return w.notify.Add(name)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) && err.Error() != w.complain {
		w.complain = err.Error()
		w.policies.log.Warn("no file notifications; the directory is only polled", "directory", w.dir, "error", err)
	}
}
