package sim

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/engine/profile"
)

// Nature is what a customer is, as no retailer knows it.
type Nature uint8

const (
	// Honest customers keep what they like.
	Honest Nature = iota
	// Wardrober buys to wear and return: nearly everything comes back.
	Wardrober
	// Looper buys with an incentive, returns, and waits for the next one.
	Looper
	// Splitter is a looper with several accounts in one household.
	Splitter
)

// String returns the nature's name.
func (n Nature) String() string { return [...]string{"honest", "wardrober", "looper", "splitter"}[n] }

// customer is the traits of one customer, fixed for the run, and the state.
type customer struct {
	nature      Nature
	member      bool
	store       int
	joins       int     // first day, may be before the start
	rate        float64 // r, purchases per day
	sensitivity float64 // s
	aversion    float64 // g
	returns     float64 // p, chance that an item comes back
	brackets    float64 // chance to order a second size online
	online      float64 // share of purchases not in a store
	pickup      float64 // share of online purchases picked up in a store
	basket      float64 // price factor
	hour        int     // centre of the shopping hours, local
	size        int
	favourites  [2]int // categories
	weekdays    [7]float64
	period      float64 // of the drift, days
	phase       float64

	state
}

// state is what changes.
type state struct {
	orders    int
	lastBuy   int // day, far in the past if never
	pulled    int // day of the last purchase with an incentive
	contacted int // day of the last offer
	contacts  []int
	offers    []activeOffer
	planned   []plan // prompted purchases to come
}

const longAgo = -1 << 30

// name is the customer's identity.
func name(i int) profile.Identity {
	return profile.Identity{Namespace: "customer", Value: fmt.Sprintf("c%07d", i)}
}

func newCustomer(c Config, i int) customer {
	l := draw(c.Seed, i, 0, forTraits)
	u := customer{state: state{lastBuy: longAgo, pulled: longAgo, contacted: longAgo}}
	u.store = l.below(c.Stores)
	u.joins = int(l.unit()*1.3*400) - 400 // three in four were there before the start
	u.rate = min(0.35, max(0.001, 0.0065*math.Exp(1.15*l.normal())))
	u.favourites = [2]int{l.below(6), l.below(6)}
	u.sensitivity = 0.08 * l.unit() // two in five pay the full price
	if l.chance(0.6) {
		u.sensitivity = clamp(0.6 + 0.2*l.normal())
	}
	if u.favourites[0] == 0 { // basics
		u.sensitivity = clamp(u.sensitivity + 0.1)
	}
	u.member = l.chance(clamp(0.25 + 6*u.rate))
	u.returns = clamp(0.16 + 0.10*l.normal())
	u.brackets = 0.25 * l.unit() * l.unit()
	u.online = l.unit()
	u.pickup = 0.5 * l.unit()
	u.basket = math.Exp(0.35 * l.normal())
	u.hour = 9 + l.below(11)
	u.size = l.below(len(sizes()))
	u.period, u.phase = 90+180*l.unit(), l.unit()
	u.weekdays = weekdays(l.unit())
	if nature := swindler(c, i, &l); nature != Honest {
		u.swindle(nature)
	}
	if !u.member {
		u.aversion = clamp((u.returns - 0.25) / 0.20)
	}
	return u
}

// accounts is how many accounts a splitter has: neighbours by number.
const accounts = 8

// swindler draws the nature of a customer; a third of the swindlers' accounts are splitters'.
func swindler(c Config, i int, l *luck) Nature {
	block := draw(c.Seed, i/accounts, 2, forTraits)
	switch x := l.unit(); {
	case block.chance(c.Swindlers / 3):
		return Splitter
	case x < c.Swindlers/3:
		return Looper
	case x < c.Swindlers*2/3:
		return Wardrober
	}
	return Honest
}

// swindle gives the customer the traits of a swindler.
func (u *customer) swindle(nature Nature) {
	u.nature = nature
	u.rate, u.sensitivity, u.member, u.returns = 0.03, 1, true, 0.4
	if u.nature == Wardrober {
		u.rate, u.sensitivity, u.returns, u.brackets, u.online = 0.06, 0.5, 0.85, 0.8, 0.9
	}
}

// weekdays are weights with mean 1, Sunday first; weekend is the taste for shopping then.
func weekdays(weekend float64) (w [7]float64) {
	for d := range w {
		w[d] = 1.3 - 0.9*weekend
	}
	w[0], w[6] = 7-5*w[1], 0
	w[0] /= 2
	w[6] = w[0]
	return w
}

func clamp(x float64) float64 { return min(max(x, 0), 1) }

// hazard is h(i, d), the chance of an unprompted purchase on a day, as the package comment states it.
func (u *customer) hazard(day, weekday int, season float64) float64 {
	return u.hazardAfter(day, weekday, season, u.contacted)
}

// hazardAfter is the hazard if the last offer was made on a given day.
func (u *customer) hazardAfter(day, weekday int, season float64, contacted int) float64 {
	if day < u.joins {
		return 0
	}
	h := u.rate * season * u.weekdays[weekday] * u.drift(day)
	if day-u.lastBuy <= 3 {
		h *= 0.5
	}
	if day-u.pulled <= 20 {
		h *= 0.6
	}
	if u.aversion > 0 && day > contacted && day-contacted <= contactDays {
		h *= math.Exp(-1.2 * u.aversion)
	}
	return min(h, 0.9)
}

// contactDays is how long an offer is remembered.
const contactDays = 30

// drift is a triangle wave between 0.4 and 1.6 with mean 1.
func (u *customer) drift(day int) float64 {
	_, at := math.Modf(float64(day+10_000)/u.period + u.phase)
	return 0.4 + 1.2*math.Abs(2*at-1)
}

// season of a day of the year, 0 on January 1.
func season(yearDay int) float64 {
	switch {
	case yearDay < 59:
		return 0.8
	case yearDay >= 318 && yearDay < 359:
		return 1.45
	}
	return 1
}

// hours is the distribution of a purchase's hour around the customer's own.
func hours() [7]float64 {
	return [7]float64{1. / 16, 2. / 16, 3. / 16, 4. / 16, 3. / 16, 2. / 16, 1. / 16}
}

// hourOf is the local hour of a purchase with luck x in [0, 1).
func (u *customer) hourOf(x float64) int {
	for i, p := range hours() {
		if x < p {
			return u.hour + i - 3
		}
		x -= p
	}
	return u.hour + 3
}
