package models

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
)

// offerSlot keeps the inputs of one offer applied. Offers change rarely: a slot
// is filled by the first inputs seen, and again when others came often enough.
type offerSlot struct {
	kept   atomic.Pointer[keptOffer]
	misses atomic.Uint32
	wait   atomic.Uint32 // misses until the next change; doubles with each
}

type keptOffer struct {
	x        []float64
	prepared *PreparedOffer
}

// firstWait is the number of misses that replace what a slot keeps.
const firstWait = 16

// adapterScratch is the room for one call of Score.
type adapterScratch struct {
	offers   []*PreparedOffer
	spare    []PreparedOffer // for offers that no slot keeps
	used     int
	values   []float64
	raw      []float64
	row      []float64
	contribs []float64
}

func (a *Adapter) newScratch() *adapterScratch {
	width, features := 0, 0
	for _, h := range a.heads {
		width = max(width, len(h.inputs))
		if h.split != nil {
			e := h.f.Ensemble
			features = max(features, (len(e.Features)+1)*e.Outputs)
		}
	}
	return &adapterScratch{
		values: make([]float64, width), row: make([]float64, width), contribs: make([]float64, features),
	}
}

// Score fills out[i] for cands[i]. Interval bounds follow AdapterConfig.HalfWidth.
func (a *Adapter) Score(_ context.Context, x []float64, cands []Candidate, out []Score) error {
	if len(x) != len(a.schema.Features) || len(out) < len(cands) {
		return fmt.Errorf("%d features and room for %d of %d candidates, the model reads %d features: %w",
			len(x), len(out), len(cands), len(a.schema.Features), ErrUnscorable)
	}
	for i, c := range cands {
		if err := a.checkCandidate(c); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
	}
	s := a.scratch.Get().(*adapterScratch)
	err := a.score(s, x, cands, out)
	a.scratch.Put(s)
	return err
}

func (a *Adapter) checkCandidate(c Candidate) error {
	if c.Arm < -1 || c.Arm >= len(a.schema.Offers) {
		return fmt.Errorf("arm %d of %d: %w", c.Arm, len(a.schema.Offers), ErrUnscorable)
	}
	h := a.headOf(c.Arm)
	if h >= 0 && a.heads[h].readsOffer && len(c.X) != len(a.schema.OfferFeatures) {
		return fmt.Errorf("%d offer features, the model reads %d: %w", len(c.X), len(a.schema.OfferFeatures), ErrUnscorable)
	}
	return nil
}

func (a *Adapter) headOf(arm int) int {
	if arm < 0 {
		return a.anyOffer
	}
	return a.armHead[arm]
}

func (a *Adapter) score(s *adapterScratch, x []float64, cands []Candidate, out []Score) error {
	without, err := a.scoreHead(s, 0, x, cands, out)
	if err != nil {
		return err
	}
	for h := 1; h < len(a.heads); h++ {
		if !slices.ContainsFunc(cands, func(c Candidate) bool { return a.headOf(c.Arm) == h }) {
			continue
		}
		if _, err := a.scoreHead(s, h, x, cands, out); err != nil {
			return err
		}
	}
	for i, c := range cands {
		out[i].Without = without
		if a.headOf(c.Arm) < 0 {
			out[i].With = without
		}
		if !finiteScore(out[i].With) || !finiteScore(without) {
			return fmt.Errorf("candidate %d: prediction %v: %w", i, out[i].With, ErrUnscorable)
		}
		a.bound(&out[i])
	}
	return nil
}

