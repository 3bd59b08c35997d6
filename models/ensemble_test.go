package models_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// grow makes a random tree; kinds is the set of flags its nodes may carry.
func grow(r *rand.Rand, leaves, features, width int, kinds []uint8) models.Tree {
	var t models.Tree
	t.Left, t.Right = []int32{}, []int32{}
	open := []int32{}
	addNode := func() int32 {
		flags := kinds[r.IntN(len(kinds))]
		if r.IntN(2) == 0 {
			flags |= models.NodeDefaultLeft
		}
		t.Feature = append(t.Feature, int32(r.IntN(features)))
		t.Threshold = append(t.Threshold, thresholds[r.IntN(len(thresholds))]+float64(r.IntN(40))/8)
		t.Flags = append(t.Flags, flags)
		t.Left, t.Right = append(t.Left, 0), append(t.Right, 0)
		t.CatOffset = append(t.CatOffset, int32(len(t.CatBits)))
		t.CatWords = append(t.CatWords, 2)
		t.CatBits = append(t.CatBits, r.Uint32(), r.Uint32())
		return int32(len(t.Feature) - 1)
	}
	addLeaf := func() int32 {
		for range width {
			t.Leaf = append(t.Leaf, r.NormFloat64())
		}
		return ^int32(len(t.Leaf)/width - 1)
	}
	if leaves == 1 {
		addLeaf()
		return t
	}
	open = append(open, addNode(), 0)
	for splits := leaves - 2; len(open) > 0; {
		i := r.IntN(len(open) / 2)
		node, side := open[2*i], open[2*i+1]
		var child int32
		if splits > 0 && (len(open) == 2 && side == 0 || r.IntN(2) == 0 || len(open) < 4) {
			splits--
			child = addNode()
			open = append(open, child, 0)
		} else {
			child = addLeaf()
		}
		if side == 0 {
			t.Left[node] = child
			open[2*i+1] = 1
		} else {
			t.Right[node] = child
			open = append(open[:2*i], open[2*i+2:]...)
		}
	}
	t.Cover = make([]float64, 2*t.Nodes()+1)
	cover(r, &t, 0)
	return t
}

// cover gives every leaf a random weight and every node the sum of its children.
func cover(r *rand.Rand, t *models.Tree, c int32) float64 {
	if c < 0 {
		at := t.Nodes() + int(^c)
		t.Cover[at] = 1 + float64(r.IntN(50))
		return t.Cover[at]
	}
	t.Cover[c] = cover(r, t, t.Left[c]) + cover(r, t, t.Right[c])
	return t.Cover[c]
}

var thresholds = []float64{-2, 0, 1e-36, 1.5, 0.1}

var anyKind = []uint8{
	0, models.NodeMissingNaN, models.NodeMissingZero, models.NodeStrict,
	models.NodeStrict | models.NodeMissingNaN, models.NodeEqual, models.NodeEqual | models.NodeMissingNaN,
	models.NodeCategorical, models.NodeCategorical | models.NodeMissingNaN, models.NodeCategorical | models.NodeStrict,
}

func values(r *rand.Rand, n int) []float64 {
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e-36, -0.5, 1e30, 0.1, 1.5, 3}
	x := make([]float64, n)
	for i := range x {
		switch r.IntN(4) {
		case 0:
			x[i] = odd[r.IntN(len(odd))]
		case 1:
			x[i] = float64(r.IntN(64))
		default:
			x[i] = r.NormFloat64() * 3
		}
	}
	return x
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func TestScorerEqualsWalk(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			e := &models.Ensemble{
				Features: make([]models.Feature, 6), Outputs: 1 + int(seed%3),
				VectorLeaves: seed%4 == 3, Float32: seed%5 == 0, Float32Sum: seed%2 == 0,
			}
			e.Base = make([]float64, e.Outputs)
			e.Base[0] = 0.3
			width := 1
			if e.VectorLeaves {
				width = e.Outputs
			}
			for range 23 {
				e.Trees = append(e.Trees, grow(r, 1+r.IntN(90), 6, width, anyKind))
			}
			checkAgainstWalk(t, r, e)
		})
	}
}

func checkAgainstWalk(t *testing.T, r *rand.Rand, e *models.Ensemble) {
	t.Helper()
	s, err := models.NewScorer(e)
	if err != nil {
		t.Fatal(err)
	}
	split, err := s.Split([]int32{4, -1, 0, 2}, []int32{1, 5, 3})
	if err != nil {
		t.Fatal(err)
	}
	k := e.Outputs
	want, got := make([]float64, k), make([]float64, k)
	wantLeaf, gotLeaf := make([]int, len(e.Trees)), make([]int, len(e.Trees))
	for range 200 {
		x := values(r, 6)
		e.Raw(x, want)
		s.Raw(x, got)
		e.FindLeaves(x, wantLeaf)
		s.FindLeaves(x, gotLeaf)
		for i := range wantLeaf {
			if wantLeaf[i] != gotLeaf[i] {
				t.Fatalf("x=%v: tree %d reaches leaf %d, want %d", x, i, gotLeaf[i], wantLeaf[i])
			}
		}
		var offers []*models.PreparedOffer
		var rows [][]float64
		for range 7 {
			o := values(r, 3)
			offers = append(offers, split.Prepare(o))
			rows = append(rows, []float64{x[0], o[0], x[2], o[2], x[4], o[1]})
		}
		out := make([]float64, 7*k)
		split.Raw([]float64{x[4], 99, x[0], x[2]}, offers, out)
		for i := range k {
			if !sameBits(want[i], got[i]) {
				t.Fatalf("x=%v: raw %v, want %v", x, got, want)
			}
		}
		for j, row := range rows {
			e.Raw(row, want)
			for i := range k {
				if !sameBits(out[j*k+i], want[i]) {
					t.Fatalf("row=%v: split raw %v, want %v", row, out[j*k:(j+1)*k], want)
				}
			}
		}
	}
}

