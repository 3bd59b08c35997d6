// Package logbuffer gathers log lines into larger writes: a server that logs a
// line per call would otherwise pay for a system call with each.
//
// It owns when lines are written, and refuses to know what they say: lines above
// info are written at once, with everything before them; the others at most
// Delay later. A process that is killed loses the lines of that time.
package logbuffer

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// Delay is how long a line may wait to be written.
	Delay = 100 * time.Millisecond
	// size is how many bytes wait at most.
	size = 32 << 10 // 32 KiB
)

// Writer gathers what is written to it. It is safe for concurrent use. Use New.
type Writer struct {
	to io.Writer

	mu    sync.Mutex
	b     []byte
	err   error // of a write on nobody's behalf; told once
	timer *time.Timer
}

// New returns a Writer in front of another one, which it never closes.
func New(to io.Writer) *Writer {
	w := &Writer{to: to, b: make([]byte, 0, size)}
	w.timer = time.AfterFunc(Delay, w.late)
	w.timer.Stop()
	return w
}

// Write implements io.Writer; the error may be that of an earlier write.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.b)+len(p) > size {
		w.flush()
	}
	w.begin()
	w.b = append(w.b, p...)
	return len(p), w.told()
}

// begin starts the time the first line of a write may wait.
func (w *Writer) begin() {
	if len(w.b) == 0 {
		w.timer.Reset(Delay)
	}
}

// Flush writes what has been gathered; the error may be that of an earlier write.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return w.told()
}

func (w *Writer) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
}

func (w *Writer) flush() {
	w.timer.Stop()
	if len(w.b) == 0 {
		return
	}
	if _, err := w.to.Write(w.b); err != nil {
		w.err = err
	}
	if w.b = w.b[:0]; cap(w.b) > 2*size { // of a line that was longer
		w.b = make([]byte, 0, size)
	}
}

func (w *Writer) told() error {
	err := w.err
	w.err = nil
	return err
}

// Handler passes records on to a handler that writes to w, and flushes w after
// those above info.
func Handler(to slog.Handler, w *Writer) slog.Handler { return &handler{to, w} }

type handler struct {
	slog.Handler
	w *Writer
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level <= slog.LevelInfo {
		return err
	}
	if late := h.w.Flush(); err == nil {
		err = late
	}
	return err
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.w}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.w}
}
