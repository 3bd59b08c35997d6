package learner

import (
	"fmt"
)

// Method names how effects are learned.
type Method string

// Methods.
const (
	MethodS      Method = "s"      // one model of the outcome over all arms
	MethodT      Method = "t"      // one model per arm
	MethodX      Method = "x"      // imputed effects (Künzel et al. 2019), second stage pooled over both sides
	MethodR      Method = "r"      // residual on residual (Nie and Wager 2021)
	MethodDR     Method = "dr"     // doubly robust pseudo-outcomes (Kennedy 2023)
	MethodClass  Method = "class"  // class transformation (Jaskowski and Jaroszewicz 2012)
	MethodForest Method = "forest" // honest multi-treatment causal forest
)

// Base names the regression behind a method.
type Base string

// Bases.
const (
	BaseBoost  Base = "boost"
	BaseLinear Base = "linear"
)

// Candidate is one learner with its settings.
type Candidate struct {
	Name    string // unique in a tournament
	Method  Method
	Base    Base            // of all methods but MethodForest
	Boost   BoostSettings   // of BaseBoost; Loss is chosen by method and unit
	Linear  LinearSettings  // of BaseLinear
	Pooling float64         // of MethodS with BaseLinear: how hard arm slopes are shrunk to the common slopes
	Forest  *ForestSettings // of MethodForest
}

// String is the candidate's settings in a line.
func (c *Candidate) String() string {
	switch {
	case c.Method == MethodForest:
		return fmt.Sprintf("%s %+v", c.Method, *c.Forest)
	case c.Base == BaseLinear && c.Method == MethodS:
		return fmt.Sprintf("%s-linear ridge=%g pooling=%g", c.Method, c.Linear.Ridge, c.Pooling)
	case c.Base == BaseLinear:
		return fmt.Sprintf("%s-linear ridge=%g", c.Method, c.Linear.Ridge)
	}
	b := c.Boost
	out := fmt.Sprintf("%s-boost trees=%d leaves=%d rate=%g min_rows=%d lambda=%g", c.Method, b.Trees, b.Leaves, b.LearningRate, b.MinRows, b.Lambda)
	if b.RowFraction > 0 || b.ColumnFraction > 0 {
		out += fmt.Sprintf(" rows=%g columns=%g", b.RowFraction, b.ColumnFraction)
	}
	return out
}

func (c *Candidate) check() error {
	switch c.Method {
	case MethodForest:
		if c.Forest == nil {
			return fmt.Errorf("candidate %q: a forest without settings", c.Name)
		}
		return c.Forest.check()
	case MethodS, MethodT, MethodX, MethodR, MethodDR, MethodClass:
	default:
		return fmt.Errorf("candidate %q: unknown method %q", c.Name, c.Method)
	}
	if c.Base != BaseBoost && c.Base != BaseLinear {
		return fmt.Errorf("candidate %q: base %q is not boost or linear", c.Name, c.Base)
	}
	return nil
}

// DefaultCandidates is the field of a tournament for n rows of the given unit,
// from simple to complex: where the data cannot tell candidates apart the
// tournament takes the first. The class transformation, a baseline, comes last.
func DefaultCandidates(n int, unit string) []Candidate {
	coarse := max(20, n/160)
	fine := max(20, n/1000)
	forestLeaf := min(max(10, n/800), 200)
	boost := func(trees, leaves, minRows int) BoostSettings {
		return BoostSettings{Trees: trees, Leaves: leaves, LearningRate: 0.05, MinRows: minRows, Lambda: 1}
	}
	sampled := func(b BoostSettings) BoostSettings {
		b.RowFraction, b.ColumnFraction = 0.5, 0.5
		return b
	}
	large, deep := 200, 16
	if n >= 50_000 {
		large, deep = 300, 24
	}
	linear := LinearSettings{Ridge: 1}
	out := []Candidate{
		{Name: "s-linear-300", Method: MethodS, Base: BaseLinear, Linear: linear, Pooling: 300},
		{Name: "s-linear-100", Method: MethodS, Base: BaseLinear, Linear: linear, Pooling: 100},
		{Name: "s-linear-30", Method: MethodS, Base: BaseLinear, Linear: linear, Pooling: 30},
		{Name: "t-linear", Method: MethodT, Base: BaseLinear, Linear: linear},
		{Name: "x-linear", Method: MethodX, Base: BaseLinear, Linear: linear},
		{Name: "r-linear", Method: MethodR, Base: BaseLinear, Linear: linear},
		{Name: "dr-boost", Method: MethodDR, Base: BaseBoost, Boost: boost(30, 3, coarse)},
		{Name: "r-boost", Method: MethodR, Base: BaseBoost, Boost: boost(50, 4, coarse)},
		{Name: "x-boost-small", Method: MethodX, Base: BaseBoost, Boost: boost(60, 4, coarse)},
		{Name: "s-boost-small", Method: MethodS, Base: BaseBoost, Boost: boost(200, 4, coarse)},
		{Name: "t-boost-small", Method: MethodT, Base: BaseBoost, Boost: boost(100, 4, coarse)},
		{Name: "forest-coarse", Method: MethodForest, Forest: &ForestSettings{Trees: 200, MinLeaf: 8 * forestLeaf}},
		{Name: "forest", Method: MethodForest, Forest: &ForestSettings{Trees: 200, MinLeaf: forestLeaf}},
		{Name: "x-boost-large", Method: MethodX, Base: BaseBoost, Boost: boost(large/2, deep/2, fine)},
		{Name: "s-boost-large", Method: MethodS, Base: BaseBoost, Boost: boost(large, deep, fine)},
		{Name: "t-boost", Method: MethodT, Base: BaseBoost, Boost: sampled(boost(200, 8, fine))},
		{Name: "t-boost-large", Method: MethodT, Base: BaseBoost, Boost: boost(large, deep, fine)},
	}
	if unit == "probability" {
		out = append(out, Candidate{Name: "class-boost", Method: MethodClass, Base: BaseBoost, Boost: boost(30, 3, coarse)})
	}
	return out
}