func finiteScore(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// bound sets the interval of the uplift.
func (a *Adapter) bound(s *Score) {
	switch {
	case a.halfWidth > 0:
		s.Lower, s.Upper = s.Uplift()-a.halfWidth, s.Uplift()+a.halfWidth
	case a.schema.Unit == "probability":
		s.Lower, s.Upper = -s.Without, 1-s.Without
	default:
		s.Lower, s.Upper = math.Inf(-1), math.Inf(1)
	}
}

// scoreHead sets With of the candidates that head h serves. Head 0 also answers
// without an offer.
func (a *Adapter) scoreHead(s *adapterScratch, h int, x []float64, cands []Candidate, out []Score) (float64, error) {
	hd := a.heads[h]
	if hd.split == nil {
		return a.scoreRows(s, h, x, cands, out)
	}
	s.offers, s.used = s.offers[:0], 0
	s.spare = slices.Grow(s.spare[:0], len(cands))[:len(cands)]
	s.offers = append(s.offers, hd.fixed[len(hd.fixed)-1])
	for _, c := range cands {
		if a.headOf(c.Arm) == h {
			s.offers = append(s.offers, hd.prepared(s, c))
		}
	}
	e := hd.f.Ensemble
	s.raw = slices.Grow(s.raw[:0], len(s.offers)*e.Outputs)[:len(s.offers)*e.Outputs]
	hd.split.Raw(x, s.offers, s.raw)
	for i := range s.offers {
		e.ApplyLink(s.raw[i*e.Outputs : (i+1)*e.Outputs])
	}
	next := 1
	for i, c := range cands {
		if a.headOf(c.Arm) == h {
			out[i].With = s.raw[next*e.Outputs+hd.f.Output]
			next++
		}
	}
	return s.raw[hd.f.Output], nil
}

// prepared is the candidate's inputs, applied: kept from before or just now.
func (h *head) prepared(s *adapterScratch, c Candidate) *PreparedOffer {
	if !h.readsOffer {
		if c.Arm < 0 {
			return h.fixed[len(h.fixed)-1]
		}
		return h.fixed[c.Arm]
	}
	slot := &h.slots[len(h.slots)-1]
	if c.Arm >= 0 {
		slot = &h.slots[c.Arm]
	}
	kept := slot.kept.Load()
	if kept != nil && sameValues(kept.x, c.X) {
		return kept.prepared
	}
	values := s.values[:len(h.offers)]
	h.fill(values, c)
	if kept == nil || slot.due() {
		kept = &keptOffer{x: slices.Clone(c.X), prepared: h.split.Prepare(values)}
		slot.kept.Store(kept)
		return kept.prepared
	}
	o := &s.spare[s.used]
	s.used++
	h.split.prepare(values, o)
	return o
}

// due counts a miss and reports whether the slot should keep the new inputs.
func (o *offerSlot) due() bool {
	wait := max(o.wait.Load(), firstWait)
	if o.misses.Add(1) < wait {
		return false
	}
	o.misses.Store(0)
	o.wait.Store(min(2*wait, 1<<20))
	return true
}

// sameValues compares bit for bit, so that NaN equals NaN.
func sameValues(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// scoreRows is scoreHead for a function that is no ensemble.
func (a *Adapter) scoreRows(s *adapterScratch, h int, x []float64, cands []Candidate, out []Score) (float64, error) {
	hd := a.heads[h]
	without := 0.0
	if h == 0 {
		var err error
		if without, err = hd.row(s, x, Candidate{Arm: -1}); err != nil {
			return 0, err
		}
	}
	for i, c := range cands {
		if a.headOf(c.Arm) != h {
			continue
		}
		v, err := hd.row(s, x, c)
		if err != nil {
			return 0, fmt.Errorf("candidate %d: %w", i, err)
		}
		out[i].With = v
	}
	return without, nil
}

func (h *head) row(s *adapterScratch, x []float64, c Candidate) (float64, error) {
	row := s.row[:len(h.inputs)]
	for i := range h.inputs {
		if in := &h.inputs[i]; in.Kind == InputCustomer {
			row[i] = x[in.Index]
		} else {
			row[i] = in.value(c)
		}
	}
	v, err := h.f.Row(row)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnscorable, err)
	}
	return v, nil
}

// Explain attributes the raw score without an offer, or with the candidate's, to
// the features of the schema. What the offer's own inputs contribute is part of
// the expected value.
func (a *Adapter) Explain(x []float64, c *Candidate, contrib []float64) error {
	cand, h := Candidate{Arm: -1}, 0
	if c != nil {
		if err := a.checkCandidate(*c); err != nil {
			return fmt.Errorf("explain: %w", err)
		}
		if served := a.headOf(c.Arm); served >= 0 {
			cand, h = *c, served
		}
	}
	n := len(a.schema.Features)
	if len(x) != n || len(contrib) <= n {
		return fmt.Errorf("explain: %d features and room for %d values, the model reads %d features: %w", len(x), len(contrib), n, ErrUnscorable)
	}
	hd := a.heads[h]
	if hd.explainer == nil || hd.f.Ensemble.Link == LinkArgmax {
		return fmt.Errorf("explain: %w", ErrNotExplainable)
	}
	s := a.scratch.Get().(*adapterScratch)
	defer a.scratch.Put(s)
	row := s.row[:len(hd.inputs)]
	for i := range hd.inputs {
		if in := &hd.inputs[i]; in.Kind == InputCustomer {
			row[i] = x[in.Index]
		} else {
			row[i] = in.value(cand)
		}
	}
	stride := len(row) + 1
	hd.explainer.Contributions(row, s.contribs)
	all := s.contribs[hd.f.Output*stride : (hd.f.Output+1)*stride]
	clear(contrib[:n+1])
	for i := range hd.inputs {
		to := n
		if hd.inputs[i].Kind == InputCustomer {
			to = hd.inputs[i].Index
		}
		contrib[to] += all[i]
	}
	contrib[n] += all[stride-1]
	return nil
}
