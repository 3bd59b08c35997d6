package sim

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/engine/profile"
)

// purchase turns a purchase that is due into its events.
func (r *Retailer) purchase(it *item) {
	u := &r.customers[it.who]
	day := r.localDay(u, it.at)
	if it.kind == unprompted {
		r.natural[it.who] = int32(day)
	} else {
		u.planned = dropPlan(u.planned, it.at)
	}
	l := draw(r.config.Seed, it.who, u.orders, forBasket)
	online := l.chance(u.online)
	e := &profile.Event{
		ID: fmt.Sprintf("buy-%d-%d", it.who, u.orders), Kind: profile.KindPurchase, Customer: name(it.who),
		Time: r.local(u, it.at), Store: r.stores[u.store].ID, Channel: u.buysBy(online, &l), Currency: r.config.Currency,
		OrderID: fmt.Sprintf("o-%d-%d", it.who, u.orders), Lines: r.basket(u, online, &l),
	}
	if u.orders == 0 {
		r.introduce(it.who, e)
	}
	if u.member && u.orders == 10 {
		r.push(item{at: it.at + 3, event: &profile.Event{
			ID: e.ID + "-tier", Kind: profile.KindLoyaltyChange, Customer: e.Customer, Time: r.local(u, it.at+3), LoyaltyTier: "gold",
		}})
	}
	offer := u.takeOffer(it.at, it.kind == prompted, &l)
	if offer != nil {
		r.redeem(u, offer, e)
	}
	u.orders++
	u.lastBuy = day
	r.push(item{at: it.at, event: e})
	r.giveBack(it.who, e, offer != nil, online, &l)
}

func dropPlan(plans []plan, at int64) []plan {
	kept := plans[:0]
	for _, p := range plans {
		if p.at > at {
			kept = append(kept, p)
		}
	}
	return kept
}

func (u *customer) buysBy(online bool, l *luck) profile.Channel {
	switch {
	case !online:
		return profile.ChannelStore
	case !l.chance(u.pickup):
		return profile.ChannelOnline
	case l.chance(0.3):
		return profile.ChannelCurbside
	}
	return profile.ChannelBOPIS
}

// introduce declares what a customer states with the first purchase.
func (r *Retailer) introduce(who int, e *profile.Event) {
	u := &r.customers[who]
	l := draw(r.config.Seed, who, 1, forTraits)
	consent, at := l.chance(0.92), e.Time.UnixMilli()
	household := ""
	if u.nature == Splitter && l.chance(0.5) { // accounts that can be linked
		household = fmt.Sprintf("h-%d", who/accounts)
	}
	r.push(item{at: at + 1, event: &profile.Event{
		ID: fmt.Sprintf("attr-%d", who), Kind: profile.KindAttributes, Customer: e.Customer, Time: r.local(u, at+1),
		Consent: &consent, Household: household,
	}})
	if u.member {
		member := true
		r.push(item{at: at + 2, event: &profile.Event{
			ID: fmt.Sprintf("join-%d", who), Kind: profile.KindLoyaltyChange, Customer: e.Customer, Time: r.local(u, at+2),
			LoyaltyMember: &member, LoyaltyTier: "basic",
		}})
	}
}

// basket fills the lines of a purchase.
func (r *Retailer) basket(u *customer, online bool, l *luck) []profile.Line {
	lines := make([]profile.Line, 0, 4)
	for range 1 + l.below(3) {
		lines = r.goods(lines, u, online, l)
	}
	return lines
}

// goods adds an item, for a bracketing customer online in two sizes.
func (r *Retailer) goods(lines []profile.Line, u *customer, online bool, l *luck) []profile.Line {
	at := l.below(6)
	switch x := l.unit(); {
	case x < 0.5:
		at = u.favourites[0]
	case x < 0.75:
		at = u.favourites[1]
	}
	c := categories()[at]
	style := l.below(stylesPerCategory)
	tag := draw(r.config.Seed, at, style, forStyle)
	price := c.price * math.Exp(0.35*tag.normal()) * u.basket
	line := profile.Line{Style: fmt.Sprintf("%s-%02d", c.name, style), Category: c.name, Quantity: 1}
	line.Paid = int64(math.Round(price * r.scale))
	if l.chance(0.08 + 0.75*u.sensitivity) { // on sale
		line.Discount = line.Paid * int64(20+l.below(21)) / 100
		line.Paid -= line.Discount
	}
	if !c.sized {
		line.SKU = line.Style
		return append(lines, line)
	}
	sizes := sizes()
	size := min(max(u.size+(l.below(10)-4)/5, 0), len(sizes)-1)
	lines = append(lines, sized(line, sizes[size]))
	if online && l.chance(u.brackets) {
		other := size + 1
		if other == len(sizes) {
			other = size - 1
		}
		lines = append(lines, sized(line, sizes[other]))
	}
	return lines
}

func sized(l profile.Line, size string) profile.Line {
	l.Size, l.SKU = size, l.Style+"-"+size
	return l
}

// redeem takes the offer off the purchase and records the redemption.
func (r *Retailer) redeem(u *customer, o *activeOffer, e *profile.Event) {
	cost := o.cost(e.Lines, r.scale)
	u.pulled = r.localDay(u, e.Time.UnixMilli())
	for i := range e.Lines {
		e.Lines[i].DecisionID = o.DecisionID
	}
	if o.Kind != "points_multiplier" && o.Kind != "message" {
		spread(e.Lines, cost)
	}
	at := e.Time.UnixMilli() + 4
	r.push(item{at: at, event: &profile.Event{
		ID: "redeem-" + o.DecisionID, Kind: profile.KindRedemption, Customer: e.Customer, Time: r.local(u, at), Store: e.Store,
		Channel: e.Channel, Currency: e.Currency, OrderID: e.OrderID, DecisionID: o.DecisionID, OfferID: o.OfferID, Token: o.Token, Amount: cost,
	}})
}

// spread takes an amount off the lines in proportion to what they cost; the last line takes the rest.
func spread(lines []profile.Line, amount int64) {
	total := int64(0)
	for i := range lines {
		total += lines[i].Paid
	}
	for i := range lines {
		part := amount
		if i < len(lines)-1 && total > 0 {
			part = amount * lines[i].Paid / total
		}
		total -= lines[i].Paid
		amount -= part
		lines[i].Paid -= part
		lines[i].Discount += part
	}
}
