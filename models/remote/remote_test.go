package remote_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/remote"
	"github.com/rebound-engine/rebound/models/remote/remotetest"
	"github.com/rebound-engine/rebound/proto/inference"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFake() *remotetest.Server { return remotetest.New(linear) }

// linear answers 0.2 + 0.001·x[0] + 0.01·x[last] of every row, a missing value counting as 100.
func linear(_ context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	rows, columns := int(r.GetInputs()[0].GetShape()[0]), int(r.GetInputs()[0].GetShape()[1])
	at := func(row, col int) float64 {
		v := math.Float64frombits(binary.LittleEndian.Uint64(r.GetRawInputContents()[0][8*(row*columns+col):]))
		if math.IsNaN(v) {
			return 100
		}
		return v
	}
	var values []float64
	for row := range rows {
		values = append(values, 0.2+0.001*at(row, 0)+0.01*at(row, columns-1))
	}
	return remotetest.Typed([]int64{int64(rows)}, values...), nil
}

const sLearner = `
model: purchase
timeout: 20s
outcome: purchase
unit: probability
features: [customer.recency_days, ret.refund_value]
offer_features: [offer.percent]
offers: [ten, twenty]
`

func parse(t testing.TB, target, text string) remote.Config {
	t.Helper()
	c, err := remote.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c.Target = target
	return c
}

func open(t testing.TB, c remote.Config, o remote.Options) *remote.Model {
	t.Helper()
	m, err := remote.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

var ten = models.Candidate{Arm: 0, X: []float64{10}}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

func TestSLearner(t *testing.T) {
	f := newFake()
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner), remote.Options{})
	out := make([]models.Score, 3)
	cands := []models.Candidate{ten, {Arm: 1, X: []float64{20}}, {Arm: -1, X: []float64{30}}}
	if err := m.Score(t.Context(), []float64{50, math.NaN()}, cands, out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.35, 0.45, 0.55} {
		if !near(out[i].Without, 0.25) || !near(out[i].With, want) || !near(out[i].Lower, -0.25) || !near(out[i].Upper, 0.75) {
			t.Errorf("candidate %d: %+v, want with %v", i, out[i], want)
		}
	}
}

// TestOneBadCandidateRefusesAll: one chance out of range, and no score of the batch counts.
func TestOneBadCandidateRefusesAll(t *testing.T) {
	f := newFake()
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner), remote.Options{})
	out := make([]models.Score, 2)
	err := m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten, {Arm: 1, X: []float64{90}}}, out)
	if !errors.Is(err, models.ErrUnscorable) {
		t.Fatalf("a chance of 1.15 passed: %+v, %v", out, err)
	}
}

// TestTensors checks every data type on the wire.
func TestTensors(t *testing.T) {
	f := newFake()
	var got *inference.ModelInferRequest
	f.Answers(func(_ context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		got = r
		return remotetest.Typed([]int64{2, 2}, 0.9, 0.1, 0.8, 0.2), nil
	})
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, `
model: purchase
version: v3
timeout: 20s
outcome: purchase
unit: probability
features:
  - {name: customer.orders, missing: -1}
  - {name: customer.tier, levels: [none, gold]}
  - ret.refund_value
offer_features: [{name: offer.kind, levels: [percent, points]}, {name: offer.percent, no_offer: -5}]
inputs:
  - {name: ints, datatype: INT64, columns: [customer.orders]}
  - {name: shorts, datatype: INT32, columns: [customer.orders, offer.percent]}
  - {name: texts, datatype: BYTES, columns: [customer.tier, offer.kind]}
  - {name: singles, datatype: FP32, columns: [ret.refund_value, customer.tier]}
output: {name: predict, column: 1}
`), remote.Options{})
	out := make([]models.Score, 1)
	if err := m.Score(t.Context(), []float64{math.NaN(), 1, 2.5}, []models.Candidate{{Arm: -1, X: []float64{0, 10}}}, out); err != nil {
		t.Fatal(err)
	}
	if out[0].Without != 0.1 || out[0].With != 0.2 {
		t.Errorf("score %+v", out[0])
	}
	le := binary.LittleEndian
	text := func(words ...string) (b []byte) {
		for _, w := range words {
			b = append(le.AppendUint32(b, uint32(len(w))), w...)
		}
		return b
	}
	var ints, shorts, singles []byte
	for _, v := range []int64{-1, -1} {
		ints = le.AppendUint64(ints, uint64(v))
	}
	for _, v := range []int32{-1, -5, -1, 10} {
		shorts = le.AppendUint32(shorts, uint32(v))
	}
	for _, v := range []float32{2.5, 1, 2.5, 1} {
		singles = le.AppendUint32(singles, math.Float32bits(v))
	}
	want := [][]byte{ints, shorts, text("gold", "", "gold", "percent"), singles}
	if !slices.EqualFunc(got.GetRawInputContents(), want, slices.Equal) {
		t.Errorf("sent %v\nwant %v", got.GetRawInputContents(), want)
	}
	if s := got.GetInputs()[1]; got.GetModelVersion() != "v3" || s.GetDatatype() != "INT32" || !slices.Equal(s.GetShape(), []int64{2, 2}) {
		t.Errorf("request %v", got)
	}
	if err := m.Score(t.Context(), []float64{1.5, 1, 2.5}, []models.Candidate{{Arm: -1, X: []float64{0, 10}}}, out); !errors.Is(err, models.ErrUnscorable) {
		t.Errorf("1.5 went out as a whole number: %v", err)
	}
	if err := m.Score(t.Context(), []float64{1, 1, 1e300}, []models.Candidate{{Arm: -1, X: []float64{0, 10}}}, out); !errors.Is(err, models.ErrUnscorable) {
		t.Errorf("1e300 went out as FP32: %v", err)
	}
}

