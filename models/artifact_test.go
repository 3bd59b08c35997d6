package models

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
)

func testSchema() Schema {
	return Schema{
		Outcome: "purchase", Unit: "probability", Offers: []string{"ten", "ship"},
		Features: []Feature{{Name: "recency"}, {Name: "channel", Type: Category, Levels: []string{"web", "store", "phone"}}},
	}
}

// testUplift has a linear baseline, a boosted effect and a forest.
func testUplift(t testing.TB) *Uplift {
	t.Helper()
	s := testSchema()
	tree := Tree{
		Feature: []int32{0, 1}, Threshold: []float64{3, 0}, Left: []int32{^0, ^1}, Right: []int32{1, ^2},
		Flags:     []uint8{NodeMissingNaN, NodeMissingNaN | NodeCategorical | NodeDefaultLeft},
		CatOffset: []int32{0, 0}, CatWords: []int32{0, 1}, CatBits: []uint32{0b010}, Leaf: []float64{0.1, 0.2, -0.3},
	}
	forestTree := tree
	forestTree.Leaf = nil
	u, err := NewUplift(UpliftSpec{
		Schema: s,
		Predictors: []Predictor{
			{Linear: &Linear{Intercept: -1, Link: LinkLogistic, Terms: []LinearTerm{{Slope: 0.1, Missing: 0.5}, {Levels: []float64{0, 1, 2}, Missing: -1}}}},
			{Trees: &Ensemble{Features: s.Features, Outputs: 1, Base: []float64{0.05}, Trees: []Tree{tree}}},
			{Forest: &Forest{Arms: 2, Group: 2, Trees: []Tree{forestTree, forestTree}, PriorVariance: []float64{1e-4, 4e-4},
				Value: [][]float64{{.1, .2, .3, .4, .5, .6}, {.3, .2, .3, .4, .5, .6}}}},
		},
		Without: Sum{Parts: []Part{{0, 1}}},
		Levels:  Calibration{X: []float64{0, 1}, Y: []float64{0, 0.9}},
		Arms: []ArmEffect{
			{Effect: Sum{Parts: []Part{{1, 1}}}, Shift: 0.01, Scale: 0.5, Variance: Sum{Offset: 0.0004}},
			{Effect: Sum{Parts: []Part{{3, 1}}}, Scale: 1, Variance: Sum{Parts: []Part{{5, 1}}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func scores(t testing.TB, m Model, x []float64) []Score {
	t.Helper()
	cands := []Candidate{{Arm: 0}, {Arm: 1}, {Arm: -1}, {Arm: 7}}
	out := make([]Score, len(cands))
	if err := m.Score(context.Background(), x, cands, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUpliftScores(t *testing.T) {
	u := testUplift(t)
	got := scores(t, u, []float64{5, 1})
	without := 0.9 / (1 + math.Exp(-(-1 + 0.5 + 1)))
	want := []Score{
		{without, without + 0.01 + 0.5*0.25, 0.135 - 1.96*0.02, 0.135 + 1.96*0.02},
		{without, 1, 0, 0},
		{Without: without, With: without},
		{Without: without, With: without},
	}
	for i := range want {
		if math.Abs(got[i].Without-want[i].Without) > 1e-12 {
			t.Errorf("candidate %d: without %v, want %v", i, got[i].Without, want[i].Without)
		}
		if i != 1 && math.Abs(got[i].With-want[i].With)+math.Abs(got[i].Lower-want[i].Lower) > 1e-5 {
			t.Errorf("candidate %d: %+v, want %+v", i, got[i], want[i])
		}
		if got[i].Lower > got[i].Uplift()+1e-15 || got[i].Upper < got[i].Uplift()-1e-15 || got[i].With > 1 {
			t.Errorf("candidate %d: %+v is not consistent inside [0,1]", i, got[i])
		}
	}
	if err := u.Score(context.Background(), []float64{1}, nil, nil); !errors.Is(err, ErrUnscorable) {
		t.Errorf("a short vector: %v, want ErrUnscorable", err)
	}
}

func TestPriorScores(t *testing.T) {
	lifts := []AssumedLift{{"ten", 0.05, 0.01}, {"ship", -0.5, 0.1}}
	constant, err := NewPrior(testSchema(), 0.3, nil, lifts)
	if err != nil {
		t.Fatal(err)
	}
	if !constant.Schema().Assumed {
		t.Error("a prior's schema must say Assumed")
	}
	got := scores(t, constant, nil)
	if got[0].With != 0.35 || math.Abs(got[0].Lower-(0.05-z95*0.01)) > 1e-12 {
		t.Errorf("first offer %+v", got[0])
	}
	if got[1].With != 0 || got[1].Lower != -0.3 || got[1].Upper > 0 {
		t.Errorf("second offer %+v, want With and Lower at the edge", got[1])
	}
	over, err := NewPrior(testSchema(), 0, testUplift(t), lifts)
	if err != nil {
		t.Fatal(err)
	}
	x := []float64{1, 2}
	if a, b := scores(t, over, x)[0].Without, scores(t, testUplift(t), x)[0].Without; a != b {
		t.Errorf("baseline %v, want the base model's %v", a, b)
	}
	for _, bad := range [][]AssumedLift{{{"a", math.NaN(), 0}}, {{"a", 0, -1}}, {{"a", 0, 1}, {"a", 0, 1}}} {
		if _, err := NewPrior(testSchema(), 0.1, nil, bad); err == nil {
			t.Errorf("NewPrior accepted %v", bad)
		}
	}
	if _, err := NewPrior(testSchema(), 1.1, nil, lifts); err == nil {
		t.Error("NewPrior accepted a probability of 1.1")
	}
}

func encoded(t testing.TB, m Model) []byte {
	t.Helper()
	b, err := Encode(m, Card{Name: "m", Learner: "test", Metrics: []Metric{{Name: "qini", Value: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testModels(t testing.TB) map[string]Model {
	lifts := []AssumedLift{{"ten", 0.05, 0.01}}
	u := testUplift(t)
	constant, err := NewPrior(testSchema(), 0.3, nil, lifts)
	if err != nil {
		t.Fatal(err)
	}
	over, err := NewPrior(testSchema(), 0, u, lifts)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Model{"uplift": u, "prior": constant, "prior over a model": over}
}

// testAdapter is a T-learner of foreign trees: linear leaves, several outputs, sums in 32 bits.
func testAdapter(t testing.TB) *Adapter {
	t.Helper()
	s := testSchema()
	tree := func(width int) Tree {
		tree := Tree{
			Feature: []int32{0, 1}, Threshold: []float64{3, math.Inf(1)}, Left: []int32{^0, ^1}, Right: []int32{1, ^2},
			Flags: []uint8{NodeMissingZero | NodeStrict, NodeEqual}, Cover: []float64{5, 3, 2, 2, 1},
		}
		for range 3 * width {
			tree.Leaf = append(tree.Leaf, 0.1*float64(len(tree.Leaf))-0.3)
		}
		return tree
	}
	linear := tree(1)
	linear.Linear = []LinearLeaf{{Const: 1}, {Const: 0.5, Features: []int32{0}, Coeffs: []float64{0.1}}, {}}
	inputs := []Input{{Kind: InputCustomer, Index: 0}, {Kind: InputCustomer, Index: 1}}
	features := make([]Feature, 2)
	a, err := NewAdapter(AdapterConfig{
		Schema: s, Inputs: inputs,
		Without: Function{Ensemble: &Ensemble{Features: features, Outputs: 2, VectorLeaves: true, Float32: true, Float32Sum: true, Trees: []Tree{tree(2)}, Link: LinkSoftmax}, Output: 1},
		With: []Function{
			{Ensemble: &Ensemble{Features: features, Outputs: 1, Base: []float64{0.2}, Average: 0.5, Trees: []Tree{linear, tree(1)}, Link: LinkLogistic, Scale: 2}}, {},
		},
		WithInputs: [][]Input{{{Kind: InputArmCode, Codes: []float64{1, 2}, Off: math.NaN()}, inputs[0]}, nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAdapterRoundTrip(t *testing.T) {
	m := testAdapter(t)
	b := encoded(t, m)
	got, card, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if card.Kind != KindAdapted || !bytes.Equal(b, encoded(t, got)) {
		t.Errorf("kind %q, or other bytes", card.Kind)
	}
	cands := []Candidate{{Arm: 0}, {Arm: 1}, {Arm: -1}}
	for _, x := range [][]float64{{5, 1}, {math.NaN(), math.NaN()}, {-1, 2}, {1e-40, math.Inf(1)}} {
		want, out := make([]Score, 3), make([]Score, 3)
		if err := errors.Join(m.Score(context.Background(), x, cands, want), got.Score(context.Background(), x, cands, out)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want, out) {
			t.Errorf("at %v: %v after the round trip, %v before", x, out, want)
		}
	}
	rows, err := NewAdapter(AdapterConfig{Schema: testSchema(), Without: Function{Row: func([]float64) (float64, error) { return 0, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Encode(rows, Card{}); !errors.Is(err, ErrNotPortable) {
		t.Errorf("a function was encoded: %v", err)
	}
}

// hostileModels are all kinds of artifacts.
func hostileModels(t testing.TB) map[string]Model {
	all := testModels(t)
	all["adapted"] = testAdapter(t)
	return all
}

func TestArtifactRoundTrip(t *testing.T) {
	for name, m := range testModels(t) {
		b := encoded(t, m)
		got, card, err := Open(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if card.Name != "m" || len(card.Metrics) != 1 || len(Digest(b)) != 64 {
			t.Errorf("%s: card %+v", name, card)
		}
		for _, x := range [][]float64{{5, 1}, {math.NaN(), math.NaN()}, {-1, 2}} {
			if w, g := scores(t, m, x), scores(t, got, x); !reflect.DeepEqual(w, g) {
				t.Errorf("%s at %v: %v after the round trip, %v before", name, x, g, w)
			}
		}
		if again := encoded(t, got); !bytes.Equal(b, again) {
			t.Errorf("%s: encoding what was decoded gives other bytes", name)
		}
	}
}

func TestArtifactRefusesDamage(t *testing.T) {
	for name, m := range hostileModels(t) {
		b := encoded(t, m)
		for n := range b {
			if _, _, err := Open(b[:n]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s cut at %d: %v, want ErrCorrupt", name, n, err)
			}
		}
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 0x10
			if _, _, err := Open(c); err == nil {
				t.Fatalf("%s with byte %d flipped was opened", name, i)
			}
		}
		c := bytes.Clone(b)
		c[8] = 9
		if _, _, err := Open(c); !errors.Is(err, ErrVersion) {
			t.Errorf("%s of version 9: %v, want ErrVersion", name, err)
		}
	}
}

// reseal makes the checksum right again after a change.
func reseal(b []byte) []byte {
	sum := artifactSum(b)
	copy(b[24:], sum[:])
	return b
}

// TestArtifactHostile changes payloads under a right checksum: whatever opens
// must score or refuse without panic, and refusing must not allocate much.
func TestArtifactHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, m := range hostileModels(t) {
		b := encoded(t, m)
		start := prologueSize + int(binary.LittleEndian.Uint32(b[12:]))
		for range 3000 {
			c := bytes.Clone(b)
			for range 1 + r.IntN(3) {
				at := start + r.IntN(len(c)-start)
				if r.IntN(2) == 0 {
					c[at] = byte(r.Uint32())
				} else if at+4 <= len(c) {
					binary.LittleEndian.PutUint32(c[at:], r.Uint32())
				}
			}
			openCheaply(t, name, reseal(c))
		}
	}
}

func openCheaply(t testing.TB, name string, b []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, _, err := Open(b)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+32*uint64(len(b)) {
		t.Fatalf("%s: opening %d bytes allocated %d", name, len(b), grown)
	}
	if err != nil {
		return
	}
	x := make([]float64, len(m.Schema().Features))
	out := make([]Score, 1)
	if err := m.Score(context.Background(), x, []Candidate{{Arm: 0}}, out); err != nil && !errors.Is(err, ErrUnscorable) {
		t.Fatalf("%s: %v", name, err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, m := range hostileModels(f) {
		f.Add(encoded(f, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= prologueSize && IsArtifact(b) {
			b = reseal(bytes.Clone(b))
		}
		openCheaply(t, "fuzz", b)
	})
}

func TestHeaderOfManyElements(t *testing.T) {
	b := encoded(t, testUplift(t))
	header := append([]byte(`{"schema":{"features":[`), bytes.Repeat([]byte("{},"), 200000)...)
	header = append(header, `{}]}}`...)
	c := append(bytes.Clone(b[:prologueSize]), header...)
	binary.LittleEndian.PutUint32(c[12:], uint32(len(header)))
	binary.LittleEndian.PutUint64(c[16:], 0)
	reseal(c)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := Open(c)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrCorrupt) || after.TotalAlloc-before.TotalAlloc > 1<<16 {
		t.Errorf("%v after allocating %d bytes", err, after.TotalAlloc-before.TotalAlloc)
	}
}

func BenchmarkUpliftScore(b *testing.B) {
	u := testUplift(b)
	x, cands, out := []float64{5, 1}, []Candidate{{Arm: 0}, {Arm: 1}}, make([]Score, 2)
	b.ReportAllocs()
	for b.Loop() {
		if err := u.Score(context.Background(), x, cands, out); err != nil {
			b.Fatal(err)
		}
	}
}
