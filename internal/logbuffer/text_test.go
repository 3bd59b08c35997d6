package logbuffer_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/internal/logbuffer"
)

// hostile are texts that slog writes with and without quotes.
var hostile = []string{
	"", "call", "two words", "a=b", `a"b`, `a\b`, "a\nmsg=forged", "\x00", "\x1b[31m", "\x7f", "\xff", "é", "\u2028", "\u00a0", "\ufeff", "<&>", "a\tb", "日本",
	strings.Repeat("x", 300), strings.Repeat("long ", 20_000),
}

// same writes records through Text and through slog's own handler and compares.
func same(t *testing.T, write func(slog.Handler)) {
	t.Helper()
	var got, want bytes.Buffer
	w := logbuffer.New(&got)
	write(logbuffer.Text(w, slog.LevelInfo))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	write(slog.NewTextHandler(&want, nil))
	if got.String() != want.String() {
		t.Errorf("lines are\n%swant\n%s", &got, &want)
	}
}

func record(at time.Time, level slog.Level, msg string, attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(at, level, msg, 0)
	r.AddAttrs(attrs...)
	return r
}

func TestTextIsThatOfSlog(t *testing.T) {
	at := time.Date(2026, 10, 5, 15, 0, 0, 0, time.UTC)
	same(t, func(h slog.Handler) {
		handle := func(r slog.Record) {
			if err := h.Handle(context.Background(), r); err != nil {
				t.Error(err)
			}
		}
		for _, s := range hostile {
			handle(record(at, slog.LevelInfo, s))
			handle(record(at, slog.LevelInfo, "call", slog.String("request_id", s), slog.Int64("micros", -5)))
			handle(record(at, slog.LevelInfo, "call", slog.String(s, "v")))
		}
		for _, r := range []slog.Record{
			record(time.Time{}, slog.LevelInfo, "no-time"),
			record(at, slog.LevelInfo+1, "level"), record(at, slog.LevelWarn, "level"), record(at, slog.LevelDebug, "level"),
			record(at, slog.LevelInfo, "kinds", slog.Any("a", []int{1}), slog.Bool("b", true), slog.Duration("c", 5), slog.Float64("d", 1.5), slog.Attr{}),
			record(at, slog.LevelInfo, "group", slog.Group("g", slog.String("k", "v")), slog.Group("none")),
			record(at, slog.LevelInfo, "many", slog.Int("a", 1), slog.Int("b", 2), slog.Int("c", 3), slog.Int("d", 4), slog.Int("e", 5), slog.Int("f", 6), slog.Int("g", 7)),
		} {
			handle(r)
		}
	})
}

func TestTextOfTimesIsThatOfSlog(t *testing.T) {
	same(t, func(h slog.Handler) {
		for _, nanos := range []int{0, 1, 999_999, 1_000_000, 100_000_000, 120_000_000, 999_999_999} {
			for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 5*3600+1800), time.FixedZone("west", -8*3600)} {
				if err := h.Handle(context.Background(), record(time.Date(2026, 10, 5, 15, 0, 0, nanos, zone), slog.LevelInfo, "call")); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestTextOfDerivedLoggersIsThatOfSlog(t *testing.T) {
	at := time.Date(2026, 10, 5, 15, 0, 0, 0, time.UTC)
	same(t, func(h slog.Handler) {
		for _, derived := range []slog.Handler{h.WithAttrs([]slog.Attr{slog.String("server", "a")}), h.WithGroup("g")} {
			if err := derived.Handle(context.Background(), record(at, slog.LevelInfo, "call", slog.String("k", "v"))); err != nil {
				t.Error(err)
			}
		}
	})
}

// Lines wait no longer than others do, and no more of them.
func TestPlainLinesAreGathered(t *testing.T) {
	s := &sink{}
	w := logbuffer.New(s)
	log := slog.New(logbuffer.Text(w, slog.LevelInfo))
	const n = 2000
	for i := range n {
		log.Info("call", "number", i)
	}
	if writes, lines := s.lines(); writes < 2 || writes > n/100 || lines < n/2 {
		t.Errorf("%d lines in %d writes before any is late", lines, writes)
	}
	log.Warn("last")
	if _, lines := s.lines(); lines != n+1 {
		t.Errorf("%d lines, want %d", lines, n+1)
	}
}
