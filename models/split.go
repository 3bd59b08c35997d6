package models

import (
	"fmt"
	"math/bits"
)

// Split scores several offers for one customer: the customer's inputs are
// applied to the masks once per decision, the offer's inputs once per offer,
// beforehand (Prepare). It is immutable and safe for concurrent use.
type Split struct {
	scorer   *Scorer
	customer []int32
	offer    []int32
}

// PreparedOffer is an offer's inputs, already applied. It is immutable.
type PreparedOffer struct {
	masks  []uint64
	values []float64
}

// Split divides the ensemble's inputs: customer[i] and offer[i] name the ensemble
// feature that the i-th customer or offer value feeds, -1 for none. Each feature
// must be fed exactly once.
func (s *Scorer) Split(customer, offer []int32) (*Split, error) {
	fed := make([]bool, len(s.ensemble.Features))
	for _, columns := range [2][]int32{customer, offer} {
		for _, f := range columns {
			if f < 0 {
				continue
			}
			if int(f) >= len(fed) || fed[f] {
				return nil, fmt.Errorf("split ensemble: feature %d of %d is unknown or fed twice", f, len(fed))
			}
			fed[f] = true
		}
	}
	for f, ok := range fed {
		if !ok {
			return nil, fmt.Errorf("split ensemble: feature %q is not fed", s.ensemble.Features[f].Name)
		}
	}
	return &Split{scorer: s, customer: customer, offer: offer}, nil
}

// Prepare applies an offer's values, in the order of the offer columns of Split.
func (p *Split) Prepare(values []float64) *PreparedOffer {
	o := &PreparedOffer{}
	p.prepare(values, o)
	return o
}

// prepare is Prepare into o, whose slices are used again.
func (p *Split) prepare(values []float64, o *PreparedOffer) {
	s := p.scorer
	o.masks = append(o.masks[:0], s.start...)
	o.values = o.values[:0]
	for i, f := range p.offer {
		v := s.round(values[i])
		o.values = append(o.values, v)
		if f >= 0 {
			s.apply(o.masks, int(f), v)
		}
	}
}

// Raw fills out[i*Outputs:(i+1)*Outputs] with the raw sums of the customer x with
// offers[i]. The offers must come from Prepare of the same split.
func (p *Split) Raw(x []float64, offers []*PreparedOffer, out []float64) {
	s := p.scorer
	w := s.scratch.Get().(*workspace)
	copy(w.masks, s.start)
	for i, f := range p.customer {
		if f < 0 {
			continue
		}
		v := s.round(x[i])
		if s.needRow {
			w.row[f] = v
		}
		s.apply(w.masks, int(f), v)
	}
	p.sumOffers(w, offers, out)
	s.scratch.Put(w)
}

func (p *Split) sumOffers(w *workspace, offers []*PreparedOffer, out []float64) {
	s, k := p.scorer, p.scorer.ensemble.Outputs
	i := 0
	if !s.needRow && k == 1 && !s.ensemble.Float32Sum {
		for ; i+4 <= len(offers); i += 4 {
			s.sumFour(w.masks, offers[i:i+4], out[i:i+4])
		}
	}
	for ; i < len(offers); i++ {
		if s.needRow {
			p.fillRow(w.row, offers[i])
			s.walk(w)
		}
		s.sum(w, offers[i].masks, out[i*k:(i+1)*k])
	}
}

func (p *Split) fillRow(row []float64, o *PreparedOffer) {
	for i, f := range p.offer {
		if f >= 0 {
			row[f] = o.values[i]
		}
	}
}

// sumFour keeps four independent sums in flight, each in tree order.
func (s *Scorer) sumFour(masks []uint64, offers []*PreparedOffer, out []float64) {
	from := s.leafFrom[:len(masks)]
	o0, o1 := offers[0].masks[:len(masks)], offers[1].masks[:len(masks)]
	o2, o3 := offers[2].masks[:len(masks)], offers[3].masks[:len(masks)]
	base := s.base(0)
	a, b, c, d := base, base, base, base
	for t, m := range masks {
		leaves := s.leaves[from[t]:]
		a += leaves[bits.TrailingZeros64(m&o0[t])]
		b += leaves[bits.TrailingZeros64(m&o1[t])]
		c += leaves[bits.TrailingZeros64(m&o2[t])]
		d += leaves[bits.TrailingZeros64(m&o3[t])]
	}
	out[0], out[1], out[2], out[3] = a, b, c, d
}
