package profile

import (
	"bytes"
	"math"
	"slices"
)

// builder computes a features record from a scanned history. It is the whole
// fold: a pure function of the set of visible entries. It is reused, not shared.
type builder struct {
	scan     scan
	brackets brackets
	days     []dayAgg
	cats     []catAgg
	index    []int // category index of the entry at hand -> index into cats
	loops    []incentivisedLine
	offers   []offerAgg
	regs     registers
	buffer   []byte // the record being folded

	events                      uint32
	first, newest               int64
	firstBuy, lastBuy, lastBack int64
	points                      int64
	hours                       [24]uint16
	weekdays                    [7]uint16
	buys, backs                 [channels]uint16
}

type dayAgg struct {
	day             int64
	currency        uint16
	n               [dayCounts]uint16
	items, itemBack uint32
	money           [dayMoneys]int64
}

// incentivisedLine is a purchase line that was bought with an incentive.
type incentivisedLine struct {
	order uint64
	sku   uint32
	time  int64
}

// reset forgets the last customer and keeps the memory.
func (b *builder) reset() {
	*b = builder{
		scan: b.scan, brackets: b.brackets,
		days: b.days[:0], cats: b.cats[:0], index: b.index[:0],
		loops: b.loops[:0], offers: b.offers[:0], buffer: b.buffer,
		first: none, newest: none, firstBuy: none, lastBuy: none, lastBack: none,
	}
}

// build appends to out the features record of what h shows up to asOf without the return exclude.
func (b *builder) build(out []byte, h *history, asOf int64, exclude uint64) []byte {
	b.reset()
	b.scan.read(h, asOf, exclude)
	b.start(h, asOf)
	for _, e := range b.scan.all {
		b.general(e)
	}
	for _, e := range b.scan.purchases {
		b.purchase(e)
	}
	for _, e := range b.scan.returns {
		b.returned(e)
	}
	b.brackets.read(&b.scan)
	for i := range b.brackets.list {
		c := &b.brackets.list[i]
		d := b.day(c.day, c.currency)
		inc(&d.n[nBrackets])
		if c.mostlyBack() {
			inc(&d.n[nBracketed])
		}
	}
	b.finishOffers()
	return b.append(out)
}

// start takes over what the header knows of entries that were left out.
func (b *builder) start(h *history, asOf int64) {
	b.regs = h.base
	for _, r := range [...]*register{&b.regs.member, &b.regs.consent, &b.regs.tier, &b.regs.household} {
		if r.at.time > asOf {
			*r = register{at: never()}
		}
	}
	if h.first != math.MaxInt64 && h.first <= asOf {
		b.first = h.first
	}
	if n := len(b.scan.all); n > 0 {
		b.newest = b.scan.all[n-1].time()
	}
}

// general applies what does not depend on other entries.
func (b *builder) general(e entry) {
	switch e.kind() {
	case KindPresentation, KindRedemption, KindRelease:
		b.incentive(e)
	case KindLoyaltyChange, KindAttributes:
		b.regs.apply(e)
		b.points += attributes(e.body()).points()
	}
	b.events++
	if b.first == none || e.time() < b.first {
		b.first = e.time()
	}
}

func (b *builder) purchase(e entry) {
	t := trade(e.body())
	d := b.day(dayOf(e.time()), t.currency())
	inc(&d.n[nBuys])
	addCount(&d.items, t.items())
	addMoney(&d.money[mPaid], t.money())
	addMoney(&d.money[mDiscount], t.discount())
	if t.flags()&tradeIncentivised != 0 {
		inc(&d.n[nIncentivised])
		b.rememberIncentivised(e)
	}
	local := e.time() + e.zone()*60_000
	inc(&b.hours[(local-dayOf(local)*msPerDay)/msPerHour])
	inc(&b.weekdays[weekday(dayOf(local))])
	inc(&b.buys[e.channel()])
	b.lastBuy = e.time()
	if b.firstBuy == none {
		b.firstBuy = e.time()
	}
	b.categories(e)
}

// weekday is 0 on Sunday; 1970-01-01 was a Thursday.
func weekday(day int64) int { return int(((day+4)%7 + 7) % 7) }

