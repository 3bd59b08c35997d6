package eval

import (
	"cmp"
	"slices"
)

// ranking is the order of rows by score, best first, with equal scores in one
// group. It depends on the scores alone, so a resampling of rows reuses it.
type ranking struct {
	order []int32 // row numbers, score descending, row number ascending within a tie
	ends  []int32 // for each tie group, the position after its last row in order
}

func rank(score []float64) ranking {
	order := make([]int32, len(score))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := cmp.Compare(score[b], score[a]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return ranking{order: order, ends: tieEnds(order, score)}
}

func tieEnds(order []int32, score []float64) []int32 {
	var ends []int32
	for i := range order {
		last := i+1 == len(order)
		if last || score[order[i]] != score[order[i+1]] {
			ends = append(ends, int32(i+1))
		}
	}
	return ends
}

// ascending returns row numbers by score, lowest first, row number ascending
// within a tie: the stable order that bins are cut from.
func ascending(score []float64) []int32 {
	order := make([]int32, len(score))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(score[a], score[b]) })
	return order
}
