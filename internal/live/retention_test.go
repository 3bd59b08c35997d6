package live_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

// diskWorld is an engine with live policies on a folder that keeps 512 KiB of the log.
type diskWorld struct {
	*live.Policies
	engine *engine.Engine
	store  *badgerstore.Store
}

func openDisk(t *testing.T, dir string) *diskWorld {
	t.Helper()
	w, ledger, ready := &diskWorld{}, engine.NewLedger(), make(chan struct{})
	keep := func(ctx context.Context, before store.Position) error {
		<-ready
		return w.engine.KeepActivations(ctx, before)
	}
	var err error
	w.store, err = badgerstore.Open(dir, badgerstore.Options{
		Mode: store.Bounded, Fold: engine.NewFold(), Machine: ledger, Index: engine.Index,
		Retention:   badgerstore.Retention{Bytes: 512 << 10, Keep: keep},
		SegmentSize: 768 << 10, Queue: 384 << 10, CacheBytes: 32 << 20, MemTableSize: 16 << 20,
		FlushEvery: 3 * time.Millisecond, CheckpointEvery: 20 * time.Millisecond, MinFree: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := engine.NewTokenKeys("k1", map[string][]byte{"k1": []byte("a key of at least 16 bytes")})
	if err != nil {
		t.Fatal(err)
	}
	w.engine, err = engine.New(engine.Options{Store: w.store, Ledger: ledger, Salt: "salt", SaltName: "test", TokenKeys: keys, OpenModel: live.OpenModel, OpenArtifact: live.OpenArtifact})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	w.Policies = live.New(w.engine, slog.New(slog.DiscardHandler))
	return w
}

// decideUntilDropped fills the log until the entries before a position are gone.
func (w *diskWorld) decideUntilDropped(t *testing.T, before store.Position, round string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for i := 0; w.store.Stats().First <= before; i++ {
		if _, err := w.engine.Decide(context.Background(), decision(fmt.Sprint(round, "-", i))); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was dropped: %+v", w.store.Stats())
		}
	}
}

// employ registers a model of another library and lets it watch.
func (w *diskWorld) employ(t *testing.T) []engine.RegisteredModel {
	t.Helper()
	text := strings.NewReplacer("NAME", "customer.recency_days", "FEATURE", "0", "THRESHOLD", "50").Replace(lightGBM)
	c, err := w.engine.RegisterModel(t.Context(), &engine.Registration{Artifact: engine.Artifact{Outcome: "purchase", File: "tree.txt", Content: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.PromoteModel(t.Context(), &engine.ModelChange{Digest: c.Digest, To: "shadow", By: "ann"}, nil); err != nil {
		t.Fatal(err)
	}
	all, err := w.engine.Models(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRetentionKeepsWhatIsInUse: the log drops the activations and the careers of
// models, and every restart still finds the bundle, its large files, what the
// directory showed, and the models in their roles.
func TestRetentionKeepsWhatIsInUse(t *testing.T) {
	folder, dir, ctx := filepath.Join(t.TempDir(), "store"), t.TempDir(), context.Background()
	large := bundle(2)
	large["data/notes.txt"] = bytes.Repeat([]byte("large "), 30_000) // logged apart
	write(t, dir, bundle(1))
	w := openDisk(t, folder)
	if err := w.Directory(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Activate(ctx, &server.Change{RequestID: "two", Files: large}); err != nil {
		t.Fatal(err)
	}
	models := w.employ(t)
	for round := range 3 {
		last := w.store.Last()
		w.decideUntilDropped(t, last, fmt.Sprint(round))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		w = openDisk(t, folder)
		resumed, err := w.Resume(ctx)
		if err != nil || !resumed {
			t.Fatalf("round %d: resumed %v, %v", round, resumed, err)
		}
		if err := w.Directory(ctx, dir); err != nil {
			t.Fatal(err)
		}
		s, _ := w.Active()
		if s.Version != 2 || s.Source != server.SourceLog || !bytes.Equal(s.Files["data/notes.txt"], large["data/notes.txt"]) {
			t.Errorf("round %d: version %d from source %d: the unchanged directory must not win", round, s.Version, s.Source)
		}
		if got, err := w.engine.Models(ctx, ""); err != nil || !reflect.DeepEqual(got, models) {
			t.Errorf("round %d: the models are %+v, %v; were %+v", round, got, err, models)
		}
		d, err := w.engine.Decide(ctx, decision(fmt.Sprint("shadowed-", round)))
		if err != nil || len(d.Shadows) != 1 || d.Shadows[0].Digest != models[0].Digest {
			t.Errorf("round %d: shadows %+v, %v", round, d.Shadows, err)
		}
	}
	if _, err := w.Rollback(ctx, &server.Change{Digest: ""}); err == nil {
		t.Error("rolled back to a copy that retention keeps only for the directory")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.store.Close(); err != nil {
		t.Error(err)
	}
}