const perOffer = `
model: spend
timeout: 20s
outcome: spend
unit: money
features: [customer.recency_days]
offers: [ten, twenty]
output: {name: predict, columns: {none: 0, ten: 1}}
lower: {name: lower, columns: {ten: 0}}
upper: {name: upper, columns: {ten: 0}}
`

// TestPerOffer reads raw FP32 columns, one per offer, with intervals.
func TestPerOffer(t *testing.T) {
	f := newFake()
	f.Answers(func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		r := &inference.ModelInferResponse{}
		add := func(name string, values ...float32) {
			var raw []byte
			for _, v := range values {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			}
			r.Outputs = append(r.Outputs, &inference.ModelInferResponse_InferOutputTensor{Name: name, Datatype: "FP32", Shape: []int64{1, int64(len(values))}})
			r.RawOutputContents = append(r.RawOutputContents, raw)
		}
		add("upper", 7)
		add("predict", 30, 35)
		add("lower", 3)
		return r, nil
	})
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, perOffer), remote.Options{})
	out := make([]models.Score, 3)
	if err := m.Score(t.Context(), []float64{5}, []models.Candidate{{Arm: 0}, {Arm: 1}, {Arm: -1}}, out); err != nil {
		t.Fatal(err)
	}
	none := models.Score{Without: 30, With: 30}
	if want := []models.Score{{Without: 30, With: 35, Lower: 3, Upper: 7}, none, none}; !slices.Equal(out, want) {
		t.Errorf("got %+v\nwant %+v", out, want)
	}
}

// TestGarbage sends answers that no sound server gives; each is an error, none a score.
func TestGarbage(t *testing.T) {
	raw := func(bytes ...byte) *inference.ModelInferResponse {
		r := remotetest.Typed([]int64{2})
		r.RawOutputContents = [][]byte{bytes}
		return r
	}
	change := func(fn func(*inference.ModelInferResponse)) *inference.ModelInferResponse {
		r := remotetest.Typed([]int64{2}, 0.1, 0.2)
		fn(r)
		return r
	}
	for name, r := range map[string]*inference.ModelInferResponse{
		"nothing":           {},
		"one row for two":   remotetest.Typed([]int64{1}, 0.1),
		"transposed":        remotetest.Typed([]int64{1, 2}, 0.1, 0.2),
		"three dimensions":  remotetest.Typed([]int64{2, 1, 1}, 0.1, 0.2),
		"no shape":          remotetest.Typed(nil, 0.1, 0.2),
		"negative shape":    remotetest.Typed([]int64{2, -1}, 0.1, 0.2),
		"huge shape":        remotetest.Typed([]int64{2, 1 << 62}, 0.1, 0.2),
		"too few values":    remotetest.Typed([]int64{2}, 0.1),
		"too many values":   remotetest.Typed([]int64{2}, 0.1, 0.2, 0.3),
		"not a number":      remotetest.Typed([]int64{2}, 0.1, math.NaN()),
		"infinite":          remotetest.Typed([]int64{2}, math.Inf(1), 0.2),
		"above one":         remotetest.Typed([]int64{2}, 0.1, 1.01),
		"below zero":        remotetest.Typed([]int64{2}, -0.01, 0.2),
		"short raw":         raw(make([]byte, 15)...),
		"long raw":          raw(make([]byte, 17)...),
		"empty raw":         raw(),
		"another output":    change(func(r *inference.ModelInferResponse) { r.Outputs[0].Name = "label" }),
		"texts":             change(func(r *inference.ModelInferResponse) { r.Outputs[0].Datatype = "BYTES" }),
		"values elsewhere":  change(func(r *inference.ModelInferResponse) { r.Outputs[0].Datatype = "FP32" }),
		"another version":   change(func(r *inference.ModelInferResponse) { r.ModelVersion = "v2" }),
		"raw of two":        change(func(r *inference.ModelInferResponse) { r.RawOutputContents = make([][]byte, 2) }),
		"contents are lost": change(func(r *inference.ModelInferResponse) { r.Outputs[0].Contents = nil }),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.Answers(func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
				return r, nil
			})
			at, _ := f.Serve(t, "")
			m := open(t, parse(t, at, sLearner+"version: v1\n"), remote.Options{})
			out := make([]models.Score, 1)
			if err := m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten}, out); !errors.Is(err, models.ErrUnscorable) {
				t.Fatalf("%+v, %v", out, err)
			}
			if f.Calls() != 1 {
				t.Errorf("%d calls: the error is not about the answer", f.Calls())
			}
		})
	}
}

