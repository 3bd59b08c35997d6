package learner

// search looks for the best splits of leaves, block of columns by block, and
// any goroutine may do any block.
type search struct {
	leaves    []*growLeaf
	targets   []*target // nil: too small to be cut
	marginals *marginals
	found     [][]split // per block and leaf
}

func newSearch(b *Bins) *search {
	return &search{marginals: newMarginals(b), found: make([][]split, len(b.packed))}
}

// of begins a search for leaves, whose histograms come later.
func (s *search) of(g *grower, leaves ...*growLeaf) {
	s.leaves, s.targets = append(s.leaves[:0], leaves...), s.targets[:0]
	for _, o := range leaves {
		var t *target
		if !g.tooSmall(&o.stats) {
			t = g.rules.target(o.stats)
		}
		s.targets = append(s.targets, t)
	}
}

// block searches the features in block k of all histograms.
func (s *search) block(g *grower, k int) {
	found := s.found[k][:0]
	for n, o := range s.leaves {
		found = append(found, split{})
		if s.targets[n] == nil || len(g.use[k]) == 0 {
			continue
		}
		s.marginals.fillBlock(g.bins.block(k), &o.hist[k])
		for _, j := range g.use[k] {
			g.rules.improve(&found[n], j, &g.bins.f[j], s.marginals.of[j], s.targets[n])
		}
	}
	s.found[k] = found
}

// finish takes the best split of all blocks; of equals that of the feature
// which comes first.
func (s *search) finish(g *grower) {
	for n, o := range s.leaves {
		o.best = split{}
		for k := range s.found {
			f := &s.found[k][n]
			if f.gain > o.best.gain || f.gain > 0 && f.gain == o.best.gain && g.order[f.feature] < g.order[o.best.feature] {
				o.best = *f
			}
		}
		if f := &g.bins.f[o.best.feature]; o.best.gain > 0 && !f.isCat {
			o.best.setLeft(f)
		}
	}
}
