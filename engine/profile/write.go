package profile

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
)

// append writes the features record, layout in record.go.
func (b *builder) append(out []byte) []byte {
	total := b.rankCategories()
	offerDays := b.offerDays()
	recent := b.offers[:min(len(b.offers), RecentOffers)]
	head := len(out)
	out = append(out, make([]byte, recordHead)...)
	b.writeHead(out[head:], len(recent), len(offerDays))
	for i := range b.days {
		out = b.days[i].append(out)
	}
	for i := range b.cats {
		out = b.cats[i].append(out, total)
	}
	for i := range recent {
		out = recent[i].append(out)
	}
	for _, d := range offerDays {
		for _, v := range [...]uint16{uint16(d.day), d.offered, d.presented, d.redeemed} {
			out = le.AppendUint16(out, v)
		}
	}
	out = append(out, b.regs.tier.text...)
	out = append(out, b.regs.household.text...)
	for i := range b.cats {
		out = append(out, b.cats[i].name...)
	}
	return out
}

// rankCategories keeps the categories with the greatest weight, ties by name,
// and returns the weight of all.
func (b *builder) rankCategories() (total uint64) {
	for i := range b.cats {
		total += b.cats[i].weight
	}
	slices.SortFunc(b.cats, func(x, y catAgg) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), bytes.Compare(x.name, y.name))
	})
	b.cats = b.cats[:min(len(b.cats), maxCats)]
	return total
}

func (b *builder) writeHead(h []byte, offers, offerDays int) {
	h[0] = recordVersion
	h[offFlags] = b.regs.flags()
	le.PutUint16(h[offDays:], uint16(len(b.days)))
	h[offCats], h[offOffers] = byte(len(b.cats)), byte(offers)
	le.PutUint16(h[offOfferDays:], uint16(offerDays))
	le.PutUint16(h[offTier:], uint16(len(b.regs.tier.text)))
	le.PutUint16(h[offHousehold:], uint16(len(b.regs.household.text)))
	le.PutUint32(h[offEvents:], b.events)
	times := [...]int64{b.first, b.newest, b.firstBuy, b.lastBuy, b.lastBack, b.points}
	for i, t := range times {
		le.PutUint64(h[offFirst+8*i:], uint64(t))
	}
	put16(h[offHours:], b.hours[:])
	put16(h[offWeekdays:], b.weekdays[:])
	put16(h[offBuys:], b.buys[:])
	put16(h[offReturns:], b.backs[:])
}

func put16(to []byte, from []uint16) {
	for i, v := range from {
		le.PutUint16(to[2*i:], v)
	}
}

func (r *registers) flags() uint8 {
	flags := uint8(0)
	if r.member.at != never() {
		flags |= statesMember
	}
	if r.member.truth {
		flags |= isMember
	}
	if r.consent.at != never() {
		flags |= statesConsent
	}
	if r.consent.truth {
		flags |= hasConsent
	}
	return flags
}

func (d *dayAgg) append(b []byte) []byte {
	b = le.AppendUint16(b, uint16(d.day))
	b = le.AppendUint16(b, d.currency)
	for _, n := range d.n {
		b = le.AppendUint16(b, n)
	}
	b = le.AppendUint32(b, d.items)
	b = le.AppendUint32(b, d.itemBack)
	for _, m := range d.money {
		b = le.AppendUint64(b, uint64(m))
	}
	return b
}

// append writes a category: u32 share in millionths, u16 length of the name, u16 zero.
func (c *catAgg) append(b []byte, total uint64) []byte {
	share := uint64(0)
	if total > 0 {
		hi, lo := bits.Mul64(c.weight, 1_000_000)
		share, _ = bits.Div64(hi, lo, total)
	}
	b = le.AppendUint32(b, uint32(share))
	b = le.AppendUint16(b, uint16(len(c.name)))
	return append(b, 0, 0)
}

func (o *offerAgg) append(b []byte) []byte {
	for _, v := range [...]uint64{o.decision, uint64(o.made), uint64(o.presented), uint64(o.redeemed)} {
		b = le.AppendUint64(b, v)
	}
	released := uint64(0)
	if o.released {
		released = 1
	}
	return le.AppendUint64(b, released)
}
