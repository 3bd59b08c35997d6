package sim

import (
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
)

// Effect is what an offer really does, given the customer's past. Chances are
// exact under the formulas of the package comment.
type Effect struct {
	Without float64 // chance of a purchase in the window without the offer
	With    float64 // and with it
	Redeem  float64 // chance that the offer is redeemed by a prompted or the first unprompted purchase
	Basket  float64 // roughly the value of a purchase, major units
}

// Uplift is what the offer adds to the chance of a purchase.
func (e Effect) Uplift() float64 { return e.With - e.Without }

// Class names a customer by what an offer does to them.
type Class uint8

// The four classes of customers (after Radcliffe and Surry 1999).
const (
	Persuadable Class = iota // uplift of two points or more
	SureThing                // buys anyway: half or more
	LostCause                // neither
	SleepingDog              // better left alone: uplift of minus two points or less
)

// String returns the name of the class.
func (c Class) String() string {
	return [...]string{"persuadable", "sure thing", "lost cause", "sleeping dog"}[c]
}

// Class sorts the effect into one of the four classes.
func (e Effect) Class() Class {
	switch {
	case e.Uplift() <= -0.02:
		return SleepingDog
	case e.Uplift() >= 0.02:
		return Persuadable
	case e.Without >= 0.5:
		return SureThing
	}
	return LostCause
}

// Truth tells what an offer made at a time would do within a window, which is
// at least its validity. The state of the customer is that at the last event
// handed out, which must not be later than at. Prompted purchases that earlier
// offers have brought about count as certain; after the last simulated day nobody buys.
func (r *Retailer) Truth(id profile.Identity, o Offer, at time.Time, window time.Duration) (Effect, error) {
	i, err := r.find(id)
	if err != nil {
		return Effect{}, err
	}
	u, ms := &r.customers[i], at.UnixMilli()
	day := r.localDay(u, ms)
	e := Effect{Without: 1, With: 1, Basket: u.meanBasket()}
	q := u.prompted(&o, day)
	until := ms + window.Milliseconds()
	if !u.plannedBefore(until) {
		e.Without = 1 - r.quiet(i, ms, until, u.contacted)
		e.With = 1 - (1-q)*r.quiet(i, ms, until, day)
	}
	use := redeemChance
	if u.nature != Honest {
		use = 1
	}
	e.Redeem = 1 - (1-q)*(1-use*(1-r.quiet(i, ms, ms+o.Validity.Milliseconds(), day)))
	return e, nil
}

func (u *customer) plannedBefore(until int64) bool {
	for _, p := range u.planned {
		if p.at <= until {
			return true
		}
	}
	return false
}

// quiet is the chance of no unprompted purchase in (from, until], if the last offer was made on a day.
func (r *Retailer) quiet(who int, from, until int64, contacted int) float64 {
	u := &r.customers[who]
	first, last := r.localDay(u, from), min(r.localDay(u, until), r.config.Days-1)
	chance := r.quietToday(who, first, from)
	if last == first {
		if rest := r.quietToday(who, first, until); rest > 0 {
			return chance / rest
		}
		return chance
	}
	for day := first + 1; day <= last; day++ {
		date := time.UnixMilli(r.start + int64(day)*msPerDay).UTC()
		h := u.hazardAfter(day, int(date.Weekday()), season(date.YearDay()-1), contacted)
		if day == r.localDay(u, until) {
			h *= 1 - u.laterThan(r.sinceMidnight(u, until))
		}
		chance *= 1 - h
	}
	return chance
}

// quietToday is the chance of no unprompted purchase in what is left of the
// day, given that there was none before.
func (r *Retailer) quietToday(who, day int, from int64) float64 {
	u := &r.customers[who]
	if int(r.natural[who]) == day || day < 0 || day >= r.config.Days {
		return 1
	}
	h, left := r.hazards[who], u.laterThan(r.sinceMidnight(u, from))
	return (1 - h) / (1 - h*(1-left))
}

func (r *Retailer) sinceMidnight(u *customer, ms int64) int64 {
	return (ms + offset(r.stores[u.store].Zone) - r.start) % msPerDay
}

// laterThan is the chance that a purchase of the day comes after a time of day.
func (u *customer) laterThan(ms int64) float64 {
	const hour = 3600_000
	later := 0.0
	for i, p := range hours() {
		start := int64(u.hour+i-3) * hour
		later += p * clamp(float64(start+hour-ms)/hour)
	}
	return later
}
