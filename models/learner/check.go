package learner

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/models"
)

// Finding is one observation of the data check.
type Finding struct {
	Kind    string  // "constant", "leakage", "imbalance", "tiny arm", "few outcomes"
	Subject string  // the feature or arm
	Value   float64 // see Text
	Text    string
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Subject, f.Text) }

// Limits of the data check.
const (
	leakAUC     = 0.95   // a single feature that ranks the outcome better than this is suspect
	imbalanceP  = 0.0001 // of a test per feature between arms
	smallArm    = 200    // rows
	fewOutcomes = 50     // non-zero outcomes per arm
)

// Check looks for what spoils uplift models: constant columns, features that
// know the outcome, arms whose shares or customers do not match the logged
// propensities (sample ratio mismatch), tiny arms.
func Check(d *Dataset) []Finding {
	var out []Finding
	for j, f := range d.Features {
		if constant(d.X[j]) {
			out = append(out, Finding{Kind: "constant", Subject: f.Name, Text: "one value in all rows"})
			continue
		}
		if auc := leakage(f, d.X[j], d.Y); auc > leakAUC {
			out = append(out, Finding{Kind: "leakage", Subject: f.Name, Value: auc,
				Text: fmt.Sprintf("alone it ranks the outcome with AUC %.3f: is it known before the decision?", auc)})
		}
	}
	if d.Arm == nil {
		return out
	}
	out = append(out, checkArmSizes(d)...)
	out = append(out, checkShares(d)...)
	return append(out, checkBalance(d)...)
}

func constant(col []float64) bool {
	for _, v := range col {
		if v != col[0] && !(math.IsNaN(v) && math.IsNaN(col[0])) {
			return false
		}
	}
	return true
}

// leakage is how well a single feature (or its being missing) ranks a zero
// outcome against the others: max(AUC, 1-AUC). Categories are ranked by level
// order, which understates them, so their level means are used.
func leakage(f models.Feature, col, y []float64) float64 {
	score := col
	if f.Type == models.Category {
		score = levelMeans(f, col, y)
	}
	gone := make([]float64, len(col))
	for i, v := range col {
		if math.IsNaN(v) {
			gone[i] = 1
		}
	}
	a, b := auc(score, y), auc(gone, y)
	return max(a, 1-a, b, 1-b)
}

// levelMeans replaces levels by their mean outcome, smoothed by ten rows so
// that a rare level proves nothing.
func levelMeans(f models.Feature, col, y []float64) []float64 {
	n, s, mean := make([]float64, len(f.Levels)+1), make([]float64, len(f.Levels)+1), 0.0
	at := func(v float64) int {
		if math.IsNaN(v) {
			return len(f.Levels)
		}
		return int(v)
	}
	for i, v := range col {
		n[at(v)]++
		s[at(v)] += y[i]
		mean += y[i] / float64(len(y))
	}
	out := make([]float64, len(col))
	for i, v := range col {
		k := at(v)
		out[i] = (s[k] + 10*mean) / (n[k] + 10)
	}
	return out
}

