package logbuffer

import (
	"context"
	"log/slog"
	"strconv"
	"time"
)

// Text returns a handler that writes to w the lines of slog's text handler, in
// the same format, and flushes w after those above info. Plain lines, which a
// server writes for every call, are appended to w directly.
func Text(w *Writer, level slog.Leveler) slog.Handler {
	return &text{Handler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}), w), w}
}

// text knows plain lines. All others, and those of loggers with attributes or
// groups, are for the handler within: slog stays the authority on what needs quotes.
type text struct {
	slog.Handler
	w *Writer
}

func (t *text) Handle(ctx context.Context, r slog.Record) error {
	if !plain(&r) {
		return t.Handler.Handle(ctx, r)
	}
	return t.w.line(&r)
}

// plain tells that a record is an info line whose texts need no quotes and whose values are strings and integers.
func plain(r *slog.Record) bool {
	ok := r.Level == slog.LevelInfo && !r.Time.IsZero() && bare(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		ok = ok && bare(a.Key) && (a.Value.Kind() == slog.KindInt64 || a.Value.Kind() == slog.KindString && bare(a.Value.String()))
		return ok
	})
	return ok
}

// bare tells that s surely needs no quotes: it has visible ASCII characters only, and none that means something.
func bare(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' {
			return false
		}
	}
	return s != ""
}

// line gathers a plain record.
func (w *Writer) line(r *slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin()
	w.b = appendTime(append(w.b, "time="...), r.Time)
	w.b = append(append(w.b, " level=INFO msg="...), r.Message...)
	r.Attrs(func(a slog.Attr) bool {
		w.b = append(append(append(w.b, ' '), a.Key...), '=')
		if a.Value.Kind() == slog.KindInt64 {
			w.b = strconv.AppendInt(w.b, a.Value.Int64(), 10)
		} else {
			w.b = append(w.b, a.Value.String()...)
		}
		return true
	})
	if w.b = append(w.b, '\n'); len(w.b) > size {
		w.flush()
	}
	return w.told()
}

// appendTime writes milliseconds as slog does. The nanoseconds' format is fast; a tenth of
// a millisecond keeps it from leaving out zeros.
func appendTime(b []byte, t time.Time) []byte {
	const kept = len("2006-01-02T15:04:05.000")
	n := len(b)
	b = t.Truncate(time.Millisecond).Add(time.Millisecond/10).AppendFormat(b, time.RFC3339Nano)
	return append(b[:n+kept], b[n+kept+1:]...)
}
