package profile

import (
	"fmt"
	"math"
	"time"

	"github.com/rebound-engine/rebound/internal/currency"
)

// Return is the return a decision is about, as the request states it. Money is
// in minor units of the decision's currency.
type Return struct {
	ID            string // events of this return are replaced by what is said here
	OrderID       string
	Authorization string // e.g. "APPROVED", "DENIED"
	Channel       Channel
	Lines         []Line
	Refund        int64
	Tender        string
}

// Seen is a customer seen with a return at a moment. Events after the moment
// and earlier events of the same return do not count; the return itself counts
// as happening now. So its features are the same whether the event of the
// return came before, after or never. A Seen is filled by Read, reused to save
// allocation, and used by one goroutine at a time.
type Seen struct {
	view     View
	ret      *Return
	now      int64
	zone     int64 // minutes east of UTC at the decision
	currency uint16
	scale    float64
	builder  builder
	record   []byte // the view's memory when it had to be built anew
	offers   []seenOffer
	sums     sums
	counts   counts
	match    match
}

// noReturn stands for a customer seen without a return.
var noReturn = Return{}

// Read looks at a customer's two records and offers at now, with a return (nil:
// without), money in the given currency. Empty records are a customer nobody has
// seen. The records' memory is shared until the next Read. The error wraps ErrRecord,
// ErrRecordVersion or currency.ErrUnknown.
func (s *Seen) Read(r Records, offers []Offer, ret *Return, now time.Time, code string) error {
	scale, err := currency.Scale(code)
	if err != nil {
		return err
	}
	if s.view, err = Open(r.Features); err != nil {
		return err
	}
	h, err := parseHistory(r.History)
	if err != nil {
		return err
	}
	if ret == nil {
		ret = &noReturn
	}
	s.ret, s.now, s.currency, s.scale = ret, now.UnixMilli(), packCurrency(code), float64(scale)
	s.zone = int64(offsetMinutes(now))
	s.builder.scan.read(&h, s.now, hashID(ret.ID))
	if err := s.restrict(&h); err != nil {
		return err
	}
	s.readOffers(offers)
	s.sums.read(s.view, dayOf(s.now), s.currency)
	s.counts.read(s.view)
	s.overlay()
	return nil
}

// restrict builds the view anew if the record shows what must not be seen.
func (s *Seen) restrict(h *history) error {
	newest, known := s.view.when(offNewest)
	if !s.builder.scan.hidden {
		if known && newest > s.now {
			return fmt.Errorf("features: %w: newest event is later than %s, and the history record that tells it apart is missing",
				ErrRecord, time.UnixMilli(s.now).UTC().Format(time.RFC3339))
		}
		return nil
	}
	s.record = s.builder.build(s.record[:0], h, s.now, hashID(s.ret.ID))
	var err error
	s.view, err = Open(s.record)
	return err
}

// View is the profile without the return.
func (s *Seen) View() View { return s.view }

// overlay adds the return to the sums, as the fold would.
func (s *Seen) overlay() {
	s.match.reset()
	if s.ret == &noReturn {
		return
	}
	s.match.read(&s.builder.scan, s.ret)
	u := &s.sums
	for w := range u.windows {
		u.windows[w].n[nReturns]++
		u.windows[w].itemsBack += float64(s.match.items)
		u.windows[w].money[mRefund] += float64(s.ret.Refund)
		if s.match.incentivised {
			u.windows[w].n[nLoops]++
		}
	}
	s.bracketOverlay()
}

// bracketOverlay counts the size brackets that this return makes mostly returned.
func (s *Seen) bracketOverlay() {
	order := s.match.order
	if !s.builder.scan.bracketIn(order) {
		return
	}
	b := &s.builder.brackets
	b.read(&s.builder.scan)
	for i := range s.ret.Lines {
		l := &s.ret.Lines[i]
		c := b.giveBack(order, hashWord(l.Style), 0, s.now)
		if c == nil {
			continue
		}
		before := c.mostlyBack()
		c.back += l.Quantity
		if !before && c.mostlyBack() {
			s.sums.bracketed(dayOf(s.now) - c.day)
		}
	}
}

// The windows of the sums, in days; the last is everything kept.
const (
	w7 = iota
	w30
	w90
	w180
	w365
	wAll
	windowCount
)

// bandOf is the narrowest window that holds an age in days.
func bandOf(age int64) int {
	switch {
	case age < 7:
		return w7
	case age < 30:
		return w30
	case age < 90:
		return w90
	case age < 180:
		return w180
	case age < 365:
		return w365
	}
	return wAll
}

// sum is what happened in a window. Money is in minor units of the decision's currency only.
type sum struct {
	n                [dayCounts]float64
	items, itemsBack float64
	money            [dayMoneys]float64
	buys             float64 // purchases in the decision's currency
}

type sums struct {
	windows             [windowCount]sum
	today               float64 // purchases today
	agedValue, agedBuys float64 // halved every valueHalfLife days of age, in the decision's currency
}

// valueHalfLife is the half life of a purchase in the expected basket, in days.
const valueHalfLife = 180

// read adds up the day rows in one pass.
func (u *sums) read(v View, today int64, currency uint16) {
	*u = sums{}
	for i := range v.days() {
		row := v.day(i)
		age := max(today-row.day(), 0)
		w := &u.windows[bandOf(age)]
		for f := range dayCounts {
			w.n[f] += float64(row.n(f))
		}
		w.items += float64(row.items())
		w.itemsBack += float64(row.itemsBack())
		if age == 0 {
			u.today += float64(row.n(nBuys))
		}
		if row.currency() != currency {
			continue
		}
		for f := range dayMoneys {
			w.money[f] += float64(row.money(f))
		}
		w.buys += float64(row.n(nBuys))
		aged := float64(decayed(unitWeight, age, valueHalfLife)) / unitWeight
		u.agedValue += aged * float64(row.money(mPaid))
		u.agedBuys += aged * float64(row.n(nBuys))
	}
	for i := 1; i < windowCount; i++ {
		u.windows[i].add(&u.windows[i-1])
	}
}

func (w *sum) add(o *sum) {
	for f := range w.n {
		w.n[f] += o.n[f]
	}
	for f := range w.money {
		w.money[f] += o.money[f]
	}
	w.items += o.items
	w.itemsBack += o.itemsBack
	w.buys += o.buys
}

func (u *sums) bracketed(age int64) {
	for w := bandOf(max(age, 0)); w < windowCount; w++ {
		u.windows[w].n[nBracketed]++
	}
}

// ratio is a/b, NaN if b is not positive.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return a / b
}