func (b *builder) rememberIncentivised(e entry) {
	t := trade(e.body())
	for i := range t.lines() {
		if l := t.line(i); l.incentivised() {
			b.loops = append(b.loops, incentivisedLine{t.order(), l.sku(), e.time()})
		}
	}
}

func (b *builder) returned(e entry) {
	t := trade(e.body())
	d := b.day(dayOf(e.time()), t.currency())
	inc(&d.n[nReturns])
	addCount(&d.itemBack, t.items())
	addMoney(&d.money[mRefund], t.money())
	if b.incentivisedReturn(e) {
		inc(&d.n[nLoops])
	}
	inc(&b.backs[e.channel()])
	b.lastBack = e.time()
}

// incentivisedReturn reports whether a line of the return says, or an earlier
// purchase line of the same item says, that it was bought with an incentive.
func (b *builder) incentivisedReturn(e entry) bool {
	t := trade(e.body())
	if t.flags()&tradeIncentivised != 0 {
		return true
	}
	for i := range t.lines() {
		if b.boughtWithIncentive(t.order(), t.line(i).sku(), e.time()) {
			return true
		}
	}
	return false
}

func (b *builder) boughtWithIncentive(order uint64, sku uint32, at int64) bool {
	return slices.ContainsFunc(b.loops, func(l incentivisedLine) bool {
		return l.sku == sku && l.time <= at && (order == 0 || l.order == order)
	})
}

// day finds or adds the row of a day and currency; rows stay sorted.
func (b *builder) day(day int64, currency uint16) *dayAgg {
	i := len(b.days)
	for i > 0 && (b.days[i-1].day > day || b.days[i-1].day == day && b.days[i-1].currency > currency) {
		i--
	}
	if i > 0 && b.days[i-1].day == day && b.days[i-1].currency == currency {
		return &b.days[i-1]
	}
	b.days = slices.Insert(b.days, i, dayAgg{day: day, currency: currency})
	return &b.days[i]
}

// Counters stop at their greatest value instead of wrapping.

func inc(n *uint16) {
	if *n < math.MaxUint16 {
		*n++
	}
}

func addCount(n *uint32, more int64) { *n = uint32(min(int64(*n)+more, math.MaxUint32)) }

func addMoney(n *int64, more int64) {
	if *n > math.MaxInt64-more {
		*n = math.MaxInt64
		return
	}
	*n += more
}

// catAgg is the weight of one category.
type catAgg struct {
	name   []byte
	weight uint64
}

// unitWeight is the weight of a line bought today; it halves every categoryHalfLife days of age.
const (
	unitWeight       = 1 << 20
	categoryHalfLife = 180
)

// decayed is unit * 2^(-age/halfLife), linear between the half lives, in integers.
func decayed(unit, age, halfLife int64) int64 {
	halvings := age / halfLife
	if halvings > 40 {
		return 0
	}
	whole := unit >> halvings
	return whole - (whole/2)*(age%halfLife)/halfLife
}

// categories adds the lines of a purchase to their categories. Ages count from
// the newest purchase, so that the shares do not depend on when they are read.
func (b *builder) categories(e entry) {
	t := trade(e.body())
	if t.cats() == 0 {
		return
	}
	b.index = b.index[:0]
	rest := t.categories()
	for range t.cats() {
		n := 2 + int(le.Uint16(rest))
		b.index = append(b.index, b.category(rest[2:n]))
		rest = rest[n:]
	}
	last := b.scan.purchases[len(b.scan.purchases)-1]
	weight := decayed(unitWeight, dayOf(last.time())-dayOf(e.time()), categoryHalfLife)
	for i := range t.lines() {
		if c := t.line(i).category(); int(c) < len(b.index) {
			b.cats[b.index[c]].weight += uint64(weight)
		}
	}
}

func (b *builder) category(name []byte) int {
	for i := range b.cats {
		if bytes.Equal(b.cats[i].name, name) {
			return i
		}
	}
	b.cats = append(b.cats, catAgg{name: name})
	return len(b.cats) - 1
}
