package logbuffer_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rebound-engine/rebound/internal/logbuffer"
)

func Example() {
	w := logbuffer.New(os.Stdout)
	plain := slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	log := slog.New(logbuffer.Handler(plain, w))
	log.Info("waits")
	fmt.Println("nothing yet")
	log.Error("goes at once")
	// Output:
	// nothing yet
	// level=INFO msg=waits
	// level=ERROR msg="goes at once"
}

// sink counts writes and may refuse them.
type sink struct {
	mu     sync.Mutex
	b      bytes.Buffer
	writes int
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.writes++
	return s.b.Write(p)
}

func (s *sink) lines() (writes, lines int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, strings.Count(s.b.String(), "\n")
}

func TestLinesWaitNoLongerThanDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		w := logbuffer.New(s)
		log := slog.New(logbuffer.Handler(slog.NewTextHandler(w, nil), w)).With("server", "a")
		for round := range 3 {
			log.Info("one")
			time.Sleep(logbuffer.Delay / 2)
			log.Info("two")
			if writes, _ := s.lines(); writes != round {
				t.Fatalf("%d writes before the delay, want %d", writes, round)
			}
			time.Sleep(logbuffer.Delay/2 + time.Millisecond)
			synctest.Wait()
			if writes, lines := s.lines(); writes != round+1 || lines != 2*(round+1) {
				t.Fatalf("%d lines in %d writes after round %d", lines, writes, round)
			}
		}
	})
}

func TestWarningsFlushInOrder(t *testing.T) { synctest.Test(t, warningsFlushInOrder) }

func warningsFlushInOrder(t *testing.T) {
	s := &sink{}
	w := logbuffer.New(s)
	log := slog.New(logbuffer.Handler(slog.NewTextHandler(w, nil), w)).WithGroup("g")
	log.Info("first")
	log.Warn("second")
	if writes, lines := s.lines(); writes != 1 || lines != 2 {
		t.Fatalf("%d lines in %d writes", lines, writes)
	}
	if text := s.b.String(); strings.Index(text, "first") > strings.Index(text, "second") {
		t.Errorf("out of order: %s", text)
	}
}

func TestManyWriters(t *testing.T) {
	s := &sink{}
	w := logbuffer.New(s)
	const each, writers = 2000, 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for k := range each {
				fmt.Fprintf(w, "writer %d line %d\n", i, k)
			}
		})
	}
	wg.Wait()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if writes, lines := s.lines(); lines != each*writers || writes > each*writers/100 {
		t.Errorf("%d lines in %d writes", lines, writes)
	}
}

func TestFailureIsToldOnce(t *testing.T) { synctest.Test(t, failureIsToldOnce) }

func failureIsToldOnce(t *testing.T) {
	full := errors.New("disk is full")
	s := &sink{err: full}
	w := logbuffer.New(s)
	if _, err := w.Write([]byte("a line\n")); err != nil {
		t.Errorf("nothing was written yet: %v", err)
	}
	if err := w.Flush(); !errors.Is(err, full) {
		t.Errorf("flush: %v", err)
	}
	if err := w.Flush(); err != nil {
		t.Errorf("told twice: %v", err)
	}
}
