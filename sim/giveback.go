package sim

import (
	"fmt"
	"math"
	"strings"

	"github.com/rebound-engine/rebound/engine/profile"
)

// giveBack decides which items of a purchase come back and schedules the return.
func (r *Retailer) giveBack(who int, bought *profile.Event, incentive, online bool, l *luck) {
	u := &r.customers[who]
	var lines []profile.Line
	for i := range bought.Lines {
		line := bought.Lines[i]
		second := i > 0 && line.Style == bought.Lines[i-1].Style // of a size bracket
		if !l.chance(u.comesBack(&line, second, incentive, online)) {
			continue
		}
		line.PurchasedAt, line.Discount = bought.Time, 0
		line.Reason, line.Condition = reason(&line, second, l), "NEW"
		if u.nature == Wardrober {
			line.Condition = "WORN"
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return
	}
	days := min(math.Exp(2.1+0.7*l.normal()), 60) // median 8 days
	at := bought.Time.UnixMilli() + int64((0.2+days)*msPerDay)
	at = max(r.openingHours(u, at, l), bought.Time.UnixMilli()+3600_000)
	e := &profile.Event{
		ID: strings.Replace(bought.ID, "buy", "back", 1), Kind: profile.KindReturn, Customer: bought.Customer, Time: r.local(u, at),
		Store: bought.Store, Channel: backBy(online, l), Currency: bought.Currency, OrderID: bought.OrderID,
		ReturnID: fmt.Sprintf("r-%s", bought.OrderID), Lines: lines,
	}
	for i := range lines {
		e.Refund += lines[i].Paid
	}
	r.push(item{at: at, event: e})
}

// comesBack is the chance that a line is returned.
func (u *customer) comesBack(line *profile.Line, second, incentive, online bool) float64 {
	switch {
	case second:
		return 0.92
	case incentive && (u.nature == Looper || u.nature == Splitter):
		return 0.9
	}
	p := u.returns
	for _, c := range categories() {
		if c.name == line.Category {
			p *= c.back
		}
	}
	if online {
		return min(1.3*p, 0.95)
	}
	return min(0.8*p, 0.95)
}

func reason(line *profile.Line, second bool, l *luck) string {
	x := l.unit()
	switch {
	case second || line.Size != "" && x < 0.45:
		return "SIZE"
	case x < 0.70:
		return "CHANGED_MIND"
	case x < 0.92:
		return "NOT_AS_DESCRIBED"
	}
	return "DEFECT"
}

func backBy(online bool, l *luck) profile.Channel {
	switch x := l.unit(); {
	case !online:
		return profile.ChannelStore
	case x < 0.45:
		return profile.ChannelBORIS
	case x < 0.90:
		return profile.ChannelMail
	}
	return profile.ChannelLocker
}

// openingHours moves a time to between 9:00 and 20:00 of its local day.
func (r *Retailer) openingHours(u *customer, at int64, l *luck) int64 {
	local := at + offset(r.stores[u.store].Zone)
	return at - local%msPerDay + int64((9+11*l.unit())*3600_000)
}
