package profile

import "slices"

// scan is the part of a history that a reader may see: entries up to a time,
// without the events of one return, and of every other return its last event only.
type scan struct {
	all       []entry // everything visible, ascending
	purchases []entry
	returns   []entry // the last event per return id, ascending
	hidden    bool    // something of the history is not visible
}

// read fills the scan from a history. asOf is in Unix milliseconds; exclude is
// the hash of a return id, 0 for none. Slices are reused.
func (s *scan) read(h *history, asOf int64, exclude uint64) {
	s.all, s.purchases, s.returns, s.hidden = s.all[:0], s.purchases[:0], s.returns[:0], false
	for at := 0; at < len(h.body); {
		n := int(le.Uint32(h.body[at:]))
		e := entry(h.body[at : at+n : at+n])
		at += n
		kind := e.kind()
		if e.time() > asOf || kind == KindReturn && exclude != 0 && trade(e.body()).returnID() == exclude {
			s.hidden = true
			continue
		}
		s.all = append(s.all, e)
		switch kind {
		case KindPurchase:
			s.purchases = append(s.purchases, e)
		case KindReturn:
			s.returns = append(s.returns, e)
		}
	}
	s.lastReturns()
}

// differ reports, for a short list, that all returns have ids of their own.
func (s *scan) differ() bool {
	if len(s.returns) > 16 {
		return false
	}
	for i, e := range s.returns {
		id := trade(e.body()).returnID()
		for _, later := range s.returns[i+1:] {
			if trade(later.body()).returnID() == id {
				return false
			}
		}
	}
	return true
}

// lastReturns keeps the last event of every return id.
func (s *scan) lastReturns() {
	if s.differ() {
		return
	}
	slices.SortStableFunc(s.returns, func(a, b entry) int {
		x, y := trade(a.body()).returnID(), trade(b.body()).returnID()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	kept := s.returns[:0]
	for i, e := range s.returns {
		if i+1 == len(s.returns) || trade(e.body()).returnID() != trade(s.returns[i+1].body()).returnID() {
			kept = append(kept, e)
		}
	}
	slices.SortFunc(kept, func(a, b entry) int {
		if (stamp{a.time(), a.hash()}).before(stamp{b.time(), b.hash()}) {
			return -1
		}
		return 1
	})
	s.returns = kept
}
