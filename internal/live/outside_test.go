package live_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/remote/remotetest"
	"github.com/rebound-engine/rebound/proto/inference"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store/memstore"
)

// half answers 0.2 without an offer and 0.5 with one.
func half(_ context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	rows := r.GetInputs()[0].GetShape()[0]
	return remotetest.Typed([]int64{rows}, append([]float64{0.2}, slices.Repeat([]float64{0.5}, int(rows)-1)...)...), nil
}

// garbage is half with a NaN.
func garbage(ctx context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	a, err := half(ctx, r)
	a.GetOutputs()[0].GetContents().Fp64Contents[0] = math.NaN()
	return a, err
}

func startInference(t *testing.T) (s *remotetest.Server, target string, stop func()) {
	t.Helper()
	s = remotetest.New(half)
	target, stop = s.Serve(t, "")
	return s, target, stop
}

// outsideBundle is the small bundle with a model at path for the outcome purchase.
func outsideBundle(t testing.TB, version int, path, text string, more map[string][]byte) *rules.Bundle {
	t.Helper()
	files := bundle(version)
	files["company.yaml"] = []byte(strings.Replace(string(files["company.yaml"]), "{without: 0.10, prior: {half: {lift: 0.50, sd: 0.01}}}", "{file: "+path+"}", 1))
	files[path] = []byte(text)
	maps.Copy(files, more)
	b, err := rules.LoadFiles(files, engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func remoteText(target string) string {
	return "target: " + target + "\nmodel: purchase\ntimeout: 50ms\nfeatures: [ret.refund_value]\noffer_features: [offer.amount]\n"
}

const remotePath = "models/purchase.remote.yaml"

// outsideEngine decides by bundles whose models are outside.
func outsideEngine(t testing.TB, m *live.Models) *engine.Engine {
	t.Helper()
	ledger := engine.NewLedger()
	st, err := memstore.Open(memstore.Options{Fold: engine.NewFold(), Machine: ledger, Index: engine.Index, Image: &memstore.Image{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	keys, err := engine.NewTokenKeys("k1", map[string][]byte{"k1": []byte("a key of at least 16 bytes")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Options{Store: st, Ledger: ledger, Salt: "salt", SaltName: "test", TokenKeys: keys, OpenModel: m.Open, ModelTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newModels(t testing.TB, o live.Outside) *live.Models {
	t.Helper()
	m := live.NewModels(o)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func activate(t testing.TB, e *engine.Engine, b *rules.Bundle) {
	t.Helper()
	if _, err := e.Activate(context.Background(), b, engine.ActivateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestDescriptorsAreCheckedWithoutConnecting(t *testing.T) {
	s, target, _ := startInference(t)
	b := outsideBundle(t, 1, remotePath, remoteText(target), nil)
	m, digest, err := live.OpenModel(b, remotePath)
	if err != nil || len(digest) != 64 {
		t.Fatalf("digest %q, %v", digest, err)
	}
	if got := m.Schema(); got.Outcome != "purchase" || got.Unit != "probability" || got.Window != 30*24*time.Hour || !slices.Equal(got.Offers, []string{"half"}) {
		t.Errorf("schema %+v", got)
	}
	if err := m.Score(t.Context(), []float64{1}, nil, nil); !errors.Is(err, models.ErrUnscorable) || s.Calls() != 0 {
		t.Errorf("%v after %d calls", err, s.Calls())
	}
	for path, text := range map[string]string{
		remotePath:                    "target: localhost:1\nmodell: x\n",
		"models/purchase.remote.json": `{"target": "elsewhere:1", "model": "x", "features": ["a"]}`,
		"models/purchase.process.yml": "features: [a]\n",
		"models/p.process.yaml":       "command: [/bin/sh]\nfeatures: [a]\n",
		"models/q.remote.yaml":        "target: localhost:1\nmodel: x\noutcome: visit\nfeatures: [a]\n",
	} {
		if _, _, err := live.OpenModel(outsideBundle(t, 1, path, text, nil), path); err == nil {
			t.Errorf("%s: %q is no mistake", path, text)
		}
	}
	if _, found, err := live.Check(t.Context(), b.Files()); err != nil || slices.ContainsFunc(found, func(d rules.Diagnostic) bool { return d.Severity == rules.SeverityError }) {
		t.Errorf("check: %v, %v", found, err)
	}
}

// TestRemoteModelDegrades takes the server through good days and bad ones under
// the engine: every decision is answered in time and says where its score came from.
func TestRemoteModelDegrades(t *testing.T) {
	s, target, stop := startInference(t)
	small, err := models.NewPrior(models.Schema{Outcome: "purchase", Unit: "probability"}, 0.25, nil, []models.AssumedLift{{Offer: "half", Lift: 0.1, SD: 0.01}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := models.Encode(small, models.Card{})
	if err != nil {
		t.Fatal(err)
	}
	e := outsideEngine(t, newModels(t, live.Outside{}))
	activate(t, e, outsideBundle(t, 1, remotePath, remoteText(target)+"retry_after: 1ms\n", map[string][]byte{remotePath + ".distilled": data}))

	n := 0
	decide := func() *engine.Decision {
		n++
		d, err := e.Decide(context.Background(), decision(fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	purchase := func(d *engine.Decision) engine.OutcomeScore {
		for _, o := range d.Candidate("half").Outcomes {
			if o.Outcome == "purchase" {
				return o
			}
		}
		t.Fatalf("no score: %+v", d.Candidate("half"))
		return engine.OutcomeScore{}
	}
	settle := func() {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if got := purchase(decide()); got.Rung == engine.RungModel {
				if got.With != 0.5 || got.Without != 0.2 {
					t.Errorf("up: %+v", got)
				}
				return
			}
			if time.Now().After(end) {
				t.Fatal("the model is up and is not asked")
			}
		}
	}
	settle()
	bad := func(mode string) {
		var took []time.Duration
		for range 2000 {
			start := time.Now()
			d := decide()
			took = append(took, time.Since(start))
			if got := purchase(d); got.Rung != engine.RungDistilled || got.Without != 0.25 || len(d.Degraded) == 0 {
				t.Fatalf("%s: %+v, degraded %+v", mode, got, d.Degraded)
			}
		}
		slices.Sort(took)
		t.Logf("%s: p50 %s, p99 %s", mode, took[1000], took[1980])
		if took[1000] > 25*time.Millisecond {
			t.Errorf("%s: half of the decisions waited for the model: %s of 50 ms", mode, took[1000])
		}
	}
	for _, mode := range []struct {
		name  string
		infer remotetest.Infer
	}{{"hang", remotetest.Hang}, {"garbage", garbage}, {"error", remotetest.Fail}} {
		s.Answers(mode.infer)
		bad(mode.name)
		s.Answers(half)
		settle()
	}
	stop()
	bad("down")
}

func TestMismatchedServerIsRefused(t *testing.T) {
	s, target, _ := startInference(t)
	s.Describes(&inference.ModelMetadataResponse{Inputs: []*inference.ModelMetadataResponse_TensorMetadata{{Name: "other", Datatype: "FP32"}}})
	m := newModels(t, live.Outside{})
	if _, _, err := m.Open(outsideBundle(t, 1, remotePath, remoteText(target), nil), remotePath); err == nil {
		t.Error("a model with other inputs was opened")
	}
}

// buildPlugin builds the example into a folder of programs.
func buildPlugin(t *testing.T) (programs string) {
	t.Helper()
	programs = t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(programs, "purchase-model"), "../../examples/model-plugin/go").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return programs
}

const (
	processPath = "models/purchase.process.yaml"
	processText = "command: [purchase-model]\ntimeout: 20s\nfeatures: [customer.recency_days]\noffer_features: [offer.amount]\n"
)

func TestProcessModel(t *testing.T) {
	b := outsideBundle(t, 1, processPath, processText, nil)
	forbidden := newModels(t, live.Outside{})
	if _, _, err := forbidden.Open(b, processPath); err == nil || !strings.Contains(err.Error(), "--allow-process-models") {
		t.Fatalf("started without permission: %v", err)
	}
	m := newModels(t, live.Outside{Programs: buildPlugin(t), Logger: slog.New(slog.NewTextHandler(&buffer{}, nil))})
	got, _, err := m.Open(b, processPath)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]models.Score, 1)
	if err := got.Score(t.Context(), []float64{30}, []models.Candidate{{Arm: 0, X: []float64{5}}}, out); err != nil {
		t.Fatal(err)
	}
	logistic := func(v float64) float64 { return 1 / (1 + math.Exp(v)) }
	if without, with := logistic(0.65), logistic(0.65-0.25); math.Abs(out[0].Without-without) > 1e-12 || math.Abs(out[0].With-with) > 1e-12 {
		t.Errorf("%+v, want %v and %v", out[0], without, with)
	}
	again, _, err := m.Open(outsideBundle(t, 2, processPath, processText, nil), processPath)
	if err != nil || again != got {
		t.Errorf("a second bundle has a process of its own: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := got.Score(t.Context(), []float64{30}, []models.Candidate{{Arm: 0, X: []float64{5}}}, out); !errors.Is(err, models.ErrUnscorable) {
		t.Errorf("after Close: %v", err)
	}
}

// TestUnusedModelsAreClosed activates a bundle with a process and then one
// without: the process ends when nothing can ask it any more.
func TestUnusedModelsAreClosed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	m := newModels(t, live.Outside{Programs: buildPlugin(t)})
	e := outsideEngine(t, m)
	activate(t, e, outsideBundle(t, 1, processPath, processText, nil))
	d, err := e.Decide(t.Context(), decision("1"))
	if err != nil || len(d.Degraded) > 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	sockets := func() int {
		found, err := filepath.Glob(filepath.Join(os.TempDir(), "rebound-model-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if sockets() != 1 {
		t.Fatalf("%d processes", sockets())
	}
	small, err := rules.LoadFiles(bundle(2), engine.Schema())
	if err != nil {
		t.Fatal(err)
	}
	activate(t, e, small)
	for end := time.Now().Add(20 * time.Second); sockets() > 0; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		if time.Now().After(end) {
			t.Fatal("the process runs on without a bundle")
		}
	}
}