// TestWrongQuestions never leave the machine.
func TestWrongQuestions(t *testing.T) {
	f := newFake()
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner), remote.Options{})
	room := make([]models.Score, 1)
	for name, ask := range map[string]func() error{
		"too few features": func() error { return m.Score(t.Context(), []float64{1}, []models.Candidate{ten}, room) },
		"no room":          func() error { return m.Score(t.Context(), []float64{1, 2}, []models.Candidate{ten, ten}, room) },
		"unknown arm": func() error {
			return m.Score(t.Context(), []float64{1, 2}, []models.Candidate{{Arm: 2, X: []float64{1}}}, room)
		},
		"no offer features": func() error { return m.Score(t.Context(), []float64{1, 2}, []models.Candidate{{Arm: 0}}, room) },
	} {
		if err := ask(); !errors.Is(err, models.ErrUnscorable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.Calls() != 0 {
		t.Errorf("%d calls went out", f.Calls())
	}
}

// TestHungServer: the deadline holds, the breaker opens, then nobody waits, and a try closes it again.
func TestHungServer(t *testing.T) {
	f := newFake()
	f.Answers(remotetest.Hang)
	at, _ := f.Serve(t, "")
	var now atomic.Int64
	c := parse(t, at, sLearner+"failures: 3\nretry_after: 1s\n")
	c.Timeout /= 80 // 250 ms
	m := open(t, c, remote.Options{Clock: func() time.Time { return time.Unix(0, now.Load()) }})
	out := make([]models.Score, 1)
	ask := func() error { return m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten}, out) }
	for range 3 {
		if err := ask(); !errors.Is(err, models.ErrUnscorable) {
			t.Fatal(err)
		}
	}
	for range 1000 {
		if err := ask(); !errors.Is(err, models.ErrUnscorable) {
			t.Fatal(err)
		}
	}
	asked := f.Calls()
	if asked > 3 {
		t.Errorf("the server was asked %d times", asked)
	}
	now.Add(int64(time.Second))
	if err := ask(); !errors.Is(err, models.ErrUnscorable) {
		t.Fatal(err)
	}
	f.Answers(linear)
	if err := ask(); !errors.Is(err, models.ErrUnscorable) {
		t.Fatalf("asked again within the doubled wait: %v", err)
	}
	now.Add(int64(2 * time.Second))
	for range 5 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServerRestarts kills the server and starts it again at the same address.
func TestServerRestarts(t *testing.T) {
	f := newFake()
	at, stop := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner+"retry_after: 20ms\n"), remote.Options{})
	out := make([]models.Score, 1)
	ask := func() error { return m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten}, out) }
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	stop()
	for range 20 {
		if err := ask(); !errors.Is(err, models.ErrUnscorable) {
			t.Fatal(err)
		}
	}
	f.Serve(t, at)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if ask() == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is back and is not asked")
		}
	}
}

func TestCallsInFlightAreBounded(t *testing.T) {
	f := newFake()
	var in, most atomic.Int64
	f.Answers(func(ctx context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		n := in.Add(1)
		defer in.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		return linear(ctx, r)
	})
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner+"max_in_flight: 3\n"), remote.Options{})
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			if err := m.Score(context.Background(), []float64{50, 1}, []models.Candidate{ten}, make([]models.Score, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d calls at a time, want 3", most.Load())
	}
}

// TestCallersWhoLeaveOpenNothing: cancelled calls say nothing about the server.
func TestCallersWhoLeaveOpenNothing(t *testing.T) {
	f := newFake()
	f.Answers(func(ctx context.Context, _ *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-ctx.Done()
		return nil, status.Error(codes.Canceled, "left")
	})
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner+"failures: 1\n"), remote.Options{})
	out := make([]models.Score, 1)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		if err := m.Score(ctx, []float64{50, 1}, []models.Candidate{ten}, out); !errors.Is(err, models.ErrUnscorable) {
			t.Fatal(err)
		}
	}
	f.Answers(linear)
	if err := m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten}, out); err != nil {
		t.Fatal(err)
	}
}

func TestClosedModel(t *testing.T) {
	f := newFake()
	at, _ := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner), remote.Options{})
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	if err := m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten}, make([]models.Score, 1)); !errors.Is(err, models.ErrUnscorable) {
		t.Fatal(err)
	}
}
