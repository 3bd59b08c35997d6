package eval_test

import (
	"fmt"

	"github.com/rebound-engine/rebound/models/eval"
)

// A model that knows the customer against one that says the mean to everybody.
func Example() {
	rows := eval.Rows{
		Outcome: []float64{1, 0, 1, 0, 0, 1, 0, 0},
		Cluster: eval.Clusters([]string{"ann", "ann", "bob", "cy", "dee", "eve", "fay", "gus"}),
	}
	model := eval.Prediction{Name: "model", P: []float64{0.8, 0.3, 0.7, 0.2, 0.1, 0.6, 0.4, 0.1}}
	mean := eval.Prediction{Name: "mean", P: []float64{0.375, 0.375, 0.375, 0.375, 0.375, 0.375, 0.375, 0.375}}
	c, err := eval.CompareBinary(model, mean, rows, eval.Bootstrap{Replicates: 200, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("AUC %.3f against %.3f\n", c.First.AUC.Value, c.Second.AUC.Value)
	fmt.Printf("log loss %.3f against %.3f\n", c.First.LogLoss.Value, c.Second.LogLoss.Value)
	// Output:
	// AUC 1.000 against 0.500
	// log loss 0.299 against 0.662
}

// A trial of one offer against none: does the score find those it moves?
func ExampleQiniPerCustomer() {
	score := []float64{0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1}
	trial := eval.Trial{
		Rows:    eval.Rows{Outcome: []float64{1, 0, 1, 0, 1, 1, 0, 0}},
		Treated: []bool{true, false, true, false, true, false, true, false},
	}
	area, err := eval.QiniPerCustomer(score, trial)
	if err != nil {
		fmt.Println(err)
		return
	}
	first, err := eval.UpliftAt(0.5, score, trial)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("Qini area %.4f, effect in the first half %+.2f\n", area, first)
	// Output:
	// Qini area 0.1875, effect in the first half +1.00
}

// Two arms drawn by chance; a policy that gives the offer to half of the
// customers at random is not worth keeping.
func ExampleGuarded() {
	arms := eval.Arms{Unit: "count", Names: []string{"none", "percent"}}
	choice := make([]int, 400)
	for i := range choice {
		arm := i % 2
		arms.Arm = append(arms.Arm, arm)
		arms.Propensity = append(arms.Propensity, 0.5)
		arms.Outcome = append(arms.Outcome, float64(arm)+float64(i%5)/10)
		choice[i] = i / 2 % 2
	}
	g, err := eval.Guarded(arms, choice, 0, eval.Bootstrap{Replicates: 200, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.UseModel, g.Arms[g.Best])
	fmt.Println(g.Words[:48])
	// Output:
	// false percent
	// Give everybody percent: the model's policy is wo
}
