package rules

// nearest returns the known name with the smallest edit distance to name, or ""
// when none is near enough to be meant. Ties go to the first of known.
func nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	best, limit := "", max(1, len(name)/3)+1
	for _, k := range known {
		if len(k) > 96 || len(k)-len(name) >= limit || len(name)-len(k) >= limit {
			continue
		}
		if d := editDistance(name, k); d < limit {
			best, limit = k, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment).
func editDistance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
