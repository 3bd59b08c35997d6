// Package synth generates campaigns whose true effects are known, from
// splitmix64 alone, so that any language can make the same rows. It owns the
// generators of Nie and Wager (2021, section 6, A to D) and of a retailer
// with four incentives; it refuses to know how models are trained or judged.
package synth

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/internal/splitmix"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// Uniform is number j in [0,1) of row i.
func Uniform(seed uint64, i, j int) float64 {
	return float64(splitmix.Sum64(seed<<48+uint64(i)<<8+uint64(j))>>11) * 0x1p-53
}

// Normal is a standard normal number from uniforms j and j+1 (Box-Muller).
func Normal(seed uint64, i, j int) float64 {
	return math.Sqrt(-2*math.Log1p(-Uniform(seed, i, j))) * math.Cos(2*math.Pi*Uniform(seed, i, j+1))
}

// Campaign is a dataset with its truth.
type Campaign struct {
	Data   *learner.Dataset
	Effect [][]float64 // per offer, per row: the true effect on the outcome's mean
	Chance [][]float64 // per arm, per row: the chance the arm was drawn with
	// Of the retailer only: per arm, per row.
	Mean  [][]float64 // true outcome chance
	Value [][]float64 // expected value of choosing the arm, money
	Cost  [][]float64 // expected cost
	// CostIfBought and CostAlways are the parts of Cost; Margin is per row.
	CostIfBought [][]float64
	CostAlways   []float64
	Margin       []float64
}

const nieWagerFeatures = 8

// NieWager makes set-up "A", "B", "C" or "D" with eight features and unit noise.
func NieWager(setup string, n int, seed uint64) (*Campaign, error) {
	mean, err := nieWager(setup)
	if err != nil {
		return nil, err
	}
	d := &learner.Dataset{Outcome: "y", Unit: "money", Offers: []string{"treatment"}, Y: make([]float64, n), Arm: make([]int, n)}
	c := &Campaign{Data: d, Effect: columns(1, n), Chance: columns(2, n)}
	d.X = columns(nieWagerFeatures, n)
	for j := range nieWagerFeatures {
		d.Features = append(d.Features, models.Feature{Name: fmt.Sprintf("x%d", j)})
	}
	var x [nieWagerFeatures]float64
	for i := range n {
		for j := range x {
			if setup == "A" {
				x[j] = Uniform(seed, i, j)
			} else {
				x[j] = Normal(seed, i, 2*j)
			}
			d.X[j][i] = x[j]
		}
		b, e, tau := mean(&x)
		if Uniform(seed, i, 100) < e {
			d.Arm[i] = 1
		}
		d.Y[i] = b + (float64(d.Arm[i])-0.5)*tau + Normal(seed, i, 102)
		c.Effect[0][i], c.Chance[0][i], c.Chance[1][i] = tau, 1-e, e
	}
	return c, nil
}

// nieWager gives the main effect, the propensity and the treatment effect.
func nieWager(setup string) (func(x *[nieWagerFeatures]float64) (b, e, tau float64), error) {
	switch setup {
	case "A":
		return func(x *[nieWagerFeatures]float64) (b, e, tau float64) {
			s := math.Sin(math.Pi * x[0] * x[1])
			return s + 2*(x[2]-.5)*(x[2]-.5) + x[3] + .5*x[4], min(max(s, .1), .9), (x[0] + x[1]) / 2
		}, nil
	case "B":
		return func(x *[nieWagerFeatures]float64) (b, e, tau float64) {
			return max(0, x[0]+x[1], x[2]) + max(0, x[3]+x[4]), .5, x[0] + math.Log1p(math.Exp(x[1]))
		}, nil
	case "C":
		return func(x *[nieWagerFeatures]float64) (b, e, tau float64) {
			return 2 * math.Log1p(math.Exp(x[0]+x[1]+x[2])), 1 / (1 + math.Exp(x[1]+x[2])), 1
		}, nil
	case "D":
		return func(x *[nieWagerFeatures]float64) (b, e, tau float64) {
			p, q := max(0, x[0]+x[1]+x[2]), max(0, x[3]+x[4])
			return .5 * (p + q), 1 / (1 + math.Exp(-x[0]) + math.Exp(-x[1])), p - q
		}, nil
	}
	return nil, fmt.Errorf("set-up %q is not A, B, C or D", setup)
}

func columns(k, n int) [][]float64 {
	out := make([][]float64, k)
	for j := range out {
		out[j] = make([]float64, n)
	}
	return out
}
