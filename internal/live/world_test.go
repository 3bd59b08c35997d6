package live_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// company is a small company file of a version; spec is added to it.
func company(version int, spec string) []byte {
	return fmt.Appendf(nil, `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: small, scope: "", version: %d}
spec:
  currency: USD
  timezone: UTC
  outcomes:
    purchase: {event: purchase, window: 30d}
    redeem:   {event: redemption, window: validity}
  models:
    purchase: {without: 0.10, prior: {half: {lift: 0.50, sd: 0.01}}}
    redeem:   {of: purchase}
    basket:   {from: profile}
  goals:
    margin:
      expr: (purchase.with - purchase.without) * basket.with * basket.margin_rate - cost.expected
  offers:
    - id: half
      kind: amount_off
      params: {amount: 5.00}
      validity: 48h
      eligible: ret.refund_value >= 15
      liability: "5.00"
      maxLiability: 5.00
%s`, version, spec)
}

// bundle is a small bundle of a version.
func bundle(version int) map[string][]byte {
	return map[string][]byte{
		"company.yaml":              company(version, ""),
		"reference/categories.yaml": []byte("categories:\n  default: {margin_rate: 0.40}\n"),
	}
}

// broken is a bundle with two mistakes.
func broken() map[string][]byte {
	b := bundle(99)
	b["company.yaml"] = bytes.Replace(b["company.yaml"], []byte("ret.refund_value >= 15"), []byte("ret.refund_valu >= 15"), 1)
	b["company.yaml"] = append(b["company.yaml"], "  bouns: {max_liability: 3.00}\n"...)
	return b
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is an engine with live policies on a store in memory.
type world struct {
	*live.Policies
	t      testing.TB
	engine *engine.Engine
	image  *memstore.Image
	store  *memstore.Store
	log    *buffer
	opts   []live.Option
}

func newWorld(t testing.TB, opts ...live.Option) *world {
	t.Helper()
	w := &world{t: t, image: &memstore.Image{}, log: &buffer{}}
	w.opts = append([]live.Option{live.WithTimes(20*time.Millisecond, 5*time.Millisecond)}, opts...)
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	w.t.Helper()
	ledger := engine.NewLedger()
	var err error
	w.store, err = memstore.Open(memstore.Options{Fold: engine.NewFold(), Machine: ledger, Index: engine.Index, Image: w.image})
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := engine.NewTokenKeys("k1", map[string][]byte{"k1": []byte("a key of at least 16 bytes")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.engine, err = engine.New(engine.Options{Store: w.store, Ledger: ledger, Salt: "salt", SaltName: "test", TokenKeys: keys, OpenModel: live.OpenModel})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Policies = live.New(w.engine, slog.New(slog.NewTextHandler(w.log, nil)), w.opts...)
}

func (w *world) close() {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
}

// restart ends the process and starts it again, up to Resume.
func (w *world) restart() (resumed bool) {
	w.t.Helper()
	w.close()
	w.open()
	resumed, err := w.Resume(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return resumed
}

// version is that of the bundle in use, 0 if there is none.
func (w *world) version() int {
	s, _ := w.Active()
	return s.Version
}

// waitFor polls until ok or a minute has passed.
func (w *world) waitFor(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited for %s; log:\n%s", what, w.log)
		}
	}
}

// write makes a directory hold these files and no others.
func write(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, keep := files[e.Name()]; !keep && !strings.HasPrefix(e.Name(), "reference") {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
