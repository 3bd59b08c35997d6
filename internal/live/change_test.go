package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

func (w *world) activate(c *server.Change) server.BundleStatus {
	w.t.Helper()
	s, _, err := w.Activate(context.Background(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestActivateExpectsADigest(t *testing.T) {
	w := newWorld(t)
	first := w.activate(&server.Change{RequestID: "a", Files: bundle(1)})
	w.activate(&server.Change{RequestID: "b", Files: bundle(2), Expected: first.Digest})
	_, _, err := w.Activate(context.Background(), &server.Change{RequestID: "c", Files: bundle(3), Expected: first.Digest})
	var stale *server.StaleError
	if !errors.As(err, &stale) || stale.Want != first.Digest || stale.Got == first.Digest || w.version() != 2 {
		t.Errorf("%v, version %d", err, w.version())
	}
	if _, err := w.Rollback(context.Background(), &server.Change{RequestID: "d", Expected: first.Digest}); !errors.As(err, &stale) {
		t.Errorf("rollback: %v", err)
	}
}

func TestRepeatedRequestChangesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.activate(&server.Change{RequestID: "a", Files: bundle(1)})
	w.activate(&server.Change{RequestID: "b", Files: bundle(2)})
	for _, restarted := range []bool{false, true} {
		if restarted {
			w.restart()
		}
		again := w.activate(&server.Change{RequestID: "a", Files: bundle(1), Expected: "anything"})
		if w.version() != 2 || again.Digest != first.Digest || again.Position != first.Position || again.Source != server.SourceAPI {
			t.Errorf("restarted %v: version %d, answer %+v", restarted, w.version(), again)
		}
		if _, _, err := w.Activate(context.Background(), &server.Change{RequestID: "a", Files: bundle(3)}); !errors.Is(err, engine.ErrRequestIDReused) {
			t.Errorf("restarted %v: other files: %v", restarted, err)
		}
		if _, err := w.Rollback(context.Background(), &server.Change{RequestID: "a"}); !errors.Is(err, engine.ErrRequestIDReused) {
			t.Errorf("restarted %v: a rollback: %v", restarted, err)
		}
	}
}

func TestRollback(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	if _, err := w.Rollback(ctx, &server.Change{}); !errors.Is(err, server.ErrNoEarlierBundle) {
		t.Errorf("without a bundle: %v", err)
	}
	first := w.activate(&server.Change{Files: bundle(1)})
	if _, err := w.Rollback(ctx, &server.Change{}); !errors.Is(err, server.ErrNoEarlierBundle) {
		t.Errorf("with one bundle: %v", err)
	}
	w.activate(&server.Change{Files: bundle(2)})
	w.activate(&server.Change{Files: bundle(3)})
	for _, want := range []int{2, 3} { // the second undoes the first
		if _, err := w.Rollback(ctx, &server.Change{RequestID: fmt.Sprint("r", want)}); err != nil || w.version() != want {
			t.Fatalf("version %d, %v; want %d", w.version(), err, want)
		}
	}
	if _, err := w.Rollback(ctx, &server.Change{RequestID: "r2"}); err != nil || w.version() != 3 {
		t.Errorf("repeated request: version %d, %v", w.version(), err)
	}
	s, err := w.Rollback(ctx, &server.Change{Digest: first.Digest})
	if err != nil || s.Version != 1 || s.Source != server.SourceRollback || !s.Rollback {
		t.Errorf("by digest: %+v, %v", s, err)
	}
	if _, err := w.Rollback(ctx, &server.Change{Digest: "beef"}); !errors.Is(err, server.ErrBundleNotFound) {
		t.Errorf("unknown digest: %v", err)
	}
	if !w.restart() || w.version() != 1 {
		t.Errorf("version %d after a restart", w.version())
	}
}

func TestRefusedWhole(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	w.activate(&server.Change{Files: bundle(1)})
	model := bundle(2)
	model["company.yaml"] = bytes.Replace(company(2, ""), []byte("without: 0.10,"), []byte("without: {file: models/base.rbm},"), 1)
	model["models/base.rbm"] = []byte("RBMODEL\nand then nothing of use")
	for name, files := range map[string]map[string][]byte{"broken": broken(), "model": model} {
		var d *rules.DiagnosticsError
		if _, _, err := w.Activate(ctx, &server.Change{Files: files}); !errors.As(err, &d) || w.version() != 1 {
			t.Errorf("%s: version %d, %v", name, w.version(), err)
		}
		_, found, err := w.Validate(ctx, files)
		if err != nil || len(found) == 0 || found[0].Severity != rules.SeverityError || found[0].Line == 0 {
			t.Errorf("%s: validate found %v, %v", name, found, err)
		}
	}
	var field *engine.FieldError
	if _, _, err := w.Activate(ctx, &server.Change{Files: map[string][]byte{"../company.yaml": nil}}); !errors.As(err, &field) {
		t.Errorf("path outside: %v", err)
	}
}

func TestHiddenFilesDoNotCount(t *testing.T) {
	w := newWorld(t)
	plain, _, err := w.Validate(context.Background(), bundle(1))
	if err != nil {
		t.Fatal(err)
	}
	files := bundle(1)
	files[".git/config"], files["company.yaml~"] = []byte("x"), []byte("y")
	if digest, found, err := w.Validate(context.Background(), files); err != nil || digest != plain || len(found) != 0 {
		t.Errorf("digest %s, want %s; %v, %v", digest, plain, found, err)
	}
}

// TestReloadsUnderLoad switches bundles 1,000 times while decisions are made:
// none fails, each is made by one of the bundles, and memory comes back.
func TestReloadsUnderLoad(t *testing.T) {
	reloads, callers := int64(1000), int64(4)
	if testing.Short() {
		reloads = 100
	}
	w := newWorld(t)
	digests := map[string]bool{}
	for v := range 2 {
		digests[w.activate(&server.Change{Files: bundle(v + 1)}).Digest] = true
	}
	var done atomic.Bool
	var calls atomic.Int64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := 0; !done.Load(); i++ {
				d, err := w.engine.Decide(context.Background(), decision(fmt.Sprint(c, "-", i)))
				if err != nil || !digests[d.Provenance.BundleDigest] {
					t.Errorf("decision: %v", err)
					return
				}
				calls.Add(1)
			}
		})
	}
	heap := heapInUse()
	for i := range reloads {
		w.activate(&server.Change{Files: bundle(int(i%2) + 1)})
	}
	done.Store(true)
	wg.Wait()
	if calls.Load() < callers {
		t.Errorf("only %d decisions were made meanwhile", calls.Load())
	}
	// The store in memory keeps every entry: 10 kB a decision or activation is what that may take.
	if grown, allowed := heapInUse()-heap, (calls.Load()+reloads)*10<<10; grown > allowed {
		t.Errorf("heap grew by %d bytes in %d reloads and %d decisions", grown, reloads, calls.Load())
	}
	t.Logf("%d decisions during %d reloads", calls.Load(), reloads)
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

func decision(id string) *engine.Request {
	return &engine.Request{
		RequestID: id, Customer: []profile.Identity{{Namespace: "loyalty", Value: id}}, Consent: engine.ConsentGranted,
		Channel: profile.ChannelStore, Phase: engine.PhaseRefunded, Currency: "USD",
		Return: engine.Return{
			ID: "ret-" + id, OrderID: "order-" + id, Authorization: "APPROVED", Refund: 8000,
			Lines: []profile.Line{{SKU: "sku-1", Category: "shoes", Quantity: 1, Paid: 8000, Reason: "SIZE"}},
		},
	}
}