func boosted(seed uint64, trees, leaves, features int) *models.Ensemble {
	r := rand.New(rand.NewPCG(seed, 7))
	e := &models.Ensemble{Features: make([]models.Feature, features), Outputs: 1}
	for range trees {
		tree := grow(r, leaves, features, 1, []uint8{models.NodeMissingNaN})
		for i := range tree.Threshold {
			tree.Threshold[i] = float64(float32(r.NormFloat64()))
		}
		e.Trees = append(e.Trees, tree)
	}
	return e
}

func TestScorerIsSafeForConcurrentUse(t *testing.T) {
	e := boosted(2, 40, 20, 8)
	s, err := models.NewScorer(e)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(g, 3))
			var want, got [1]float64
			for range 300 {
				x := values(r, 8)
				e.Raw(x, want[:])
				s.Raw(x, got[:])
				if want != got {
					t.Errorf("raw %v, want %v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestValidateRefuses(t *testing.T) {
	good := func() models.Tree {
		return models.Tree{
			Feature: []int32{0, 1}, Threshold: []float64{1, 2}, Flags: []uint8{0, 0},
			Left: []int32{1, -1}, Right: []int32{-2, -3}, Leaf: []float64{1, 2, 3},
		}
	}
	cases := map[string]struct {
		change func(*models.Tree)
		want   string
	}{
		"cycle":       {func(t *models.Tree) { t.Left = []int32{1, 1} }, "two parents"},
		"lone cycle":  {func(t *models.Tree) { t.Left[0] = -1; t.Left[1] = 1 }, "cycle"},
		"root again":  {func(t *models.Tree) { t.Right[1] = 0 }, "two parents or is the root"},
		"far child":   {func(t *models.Tree) { t.Right[1] = 7 }, "outside"},
		"far leaf":    {func(t *models.Tree) { t.Right[1] = -9 }, "outside"},
		"feature":     {func(t *models.Tree) { t.Feature[1] = 2 }, "feature 2 of 2"},
		"negative":    {func(t *models.Tree) { t.Feature[1] = -1 }, "feature -1"},
		"NaN":         {func(t *models.Tree) { t.Threshold[1] = math.NaN() }, "NaN"},
		"short":       {func(t *models.Tree) { t.Flags = t.Flags[:1] }, "differ in length"},
		"leaves":      {func(t *models.Tree) { t.Leaf = t.Leaf[:2] }, "2 leaf values for 3"},
		"categories":  {func(t *models.Tree) { t.Flags[0] = models.NodeCategorical }, "category set"},
		"linear leaf": {func(t *models.Tree) { t.Linear = make([]models.LinearLeaf, 1) }, "1 linear leaves"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tree := good()
			c.change(&tree)
			e := &models.Ensemble{Features: make([]models.Feature, 2), Outputs: 1, Trees: []models.Tree{tree}}
			_, err := models.NewScorer(e)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	e := &models.Ensemble{Features: make([]models.Feature, 2), Outputs: 1, Trees: []models.Tree{good()}}
	if err := e.Validate(); err != nil {
		t.Errorf("a good tree is refused: %v", err)
	}
}

func BenchmarkEnsemble(b *testing.B) {
	e := boosted(3, 200, 31, 40)
	s, err := models.NewScorer(e)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	rows := make([][]float64, 256)
	for i := range rows {
		rows[i] = make([]float64, 40)
		for j := range rows[i] {
			rows[i][j] = r.NormFloat64()
			if r.IntN(20) == 0 {
				rows[i][j] = math.NaN()
			}
		}
	}
	customer, offer := make([]int32, 36), make([]int32, 4)
	for i := range customer {
		customer[i] = int32(i)
	}
	for i := range offer {
		offer[i] = int32(36 + i)
	}
	split, err := s.Split(customer, offer)
	if err != nil {
		b.Fatal(err)
	}
	var offers []*models.PreparedOffer
	for i := range 8 {
		offers = append(offers, split.Prepare(rows[i][36:]))
	}
	out := make([]float64, 8)
	b.Run("walk/rows=1", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e.Raw(rows[i&255], out)
		}
	})
	b.Run("masks/rows=1", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Raw(rows[i&255], out)
		}
	})
	b.Run("split/candidates=8", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			split.Raw(rows[i&255][:36], offers, out)
		}
	})
}
