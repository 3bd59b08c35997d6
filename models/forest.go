package models

import (
	"fmt"
	"slices"
)

// Forest is a causal forest: every tree's leaf holds one effect per arm, and
// trees come in groups grown on the same half of the sample (a bag of little
// bags: Sexton and Laake 2009; Athey, Tibshirani and Wager 2019, section 4.1),
// from which the variance of the average is estimated.
type Forest struct {
	Arms  int
	Group int         // trees per group, at least 2
	Trees []Tree      // without leaf values; a whole number of groups
	Value [][]float64 // per tree: leaf*Arms+arm
	// PriorVariance per arm is added in the shrinkage of the variance
	// estimate, which from few groups alone may turn out negative.
	PriorVariance []float64
}

func (f *Forest) check(features int) error {
	if f.Arms < 1 || 2*f.Arms > MaxUpliftOutputs || f.Group < 2 || len(f.Trees) == 0 || len(f.Trees)%f.Group != 0 {
		return fmt.Errorf("forest of %d trees in groups of %d with %d arms", len(f.Trees), f.Group, f.Arms)
	}
	if len(f.Value) != len(f.Trees) || len(f.PriorVariance) != f.Arms {
		return fmt.Errorf("leaf values of %d trees for %d, prior variances %d", len(f.Value), len(f.Trees), len(f.PriorVariance))
	}
	for i := range f.Trees {
		if err := checkNativeTree(&f.Trees[i], features, len(f.Value[i])/f.Arms); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return nil
}

// ensemble is the mean effects as an ensemble with an output per arm.
func (f *Forest) ensemble(features []Feature) *Ensemble {
	e := &Ensemble{Features: features, Outputs: f.Arms, VectorLeaves: true, Average: 1 / float64(len(f.Trees)), Trees: slices.Clone(f.Trees)}
	for i := range e.Trees {
		e.Trees[i].Leaf = f.Value[i]
	}
	return e
}

// ForestPriorGroups is the weight of PriorVariance, in groups.
const ForestPriorGroups = 25

func (f *Forest) encode(e *encoder) {
	e.u32(uint32(f.Arms))
	e.u32(uint32(f.Group))
	e.f64s(f.PriorVariance)
	e.u32(uint32(len(f.Trees)))
	for i := range f.Trees {
		encodeTree(e, &f.Trees[i])
	}
	for _, v := range f.Value {
		e.f64s(v)
	}
}

func decodeForest(d *decoder) *Forest {
	f := &Forest{Arms: int(d.u32()), Group: int(d.u32()), PriorVariance: d.finites("prior variances")}
	if d.err == nil && (f.Arms < 1 || f.Arms > MaxUpliftOutputs) {
		d.fail("forest of %d arms", f.Arms)
	}
	f.Trees = decodeTrees(d, false)
	for range f.Trees {
		if d.err != nil {
			return f
		}
		f.Value = append(f.Value, d.finites("leaf effects"))
		if last := f.Value[len(f.Value)-1]; d.err == nil && len(last)%f.Arms != 0 {
			d.fail("%d leaf effects of %d arms", len(last), f.Arms)
		}
	}
	return f
}
