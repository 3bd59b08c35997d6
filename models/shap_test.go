package models_test

import (
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// expectation is E[f(x) | features in known], by the paths of the tree: unknown
// features follow both children by cover. It is the definition, in exponential time.
func expectation(t *models.Tree, x []float64, known uint, c int32) float64 {
	if c < 0 {
		return t.Leaf[^c]
	}
	f := t.Feature[c]
	one := models.Tree{
		Feature: t.Feature[c : c+1], Threshold: t.Threshold[c : c+1], Flags: t.Flags[c : c+1],
		Left: []int32{-1}, Right: []int32{-2}, CatBits: t.CatBits,
		CatOffset: t.CatOffset[c : c+1], CatWords: t.CatWords[c : c+1],
	}
	if known>>f&1 != 0 {
		if one.Find(x) == 0 {
			return expectation(t, x, known, t.Left[c])
		}
		return expectation(t, x, known, t.Right[c])
	}
	weight := func(c int32) float64 {
		if c >= 0 {
			return t.Cover[c]
		}
		return t.Cover[t.Nodes()+int(^c)]
	}
	l, r := weight(t.Left[c]), weight(t.Right[c])
	return (l*expectation(t, x, known, t.Left[c]) + r*expectation(t, x, known, t.Right[c])) / (l + r)
}

func shapley(t *models.Tree, x []float64, features, f int) float64 {
	return shapleyOf(features, f, func(set uint) float64 { return expectation(t, x, set, 0) })
}

// shapleyOf is the Shapley value of feature f in the game v.
func shapleyOf(features, f int, v func(set uint) float64) (total float64) {
	for set := range uint(1) << features {
		if set>>f&1 != 0 {
			continue
		}
		s := bits.OnesCount(set)
		weight := math.Gamma(float64(s+1)) * math.Gamma(float64(features-s)) / math.Gamma(float64(features+1))
		total += weight * (v(set|1<<f) - v(set))
	}
	return total
}

func TestContributionsAreShapleyValues(t *testing.T) {
	const features = 5
	r := rand.New(rand.NewPCG(9, 9))
	for range 40 {
		tree := grow(r, 2+r.IntN(20), features, 1, anyKind)
		e := &models.Ensemble{Features: make([]models.Feature, features), Outputs: 1, Trees: []models.Tree{tree}}
		explainer, err := models.NewTreeExplainer(e)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			x := values(r, features)
			got := make([]float64, features+1)
			explainer.Contributions(x, got)
			for f := range features {
				if want := shapley(&tree, x, features, f); math.Abs(got[f]-want) > 1e-9 {
					t.Fatalf("feature %d of %v: %v, want %v", f, x, got[f], want)
				}
			}
			if want := expectation(&tree, x, 0, 0); math.Abs(got[features]-want) > 1e-9 {
				t.Fatalf("expected value %v, want %v", got[features], want)
			}
		}
	}
}

func TestContributionsAddUpWithVectorLeavesAndEmptyLeaves(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	e := &models.Ensemble{Features: make([]models.Feature, 7), Outputs: 3, VectorLeaves: true, Base: []float64{1, 2, 3}}
	for range 10 {
		tree := grow(r, 30, 7, 3, anyKind)
		emptyLeaf(&tree)
		e.Trees = append(e.Trees, tree)
	}
	explainer, err := models.NewTreeExplainer(e)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		x := values(r, 7)
		got, raw := make([]float64, 24), make([]float64, 3)
		explainer.Contributions(x, got)
		e.Raw(x, raw)
		for k := range 3 {
			sum := 0.0
			for _, v := range got[k*8 : k*8+8] {
				sum += v
			}
			if math.Abs(sum-raw[k]) > 1e-9 {
				t.Fatalf("output %d: contributions add up to %v, raw is %v", k, sum, raw[k])
			}
		}
	}
}

// emptyLeaf takes the weight of the last leaf from it and from all nodes above it.
func emptyLeaf(t *models.Tree) {
	child := ^int32(t.Nodes())
	weight := t.Cover[2*t.Nodes()]
	t.Cover[2*t.Nodes()] = 0
	for child != 0 {
		for i := range int32(t.Nodes()) {
			if t.Left[i] == child || t.Right[i] == child {
				t.Cover[i] -= weight
				child = i
				break
			}
		}
	}
}

func TestNewTreeExplainerRefuses(t *testing.T) {
	tree := models.Tree{
		Feature: []int32{0}, Threshold: []float64{1}, Flags: []uint8{0},
		Left: []int32{-1}, Right: []int32{-2}, Leaf: []float64{1, 2},
	}
	e := &models.Ensemble{Features: make([]models.Feature, 1), Outputs: 1, Trees: []models.Tree{tree}}
	if _, err := models.NewTreeExplainer(e); !errors.Is(err, models.ErrNotExplainable) {
		t.Errorf("without covers: %v", err)
	}
	e.Trees[0].Cover = []float64{2, 1, 1}
	e.Trees[0].Linear = make([]models.LinearLeaf, 2)
	if _, err := models.NewTreeExplainer(e); !errors.Is(err, models.ErrNotExplainable) {
		t.Errorf("with linear leaves: %v", err)
	}
}
