package engine

import (
	"time"

	"github.com/rebound-engine/rebound/rules"
)

// periodOf returns the borders of the budget's period around now, in Unix ms;
// ok is false outside a fixed period.
func periodOf(b *rules.Budget, now time.Time) (start, end int64, ok bool) {
	local := now.In(b.Location)
	y, m, d := local.Date()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, b.Location) }
	var from, to time.Time
	switch b.Period.Kind {
	case "day":
		from, to = day(y, m, d), day(y, m, d+1)
	case "week":
		monday := d - (int(local.Weekday())+6)%7
		from, to = day(y, m, monday), day(y, m, monday+7)
	case "month":
		from, to = day(y, m, 1), day(y, m+1, 1)
	default:
		from, to = b.Period.From, b.Period.To
	}
	return milli(from), milli(to), !local.Before(from) && local.Before(to)
}

// span is a period, in Unix ms.
type span struct{ start, end int64 }

// period is periodOf a budget; the calendar is asked once per period.
func (p *plan) period(budget int, now time.Time) (start, end int64, ok bool) {
	if s := p.spans[budget].Load(); s != nil && s.start <= milli(now) && milli(now) < s.end {
		return s.start, s.end, true
	}
	start, end, ok = periodOf(&p.Budgets[budget], now)
	if ok {
		p.spans[budget].Store(&span{start, end})
	}
	return start, end, ok
}
