//go:build !race

package logbuffer_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/internal/logbuffer"
)

func TestPlainLinesDoNotAllocate(t *testing.T) {
	h := logbuffer.Text(logbuffer.New(io.Discard), slog.LevelInfo)
	r := record(time.Now(), slog.LevelInfo, "call", slog.String("method", "/a/B"), slog.String("request_id", "q-1"), slog.Int64("micros", 5))
	if n := testing.AllocsPerRun(1000, func() { _ = h.Handle(t.Context(), r) }); n > 0 {
		t.Errorf("a line allocates %v times", n)
	}
}
