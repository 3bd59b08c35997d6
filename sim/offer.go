package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
)

// Offer is an incentive as the retailer gave it to a customer.
type Offer struct {
	DecisionID, OfferID string
	Kind                string  // percent_off, amount_off, bonus_credit, bogo, points_multiplier, free_shipping or message
	Value               float64 // percent as a share; amount in major units; multiplier; otherwise unused
	Validity            time.Duration
	Ceiling             int64 // the most a redemption may cost, minor units; 0: no limit
	Token               []byte
}

type activeOffer struct {
	Offer
	expires int64
	used    bool
}

// plan is a prompted purchase to come.
type plan struct {
	at    int64
	offer string // decision id
}

// appeal is how strongly an offer calls a fully price-sensitive customer.
func (u *customer) appeal(o *Offer) float64 {
	switch o.Kind {
	case "percent_off":
		return 1.6 * o.Value
	case "amount_off", "bonus_credit":
		return 1.6 * o.Value / u.meanBasket()
	case "bogo":
		return 0.12
	case "points_multiplier":
		if u.member {
			return 0.10 * (o.Value - 1)
		}
	case "free_shipping":
		return 0.15 * u.online
	case "message":
		return 0.02
	}
	return 0
}

// meanBasket is roughly what the customer spends at once, in major units.
func (u *customer) meanBasket() float64 {
	c := categories()
	usual := 0.5*c[u.favourites[0]].price + 0.25*c[u.favourites[1]].price + 0.25*55
	return 2 * usual * u.basket
}

// looperChance is q of those who live on incentives.
const looperChance = 0.85

// prompted is q(i, offer): the chance of a prompted purchase inside the validity.
func (u *customer) prompted(o *Offer, day int) float64 {
	if u.nature == Looper || u.nature == Splitter {
		return looperChance
	}
	q := u.appeal(o) * u.sensitivity * (1 - u.aversion)
	for _, c := range u.contacts {
		if day-c <= contactDays {
			q *= 0.7
		}
	}
	return min(max(q, 0), 0.9)
}

// ErrUnknownCustomer is wrapped when an identity is not of this retailer.
var ErrUnknownCustomer = errors.New("not a customer of this simulated retailer")

// find resolves an identity.
func (r *Retailer) find(id profile.Identity) (int, error) {
	i := 0
	if n, err := fmt.Sscanf(id.Value, "c%d", &i); n != 1 || err != nil || i < 0 || i >= len(r.customers) || name(i) != id {
		return 0, fmt.Errorf("customer %s %q: %w", id.Namespace, id.Value, ErrUnknownCustomer)
	}
	return i, nil
}

// Respond tells a customer of an offer at the given time, which must not be
// before the last event handed out. What follows of it (a presentation, a
// prompted purchase, a redemption, fewer purchases of those who dislike being
// contacted) comes out of Next later.
func (r *Retailer) Respond(id profile.Identity, o Offer, at time.Time) error {
	i, err := r.find(id)
	if err != nil {
		return err
	}
	ms := at.UnixMilli()
	if ms < r.clock {
		return fmt.Errorf("respond to %s: %s is before the last event", o.DecisionID, at.UTC().Format(time.RFC3339))
	}
	u := &r.customers[i]
	day := r.localDay(u, ms)
	l := draw(r.config.Seed, i, day, forOffer)
	q := u.prompted(&o, day)
	expires := ms + o.Validity.Milliseconds()
	u.contacted = day
	u.contacts = append(recent(u.contacts, day), day)
	u.offers = append(live(u.offers, ms), activeOffer{Offer: o, expires: expires})
	r.push(item{at: ms + 2000, event: r.presentation(i, &o, ms+2000)})
	if l.chance(q) {
		when := ms + 60_000 + int64(l.unit()*math.Max(0, float64(o.Validity.Milliseconds()-120_000)))
		u.planned = append(u.planned, plan{when, o.DecisionID})
		r.push(item{at: when, who: i, kind: prompted})
	}
	return nil
}

func recent(days []int, today int) []int {
	kept := days[:0]
	for _, d := range days {
		if today-d <= contactDays {
			kept = append(kept, d)
		}
	}
	return kept
}

func live(offers []activeOffer, now int64) []activeOffer {
	kept := offers[:0]
	for _, o := range offers {
		if o.expires > now && !o.used {
			kept = append(kept, o)
		}
	}
	return kept
}

func (r *Retailer) presentation(i int, o *Offer, ms int64) *profile.Event {
	return &profile.Event{
		ID: "show-" + o.DecisionID, Kind: profile.KindPresentation, Customer: name(i), Time: r.local(&r.customers[i], ms),
		DecisionID: o.DecisionID, OfferID: o.OfferID,
	}
}

// takeOffer picks the offer a purchase is made with, nil if none: prompted
// purchases and swindlers always use one, others nine times in ten.
func (u *customer) takeOffer(ms int64, always bool, l *luck) *activeOffer {
	u.offers = live(u.offers, ms)
	if len(u.offers) == 0 || !always && u.nature == Honest && !l.chance(redeemChance) {
		return nil
	}
	o := &u.offers[0]
	o.used = true
	return o
}

// redeemChance is the share of unprompted purchases with a valid offer that use it.
const redeemChance = 0.9

// cost is what the offer takes off a purchase, in minor units, at most its ceiling.
func (o *Offer) cost(lines []profile.Line, scale float64) int64 {
	paid, cheapest := int64(0), int64(0)
	for i := range lines {
		paid += lines[i].Paid
		if cheapest == 0 || lines[i].Paid < cheapest {
			cheapest = lines[i].Paid
		}
	}
	cost := int64(0)
	switch o.Kind {
	case "percent_off":
		cost = int64(math.Round(float64(paid) * o.Value))
	case "amount_off", "bonus_credit":
		cost = int64(math.Round(o.Value * scale))
	case "bogo":
		if len(lines) > 1 {
			cost = cheapest
		}
	case "points_multiplier":
		cost = int64(math.Round(float64(paid) * (o.Value - 1) * 0.01))
	case "free_shipping":
		cost = int64(math.Round(5.95 * scale))
	}
	if o.Ceiling > 0 {
		cost = min(cost, o.Ceiling)
	}
	return min(cost, paid)
}