// auc ranks y > 0 against the rest by score, missing scores lowest, ties half.
func auc(score, y []float64) float64 {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	key := func(i int) float64 {
		if math.IsNaN(score[i]) {
			return math.Inf(-1)
		}
		return score[i]
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
	pos, neg, wins := 0.0, 0.0, 0.0
	for k := 0; k < len(order); {
		p, n, v := 0.0, 0.0, key(order[k])
		for ; k < len(order) && key(order[k]) == v; k++ {
			if y[order[k]] > 0 {
				p++
			} else {
				n++
			}
		}
		wins += p*neg + p*n/2
		pos += p
		neg += n
	}
	if pos == 0 || neg == 0 {
		return 0.5
	}
	return wins / (pos * neg)
}

func (d *Dataset) armName(a int) string {
	if a == 0 {
		return "no offer"
	}
	return d.Offers[a-1]
}

func checkArmSizes(d *Dataset) []Finding {
	var out []Finding
	rows, hits := make([]float64, d.Arms()), make([]float64, d.Arms())
	for i, a := range d.Arm {
		rows[a]++
		if d.Y[i] != 0 {
			hits[a]++
		}
	}
	for a := range rows {
		switch {
		case rows[a] < smallArm:
			out = append(out, Finding{Kind: "tiny arm", Subject: d.armName(a), Value: rows[a], Text: fmt.Sprintf("%.0f rows", rows[a])})
		case hits[a] < fewOutcomes:
			out = append(out, Finding{Kind: "few outcomes", Subject: d.armName(a), Value: hits[a], Text: fmt.Sprintf("%.0f rows with an outcome", hits[a])})
		}
	}
	return out
}

// checkShares tests arm shares against logged propensities: a z-test per arm of
// Σ 1[a] - p, with the variance of its sums per customer, whose arms may hang together.
func checkShares(d *Dataset) []Finding {
	var out []Finding
	off := make([]float64, d.Rows())
	for a := range d.Logged {
		diff := 0.0
		for i, p := range d.Logged[a] {
			off[i] = -p
			if d.Arm[i] == a {
				off[i]++
			}
			diff += off[i]
		}
		if z := diff / math.Sqrt(max(d.clusteredSquares(off), 1e-300)); tail(z) < imbalanceP {
			out = append(out, Finding{Kind: "imbalance", Subject: d.armName(a), Value: z,
				Text: fmt.Sprintf("%+.0f rows against the logged propensities (z = %.1f): sample ratio mismatch", diff, z)})
		}
	}
	return out
}

// clusteredSquares sums v over each customer and adds up the squares.
func (d *Dataset) clusteredSquares(v []float64) (sum float64) {
	if d.Group == nil {
		for _, x := range v {
			sum += x * x
		}
		return sum
	}
	at, sums := map[uint64]int{}, []float64{}
	for i, x := range v {
		k, ok := at[d.Group[i]]
		if !ok {
			k = len(sums)
			at[d.Group[i]], sums = k, append(sums, 0)
		}
		sums[k] += x
	}
	for _, x := range sums {
		sum += x * x
	}
	return sum
}

// checkBalance tests, per offer and feature, whether customers with the offer
// look like those without: a z-test of the difference in means, clustered by
// customer. Where propensities are logged, rows have overlap weights (Li, Morgan and
// Zaslavsky 2018): those that could not have had both take no part.
func checkBalance(d *Dataset) []Finding {
	var out []Finding
	for a := 1; a < d.Arms(); a++ {
		for j, f := range d.Features {
			if f.Type == models.Category {
				continue
			}
			z := balance(d, a, d.X[j])
			if p := tail(z) * float64(len(d.Features)); p < imbalanceP {
				out = append(out, Finding{Kind: "imbalance", Subject: f.Name, Value: z,
					Text: fmt.Sprintf("differs between %s and no offer (z = %.1f)", d.Offers[a-1], z)})
			}
		}
	}
	return out
}

func balance(d *Dataset, a int, col []float64) float64 {
	var n, mean [2]float64
	weight := make([]float64, len(col)) // 0: takes no part
	side := func(i int) int { return min(d.Arm[i], 1) }
	for i, v := range col {
		if math.IsNaN(v) || d.Arm[i] != 0 && d.Arm[i] != a {
			continue
		}
		weight[i] = 1
		if d.Logged != nil {
			p := d.Logged[0][i] + d.Logged[a][i]
			weight[i] = d.Logged[a][i] * d.Logged[0][i] / (p * d.Logged[d.Arm[i]][i])
		}
		n[side(i)] += weight[i]
		mean[side(i)] += weight[i] * v
	}
	if n[0] == 0 || n[1] == 0 {
		return 0
	}
	mean[0] /= n[0]
	mean[1] /= n[1]
	off := make([]float64, len(col))
	for i, w := range weight {
		if w > 0 {
			k := side(i)
			off[i] = w * (col[i] - mean[k]) / n[k] * float64(2*k-1)
		}
	}
	return (mean[1] - mean[0]) / math.Sqrt(max(d.clusteredSquares(off), 1e-300))
}

// tail is the two-sided normal tail probability.
func tail(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }
