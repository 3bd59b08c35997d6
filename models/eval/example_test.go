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
