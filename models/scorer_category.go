package models

// Bounds on the table of one column; larger ones are tested node by node.
const (
	maxCategoryCodes   = 1 << 10
	maxCategoryEntries = 1 << 16
)

// addCategories turns the categorical nodes of a column into one list of entries
// per code: what a row of that code makes false. A last list is for unknown
// codes. It returns the nodes that it leaves: equality, and all if the table
// would be too large.
func (s *Scorer) addCategories(c *column, special []flatNode) []flatNode {
	var sets, rest []flatNode
	codes := 0
	for _, n := range special {
		t := &s.ensemble.Trees[n.tree]
		if t.Flags[n.node]&NodeCategorical == 0 {
			rest = append(rest, n)
			continue
		}
		sets = append(sets, n)
		codes = max(codes, int(t.CatWords[n.node])*32)
	}
	if len(sets) == 0 || codes > maxCategoryCodes || (codes+1)*len(sets) > maxCategoryEntries {
		return special
	}
	c.codes, c.category = int32(codes), int32(len(s.codeStart))
	for code := range codes + 1 {
		s.codeStart = append(s.codeStart, int32(len(s.entryTree)))
		s.addMissing(s.leftOut(sets, code, codes))
	}
	s.codeStart = append(s.codeStart, int32(len(s.entryTree)))
	s.sets = append(s.sets, specialNodes(sets)...)
	c.setTo = int32(len(s.sets))
	c.setFrom = c.setTo - int32(len(sets))
	return rest
}

// leftOut are the nodes whose set lacks the code; code codes is unknown to all.
func (s *Scorer) leftOut(sets []flatNode, code, codes int) []flatNode {
	var out []flatNode
	for _, n := range sets {
		if code == codes || !s.ensemble.Trees[n.tree].inCategories(n.node, float64(code)) {
			out = append(out, n)
		}
	}
	return out
}

// applyCategory clears what the code v makes false. Fractions just below 0 are
// known to some nodes and not to others: these few are tested node by node.
func (s *Scorer) applyCategory(masks []uint64, c *column, v float64) {
	if v > -1 && v < 0 {
		s.applySpecial(masks, s.sets[c.setFrom:c.setTo], v)
		return
	}
	list := c.category + c.codes
	if v >= 0 && v < float64(c.codes) {
		list = c.category + int32(v)
	}
	s.clear(masks, s.codeStart[list], s.codeStart[list+1])
}

func specialNodes(nodes []flatNode) []specialNode {
	out := make([]specialNode, len(nodes))
	for i, n := range nodes {
		out[i] = specialNode{tree: n.tree, node: n.node, mask: n.mask}
	}
	return out
}
