package foreign_test

import (
	"fmt"
	"strings"

	"github.com/rebound-engine/rebound/models/foreign"
)

// stump is a LightGBM model of one tree: customers who bought within 30 days
// return sooner.
const stump = `tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=binary sigmoid:1
feature_names=recency_days refund_value
feature_infos=[0:365] [0:900]

Tree=0
num_leaves=2
num_cat=0
split_feature=0
threshold=30
decision_type=10
left_child=-1
right_child=-2
leaf_value=0.5 -1.5
leaf_count=40 60
internal_count=100
is_linear=0
shrinkage=1

end of trees
`

func ExampleOpen() {
	m, err := foreign.Open("champion.txt", []byte(stump))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, contrib := make([]float64, 1), make([]float64, 3)
	if err := m.Predict([]float64{12, 80}, out); err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Contrib([]float64{12, 80}, contrib); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %.4f %.2f\n", m.Format(), out[0], contrib)
	// Output: lightgbm-text 0.6225 [1.20 0.00 -0.70]
}

func ExampleCheck() {
	m, err := foreign.Open("champion.txt", []byte(stump))
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := foreign.Check(m, strings.NewReader("recency_days,refund_value,raw\n12,80,0.5\n200,80,-1.4\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v %d rows, %s: %d differ, by up to %.1f\n", report.OK(), report.Rows,
		report.Columns[0].Name, report.Columns[0].Bad, report.Columns[0].MaxDiff)
	// Output: false 2 rows, raw: 1 differ, by up to 0.1
}
